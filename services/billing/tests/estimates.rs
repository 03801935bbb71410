//! What will it cost: estimates beside invoices of the same volume, and usage carried on to the end of the month.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]

mod common;

use common::{Scene, at, config};
use serde_json::{Value, json};
use warikan_contracts::facts::{Channel, StatusChecked, VerificationCompleted};
use warikan_types::{ClientScope, Environment, TenantScope};

const OCSP: &str = "[[tariff.jlis_fees]]\nvalid_from = \"2026-01-01\"\nchannel = \"ocsp\"\n\
     kinds = [\"card_signature\", \"card_authentication\"]\n\
     purposes = [\"signature_verification\", \"authentication\", \"status_check\"]\nunit_price = 7\n\
     [[tariff.plans]]\nplan = \"large\"\nvalid_from = \"2026-01-01\"\nbase_fee = 90000\nminimum = 400\n\
     signature_verification = { included = 2, price = 50, tiers = [{ above = 5, price = 40 }] }\n\
     authentication = 7\nstatus_check = 3\n";

async fn estimate(scene: &Scene, tenant: TenantScope, body: &Value) -> Value {
    let token = scene.house.token(tenant, &[ClientScope::Billing]);
    let reply = scene.app.post("/v1/estimates", &token, body).await;
    reply.expect(200).clone()
}

