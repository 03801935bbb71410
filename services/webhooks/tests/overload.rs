//! Endpoints that ask for less, and what the operator hears of endpoints that are given up.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use common::{RawReceiver, Scene, config};
use serde_json::{Value, json};
use warikan_testkit::WebhookSink;
use warikan_webhooks::Config;

async fn read(scene: &Scene, token: &str, endpoint: &Value) -> Value {
    let path = format!("/v1/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
    scene.app.get(&path, token).await.expect(200).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_an_overloaded_endpoint_is_slowed_down_as_a_whole() {
    for status in [429, 502, 503, 504] {
        let scene = Scene::new().await;
        let (sink, other) = (WebhookSink::start().await, WebhookSink::start().await);
        let (tenant, token) = scene.tenant();
        let endpoint = scene.endpoint(&token, &sink.url).await;
        scene.endpoint(&token, &other.url).await;
        sink.answer(&[status]);
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        let throttled = read(&scene, &token, &endpoint).await;
        assert_eq!(throttled["throttled_until"], "2026-11-21T00:00:01Z");

        // What happens now waits too, although it was never tried; the other endpoint has it at once.
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        assert_eq!((sink.received().len(), other.received().len()), (1, 2));
        sink.answer(&[status]);
        scene.later(1);
        scene.deliver().await;
        assert_eq!(sink.received().len(), 2);
        let again = read(&scene, &token, &endpoint).await;
        assert_eq!(again["throttled_until"], "2026-11-21T00:00:03Z", "doubled");
        scene.later(2);
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        let well = read(&scene, &token, &endpoint).await;
        assert_eq!(well["throttled_until"], Value::Null);
        assert_eq!(sink.received().len(), 3);
        scene.later(10);
        scene.deliver().await;
        let all = scene.deliveries(&token, &endpoint).await;
        assert!(all.iter().all(|one| one["state"] == "delivered"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_retry_after_holds_back_everything_for_that_endpoint_within_the_cap() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    for (asked, until) in [
        ("3600", "2026-11-21T01:00:00Z"),
        ("99999999", "2026-11-22T00:00:00Z"),
    ] {
        let answer =
            format!("HTTP/1.1 503 Overloaded\r\nRetry-After: {asked}\r\nContent-Length: 0\r\n\r\n");
        let receiver = RawReceiver::answering(answer).await;
        let endpoint = scene.endpoint(&token, &receiver.url).await;
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        let read = read(&scene, &token, &endpoint).await;
        assert_eq!(read["throttled_until"], until);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_other_failures_do_not_slow_an_endpoint_down() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    sink.answer(&[500]);
    scene.happen(tenant, 2).await;
    scene.deliver().await;
    assert_eq!(sink.received().len(), 2);
    let read = read(&scene, &token, &endpoint).await;
    assert_eq!(read["throttled_until"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f070_the_operator_is_told_of_endpoints_that_were_given_up() {
    let scene = Scene::with(Config {
        retry_seconds: Vec::new(),
        ..config()
    })
    .await;
    let (gone, broken) = (WebhookSink::start().await, WebhookSink::start().await);
    let (tenant, token) = scene.tenant();
    let first = scene.endpoint(&token, &gone.url).await;
    let second = scene.endpoint(&token, &broken.url).await;
    gone.answer(&[410]);
    broken.answer(&[500; 6]);
    for _ in 0..6 {
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        scene.later(86_400);
    }
    let operator = scene.house.operator_token();
    let page = scene
        .app
        .get("/v1/operator/notices?limit=1", &operator)
        .await;
    let page = page.expect(200);
    let tenant_id = tenant.tenant().to_string();
    let expected = |endpoint: &Value, cause: &str, at: &str| {
        json!({
            "kind": "endpoint.disabled", "tenant_id": tenant_id, "environment": "production",
            "endpoint_id": endpoint["id"], "cause": cause,
            "failing_since": "2026-11-21T00:00:00Z", "at": at,
        })
    };
    assert_eq!(
        page["data"],
        json!([expected(&first, "gone", "2026-11-21T00:00:00Z")])
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let path = format!("/v1/operator/notices?limit=1&cursor={cursor}");
    let rest = scene.app.get(&path, &operator).await;
    let rest = rest.expect(200);
    assert_eq!(
        rest["data"],
        json!([expected(&second, "failing", "2026-11-26T00:00:00Z")])
    );
    assert_eq!(rest["next_cursor"], Value::Null);

    let tenants = scene.token(tenant);
    let path = "/v1/operator/notices";
    let reply = scene.app.get(path, &tenants).await;
    reply.expect_problem(403, "insufficient_scope");
    let reply = scene.app.get(path, "nothing").await;
    reply.expect_problem(401, "invalid_token");
}
