//! What an endpoint gets over its life: filters, tests, pauses, its end, and replay.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use common::{Scene, config};
use reqwest::Method;

use serde_json::{Value, json};
use warikan_contracts::{
    Envelope,
    facts::{TenantChanged, TenantState},
};
use warikan_testkit::{App, Received, WebhookSink};
use warikan_types::{Environment, RevocationReason, TenantScope};
use warikan_webhooks::Config;

fn ids(received: &[Received]) -> Vec<&str> {
    received
        .iter()
        .map(|one| one.header("webhook-id").unwrap())
        .collect()
}

fn path(endpoint: &Value, rest: &str) -> String {
    format!(
        "/v1/webhook-endpoints/{}{rest}",
        endpoint["id"].as_str().unwrap()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_gone_disables_the_endpoint_and_the_feed_says_so() {
    let scene = Scene::new().await;
    let (gone, healthy) = (WebhookSink::start().await, WebhookSink::start().await);
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &gone.url).await;
    scene.endpoint(&token, &healthy.url).await;
    gone.answer(&[410]);
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    let read = scene.app.get(&path(&endpoint, ""), &token).await;
    let read = read.expect(200);
    assert_eq!(
        (&read["enabled"], &read["disabled"]["cause"]),
        (&false.into(), &"gone".into())
    );

    scene.app.settle().await;
    scene.deliver().await;
    let feed = scene.feed(&token, "?types=endpoint.disabled").await;
    let told = &feed["data"][0];
    assert_eq!(told["sequence"], 2);
    assert_eq!(
        told["data"],
        json!({ "endpoint_id": endpoint["id"], "cause": "gone" })
    );
    assert_eq!(
        healthy.received().len(),
        2,
        "the other endpoint hears of it"
    );
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    assert_eq!(gone.received().len(), 1, "and this one nothing more");
    let test = scene
        .app
        .post(&path(&endpoint, "/test"), &token, &json!({}))
        .await;
    test.expect_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f070_five_days_of_failing_disable_and_everything_can_be_replayed() {
    let scene = Scene::with(Config {
        retry_seconds: Vec::new(),
        ..config()
    })
    .await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    sink.answer(&[500; 6]);
    let mut told = Vec::new();
    for day in 0..6 {
        told.extend(scene.happen(tenant, 1).await);
        scene.deliver().await;
        let token = scene.token(tenant);
        let read = scene.app.get(&path(&endpoint, ""), &token).await;
        let read = read.expect(200);
        assert_eq!(read["failing_since"], "2026-11-21T00:00:00Z");
        assert_eq!(read["enabled"], day < 5, "day {day}");
        scene.later(86_400);
    }
    let token = scene.token(tenant);
    told.extend(scene.happen(tenant, 1).await);
    scene.app.settle().await;
    scene.deliver().await;
    assert_eq!(
        sink.received().len(),
        6,
        "the event of the seventh day is not sent"
    );
    let feed = scene.feed(&token, "").await;
    let kinds: Vec<&str> = feed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.len(), 8, "but in the feed");
    assert_eq!(kinds[7], "endpoint.disabled");
    assert_eq!(feed["data"][7]["data"]["cause"], "failing");

    let range = |preview: bool| {
        let (since, until) = ("2026-11-21T00:00:00Z", "2026-12-01T00:00:00Z");
        json!({ "since": since, "until": until, "preview": preview })
    };
    let replay = path(&endpoint, "/replay");
    scene
        .app
        .post(&replay, &token, &range(false))
        .await
        .expect_problem(409, "conflict");
    let request = scene.app.request(Method::PATCH, &path(&endpoint, ""));
    let body = json!({ "enabled": true, "types": ["verification.completed"] });
    let resumed = App::read(request.bearer_auth(&token).json(&body)).await;
    assert_eq!(resumed.expect(200)["failing_since"], Value::Null);
    let counted = scene.app.post(&replay, &token, &range(true)).await;
    assert_eq!(counted.expect(202), &json!({ "count": 7, "preview": true }));
    scene.deliver().await;
    assert_eq!(sink.received().len(), 6, "a preview sends nothing");
    let replayed = scene.app.post(&replay, &token, &range(false)).await;
    assert_eq!(
        replayed.expect(202),
        &json!({ "count": 7, "preview": false })
    );
    scene.deliver().await;
    let received = sink.received();
    let mut arrived = ids(&received[6..]);
    arrived.sort_unstable();
    told.sort_unstable();
    assert_eq!(arrived, told);
    let all = scene.deliveries(&token, &endpoint).await;
    assert!(all.iter().all(|one| one["state"] == "delivered"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_get_the_types_they_asked_for_and_only_their_own_tenants() {
    let scene = Scene::new().await;
    let (sink_a, sink_b) = (WebhookSink::start().await, WebhookSink::start().await);
    let (a, token_a) = scene.tenant();
    let (b, token_b) = scene.tenant();
    let body = json!({ "url": sink_a.url, "types": ["certificate.revoked"] });
    scene
        .app
        .post("/v1/webhook-endpoints", &token_a, &body)
        .await
        .expect(201);
    scene.endpoint(&token_b, &sink_b.url).await;
    scene.happen(a, 2).await;
    let revocation = scene.revocation(a, RevocationReason::KeyCompromise);
    scene.publish(&revocation).await;
    let of_b = scene.happen(b, 1).await;
    scene.deliver().await;
    assert_eq!(ids(&sink_a.received()), [revocation.id.to_string()]);
    assert_eq!(ids(&sink_b.received()), of_b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_goes_to_one_endpoint_and_stands_in_the_feed() {
    let scene = Scene::new().await;
    let (sink, other) = (WebhookSink::start().await, WebhookSink::start().await);
    let (_, token) = scene.tenant();
    let body = json!({ "url": sink.url, "types": ["certificate.revoked"] });
    let endpoint = scene.app.post("/v1/webhook-endpoints", &token, &body).await;
    let endpoint = endpoint.expect(201).clone();
    scene.endpoint(&token, &other.url).await;
    let test = || {
        let request = scene.app.request(Method::POST, &path(&endpoint, "/test"));
        App::read(request.header("Idempotency-Key", "t").bearer_auth(&token))
    };
    let tested = test().await;
    assert_eq!(
        test().await.expect(202),
        tested.expect(202),
        "a repeated request tests once"
    );
    scene.deliver().await;
    let feed = scene.feed(&token, "").await;
    assert_eq!(feed["data"].as_array().unwrap().len(), 1);
    assert_eq!(feed["data"][0]["type"], "endpoint.tested");
    assert_eq!(feed["data"][0]["id"], tested.json["event_id"]);
    assert_eq!(
        ids(&sink.received()),
        [tested.json["event_id"].as_str().unwrap()]
    );
    assert!(other.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_endpoint_gets_nothing_and_a_deleted_one_leaves_nothing() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    let waiting = scene.happen(tenant, 1).await;
    let switch = |enabled: bool| {
        let request = scene.app.request(Method::PATCH, &path(&endpoint, ""));
        App::read(
            request
                .bearer_auth(&token)
                .json(&json!({ "enabled": enabled })),
        )
    };
    switch(false).await.expect(200);
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    assert!(sink.received().is_empty());
    switch(true).await.expect(200);
    scene.deliver().await;
    assert_eq!(ids(&sink.received()), waiting, "what was waiting goes out");

    sink.answer(&[500]);
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    assert_eq!(
        scene.app.delete(&path(&endpoint, ""), &token).await.status,
        204
    );
    scene.later(1_000);
    scene.deliver().await;
    assert_eq!(sink.received().len(), 2);
    let token = scene.token(tenant);
    assert_eq!(
        scene.feed(&token, "").await["data"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

/// Onboarding says where a tenant stands.
async fn turn(scene: &Scene, tenant: TenantScope, state: TenantState, revision: i64) {
    let fact = TenantChanged {
        tenant: tenant.tenant(),
        name: "株式会社".to_owned(),
        plan: "standard".to_owned(),
        state,
        revision,
    };
    let (entropy, now) = (&scene.house.platform.entropy, scene.house.clock().now());
    let aggregate = fact.tenant.to_string();
    scene
        .publish(&Envelope::of(entropy.id(now), None, now, aggregate, &fact))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenants_production_waits_and_its_sandbox_does_not() {
    let scene = Scene::new().await;
    let (sink, tried, others) = (
        WebhookSink::start().await,
        WebhookSink::start().await,
        WebhookSink::start().await,
    );
    let (tenant, token) = scene.tenant();
    let sandbox = TenantScope::of_event(tenant.tenant(), Environment::Sandbox);
    let (other, others_token) = scene.tenant();
    scene.endpoint(&token, &sink.url).await;
    scene.endpoint(&scene.token(sandbox), &tried.url).await;
    scene.endpoint(&others_token, &others.url).await;
    turn(&scene, tenant, TenantState::Active, 4).await;
    turn(&scene, tenant, TenantState::Suspended, 5).await;
    // Older word that comes late changes nothing.
    turn(&scene, tenant, TenantState::Active, 4).await;
    let held = scene.happen(tenant, 2).await;
    scene.happen(sandbox, 1).await;
    scene.happen(other, 1).await;
    scene.deliver().await;
    let sent = || [&sink, &tried, &others].map(|one| one.received().len());
    assert_eq!(sent(), [0, 1, 1]);
    let feed = scene.feed(&token, "").await;
    assert_eq!(
        feed["data"].as_array().unwrap().len(),
        2,
        "the feed has them"
    );
    turn(&scene, tenant, TenantState::Active, 6).await;
    scene.deliver().await;
    assert_eq!(sent(), [2, 1, 1]);
    let mut arrived = sink.received();
    arrived.sort_by_key(|one| one.header("webhook-id").map(str::to_owned));
    assert_eq!(ids(&arrived), held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_suspension_nothing_is_missing() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    scene.endpoint(&token, &sink.url).await;
    turn(&scene, tenant, TenantState::Active, 4).await;
    turn(&scene, tenant, TenantState::Suspended, 5).await;
    let held = scene.happen(tenant, 2).await;
    // Longer than a feed is kept otherwise.
    scene.later(200 * 24 * 3_600);
    scene.app.run("webhooks.prune").await;
    turn(&scene, tenant, TenantState::Active, 6).await;
    scene.later(3_600);
    scene.app.run("webhooks.prune").await;
    scene.deliver().await;
    let mut arrived = sink.received();
    arrived.sort_by_key(|one| one.header("webhook-id").map(str::to_owned));
    assert_eq!(ids(&arrived), held);
    let feed = scene.feed(&scene.token(tenant), "?after=0").await;
    assert_eq!(feed["data"].as_array().unwrap().len(), 2);
    // A week later it is as old as anybody's.
    scene.later(8 * 24 * 3_600);
    scene.app.run("webhooks.prune").await;
    let feed = scene.feed(&scene.token(tenant), "").await;
    assert_eq!(feed["first_sequence"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_tenant_is_sent_nothing() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let (_, other) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    let untouched = scene.endpoint(&other, &sink.url).await;
    scene.happen(tenant, 1).await;
    turn(&scene, tenant, TenantState::Closed, 9).await;
    scene.deliver().await;
    assert!(sink.received().is_empty());
    let read = scene.app.get(&path(&endpoint, ""), &token).await;
    assert_eq!(read.expect(200)["disabled"]["cause"], "tenant_closed");
    let read = scene.app.get(&path(&untouched, ""), &other).await;
    assert_eq!(read.expect(200)["enabled"], true);
}
