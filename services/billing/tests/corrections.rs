//! Credit notes, voiding and reissuing: by further documents, while the invoice itself stays as it is.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]

mod common;

use common::{Scene, at};
use serde_json::{Value, json};
use warikan_contracts::facts::TenantState;
use warikan_testkit::Reply;
use warikan_types::TenantScope;

async fn closed() -> (Scene, TenantScope, Value) {
    let scene = Scene::with(common::config(
        "[[tariff.plans]]\nplan = \"odd\"\nvalid_from = \"2026-01-01\"\nbase_fee = 105\n\
         signature_verification = 105\nauthentication = 105\nstatus_check = 105\n",
    ))
    .await;
    let tenant = scene.tenant("青空証券株式会社", "odd").await;
    for _ in 0..2 {
        let fact = scene.verification("2026-11-21T00:00:00Z");
        scene.tell(tenant, &fact).await;
    }
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-11").await;
    assert_eq!(
        (&invoice["subtotal"], &invoice["tax"]),
        (&json!(315), &json!(31))
    );
    (scene, tenant, invoice)
}

async fn ask(scene: &Scene, invoice: &Value, what: &str, body: &Value) -> Reply {
    let path = format!(
        "/v1/operator/invoices/{}/{what}",
        invoice["id"].as_str().unwrap()
    );
    scene
        .app
        .post(&path, &scene.house.operator_token(), body)
        .await
}

async fn documents(scene: &Scene, tenant: TenantScope) -> Vec<Value> {
    let list = scene.get(tenant, "/v1/invoices").await;
    list["data"].as_array().unwrap().clone()
}

fn sum(documents: &[Value], field: &str) -> i64 {
    documents
        .iter()
        .map(|one| one[field].as_i64().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credit_note_names_its_invoice_and_gives_back_no_more_than_is_left() {
    let (scene, tenant, invoice) = closed().await;
    let credit = |n: u32, amount: i64| json!({"reason": "障害による値引き", "lines": [{"n": n, "amount": amount}]});
    let note = ask(&scene, &invoice, "credit-notes", &credit(2, 105)).await;
    let note = note.expect(201);
    assert_eq!(note["document"], "credit_note");
    assert_eq!(note["number"], "2026-11-00001-C1");
    assert_eq!(note["refers_to"]["number"], invoice["number"]);
    assert_eq!(note["refers_to"]["issued_on"], "2026-12-01");
    assert_eq!(note["refers_to"]["reason"], "障害による値引き");
    assert_eq!(note["issuer"], invoice["issuer"]);
    assert_eq!(
        (&note["subtotal"], &note["tax"], &note["total"]),
        (&json!(-105), &json!(-10), &json!(-115))
    );
    assert_eq!(
        note["tax_totals"],
        json!([{"tax_rate_percent": 10, "taxable": -105, "tax": -10}])
    );
    assert_eq!(
        note["lines"][0]["description_ja"],
        "署名検証 利用料（署名用電子証明書・失効情報ファイル）2026年11月分の返還"
    );
    assert_eq!(
        scene
            .get(
                tenant,
                &format!("/v1/invoices/{}", invoice["id"].as_str().unwrap())
            )
            .await,
        invoice
    );
    let too_much = ask(&scene, &invoice, "credit-notes", &credit(2, 106)).await;
    let problem = too_much.expect_problem(409, "conflict");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("of line 2 only 105 yen"),
        "{problem}"
    );
    ask(&scene, &invoice, "credit-notes", &credit(9, 1))
        .await
        .expect_problem(409, "conflict");
    let of_a_note = ask(&scene, note, "credit-notes", &credit(1, 1)).await;
    of_a_note.expect_problem(409, "conflict");
    ask(&scene, &invoice, "credit-notes", &credit(2, 105))
        .await
        .expect(201);
    ask(&scene, &invoice, "credit-notes", &credit(2, 1))
        .await
        .expect_problem(409, "conflict");
    for (body, pointer) in [
        (
            json!({"reason": "", "lines": [{"n": 1, "amount": 1}]}),
            "/reason",
        ),
        (json!({"reason": "x", "lines": []}), "/lines"),
        (credit(1, 0), "/lines/0/amount"),
        (credit(1, -5), "/lines/0/amount"),
    ] {
        let reply = ask(&scene, &invoice, "credit-notes", &body).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn voiding_brings_all_to_nothing_to_the_yen_and_a_reissue_stands_in_its_place() {
    let (scene, tenant, invoice) = closed().await;
    // Three parts of 105 yen, credited one by one, would bear 30 yen of tax; the invoice bore 31.
    for n in [1, 2] {
        let body = json!({"reason": "一部返還", "lines": [{"n": n, "amount": 105}]});
        ask(&scene, &invoice, "credit-notes", &body)
            .await
            .expect(201);
    }
    let (state, told) = (TenantState::Active, at("2026-12-01T00:00:00Z"));
    scene
        .tell_tenant(tenant, "あおぞら証券株式会社", "odd", state, 9, told)
        .await;
    scene.advance_to("2026-12-02T00:00:00Z");
    let body = json!({"reason": "宛名の誤り", "reissue": true});
    let voided = ask(&scene, &invoice, "void", &body).await;
    let voided = voided.expect(201);
    let note = &voided["credit_note"];
    assert_eq!(
        (&note["subtotal"], &note["tax"]),
        (&json!(-105), &json!(-11))
    );
    assert_eq!(note["refers_to"]["voids"], true);
    let again = &voided["reissued"];
    assert_eq!(again["number"], "2026-11-00001-R2");
    assert_eq!(again["issued_on"], "2026-12-02");
    assert_eq!(again["recipient"]["name"], "あおぞら証券株式会社");
    assert_eq!(again["refers_to"]["number"], invoice["number"]);
    for same in ["lines", "tax_totals", "total"] {
        assert_eq!(again[same], invoice[same], "{same}");
    }
    let all = documents(&scene, tenant).await;
    assert_eq!(all.len(), 5);
    let without_the_new: Vec<Value> = all
        .iter()
        .filter(|one| one["id"] != again["id"])
        .cloned()
        .collect();
    for field in ["subtotal", "tax", "total"] {
        assert_eq!(sum(&without_the_new, field), 0, "{field}");
    }
    let records = format!(
        "/v1/invoices/{}/lines/2/records",
        again["id"].as_str().unwrap()
    );
    assert_eq!(
        scene.get(tenant, &records).await["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    ask(&scene, &invoice, "void", &body)
        .await
        .expect_problem(409, "conflict");
    let second = ask(
        &scene,
        again,
        "void",
        &json!({"reason": "再度", "reissue": true}),
    )
    .await;
    assert_eq!(second.expect(201)["reissued"]["number"], "2026-11-00001-R3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f073_a_repeated_request_makes_one_document() {
    let (scene, tenant, invoice) = closed().await;
    let path = format!(
        "/v1/operator/invoices/{}/void",
        invoice["id"].as_str().unwrap()
    );
    let send = |body: Value| {
        let request = scene.app.request(reqwest_method("POST"), &path);
        let token = scene.house.operator_token();
        warikan_testkit::App::read(
            request
                .bearer_auth(token)
                .header("Idempotency-Key", "void-1")
                .json(&body),
        )
    };
    let body = json!({"reason": "取消", "reissue": false});
    let first = send(body.clone()).await;
    let again = send(body).await;
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    send(json!({"reason": "別", "reissue": false}))
        .await
        .expect_problem(409, "idempotency_key_reused");
    assert_eq!(documents(&scene, tenant).await.len(), 2);
}

fn reqwest_method(name: &str) -> reqwest::Method {
    name.parse().unwrap()
}
