//! The audit trail over all services: what tenants do in them, and what known callers are refused at the edge.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use serde_json::{Value, json};
use support::{Caller, Standing, caller::and};
use warikan_testkit::App;

const START: &str = "2026-11-21T00:00:00Z";

async fn operator(standing: &Standing) -> Caller {
    let path = &standing.house.bootstrap.as_ref().unwrap().path;
    let credential: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    standing.anyone().with(&credential).await
}

/// A credential of a tenant's in the sandbox: its id, and who uses it.
async fn credential(operator: &Caller, tenant: &str, scopes: Value) -> (String, Caller) {
    let path = format!("/v1/operator/tenants/{tenant}/credentials");
    let body = json!({ "environment": "sandbox", "scopes": scopes });
    let made = operator.post(&path, &body).await;
    let made = made.expect(201);
    let caller = operator.with(made).await;
    (made["client_id"].as_str().unwrap().to_owned(), caller)
}

async fn changed(caller: &Caller, method: reqwest::Method, path: &str, body: Option<Value>) {
    let mut request = caller.request(method, path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let reply = App::read(request).await;
    assert!(reply.status.is_success(), "{path}: {reply:?}");
}

/// What a tenant's trail says that one of its credentials did.
async fn acts_of(reader: &Caller, client: &str) -> Vec<Value> {
    let records = reader.all("/v1/audit").await;
    let by = records.into_iter();
    by.filter(|one| one["actor"]["id"] == client).collect()
}

fn words(records: &[Value]) -> Vec<&str> {
    let words = records.iter().map(|one| one["act"].as_str().unwrap());
    words.collect()
}

/// Does one thing of each kind, some of them twice; gives the endpoint and the person.
async fn act_everywhere(standing: &Standing, firm: &Caller) -> (String, String) {
    use reqwest::Method;
    let url = "https://93.184.216.34/hooks?token=geheim";
    let endpoint = firm
        .post("/v1/webhook-endpoints", &json!({ "url": url }))
        .await;
    let endpoint = endpoint.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/webhook-endpoints/{endpoint}");
    changed(
        firm,
        Method::PATCH,
        &path,
        Some(json!({ "enabled": false })),
    )
    .await;
    changed(firm, Method::POST, &format!("{path}/rotate-secret"), None).await;
    changed(firm, Method::DELETE, &path, None).await;
    let person = standing.anyone().person(&json!({})).await;
    let signed = standing.anyone().sign(&person, "申込書").await;
    let body = and(&signed, json!({ "subject_ref": "customer-4711" }));
    let answer = firm.verify(&body).await;
    let verification = answer["id"].as_str().unwrap();
    let again = format!("/v1/verifications/{verification}/revalidate");
    changed(firm, Method::POST, &again, Some(json!({}))).await;
    let campaign = firm
        .post("/v1/campaigns", &json!({ "selector": "upload" }))
        .await;
    let campaign = campaign.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/campaigns/{campaign}");
    changed(firm, Method::DELETE, &path, None).await;
    changed(firm, Method::DELETE, &path, None).await;
    let budget = json!({ "monthly_amount": 50_000, "thresholds": [80] });
    changed(firm, Method::PUT, "/v1/budget", Some(budget)).await;
    let subject = answer["subject"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/subjects/{subject}");
    changed(firm, Method::DELETE, &path, None).await;
    changed(firm, Method::DELETE, &path, None).await;
    (endpoint, subject)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tenant_does_in_any_service_stands_in_its_trail() {
    let standing = Standing::at(START).await;
    let operator = operator(&standing).await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let all = json!([
        "verifications",
        "subjects",
        "watches",
        "campaigns",
        "events",
        "webhooks",
        "billing"
    ]);
    let (client, firm) = credential(&operator, &tenant, all).await;
    let (_, reader) = credential(&operator, &tenant, json!(["access"])).await;
    let other = operator.take_on("隣町銀行株式会社").await;
    let (_, stranger) = credential(&operator, &other, json!(["access"])).await;

    let (endpoint, subject) = act_everywhere(&standing, &firm).await;
    standing.settle().await;

    let records = acts_of(&reader, &client).await;
    let mut told = words(&records);
    // Each service tells its own in order.
    told.sort_unstable();
    let expected = [
        "budget.set",
        "campaign.cancelled",
        "campaign.ordered",
        "endpoint.changed",
        "endpoint.created",
        "endpoint.deleted",
        "endpoint.secret_rotated",
        "evidence.revalidated",
        "subject.erased",
    ];
    assert_eq!(told, expected, "each act once");
    let of = |act: &str| records.iter().find(|one| one["act"] == act).unwrap();
    assert_eq!(of("endpoint.created")["subject"], endpoint);
    assert_eq!(
        of("endpoint.created")["details"],
        json!({ "host": "93.184.216.34" })
    );
    assert_eq!(
        of("endpoint.changed")["details"],
        json!({ "enabled": "false" })
    );
    assert_eq!(of("subject.erased")["subject"], subject);
    assert_eq!(of("subject.erased")["actor"]["kind"], "client");
    assert_eq!(of("subject.erased")["chain"], format!("{tenant}/sandbox"));
    assert!(of("campaign.ordered")["request_id"].is_string());
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains("geheim") && !text.contains("4711"), "{text}");
    assert_eq!(acts_of(&stranger, &client).await, Vec::<Value>::new());
    let operators = operator.all("/v1/operator/audit").await;
    let seen = operators
        .iter()
        .filter(|one| one["actor"]["id"] == client.as_str());
    assert_eq!(seen.count(), expected.len(), "the operator reads them too");
    standing.stop().await;
}

/// What a tenant's trail says of refused requests: reason, number, whose, and by whom.
async fn refusals(reader: &Caller) -> Vec<Value> {
    let records = reader.all("/v1/audit").await;
    let refused = records.iter().filter(|one| one["act"] == "request.made");
    let told = refused.map(|one| {
        assert_eq!(one["outcome"], "refused");
        json!([
            one["details"]["reason"],
            one["details"]["times"],
            one["subject"],
            one["actor"]["kind"]
        ])
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_what_a_known_caller_is_refused_stands_in_the_trail_and_a_flood_is_one_record() {
    let standing = Standing::at(START).await;
    let operator = operator(&standing).await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let (narrow, firm) = credential(&operator, &tenant, json!(["events"])).await;
    let (revoked, gone) = credential(&operator, &tenant, json!(["events"])).await;
    let (_, reader) = credential(&operator, &tenant, json!(["access"])).await;
    let edge = standing.house.refusals.clone().unwrap();
    let anyone = standing.anyone();

    // What is merely wrong is no refusal, nor is a stranger's request.
    firm.get("/v1/events").await.expect(200);
    let nothing = firm
        .get("/v1/verifications/ver_00000000000000000000000000000000")
        .await;
    nothing.expect_problem(403, "insufficient_scope");
    anyone.get("/v1/events").await.expect(401);
    for _ in 0..200 {
        let refused = firm.get("/v1/watches").await;
        refused.expect_problem(403, "insufficient_scope");
    }
    edge.tell().await.unwrap();
    let mut expected = vec![json!(["insufficient_scope", "201", narrow, "client"])];
    assert_eq!(refusals(&reader).await, expected);
    for _ in 0..50 {
        firm.get("/v1/watches").await.expect(403);
    }
    edge.tell().await.unwrap();
    assert_eq!(refusals(&reader).await, expected, "counted for a minute");

    // A revoked credential's token; one that was changed on its way; one of a credential that nobody has.
    let path = format!("/v1/operator/tenants/{tenant}/credentials/{revoked}");
    changed(&operator, reqwest::Method::DELETE, &path, None).await;
    let denied = standing.house.denied.as_ref().unwrap();
    denied.look_now().await.unwrap();
    gone.get("/v1/events").await.expect(401);
    let token = firm.token().unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    anyone
        .bearing_token(&forged)
        .get("/v1/events")
        .await
        .expect(401);
    let stranger = standing.firm(standing.tenant());
    let (signed, _) = stranger.token().unwrap().rsplit_once('.').unwrap();
    let made_up = format!("{signed}.{}", "A".repeat(86));
    anyone
        .bearing_token(&made_up)
        .get("/v1/events")
        .await
        .expect(401);
    edge.tell().await.unwrap();
    expected.push(json!(["denied", "1", revoked, "client"]));
    expected.push(json!(["not_ours", "1", narrow, "system"]));
    let mut told = refusals(&reader).await;
    told.sort_unstable_by_key(ToString::to_string);
    expected.sort_unstable_by_key(ToString::to_string);
    assert_eq!(told, expected);

    standing.advance(std::time::Duration::from_secs(60));
    edge.tell().await.unwrap();
    expected.push(json!(["insufficient_scope", "50", narrow, "client"]));
    expected.sort_unstable_by_key(ToString::to_string);
    let mut told = refusals(&reader).await;
    told.sort_unstable_by_key(ToString::to_string);
    assert_eq!(told, expected, "the others with their number");
    standing.stop().await;
}
