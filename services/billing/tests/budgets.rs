//! Budgets: each threshold is told once a month, however often the spending is looked at.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]

mod common;

use common::Scene;
use serde_json::{Value, json};
use warikan_testkit::{App, Reply, told_facts};
use warikan_types::{ClientScope, Environment, TenantScope};

/// The facts that were told of budgets, in order.
async fn told(scene: &Scene) -> Vec<Value> {
    let db = scene.house.database("billing").await;
    told_facts(&db)
        .await
        .into_iter()
        .filter(|envelope| envelope["type"] == "budget.threshold_reached")
        .collect()
}

async fn put(scene: &Scene, tenant: TenantScope, body: &Value) -> Reply {
    let token = scene.house.token(tenant, &[ClientScope::Billing]);
    let request = scene.app.request(reqwest::Method::PUT, "/v1/budget");
    App::read(request.bearer_auth(token).json(body)).await
}

async fn set(scene: &Scene, tenant: TenantScope, amount: i64, thresholds: &[u16]) -> Value {
    let body = json!({"monthly_amount": amount, "thresholds": thresholds});
    let reply = put(scene, tenant, &body).await;
    reply.expect(200).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_threshold_is_told_once_a_month() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let budget = set(&scene, tenant, 50_300, &[90, 100, 200]).await;
    // The base fee alone is 99.4 % of it.
    assert_eq!(budget["charges"]["subtotal"], 50_000);
    assert_eq!(budget["thresholds"][0]["percent"], 90);
    assert_eq!(
        budget["thresholds"][0]["reached_at"],
        "2026-11-21T00:00:00Z"
    );
    assert!(budget["thresholds"][1]["reached_at"].is_null());
    assert_eq!(told(&scene).await.len(), 1);

    for _ in 0..2 {
        let fact = scene.verification("2026-11-21T00:00:00Z");
        scene.tell(tenant, &fact).await;
        scene.app.run("billing.budgets").await;
    }
    assert_eq!(told(&scene).await.len(), 1, "50,200 is below 50,300");
    let last = scene.verification("2026-11-21T00:00:00Z");
    for _ in 0..3 {
        scene.tell(tenant, &last).await;
        // Several look at once.
        let look = || scene.app.run("billing.budgets");
        tokio::join!(look(), look(), look());
    }
    let facts = told(&scene).await;
    assert_eq!(facts.len(), 2);
    assert_eq!(
        facts[1]["payload"],
        json!({"period": "2026-11", "percent": 100, "budget": 50_300, "spent": 50_300})
    );
    assert_eq!(facts[1]["scope"]["tenant"], tenant.tenant().to_string());

    // Another amount does not make what was told untold.
    set(&scene, tenant, 1_000_000, &[90, 100]).await;
    set(&scene, tenant, 50_300, &[90, 100]).await;
    assert_eq!(told(&scene).await.len(), 2);
    // A new month begins with its base fee.
    scene.advance_to("2026-12-02T00:00:00Z");
    scene.app.run("billing.budgets").await;
    let facts = told(&scene).await;
    assert_eq!(facts.len(), 3);
    assert_eq!(facts[2]["payload"]["period"], "2026-12");
    assert_eq!(facts[2]["payload"]["percent"], 90);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_its_tenants_and_its_environments() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let other = scene.tenant("みどり銀行", "standard").await;
    let sandbox = TenantScope::of_event(tenant.tenant(), Environment::Sandbox);
    set(&scene, tenant, 1_000, &[100]).await;
    set(&scene, sandbox, 1, &[1]).await;
    let fact = scene.verification("2026-11-21T00:00:00Z");
    scene.tell(sandbox, &fact).await;
    scene.tell(other, &fact).await;
    scene.app.run("billing.budgets").await;
    let facts = told(&scene).await;
    assert_eq!(facts.len(), 1, "the sandbox is free, the other has none");
    assert_eq!(facts[0]["scope"]["environment"], "production");
    let token = |scope| scene.house.token(scope, &[ClientScope::Billing]);
    let read = async |scope| scene.app.get("/v1/budget", &token(scope)).await;
    read(other).await.expect_problem(404, "not_found");
    let gone = scene.app.delete("/v1/budget", &token(tenant)).await;
    assert_eq!(gone.status, 204);
    read(tenant).await.expect_problem(404, "not_found");
    assert_eq!(read(sandbox).await.expect(200)["monthly_amount"], 1);
    let again = scene.app.delete("/v1/budget", &token(tenant)).await;
    again.expect_problem(404, "not_found");
    let wrong = json!({"monthly_amount": 0, "thresholds": [50]});
    let refused = put(&scene, tenant, &wrong).await;
    let problem = refused.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/monthly_amount");
}
