//! From a list's publication to the tenant's webhook: what the operator's figures say of it.

use std::time::Duration;

use serde_json::json;
use warikan_testkit::WebhookSink;

use crate::{
    support::{Standing, caller::and},
    turn,
};

const DELIVERY: &str = "warikan_revocation_delivery_seconds";
const FEED: &str = "warikan_revocation_feed_seconds";

/// Count and sum of a histogram, in the sandbox.
async fn of(standing: &Standing, name: &str) -> (u64, Duration) {
    let part = async |part: &str| {
        let line = format!("{name}_{part}{{environment=\"sandbox\"");
        standing.figure(&line).await
    };
    (part("count").await.as_secs(), part("sum").await)
}

/// So many more, and so many seconds more: the clock stands, so nothing but what it was moved by is in them, and the milliseconds
/// that a request really took.
fn grown(before: (u64, Duration), after: (u64, Duration), count: u64, seconds: u64) {
    assert_eq!(after.0, before.0 + count);
    let sum = after.1 - before.1;
    let least = Duration::from_secs(seconds);
    assert!(
        (least..least + Duration::from_secs(5)).contains(&sum),
        "{sum:?}, not {seconds} s"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_soon_a_tenant_hears_of_a_revocation_is_measured() {
    let _turn = turn().await;
    let standing = Standing::at("2026-11-21T00:00:00Z").await;
    let (tenant, anyone) = (standing.tenant(), standing.anyone());
    let sink = WebhookSink::start().await;
    let endpoint = json!({ "url": sink.url, "types": ["certificate.revoked"] });
    let firm = standing.firm(tenant);
    firm.post("/v1/webhook-endpoints", &endpoint)
        .await
        .expect(201);
    let person = anyone.person(&json!({})).await;
    let signed = anyone.sign(&person, "申込書").await;
    firm.verify(&and(&signed, json!({ "watch": true }))).await;
    standing.settle().await;
    let (fed, delivered) = (of(&standing, FEED).await, of(&standing, DELIVERY).await);

    standing.happen(&person, &json!({ "event": "lose" })).await;
    // J-LIS takes seven minutes to publish.
    let fault = async |fault: &str| {
        let fault = json!({ "fault": fault });
        anyone.post("/sandbox/faults", &fault).await.expect(200);
    };
    fault("crl_unavailable").await;
    standing.publish().await;
    standing.advance(Duration::from_secs(420));
    fault("clear").await;
    standing.run("revocation.sync").await;
    standing.advance(Duration::from_secs(10));
    standing.settle().await;
    grown(fed, of(&standing, FEED).await, 1, 10);
    assert_eq!(of(&standing, DELIVERY).await.0, delivered.0);

    // The endpoint fails at first: what it costs is in the figure, and only the success counts.
    sink.answer(&[500]);
    standing.run("webhooks.deliver").await;
    assert_eq!(of(&standing, DELIVERY).await.0, delivered.0);
    standing.advance(Duration::from_secs(30));
    standing.run("webhooks.deliver").await;
    assert_eq!(sink.received().len(), 2);
    grown(delivered, of(&standing, DELIVERY).await, 1, 460);

    // A copy that the tenant asks for was not waited for.
    let firm = standing.firm(tenant);
    let endpoints = firm.all("/v1/webhook-endpoints").await;
    let list = format!(
        "/v1/webhook-endpoints/{}/deliveries",
        endpoints[0]["id"].as_str().unwrap()
    );
    let deliveries = firm.all(&list).await;
    let resend = format!(
        "/v1/deliveries/{}/resend",
        deliveries[0]["id"].as_str().unwrap()
    );
    firm.post(&resend, &json!({})).await.expect(202);
    standing.advance(Duration::from_secs(3_600));
    standing.run("webhooks.deliver").await;
    assert_eq!(sink.received().len(), 3);
    grown(delivered, of(&standing, DELIVERY).await, 1, 460);

    // Nor was a watch that begins on what is revoked already.
    let firm = standing.firm(tenant);
    let watch = json!({ "certificate": signed["certificate"], "ref": "again" });
    let watch = firm.post("/v1/watches", &watch).await;
    assert_eq!(watch.expect(201)["state"], "flagged");
    standing.settle().await;
    standing.run("webhooks.deliver").await;
    assert_eq!(sink.received().len(), 4);
    grown(fed, of(&standing, FEED).await, 1, 10);
    grown(delivered, of(&standing, DELIVERY).await, 1, 460);
    sink.stop().await;
    standing.stop().await;
}
