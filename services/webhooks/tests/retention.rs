//! How long events are kept, and what a reader learns who comes too late.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use common::Scene;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use warikan_testkit::{App, WebhookSink};

const DAY: u64 = 24 * 3_600;

fn sequences(feed: &Value) -> Vec<i64> {
    let events = feed["data"].as_array().unwrap().iter();
    events
        .map(|one| one["sequence"].as_i64().unwrap())
        .collect()
}

async fn rows(scene: &Scene, table: &str) -> i64 {
    let db = scene.house.database("webhooks").await;
    let statement = format!("SELECT COUNT(*) AS n FROM {table}");
    let statement = Statement::from_string(db.get_database_backend(), statement);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_stay_for_ninety_days_and_the_feed_says_where_it_begins() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let (other, _) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    // An old fact that comes after a young one: nothing is taken out of the middle.
    let late = scene.verification(tenant);
    scene.later(1);
    scene.happen(tenant, 3).await;
    scene.happen(other, 1).await;
    scene.later(30 * DAY);
    scene.publish(&late).await;
    let young = scene.happen(tenant, 2).await;
    scene.deliver().await;
    scene.later(60 * DAY - 1);
    scene.app.run("webhooks.prune").await;
    let token = scene.token(tenant);
    let feed = scene.feed(&token, "").await;
    assert_eq!(sequences(&feed), [1, 2, 3, 4, 5, 6]);
    assert_eq!(feed["first_sequence"], 1);

    scene.later(2);
    scene.app.run("webhooks.prune").await;
    let token = scene.token(tenant);
    let feed = scene.feed(&token, "").await;
    assert_eq!(
        sequences(&feed),
        [5, 6],
        "the late one went with the old ones"
    );
    assert_eq!(feed["first_sequence"], 5);
    assert_eq!(feed["data"][0]["id"], young[0].as_str());
    let left = scene.deliveries(&token, &endpoint).await;
    assert_eq!(left.len(), 2, "deliveries go with their events");
    for (table, count) in [("feed_event", 2), ("delivery", 2), ("delivery_attempt", 2)] {
        assert_eq!(rows(&scene, table).await, count, "{table}");
    }

    assert_eq!(sequences(&scene.feed(&token, "?after=0").await), [5, 6]);
    assert_eq!(sequences(&scene.feed(&token, "?after=4").await), [5, 6]);
    let missed = scene.app.get("/v1/events?after=3", &token).await;
    let problem = missed.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["code"], "cursor_expired");
    assert_eq!(problem["errors"][0]["pointer"], "?after");

    // An emptied feed goes on counting.
    scene.later(100 * DAY);
    scene.app.run("webhooks.prune").await;
    let token = scene.token(tenant);
    let feed = scene.feed(&token, "?after=6").await;
    assert_eq!(
        (&feed["data"], &feed["first_sequence"]),
        (&json!([]), &7.into())
    );
    scene.happen(tenant, 1).await;
    assert_eq!(sequences(&scene.feed(&token, "?after=6").await), [7]);
}

/// Some kept answers hold a secret that was shown once: they go when they can no longer be replayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotent_answers_go_when_their_time_is_over() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let request = |token: &str| {
        let request = scene
            .app
            .request(reqwest::Method::POST, "/v1/webhook-endpoints")
            .header("Idempotency-Key", "k1")
            .bearer_auth(token);
        App::read(request.json(&json!({ "url": "http://127.0.0.1:9/hook" })))
    };
    request(&token).await.expect(201);
    scene.app.run("webhooks.prune_answers").await;
    assert_eq!(rows(&scene, "idempotent_answer").await, 1);
    scene.later(DAY - 1);
    scene.app.run("webhooks.prune_answers").await;
    let replayed = request(&scene.token(tenant)).await;
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
    scene.later(2 * DAY);
    scene.app.run("webhooks.prune_answers").await;
    assert_eq!(rows(&scene, "idempotent_answer").await, 0);
}
