//! What a tenant can read about its deliveries.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use common::{RawReceiver, Scene};
use reqwest::Method;
use serde_json::{Value, json};
use warikan_testkit::{App, WebhookSink};

async fn detail(scene: &Scene, token: &str, delivery: &Value) -> Value {
    let path = format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap());
    scene.app.get(&path, token).await.expect(200).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_holds_the_request_as_it_was_and_the_answer() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    sink.answer(&[500]);
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    scene.later(5);
    scene.deliver().await;
    let listed = scene.deliveries(&token, &endpoint).await.remove(0);
    let read = detail(&scene, &token, &listed).await;
    let received = sink.received();
    assert_eq!(received.len(), 2);
    for (attempt, one) in read["attempts"].as_array().unwrap().iter().zip(&received) {
        let request = &attempt["request"];
        assert_eq!(request["url"], sink.url);
        assert_eq!(request["webhook_id"], one.header("webhook-id").unwrap());
        assert_eq!(
            request["webhook_timestamp"].to_string(),
            one.header("webhook-timestamp").unwrap()
        );
        assert_eq!(
            request["webhook_signature"],
            one.header("webhook-signature").unwrap()
        );
        assert_eq!(read["message"].as_str().unwrap().as_bytes(), one.body);
        assert_eq!(
            (&attempt["answer"], &attempt["answer_cut"]),
            (&json!(""), &json!(false))
        );
        assert!(attempt["duration_ms"].as_i64().unwrap() >= 0);
    }
    let statuses: Vec<&Value> = read["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(statuses, [500, 204]);
    assert_eq!(listed["attempts"], read["attempts"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_of_an_answer_the_beginning_is_kept_as_text() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let long = "の".repeat(4_000);
    for (body, kept, cut) in [
        ("out of order".to_owned(), "out of order".to_owned(), false),
        ("nul\0byte".to_owned(), "nul\u{fffd}byte".to_owned(), false),
        // 1,024 octets end within a character.
        (long, format!("{}\u{fffd}", "の".repeat(341)), true),
    ] {
        let length = body.len();
        let answer = format!("HTTP/1.1 500 No\r\nContent-Length: {length}\r\n\r\n{body}");
        let receiver = RawReceiver::answering(answer).await;
        let endpoint = scene.endpoint(&token, &receiver.url).await;
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        let delivery = scene.deliveries(&token, &endpoint).await.remove(0);
        let attempt = &delivery["attempts"][0];
        assert_eq!(attempt["answer"], kept);
        assert_eq!(attempt["answer_cut"], cut);
    }
    // Where no answer came there is none.
    let refused = scene.endpoint(&token, "http://127.0.0.1:9/").await;
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    let delivery = scene.deliveries(&token, &refused).await.remove(0);
    let attempt = &delivery["attempts"][0];
    assert_eq!(
        (&attempt["answer"], &attempt["error"]),
        (&Value::Null, &"connection_failed".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_a_delivery_is_its_tenants_alone() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let (_, stranger) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    scene.happen(tenant, 1).await;
    let delivery = scene.deliveries(&token, &endpoint).await.remove(0);
    let path = format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap());
    scene.app.get(&path, &token).await.expect(200);
    let reply = scene.app.get(&path, &stranger).await;
    reply.expect_problem(404, "not_found");
    let narrow = scene
        .house
        .token(tenant, &[warikan_types::ClientScope::Events]);
    let reply = scene.app.get(&path, &narrow).await;
    reply.expect_problem(403, "insufficient_scope");
    let reply = scene.app.get(&path, "nothing").await;
    reply.expect_problem(401, "invalid_token");
}

/// The first answer to a key stands, also where the URL would no longer be accepted: another body is another matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f073_a_repeated_creation_is_answered_before_its_url_is_judged_again() {
    let scene = Scene::new().await;
    let (_, token) = scene.tenant();
    let create = |url: &str, key: &'static str| {
        let request = scene.app.request(Method::POST, "/v1/webhook-endpoints");
        let request = request.header("Idempotency-Key", key).bearer_auth(&token);
        App::read(request.json(&json!({ "url": url })))
    };
    create("http://127.0.0.1:9/", "k").await.expect(201);
    // A reused key is told as such, and not as a bad URL.
    let reused = create("https://10.0.0.1/", "k").await;
    reused.expect_problem(409, "idempotency_key_reused");
    // A refused request leaves its key free.
    let refused = create("https://10.0.0.1/", "l").await;
    refused.expect_problem(400, "invalid_request");
    create("http://127.0.0.1:9/", "l").await.expect(201);
}
