//! Shared costs (割り勘): entered while the month is open, split when it is closed, explained on every invoice.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]

mod common;

use common::{Scene, at, config};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use warikan_contracts::facts::TenantState;
use warikan_testkit::App;
use warikan_types::{Environment, TenantScope};

const COSTS: &str = "/v1/operator/shared-costs";

async fn enter(scene: &Scene, month: &str, category: &str, amount: i64) -> Value {
    let token = scene.house.operator_token();
    let body = json!({"month": month, "category": category, "amount": amount, "note": "請求書 12"});
    let reply = scene.app.post(COSTS, &token, &body).await;
    reply.expect(201).clone()
}

fn shares(invoice: &Value) -> Vec<&Value> {
    invoice["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["category"] == "shared_cost")
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costs_are_split_to_the_yen_among_the_tenants_active_in_the_month() {
    let scene = Scene::new().await;
    let mut tenants: Vec<TenantScope> = Vec::new();
    for name in ["青空証券株式会社", "みどり銀行", "第三信用金庫"] {
        tenants.push(scene.tenant(name, "free").await);
    }
    let applied = scene.house.tenant(Environment::Production);
    let (state, told) = (TenantState::Applied, at("2026-11-02T00:00:00Z"));
    scene
        .tell_tenant(applied, "申込中", "free", state, 1, told)
        .await;
    // Units 1, 2 and 0; what is not billed gives none.
    for (tenant, count) in [(tenants[0], 1), (tenants[1], 2)] {
        for _ in 0..count {
            let fact = scene.verification("2026-11-21T00:00:00Z");
            scene.tell(tenant, &fact).await;
        }
    }
    enter(&scene, "2026-11", "certification", 1_000_000).await;
    enter(&scene, "2026-11", "hsm", 200_001).await;
    enter(&scene, "2026-11", "hsm", -100_000).await;
    enter(&scene, "2026-12", "lines", 500).await;
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);

    let mut sums = std::collections::BTreeMap::new();
    let mut by_units = Vec::new();
    for tenant in &tenants {
        let invoice = scene.invoice(*tenant, "2026-11").await;
        for line in shares(&invoice) {
            let share = &line["share"];
            assert_eq!(line["charged_for"], "shared_costs");
            assert_eq!(line["amount"], share["amount"]);
            assert_eq!(share["tenants"], 3);
            assert_eq!(share["total_units"], 3);
            assert_eq!(
                share["key"],
                json!({"valid_from": "2023-01-01", "equal": 50, "usage": 50})
            );
            let category = share["category"].as_str().unwrap().to_owned();
            *sums.entry(category).or_insert(0) += line["amount"].as_i64().unwrap();
            if share["category"] == "certification" && share["part"] == "usage" {
                by_units.push(line["amount"].as_i64().unwrap());
            }
        }
        let first = shares(&invoice)[0];
        assert_eq!(
            first["description_ja"],
            "共同費用 認定・監査費用 均等割（総額1,000,000円のうち500,000円を3社で等分）2026年11月分"
        );
    }
    assert_eq!(sums["certification"], 1_000_000);
    assert_eq!(
        sums["hsm"], 100_001,
        "two entries of one category are one cost"
    );
    assert!(!sums.contains_key("lines"), "December's");
    assert_eq!(
        by_units,
        [166_667, 333_333, 0],
        "who used nothing sees that its share is nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_dated_and_a_closed_month_takes_no_costs() {
    let scene = Scene::with(config(
        "[[tariff.sharing_keys]]\nvalid_from = \"2026-12-01\"\nequal = 1\nusage = 0\n",
    ))
    .await;
    let tenant = scene.tenant("青空証券株式会社", "free").await;
    let november = enter(&scene, "2026-11", "operations", 101).await;
    let mistaken = enter(&scene, "2026-11", "lines", 7).await;
    enter(&scene, "2026-12", "operations", 101).await;
    let token = scene.house.operator_token();
    let cost = |id: &Value| format!("{COSTS}/{}", id["id"].as_str().unwrap());
    let gone = scene.app.delete(&cost(&mistaken), &token).await;
    assert_eq!(gone.status, 204);
    scene
        .app
        .delete(&cost(&mistaken), &token)
        .await
        .expect_problem(404, "not_found");
    let list = scene
        .app
        .get(&format!("{COSTS}?month=2026-11"), &token)
        .await;
    assert_eq!(list.expect(200)["data"], json!([november]));

    scene.advance_to("2027-01-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let token = scene.house.operator_token();
    let late = json!({"month": "2026-11", "category": "hsm", "amount": 5});
    let refused = scene.app.post(COSTS, &token, &late).await;
    refused.expect_problem(409, "conflict");
    let kept = scene.app.delete(&cost(&november), &token).await;
    kept.expect_problem(409, "conflict");
    scene.close("2026-12").await.expect(200);
    let parts = |invoice: &Value| -> Vec<(String, i64)> {
        shares(invoice)
            .iter()
            .map(|line| {
                let part = line["share"]["part"].as_str().unwrap().to_owned();
                (part, line["amount"].as_i64().unwrap())
            })
            .collect()
    };
    let (one, two) = (
        scene.invoice(tenant, "2026-11").await,
        scene.invoice(tenant, "2026-12").await,
    );
    assert_eq!(
        parts(&one),
        [("equal".to_owned(), 50), ("usage".to_owned(), 51)]
    );
    assert_eq!(parts(&two), [("equal".to_owned(), 101)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costs_that_nobody_can_bear_refuse_the_close() {
    let scene = Scene::new().await;
    enter(&scene, "2026-11", "operations", 101).await;
    scene.advance_to("2026-12-01T00:00:00Z");
    let refused = scene.close("2026-11").await;
    let problem = refused.expect_problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("no tenant that was active"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f077_what_is_no_cost_is_refused_with_a_pointer() {
    let scene = Scene::new().await;
    let token = scene.house.operator_token();
    let good = json!({"month": "2026-11", "category": "hsm", "amount": 5});
    for (field, value) in [
        ("amount", json!(0)),
        ("amount", json!(1_000_000_000_001_i64)),
        ("amount", json!(0.5)),
        ("amount", json!("5")),
        ("category", json!("coffee")),
        ("month", json!("2026-13")),
        ("note", json!("長".repeat(201))),
        ("tenant", json!("ten_1")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let reply = scene.app.post(COSTS, &token, &body).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(
            problem["errors"][0]["pointer"],
            format!("/{field}"),
            "{problem}"
        );
    }
    scene.app.post(COSTS, &token, &good).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotent_answers_go_when_their_time_is_over() {
    let scene = Scene::new().await;
    let body = json!({"month": "2026-12", "category": "hsm", "amount": 5, "note": "請求書 12"});
    let enter = || {
        let request = scene
            .app
            .request(reqwest::Method::POST, COSTS)
            .header("Idempotency-Key", "k1")
            .bearer_auth(scene.house.operator_token());
        App::read(request.json(&body))
    };
    let kept = async || {
        let db = scene.house.database("billing").await;
        let count = "SELECT COUNT(*) AS n FROM idempotent_answer".to_owned();
        let count = Statement::from_string(db.get_database_backend(), count);
        let row = db.query_one_raw(count).await.unwrap().unwrap();
        row.try_get::<i64>("", "n").unwrap()
    };
    enter().await.expect(201);
    scene.app.run("billing.prune_answers").await;
    let again = enter().await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(kept().await, 1);
    scene.advance_to("2026-11-30T00:00:00Z");
    scene.app.run("billing.prune_answers").await;
    assert_eq!(kept().await, 0);
}