/// What an estimate and an invoice both say of a line.
fn lines(of: &Value) -> Vec<Value> {
    const BOTH: [&str; 11] = [
        "description_ja",
        "description_en",
        "category",
        "charged_for",
        "purpose",
        "kind",
        "channel",
        "quantity",
        "unit_price",
        "amount",
        "tax_rate_percent",
    ];
    let lines = of["lines"].as_array().unwrap();
    lines
        .iter()
        .map(|line| json!(BOTH.map(|name| line[name].clone())))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_of_a_volume_is_the_invoice_of_the_same_volume() {
    let scene = Scene::with(config(OCSP)).await;
    let tenant = scene.tenant("青空証券株式会社", "large").await;
    for hour in 0..9 {
        let fact = scene.verification(&format!("2026-12-21T0{hour}:00:00Z"));
        scene.tell(tenant, &fact).await;
    }
    for _ in 0..3 {
        let fact = VerificationCompleted {
            channel: Some(Channel::Ocsp),
            ..scene.authentication("2026-12-24T00:00:00Z")
        };
        scene.tell(tenant, &fact).await;
    }
    let handles = [scene.handle(), scene.handle(), scene.handle()];
    for _ in 0..2 {
        scene.tell(tenant, &scene.checks("2026-12", &handles)).await;
    }
    scene.advance_to("2027-01-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    scene.close("2026-12").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-12").await;
    let volumes = json!([
        {"purpose": "signature_verification", "kind": "card_signature", "channel": "crl", "quantity": 9, "day": "2026-12-21"},
        {"purpose": "authentication", "kind": "card_authentication", "channel": "ocsp", "quantity": 3, "day": "2026-12-24"},
        {"purpose": "status_check", "kind": "card_signature", "channel": "crl", "quantity": 3},
    ]);
    let body = json!({"period": "2026-12", "plan": "large", "volumes": volumes});
    let estimated = estimate(&scene, tenant, &body).await;
    assert_eq!(estimated["plan"], "large");
    let options = estimated["options"].as_array().unwrap();
    assert_eq!(options.len(), 1, "every volume names its channel");
    let option = &options[0];
    assert_eq!(lines(option), lines(&invoice));
    for total in ["subtotal", "tax", "total", "tax_totals"] {
        assert_eq!(option[total], invoice[total], "{total}");
    }
    assert_eq!(estimated["cheapest"]["total"], invoice["total"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_by_list_and_by_ocsp_and_the_cheapest_that_is_fresh_enough() {
    let scene = Scene::with(config(OCSP)).await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let campaign = json!({"kind": "card_signature", "certificates": 10_000, "times": 3});
    let ask = |max_age: Option<u64>| json!({"period": "2026-12", "campaign": campaign, "max_age_seconds": max_age});
    let free = "free";
    let told = estimate(&scene, tenant, &ask(None)).await;
    let options = told["options"].as_array().unwrap();
    assert_eq!(options.len(), 6, "three plans, two channels");
    let total = |plan: &str, channel: &str| {
        let found = options
            .iter()
            .find(|one| one["plan"] == plan && one["channel"] == channel);
        found.unwrap()["total"].as_i64().unwrap()
    };
    // By list each certificate once a month; by OCSP each of the 30,000 calls, and 7 yen of it J-LIS's.
    assert_eq!(total("standard", "crl"), (50_000 + 10_000 * 5) * 110 / 100);
    assert_eq!(
        total("standard", "ocsp"),
        (50_000 + 30_000 * 5 + 30_000 * 7) * 110 / 100
    );
    assert_eq!(total("large", "crl"), (90_000 + 10_000 * 3) * 110 / 100);
    assert_eq!(total(free, "crl"), 0);
    assert_eq!(
        told["cheapest"],
        json!({"plan": free, "channel": "crl", "total": 0})
    );
    // Lists are a day old at worst: for an hour's freshness it has to be OCSP, and dearer.
    let fresh = estimate(&scene, tenant, &ask(Some(3_600))).await;
    assert_eq!(
        fresh["cheapest"],
        json!({"plan": free, "channel": "ocsp", "total": 30_000 * 7 * 110 / 100})
    );
    let crl = fresh["options"][0].clone();
    assert_eq!(
        (&crl["channel"], &crl["fresh_enough"], &crl["age_seconds"]),
        (&json!("crl"), &json!(false), &json!(87_000))
    );
    let day = estimate(&scene, tenant, &ask(Some(87_000))).await;
    assert_eq!(day["cheapest"]["channel"], "crl");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_tariff_row_covers_is_not_guessed() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let body = json!({"period": "2026-12", "max_age_seconds": 0,
        "campaign": {"kind": "card_signature", "certificates": 5}});
    let told = estimate(&scene, tenant, &body).await;
    assert!(
        told["cheapest"].is_null(),
        "the list is too old, OCSP has no price"
    );
    let options = told["options"].as_array().unwrap();
    let last = options.last().unwrap();
    assert_eq!(last["channel"], "ocsp");
    assert!(last["total"].is_null());
    let why = last["unpriced"].as_str().unwrap();
    assert!(
        why.contains("J-LIS fee ocsp/card_signature/status_check"),
        "{why}"
    );
    let token = scene.house.token(tenant, &[ClientScope::Billing]);
    for (body, pointer) in [
        (json!({}), "/volumes"),
        (
            json!({"plan": "none", "campaign": {"kind": "card_signature", "certificates": 5}}),
            "/plan",
        ),
        (
            json!({"campaign": {"kind": "card_signature", "certificates": 5, "times": 0}}),
            "/campaign/times",
        ),
    ] {
        let reply = scene.app.post("/v1/estimates", &token, &body).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_so_far_is_carried_on_to_the_end_of_the_month() {
    let scene = Scene::with(config(OCSP)).await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    // Twenty days of thirty are over in Japan.
    for _ in 0..4 {
        let fact = scene.verification("2026-11-20T14:00:00Z");
        scene.tell(tenant, &fact).await;
    }
    let handle = scene.handle();
    scene
        .tell(tenant, &scene.checks("2026-11", &[handle]))
        .await;
    let live = StatusChecked {
        channel: Channel::Ocsp,
        ..scene.checks("2026-11", &[handle, handle])
    };
    scene.tell(tenant, &live).await;
    let now = scene.house.clock().now();
    assert_eq!(now, at("2026-11-21T00:00:00Z"));
    let usage = scene.get(tenant, "/v1/usage?period=2026-11").await;
    assert_eq!(
        usage["charges"],
        json!({"subtotal": 50_000 + 4 * 100 + 5 + 2 * 12, "tax": 5_042, "total": 55_471, "unpriced": null})
    );
    let projection = &usage["projection"];
    let (elapsed, month) = (20 * 86_400 + 9 * 3_600, 30 * 86_400);
    assert_eq!(projection["elapsed_seconds"], elapsed);
    assert_eq!(projection["month_seconds"], month);
    let quantities: Vec<i64> = projection["usage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["billable_quantity"].as_i64().unwrap())
        .collect();
    let expected = [4 * month / elapsed, 1, 2 * month / elapsed];
    assert_eq!(quantities, expected, "a listed check counts once a month");
    assert_eq!(
        projection["charges"]["subtotal"],
        50_000 + expected[0] * 100 + 5 + expected[2] * 12
    );
    let over = scene.get(tenant, "/v1/usage?period=2026-10").await;
    assert!(over["projection"].is_null());
    assert_eq!(
        over["charges"]["subtotal"], 0,
        "it was not active in October"
    );

    let sandbox = TenantScope::of_event(tenant.tenant(), Environment::Sandbox);
    let fact = scene.verification("2026-11-20T14:00:00Z");
    scene.tell(sandbox, &fact).await;
    let free = scene.get(sandbox, "/v1/usage?period=2026-11").await;
    assert_eq!(free["charges"]["total"], 0, "the sandbox is free");
    assert_eq!(free["projection"]["charges"]["total"], 0);
}
