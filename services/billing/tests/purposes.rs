//! What the ministers may ask: how many confirmations for whom and why; and that what the operator does here is told.

mod common;

use common::Scene;
use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};
use warikan_testkit::{App, told_facts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmations_are_counted_by_tenant_and_purpose() {
    let scene = Scene::new().await;
    let blue = scene.tenant("青空証券株式会社", "standard").await;
    let red = scene.tenant("=赤星銀行", "standard").await;
    for time in [
        "2026-11-03T00:00:00Z",
        "2026-11-04T00:00:00Z",
        "2026-12-01T00:00:00Z",
    ] {
        scene.tell(blue, &scene.verification(time)).await;
    }
    scene
        .tell(red, &scene.verification("2026-11-30T14:59:59Z"))
        .await;
    let (one, two) = (scene.handle(), scene.handle());
    scene.tell(red, &scene.checks("2026-11", &[one, two])).await;
    let path = "/v1/operator/months/2026-11/purpose-counts";
    let token = scene.house.operator_token();
    let reply = scene.app.get(path, &token).await;
    let counts = reply.expect(200);
    assert_eq!(
        (&counts["period"], &counts["state"]),
        (&json!("2026-11"), &json!("running"))
    );
    let mut rows: Vec<Value> = counts["data"].as_array().unwrap().clone();
    rows.sort_by_key(|row| {
        (
            row["name"] == "青空証券株式会社",
            row["purpose"].to_string(),
        )
    });
    let row = |row: &Value| {
        (
            row["tenant"].clone(),
            row["purpose"].clone(),
            row["count"].clone(),
        )
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let (blue, red) = (json!(blue.tenant()), json!(red.tenant()));
    assert_eq!(
        rows,
        [
            (red.clone(), json!("signature_verification"), json!(1)),
            (red.clone(), json!("status_check"), json!(2)),
            (blue, json!("signature_verification"), json!(2)),
        ]
    );
    let request = scene.app.request(Method::GET, path).bearer_auth(&token);
    let table = App::read(request.header(ACCEPT, "text/csv")).await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    let table = String::from_utf8(table.body).unwrap();
    assert_eq!(table.lines().count(), 4);
    assert!(
        table.starts_with("\"tenant\",\"name\",\"purpose\",\"kind\",\"channel\",\"count\"\r\n")
    );
    let line =
        format!("{red},\"'=赤星銀行\",\"status_check\",\"card_signature\",\"crl\",\"2\"\r\n");
    assert!(table.contains(&line), "{table}");
    let none = "/v1/operator/months/2026-13/purpose-counts";
    scene
        .app
        .get(none, &token)
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_does_is_told_with_the_act() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let token = scene.house.operator_token();
    let cost = json!({ "month": "2026-11", "category": "hsm", "amount": 300 });
    let entered = scene
        .app
        .post("/v1/operator/shared-costs", &token, &cost)
        .await;
    let cost = entered.expect(201)["id"].clone();
    let early = scene.close("2026-11").await;
    early.expect_problem(409, "conflict");
    scene.advance_to("2026-12-02T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    scene.close("2026-11").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-11").await["id"].clone();
    let path = format!(
        "/v1/operator/invoices/{}/credit-notes",
        invoice.as_str().unwrap()
    );
    let note = json!({ "reason": "値引き", "lines": [{ "n": 1, "amount": 10 }] });
    let token = scene.house.operator_token();
    let request = || {
        let request = scene.app.request(Method::POST, &path).bearer_auth(&token);
        let request = request
            .header("idempotency-key", "n1")
            .header("x-request-id", "request-0042");
        App::read(request.json(&note))
    };
    let issued = request().await;
    assert_eq!(request().await.expect(201), issued.expect(201));
    let db = scene.house.database("billing").await;
    let facts: Vec<Value> = told_facts(&db)
        .await
        .into_iter()
        .filter(|fact| fact["type"] == "operator.acted")
        .map(|fact| fact["payload"].clone())
        .collect();
    let told: Vec<(&Value, &Value)> = facts
        .iter()
        .map(|fact| (&fact["act"], &fact["subject"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("shared_cost.entered"), &cost),
            (&json!("month.closed"), &json!("2026-11")),
            (&json!("credit_note.issued"), &invoice),
        ]
    );
    assert_eq!(facts[1]["tenant"], Value::Null);
    assert_eq!(facts[2]["tenant"], json!(tenant.tenant()));
    assert_eq!(facts[2]["environment"], "production");
    assert_eq!(facts[2]["request_id"], "request-0042");
    assert!(facts[2]["client"].as_str().unwrap().starts_with("cli_"));
}
