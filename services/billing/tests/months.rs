//! Closing months: where a month ends, what comes too late, and that nothing moves afterwards.

mod common;

use common::{Scene, at, config, line, shape};
use serde_json::{Value, json};
use warikan_contracts::{
    Fact,
    facts::{InvoiceFinalized, TenantState},
};
use warikan_testkit::told_facts;
use warikan_types::Environment;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f076_a_month_ends_at_midnight_in_japan_and_late_operations_are_adjusted() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    // 23:59:59.999 on the 30th and 00:00 on the 1st in Japan.
    let last = scene.verification("2026-11-30T14:59:59.999Z");
    let first = scene.verification("2026-11-30T15:00:00Z");
    let late = scene.verification("2026-11-30T14:59:59.999999Z");
    scene.tell(tenant, &last).await;
    scene.tell(tenant, &first).await;

    scene.advance_to("2026-11-30T14:59:59.999Z");
    let early = scene.close("2026-11").await;
    early.expect_problem(409, "conflict");
    scene.advance_to("2026-11-30T15:00:00Z");
    scene.close("2026-11").await.expect(200);
    let november = scene.invoice(tenant, "2026-11").await;
    assert_eq!(november["issued_on"], "2026-12-01", "a day in Japan");
    assert_eq!(
        shape(&november),
        [
            line("platform_base", 50_000, 1),
            line("platform_usage", 100, 1),
            line("jlis_fee", 0, 1)
        ]
    );

    scene.tell(tenant, &late).await;
    let handle = scene.handle();
    scene
        .tell(tenant, &scene.checks("2026-11", &[handle]))
        .await;
    assert_eq!(
        scene.invoice(tenant, "2026-11").await,
        november,
        "a closed month never changes"
    );
    let usage = scene.get(tenant, "/v1/usage?period=2026-11").await;
    assert_eq!(usage["state"], "closed");
    assert_eq!(usage["usage"][0]["quantity"], 2, "it was used in November");

    scene.advance_to("2027-01-04T00:00:00Z");
    scene.close("2026-12").await.expect(200);
    let december = scene.invoice(tenant, "2026-12").await;
    assert_eq!(
        shape(&december),
        [
            line("platform_base", 50_000, 1),
            line("platform_usage", 100, 1),
            line("jlis_fee", 0, 1),
            line("adjustment", 100, 1),
            line("adjustment", 5, 1),
            line("adjustment", 0, 1),
            line("adjustment", 0, 1),
        ]
    );
    let adjusted = &december["lines"][3];
    assert_eq!(adjusted["service_month"], "2026-11");
    assert_eq!(
        adjusted["description_ja"],
        "署名検証 利用料（署名用電子証明書・失効情報ファイル）2026年11月分の調整"
    );
    let records = scene
        .get(
            tenant,
            &format!(
                "/v1/invoices/{}/lines/4/records",
                december["id"].as_str().unwrap()
            ),
        )
        .await;
    assert_eq!(
        records["data"][0]["operation"],
        late.verification.to_string()
    );
    assert_eq!(records["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f076_a_leap_day_belongs_to_february() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "free").await;
    for time in ["2028-02-29T14:59:59.999Z", "2028-02-29T15:00:00Z"] {
        scene.tell(tenant, &scene.verification(time)).await;
    }
    for month in ["2028-02", "2028-03"] {
        let usage = scene
            .get(tenant, &format!("/v1/usage?period={month}"))
            .await;
        assert_eq!(usage["usage"][0]["quantity"], 1, "{month}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_is_idempotent_and_in_order() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene
        .tell(tenant, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    scene.advance_to("2027-02-01T00:00:00Z");
    let skipped = scene.close("2026-12").await;
    let problem = skipped.expect_problem(409, "conflict");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("2026-11 has to be closed before 2026-12"),
        "{problem}"
    );
    let (one, other) = tokio::join!(scene.close("2026-11"), scene.close("2026-11"));
    assert_eq!(one.expect(200), other.expect(200), "at once");
    scene.advance_to("2027-02-02T00:00:00Z");
    let again = scene.close("2026-11").await;
    assert_eq!(again.expect(200), one.expect(200), "later");
    assert_eq!(
        one.json,
        json!({"period": "2026-11", "state": "closed", "closed_at": "2027-02-01T00:00:00Z",
               "invoiced": {"invoices": 1, "subtotal": 50_100, "tax": 5_010, "total": 55_110}})
    );
    let list = scene.get(tenant, "/v1/invoices").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    scene.close("2026-10").await.expect_problem(409, "conflict");
    scene.close("2027-01").await.expect_problem(409, "conflict");
    scene.close("2026-12").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_sees_a_month_over_all_tenants() {
    let scene = Scene::new().await;
    let month = || async {
        let token = scene.house.operator_token();
        let reply = scene.app.get("/v1/operator/months/2026-11", &token).await;
        reply.expect(200).clone()
    };
    for name in ["青空証券株式会社", "みどり銀行"] {
        let tenant = scene.tenant(name, "standard").await;
        scene
            .tell(tenant, &scene.verification("2026-11-21T00:00:00Z"))
            .await;
    }
    let running = month().await;
    assert_eq!(running["state"], "running");
    assert!(running["invoiced"].is_null());
    assert_eq!(
        running["usage"],
        json!([{"meter": "verification", "purpose": "signature_verification", "kind": "card_signature",
                "channel": "crl", "quantity": 2, "billable_quantity": 2}])
    );
    scene.advance_to("2026-12-01T00:00:00Z");
    assert_eq!(month().await["state"], "over");
    let closed = scene.close("2026-11").await;
    let report = month().await;
    for field in ["state", "closed_at", "invoiced"] {
        assert_eq!(report[field], closed.json[field], "{field}");
    }
    assert_eq!(report["invoiced"]["total"], 2 * 55_110);
    scene
        .app
        .get("/v1/operator/months/2026-13", &scene.house.operator_token())
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn base_fees_follow_the_tenants_life_and_the_latest_revision() {
    let scene = Scene::new().await;
    let scope = || scene.house.tenant(Environment::Production);
    let tell = |scope, name, plan, state, revision, time: &'static str| {
        scene.tell_tenant(scope, name, plan, state, revision, at(time))
    };
    let applied = scope();
    tell(
        applied,
        "申込中",
        "standard",
        TenantState::Applied,
        1,
        "2026-11-01T00:00:00Z",
    )
    .await;
    let december = scope();
    tell(
        december,
        "十二月開始",
        "standard",
        TenantState::Active,
        2,
        "2026-11-30T15:00:00Z",
    )
    .await;
    let leaving = scope();
    tell(
        leaving,
        "解約",
        "standard",
        TenantState::Active,
        2,
        "2026-11-03T00:00:00Z",
    )
    .await;
    tell(
        leaving,
        "解約",
        "standard",
        TenantState::Closed,
        3,
        "2026-11-20T00:00:00Z",
    )
    .await;
    // Told out of order: the name and plan of the highest revision stand.
    let renamed = scope();
    tell(
        renamed,
        "新商号",
        "free",
        TenantState::Suspended,
        9,
        "2026-11-10T00:00:00Z",
    )
    .await;
    tell(
        renamed,
        "旧商号",
        "standard",
        TenantState::Active,
        4,
        "2026-11-05T00:00:00Z",
    )
    .await;

    scene.advance_to("2027-01-01T00:00:00Z");
    let november = scene.close("2026-11").await;
    assert_eq!(november.expect(200)["invoiced"]["invoices"], 2);
    let last = scene.invoice(leaving, "2026-11").await;
    assert_eq!(shape(&last), [line("platform_base", 50_000, 1)]);
    let new_name = scene.invoice(renamed, "2026-11").await;
    assert_eq!(new_name["recipient"]["name"], "新商号");
    assert_eq!(new_name["plan"], "free");

    scene.close("2026-12").await.expect(200);
    assert_eq!(scene.invoice(december, "2026-12").await["subtotal"], 50_000);
    let after_the_end = scene.get(leaving, "/v1/invoices").await;
    assert_eq!(after_the_end["data"].as_array().unwrap().len(), 1);
    let never = scene.get(applied, "/v1/invoices").await;
    assert_eq!(never["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charges_of_a_tenant_nobody_told_of_refuse_the_close_as_a_whole() {
    let scene = Scene::new().await;
    let known = scene.tenant("青空証券株式会社", "standard").await;
    let stranger = scene.house.tenant(Environment::Production);
    scene
        .tell(stranger, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    let unpriced = scene.get(stranger, "/v1/usage?period=2026-11").await;
    assert!(unpriced["usage"][0]["platform_amount"].is_null());
    scene.advance_to("2026-12-01T00:00:00Z");
    let refused = scene.close("2026-11").await;
    let problem = refused.expect_problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&stranger.tenant().to_string()), "{detail}");
    let none = scene.get(known, "/v1/invoices").await;
    assert_eq!(none["data"], json!([]));
    scene
        .tell_tenant(
            stranger,
            "みどり銀行",
            "free",
            TenantState::Active,
            1,
            at("2026-11-20T00:00:00Z"),
        )
        .await;
    scene.close("2026-11").await.expect(200);
    scene.invoice(known, "2026-11").await;
    scene.invoice(stranger, "2026-11").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f077_an_amount_too_large_refuses_the_close_and_breaks_nothing() {
    let scene = Scene::with(config(
        "[[tariff.plans]]\nplan = \"beyond\"\nvalid_from = \"2026-01-01\"\nbase_fee = 0\n\
         signature_verification = 9223372036854775807\nauthentication = 0\nstatus_check = 0\n",
    ))
    .await;
    let tenant = scene.tenant("青空証券株式会社", "beyond").await;
    for _ in 0..2 {
        scene
            .tell(tenant, &scene.verification("2026-11-21T00:00:00Z"))
            .await;
    }
    let usage = scene.get(tenant, "/v1/usage?period=2026-11").await;
    assert!(usage["usage"][0]["platform_amount"].is_null());
    assert_eq!(
        usage["usage"][0]["unpriced"],
        "the amount is larger than can be represented"
    );
    scene.advance_to("2026-12-01T00:00:00Z");
    let refused = scene.close("2026-11").await;
    let problem = refused.expect_problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("too large"));
    let state = scene
        .app
        .get("/v1/operator/months/2026-11", &scene.house.operator_token())
        .await;
    assert_eq!(state.expect(200)["state"], "over");
}

/// Meters count on while four ask for the same close: one close decides for each operation on which invoice it stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_month_closed_by_several_at_once_is_closed_once() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene.advance_to("2026-12-01T00:00:00Z");
    let facts: Vec<_> = (0..24)
        .map(|_| scene.verification("2026-11-21T00:00:00Z"))
        .collect();
    let meter = |part: usize| {
        let (scene, facts) = (&scene, &facts);
        async move {
            for fact in facts.iter().skip(part).step_by(3) {
                scene.tell(tenant, fact).await;
            }
        }
    };
    let close = || scene.close("2026-11");
    let (_, _, _, a, b, c, d) = tokio::join!(
        meter(0),
        meter(1),
        meter(2),
        close(),
        close(),
        close(),
        close()
    );
    let first = a.expect(200).clone();
    for other in [&b, &c, &d] {
        assert_eq!(other.expect(200), &first, "every close gives one answer");
    }
    let invoices = scene.get(tenant, "/v1/invoices").await;
    assert_eq!(invoices["data"].as_array().unwrap().len(), 1);
    // What came too late for November stands on December's, and nothing stands on neither or both.
    scene.advance_to("2027-01-01T00:00:00Z");
    scene.close("2026-12").await.expect(200);
    let mut billed = 0;
    for month in ["2026-11", "2026-12"] {
        let invoice = scene.invoice(tenant, month).await;
        for line in invoice["lines"].as_array().unwrap() {
            // What was late stands in an adjustment's category, and the J-LIS fee of a use on a line of its own.
            if line["charged_for"] == "operator" && !line["meter"].is_null() {
                billed += line["quantity"].as_i64().unwrap();
            }
        }
    }
    assert_eq!(billed, 24);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_invoice_is_told_once_as_a_fact_of_its_tenant() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    scene.close("2026-11").await.expect(200);
    let db = scene.house.database("billing").await;
    // That the operator closed the month is told too.
    let told: Vec<Value> = told_facts(&db)
        .await
        .into_iter()
        .filter(|fact| fact["type"] == InvoiceFinalized::TYPE)
        .collect();
    assert_eq!(told.len(), 1);
    let envelope = &told[0];
    let invoice = scene.invoice(tenant, "2026-11").await;
    assert_eq!(envelope["scope"]["tenant"], tenant.tenant().to_string());
    assert_eq!(envelope["scope"]["environment"], "production");
    assert_eq!(
        envelope["payload"],
        json!({"invoice": invoice["id"], "period": "2026-11", "total": 55_000})
    );
}
