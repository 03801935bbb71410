//! F079: the pool is exhausted, the database stalls, or it drops every connection.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use warikan_onboarding::Onboarding;
use warikan_runtime::Databases;
use warikan_testkit::{App, Reply, TestHouse};

use super::proxy::Proxy;

/// Onboarding behind a proxy in front of PostgreSQL; `None` where tests run on SQLite.
async fn scene() -> Option<(TestHouse, App, Proxy)> {
    let mut house = TestHouse::new();
    let database = house.postgres()?;
    let mut config = database.config();
    let address = config.url.clone().unwrap();
    let (place, name) = address
        .strip_prefix("postgres://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let proxy = Proxy::start(place.to_owned()).await;
    config.url = Some(format!("postgres://127.0.0.1:{}/{name}", proxy.port));
    config.worker_pool_size = 4;
    config.acquire_timeout_ms = 1_000;
    let databases: Databases = config.databases(house.directory()).unwrap();
    house.platform.databases = databases;
    let credential = house.directory().join("operator-credential.json");
    let service = Onboarding::open(
        warikan_onboarding::Config::default(),
        credential,
        &house.platform,
    )
    .await
    .unwrap();
    let app = App::serve(&house.platform, vec![service.module()]).await;
    Some((house, app, proxy))
}

async fn apply(house: &TestHouse, app: &App, key: &str) -> Reply {
    let request = app
        .request(reqwest::Method::POST, "/v1/operator/tenants")
        .bearer_auth(house.operator_token())
        .header("idempotency-key", key)
        .json(&json!({ "name": format!("{key}株式会社") }));
    App::read(request).await
}

async fn names(house: &TestHouse, app: &App) -> Vec<String> {
    let path = "/v1/operator/tenants?limit=100";
    let reply = app.get(path, &house.operator_token()).await;
    let data = reply.expect(200)["data"].as_array().unwrap().clone();
    data.iter()
        .map(|one: &Value| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f079_a_stalled_database_gives_a_quick_503_and_recovers() {
    let Some((house, app, proxy)) = scene().await else {
        return;
    };
    apply(&house, &app, "before").await.expect(201);
    proxy.stall(true);
    let begun = Instant::now();
    let keys: Vec<String> = (0..20).map(|n| format!("stalled-{n}")).collect();
    let replies = join_all(keys.iter().map(|key| apply(&house, &app, key))).await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    for reply in &replies {
        let problem = reply.expect_problem(503, "unavailable");
        assert_eq!(problem["retryable"], true);
        assert!(reply.headers.contains_key("retry-after"));
    }
    proxy.stall(false);
    // The same requests with the same keys: each is carried out once.
    for key in &keys {
        let mut reply = apply(&house, &app, key).await;
        for _ in 0..20 {
            if reply.status.as_u16() != 503 {
                break;
            }
            reply = apply(&house, &app, key).await;
        }
        reply.expect(201);
    }
    let names = names(&house, &app).await;
    assert_eq!(names.len(), 21, "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f079_dropped_connections_lose_nothing_that_was_acknowledged() {
    let Some((house, app, _proxy)) = scene().await else {
        return;
    };
    let owner = house.database("onboarding").await;
    let mut acknowledged = Vec::new();
    for round in 0..10 {
        let keys: Vec<String> = (0..6).map(|n| format!("round-{round}-{n}")).collect();
        let kill = owner.execute_unprepared(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND usename = 'warikan_test_onboarding_worker'",
        );
        let work = join_all(keys.iter().map(|key| apply(&house, &app, key)));
        let (replies, killed) = tokio::join!(work, kill);
        killed.unwrap();
        for (key, reply) in keys.into_iter().zip(replies) {
            match reply.status.as_u16() {
                201 => acknowledged.push(format!("{key}株式会社")),
                503 => assert!(reply.headers.contains_key("retry-after")),
                other => panic!("{other}: {:?}", reply.json),
            }
        }
    }
    assert!(!acknowledged.is_empty());
    let names = names(&house, &app).await;
    for name in &acknowledged {
        let times = names.iter().filter(|one| *one == name).count();
        assert_eq!(times, 1, "{name}");
    }
}
