//! A sandbox behind the edge.
#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use warikan_sandbox::{Config, Sandbox};
use warikan_testkit::{App, Reply, TestHouse};

pub async fn open(house: &TestHouse) -> Sandbox {
    Sandbox::open(
        Config {
            fixed_keys: true,
            ..Config::default()
        },
        &house.platform,
    )
    .await
    .unwrap()
}

pub async fn serve(house: &TestHouse) -> App {
    App::serve(&house.platform, vec![open(house).await.module()]).await
}

pub async fn get(app: &App, path: &str) -> Reply {
    App::read(app.request(Method::GET, path)).await
}

pub async fn post(app: &App, path: &str, body: &Value) -> Reply {
    App::read(app.request(Method::POST, path).json(body)).await
}

pub async fn keyed(app: &App, path: &str, key: &str, body: &Value) -> Reply {
    App::read(
        app.request(Method::POST, path)
            .header("Idempotency-Key", key)
            .json(body),
    )
    .await
}

pub async fn person(app: &App, body: &Value) -> Value {
    post(app, "/sandbox/persons", body)
        .await
        .expect(201)
        .clone()
}

pub async fn happen(app: &App, id: &str, body: &Value) -> Reply {
    post(app, &format!("/sandbox/persons/{id}/events"), body).await
}

pub async fn publish(app: &App) -> Value {
    post(app, "/sandbox/publish-crl", &json!({}))
        .await
        .expect(200)
        .clone()
}

pub fn id(view: &Value) -> &str {
    view["id"].as_str().unwrap()
}

pub fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A certificate on the person's card.
pub fn on_card<'a>(view: &'a Value, kind: &str) -> &'a Value {
    let all = view["certificates"].as_array().unwrap();
    all.iter()
        .find(|one| one["kind"] == kind && one["on_card"] == true)
        .unwrap()
}
