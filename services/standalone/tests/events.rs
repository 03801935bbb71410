//! What the sandbox can cause is really caused there, and told in the tenant's feed; and a person who is erased leaves nothing
//! readable with the watches and the webhooks.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Caller, Installation, Server, caller::and, until};
use warikan_testkit::WebhookSink;
use warikan_types::Timestamp;

/// Looks at the lists every second, and lets the sandbox's tenants have endpoints on this machine.
const CONFIG: &str =
    "[revocation]\nsync_period_seconds = 1\n[webhooks]\nallow_loopback_http_in_sandbox = true\n";

async fn sandbox(here: &Installation) -> (Server, Caller, Caller) {
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let anyone = server.anyone();
    (server, firm, anyone)
}

async fn event(anyone: &Caller, person: &str, event: Value) {
    let path = format!("/sandbox/persons/{person}/events");
    anyone.post(&path, &event).await.expect(200);
}

async fn advance(anyone: &Caller, by: &str) {
    let body = json!({ "advance": by });
    anyone.post("/sandbox/clock", &body).await.expect(200);
}

async fn publish(anyone: &Caller) {
    let reply = anyone.post("/sandbox/publish-crl", &json!({})).await;
    assert_eq!(reply.expect(200)["delivered"], true);
}

/// The tenant's events of a type, once there are so many.
async fn told(firm: &Caller, kind: &str, count: usize) -> Vec<Value> {
    let path = format!("/v1/events?limit=500&types={kind}");
    until(kind, async || {
        let reply = firm.get(&path).await;
        let events = reply.expect(200)["data"].as_array().unwrap().clone();
        assert!(events.len() <= count, "told too often: {events:?}");
        (events.len() == count).then_some(events)
    })
    .await
}

