//! A customer's new certificate, and what is said of the one it replaces.

use std::time::Duration;

use serde_json::{Value, json};
use warikan_types::TenantScope;

use crate::{
    support::{Standing, caller::and},
    turn,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A person signs, and a tenant that knows them by a customer number verifies and watches.
async fn verify(standing: &Standing, tenant: TenantScope, person: &str, reference: &str) -> Value {
    let signed = standing.anyone().sign(person, "申込書").await;
    let more = json!({ "watch": true, "subject_ref": reference });
    let answer = standing.firm(tenant).verify(&and(&signed, more)).await;
    assert_eq!(answer["verdict"], "valid", "{answer}");
    standing.settle().await;
    answer
}

async fn watch_of(standing: &Standing, tenant: TenantScope, answer: &Value) -> Value {
    let path = format!("/v1/watches/{}", answer["watch"]["id"].as_str().unwrap());
    let reply = standing.firm(tenant).get(&path).await;
    reply.expect(200).clone()
}

/// The tenant's events of a type.
async fn told(standing: &Standing, tenant: TenantScope, kind: &str) -> Vec<Value> {
    let feed = standing.firm(tenant).feed().await;
    let told = feed.into_iter().filter(|one| one["type"] == kind);
    told.map(|one| one["data"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_certificate_s_watch_says_by_which_it_was_renewed() {
    let _turn = turn().await;
    let standing = Standing::at("2026-11-21T00:00:00Z").await;
    let (tenant, other) = (standing.tenant(), standing.tenant());
    let person = standing.anyone().person(&json!({})).await;
    let stranger = standing.anyone().person(&json!({})).await;
    let old = verify(&standing, tenant, &person, "C-1").await;
    let beside = verify(&standing, tenant, &stranger, "C-2").await;
    let elsewhere = verify(&standing, other, &person, "C-1").await;
    assert_eq!(
        watch_of(&standing, tenant, &old).await["renewed_by"],
        Value::Null
    );

    standing.advance(30 * DAY);
    standing.publish().await;
    standing.run("revocation.sync").await;
    standing.happen(&person, &json!({ "event": "renew" })).await;
    let new = verify(&standing, tenant, &person, "C-1").await;
    assert_eq!(
        new["subject"]["id"], old["subject"]["id"],
        "the same person"
    );
    let (handle, before) = (&new["certificate"]["handle"], &old["certificate"]["handle"]);
    assert_ne!(handle, before);
    let changed = told(&standing, tenant, "subject.changed").await;
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (&changed[0]["certificate_handle"], &changed[0]["replaces"]),
        (handle, before)
    );
    assert_eq!(
        watch_of(&standing, tenant, &old).await["renewed_by"],
        *handle
    );
    // Of nobody else, and to nobody else.
    for (scope, answer) in [(tenant, &new), (tenant, &beside), (other, &elsewhere)] {
        let watch = watch_of(&standing, scope, answer).await;
        assert_eq!(watch["renewed_by"], Value::Null);
    }

    what_the_lists_say_names_it(&standing, (tenant, other), &old, handle).await;
    links_lead_on_and_end(&standing, (tenant, &person), &old, &new).await;
    standing.stop().await;
}

/// The old one is superseded: flag, event and campaign say by what, to this tenant alone.
async fn what_the_lists_say_names_it(
    standing: &Standing,
    (tenant, other): (TenantScope, TenantScope),
    old: &Value,
    handle: &Value,
) {
    let before = &old["certificate"]["handle"];
    standing.publish().await;
    standing.settle().await;
    standing.settle().await;
    let revoked = told(standing, tenant, "certificate.revoked").await;
    assert_eq!(revoked.len(), 1);
    assert_eq!(
        (&revoked[0]["reason"], &revoked[0]["renewed_by"]),
        (&json!("superseded"), handle)
    );
    let theirs = told(standing, other, "certificate.revoked").await;
    assert_eq!(
        theirs[0]["renewed_by"],
        Value::Null,
        "what one tenant knows is not told to another"
    );
    let flagged = watch_of(standing, tenant, old).await;
    assert_eq!(
        (&flagged["state"], &flagged["renewed_by"]),
        (&json!("flagged"), handle)
    );
    assert_eq!(flagged["certificate_handle"], *before, "the old name stays");

    let firm = standing.firm(tenant);
    let order = firm
        .post("/v1/campaigns", &json!({ "selector": "all" }))
        .await;
    let id = order.expect(201)["id"].as_str().unwrap().to_owned();
    standing.run("revocation.campaigns").await;
    let changes = firm.get(&format!("/v1/campaigns/{id}/changes")).await;
    let changes = changes.expect(200)["data"].as_array().unwrap().clone();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(
        (&changes[0]["handle"], &changes[0]["renewed_by"]),
        (before, handle)
    );
}

/// Once more: each link leads to the next. And who is erased has none.
async fn links_lead_on_and_end(
    standing: &Standing,
    (tenant, person): (TenantScope, &str),
    old: &Value,
    new: &Value,
) {
    let handle = &new["certificate"]["handle"];
    standing.advance(30 * DAY);
    standing.publish().await;
    standing.run("revocation.sync").await;
    standing.happen(person, &json!({ "event": "renew" })).await;
    let newest = verify(standing, tenant, person, "C-1").await;
    let newest = &newest["certificate"]["handle"];
    assert_eq!(watch_of(standing, tenant, new).await["renewed_by"], *newest);
    assert_eq!(watch_of(standing, tenant, old).await["renewed_by"], *handle);

    // Who is erased has no link either.
    let subject = format!("/v1/subjects/{}", old["subject"]["id"].as_str().unwrap());
    let firm = standing.firm(tenant);
    let erased = firm.request(reqwest::Method::DELETE, &subject).send().await;
    assert_eq!(erased.unwrap().status(), 204);
    standing.settle().await;
    assert_eq!(
        watch_of(standing, tenant, old).await["renewed_by"],
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_kind_of_certificate_replaces_nothing() {
    let _turn = turn().await;
    let standing = Standing::at("2026-11-21T00:00:00Z").await;
    let tenant = standing.tenant();
    let person = standing.anyone().person(&json!({})).await;
    let signed = verify(&standing, tenant, &person, "C-1").await;
    let firm = standing.firm(tenant);
    let challenge = firm
        .post("/v1/challenges", &json!({ "purpose": "authentication" }))
        .await;
    let challenge = challenge.expect(201).clone();
    let wish = json!({ "certificate": "authentication", "message": challenge["challenge"] });
    let path = format!("/sandbox/persons/{person}/sign");
    let body = standing.anyone().post(&path, &wish).await;
    let more = json!({ "challenge_id": challenge["id"], "watch": true, "subject_ref": "C-1" });
    let answer = firm.verify(&and(body.expect(200), more)).await;
    standing.settle().await;
    assert_eq!(answer["subject"]["id"], signed["subject"]["id"], "{answer}");
    let changed = told(&standing, tenant, "subject.changed").await;
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["replaces"], Value::Null);
    assert_eq!(
        watch_of(&standing, tenant, &signed).await["renewed_by"],
        Value::Null
    );
    standing.stop().await;
}