async fn the_feed_is_whole_and_only_what_is_about_money_is_left(firm: &Caller) {
    let feed = firm.feed().await;
    let sequences: Vec<i64> = feed
        .iter()
        .map(|one| one["sequence"].as_i64().unwrap())
        .collect();
    let whole: Vec<i64> = (1..=i64::try_from(feed.len()).unwrap()).collect();
    assert_eq!(sequences, whole, "without gaps");
    let catalogue = firm.get("/v1/event-types").await;
    let catalogue = catalogue.expect(200)["data"].clone();
    let named = |list: &Value| -> BTreeSet<String> {
        let types = list.as_array().unwrap().iter();
        types
            .map(|one| one["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let (known, happened) = (named(&catalogue), named(&json!(feed)));
    let left: Vec<&String> = known.difference(&happened).collect();
    // A sandbox month costs nothing and is not invoiced: what is about money comes by `/test` alone.
    assert_eq!(left, ["budget.threshold_reached", "invoice.finalized"]);
}

/// These events of the feed came to the receiver, each under its own id and signed.
async fn delivered(sink: &WebhookSink, events: &[&Value]) {
    for event in events {
        let id = event["id"].as_str();
        let one = until("the delivery", async || {
            let mut received = sink.received().into_iter();
            received.find(|one| one.header("webhook-id") == id)
        })
        .await;
        assert!(one.header("webhook-signature").unwrap().starts_with("v1"));
        let body: Value = serde_json::from_slice(&one.body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]),
            (&event["type"], &event["data"])
        );
    }
}

/// Lists that stop coming, and come again: in the feed, and over a webhook.
async fn lists_that_stop_coming_are_told(firm: &Caller, anyone: &Caller) {
    let sink = WebhookSink::start().await;
    let types = ["source.stale", "source.recovered"];
    let body = json!({ "url": sink.url, "types": types });
    let sources = firm.post("/v1/webhook-endpoints", &body).await;
    let sources = format!(
        "/v1/webhook-endpoints/{}",
        sources.expect(201)["id"].as_str().unwrap()
    );
    advance(anyone, "P5D").await;
    let stale = told(firm, "source.stale", 1).await;
    assert_eq!(stale[0]["data"]["channel"], "crl");
    publish(anyone).await;
    let recovered = told(firm, "source.recovered", 1).await;
    assert_eq!(
        recovered[0]["data"]["stale_since"],
        stale[0]["data"]["since"]
    );
    delivered(&sink, &[&stale[0], &recovered[0]]).await;
    let request = firm.request(reqwest::Method::DELETE, &sources);
    warikan_testkit::App::read(request).await.expect(204);
}

async fn a_campaign_ends(firm: &Caller) {
    let body = json!({ "selector": "all" });
    let campaign = firm.post("/v1/campaigns", &body).await;
    let campaign = campaign.expect(201)["id"].clone();
    let completed = &told(firm, "campaign.completed", 1).await[0]["data"];
    assert_eq!(completed["campaign_id"], campaign);
    assert_eq!(completed["counts"]["revoked"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_sandbox_can_cause_is_told_in_the_feed() {
    let here = Installation::configured(CONFIG);
    let (server, firm, anyone) = sandbox(&here).await;
    let (renews, moves) = (
        anyone.person(&json!({})).await,
        anyone.person(&json!({})).await,
    );
    let mut answers = Vec::new();
    for (person, reference) in [(&renews, "C-1"), (&moves, "C-2")] {
        let body = anyone.sign(person, "申込書").await;
        let more = json!({ "watch": true, "subject_ref": reference });
        answers.push(firm.verify(&and(&body, more)).await);
    }
    told(&firm, "verification.completed", 2).await;

    // A known customer comes with a certificate that nobody had seen.
    event(&anyone, &renews, json!({ "event": "renew" })).await;
    let body = anyone.sign(&renews, "申込書").await;
    let more = json!({ "watch": true, "subject_ref": "C-1" });
    let again = firm.verify(&and(&body, more)).await;
    assert_eq!(again["subject"]["id"], answers[0]["subject"]["id"]);
    let changed = &told(&firm, "subject.changed", 1).await[0]["data"];
    assert_eq!(changed["change"], "certificate_added");
    assert_eq!(changed["subject_id"], answers[0]["subject"]["id"]);
    assert_eq!(changed["verification_id"], again["id"]);
    assert_eq!(
        changed["certificate_handle"],
        again["certificate"]["handle"]
    );

    // One who moved: the certificate, and the person.
    let somewhere = json!({ "event": "move", "address": "東京都清瀬市観布子北３－１－５" });
    event(&anyone, &moves, somewhere).await;
    publish(&anyone).await;
    // The renewed one's old certificate is revoked too (superseded), and that says nothing of the person.
    told(&firm, "certificate.revoked", 2).await;
    let changed = &told(&firm, "subject.changed", 2).await[1]["data"];
    assert_eq!(changed["change"], "attributes_changed");
    assert_eq!(changed["subject_id"], answers[1]["subject"]["id"]);

    a_campaign_ends(&firm).await;

    lists_that_stop_coming_are_told(&firm, &anyone).await;

    // The end of the certificate that is left.
    let moment = |text: &Value| text.as_str().unwrap().parse::<Timestamp>().unwrap();
    let end = moment(&again["certificate"]["not_after"]);
    let now = anyone.get("/sandbox/clock").await;
    let left = end.since(moment(&now.expect(200)["now"]));
    let days = left.as_secs() / (24 * 3600) - 20;
    advance(&anyone, &format!("P{days}D")).await;
    let expiring = &told(&firm, "certificate.expiring", 1).await[0]["data"];
    assert_eq!(expiring["watch_id"], again["watch"]["id"]);
    assert_eq!(expiring["not_after"], again["certificate"]["not_after"]);
    advance(&anyone, "P21D").await;
    // Also watches over what was revoked end, each with its certificate.
    until("the end of the watch", async || {
        let reply = firm.get("/v1/events?types=certificate.expired").await;
        let events = reply.expect(200)["data"].as_array().unwrap().clone();
        let ended = |one: &Value| one["data"]["watch_id"] == again["watch"]["id"];
        events.iter().any(ended).then_some(())
    })
    .await;

    // An endpoint that is tested, and one that says it is gone.
    let sink = WebhookSink::start().await;
    sink.answer(&[410]);
    let endpoint = firm
        .post("/v1/webhook-endpoints", &json!({ "url": sink.url }))
        .await;
    let id = endpoint.expect(201)["id"].as_str().unwrap().to_owned();
    let test = format!("/v1/webhook-endpoints/{id}/test");
    firm.post(&test, &json!({})).await.expect(202);
    told(&firm, "endpoint.tested", 1).await;
    let disabled = &told(&firm, "endpoint.disabled", 1).await[0]["data"];
    assert_eq!(disabled["endpoint_id"], id.as_str());

    the_feed_is_whole_and_only_what_is_about_money_is_left(&firm).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_a_person_ends_their_watches_and_webhooks_keep_nothing_of_them() {
    let here = Installation::configured(CONFIG);
    let (server, firm, anyone) = sandbox(&here).await;
    let sink = WebhookSink::start().await;
    let endpoint = firm
        .post("/v1/webhook-endpoints", &json!({ "url": sink.url }))
        .await;
    endpoint.expect(201);
    let name = "黒桐　幹也";
    let person = anyone.person(&json!({ "name": name })).await;
    let body = anyone.sign(&person, "申込書").await;
    let more = json!({ "watch": true, "subject_ref": "顧客番号-4711" });
    let answer = firm.verify(&and(&body, more)).await;
    let subject = answer["subject"]["id"].as_str().unwrap().to_owned();
    let watching = until("the watch", async || {
        let list = firm.all("/v1/watches").await;
        (list.len() == 1).then_some(list)
    })
    .await;
    assert_eq!(watching[0]["ref"], "顧客番号-4711");
    until("the delivery", async || {
        (!sink.received().is_empty()).then_some(())
    })
    .await;

    let path = format!("/v1/subjects/{subject}");
    let request = firm.request(reqwest::Method::DELETE, &path);
    warikan_testkit::App::read(request).await.expect(204);
    let ended = until("the end of the watch", async || {
        let list = firm.all("/v1/watches").await;
        (list[0]["state"] == "ended").then_some(list)
    })
    .await;
    assert_eq!(ended[0]["ref"], Value::Null);
    assert_eq!(ended[0]["id"], watching[0]["id"], "the tombstone stays");

    // The feed and what was delivered never held more than ids.
    server.stop().await;
    let told = String::from_utf8(sink.received()[0].body.to_vec()).unwrap();
    assert!(told.contains(&subject));
    for secret in [name, "顧客番号-4711"] {
        assert!(!told.contains(secret));
        for file in std::fs::read_dir(here.data()).unwrap() {
            let path = file.unwrap().path();
            let text = path.file_name().unwrap().to_str().unwrap();
            if text.starts_with("webhooks.sqlite") || text.starts_with("revocation.sqlite") {
                let octets = std::fs::read(&path).unwrap();
                let found = octets
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} lies in {text}");
            }
        }
    }
}
