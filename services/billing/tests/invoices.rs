//! Invoices as tenants read them.

mod common;

use common::{Scene, config, line, shape};
use serde_json::{Value, json};
use warikan_types::ClientScope;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_qualified_invoice_names_everything_and_rounds_tax_once() {
    let scene = Scene::with(config(
        "[issuer]\nname = \"割り勘運営株式会社\"\nregistration_number = \"T7000012050002\"\n\
         [[tariff.plans]]\nplan = \"thrice\"\nvalid_from = \"2026-01-01\"\nbase_fee = 105\n\
         signature_verification = 105\nauthentication = 105\nstatus_check = 105\n",
    ))
    .await;
    let tenant = scene.tenant("青空証券株式会社", "thrice").await;
    scene
        .tell(tenant, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    scene
        .tell(tenant, &scene.authentication("2026-11-21T00:00:00Z"))
        .await;
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-11").await;
    assert_eq!(
        shape(&invoice),
        [
            line("platform_base", 105, 1),
            line("platform_usage", 105, 1),
            line("platform_usage", 105, 1),
            line("jlis_fee", 0, 1),
            line("jlis_fee", 0, 1),
        ]
    );
    assert_eq!(
        invoice["tax_totals"],
        json!([{"tax_rate_percent": 10, "taxable": 315, "tax": 31}]),
        "31.5 rounded down once, not 10 yen three times"
    );
    assert_eq!(invoice["total"], 346);
    assert_eq!(invoice["tax_rounding"], "floor");
    assert_eq!(invoice["currency"], "JPY");
    assert_eq!(
        invoice["issuer"],
        json!({"name": "割り勘運営株式会社", "registration_number": "T7000012050002"})
    );
    assert_eq!(invoice["recipient"], json!({"name": "青空証券株式会社"}));
    assert_eq!(invoice["number"], "2026-11-00001");
    assert_eq!(invoice["period"], "2026-11");
    let base = &invoice["lines"][0];
    assert_eq!(
        base["description_ja"],
        "基本料金（プラン thrice）2026年11月分"
    );
    assert_eq!(base["description_en"], "Base fee, plan thrice, 2026-11");
    assert!(base["meter"].is_null());
    let fee = &invoice["lines"][3];
    assert_eq!(
        fee["description_ja"],
        "署名検証 失効情報提供手数料（J-LIS）（署名用電子証明書・失効情報ファイル）2026年11月分"
    );
    assert_eq!(
        (fee["unit_price"].as_i64(), fee["list_price"].as_i64()),
        (Some(0), Some(20)),
        "free, and what it would cost"
    );
    assert_eq!(fee["charged_for"], "jlis");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounding_is_the_issuers_choice() {
    for (rounding, tax) in [("floor", 31), ("half_up", 32), ("ceiling", 32)] {
        let scene = Scene::with(config(&format!(
            "tax_rounding = \"{rounding}\"\n\
             [[tariff.plans]]\nplan = \"odd\"\nvalid_from = \"2026-01-01\"\nbase_fee = 315\n\
             signature_verification = 0\nauthentication = 0\nstatus_check = 0\n"
        )))
        .await;
        let tenant = scene.tenant("青空証券株式会社", "odd").await;
        scene.advance_to("2026-12-01T00:00:00Z");
        scene.close("2026-11").await.expect(200);
        let list = scene.get(tenant, "/v1/invoices").await;
        assert_eq!(list["data"][0]["tax"], tax, "{rounding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_another_tenants_invoice_is_not_there() {
    let scene = Scene::new().await;
    let a = scene.tenant("青空証券株式会社", "standard").await;
    let b = scene.tenant("みどり銀行", "standard").await;
    scene
        .tell(a, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let of_a = scene.invoice(a, "2026-11").await;
    let of_b = scene.invoice(b, "2026-11").await;
    assert_eq!(of_a["total"], 55_110);
    assert_eq!(
        of_b["total"], 55_000,
        "two tenants' invoices are independent"
    );
    assert_ne!(of_a["number"], of_b["number"]);
    let token = scene.house.token(b, &[ClientScope::Billing]);
    let id = of_a["id"].as_str().unwrap();
    let random: warikan_types::Id<warikan_types::Invoice> =
        scene.house.platform.entropy.id(scene.house.clock().now());
    for path in ["", "/lines/1/records", "/lines/2/records"] {
        let foreign = scene
            .app
            .get(&format!("/v1/invoices/{id}{path}"), &token)
            .await;
        let absent = scene
            .app
            .get(&format!("/v1/invoices/{random}{path}"), &token)
            .await;
        let without_request = |json: &Value| {
            let mut json = json.clone();
            json["request_id"] = Value::Null;
            json
        };
        assert_eq!(
            without_request(foreign.expect_problem(404, "not_found")),
            without_request(absent.expect_problem(404, "not_found")),
        );
    }
    let usage = scene.get(b, "/v1/usage?period=2026-11").await;
    assert_eq!(usage["usage"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_in_which_facts_arrive_does_not_matter() {
    let scene = Scene::new().await;
    let handles: Vec<_> = (0..4).map(|_| scene.handle()).collect();
    let mut seen = Vec::new();
    for reversed in [false, true] {
        let tenant = scene.tenant("青空証券株式会社", "standard").await;
        let mut messages = Vec::new();
        for day in 10..20 {
            let time = format!("2026-11-{day}T12:00:00Z");
            let fact = if day % 3 == 0 {
                scene.authentication(&time)
            } else {
                scene.verification(&time)
            };
            messages.push(scene.envelope(Some(tenant), fact.accepted_at, &fact));
            let checks = scene.checks("2026-11", &handles[..(day % 4) + 1]);
            messages.push(scene.envelope(Some(tenant), fact.accepted_at, &checks));
        }
        if reversed {
            messages.reverse();
        }
        for message in &messages {
            scene.publish(message).await;
        }
        seen.push(tenant);
    }
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let one = scene.invoice(seen[0], "2026-11").await;
    let other = scene.invoice(seen[1], "2026-11").await;
    assert_eq!(one["lines"], other["lines"]);
    assert_eq!(one["lines"].as_array().unwrap().len(), 7);
    assert_eq!(one["total"], other["total"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_and_a_lines_records_add_up_to_it() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    for minute in 10..17 {
        let time = format!("2026-11-21T00:{minute}:00Z");
        scene.tell(tenant, &scene.verification(&time)).await;
    }
    scene.advance_to("2027-01-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    scene.advance_to("2027-01-01T00:00:01Z");
    scene.close("2026-12").await.expect(200);
    let first = scene.get(tenant, "/v1/invoices?limit=1").await;
    assert_eq!(first["data"][0]["period"], "2026-11");
    let next = format!(
        "/v1/invoices?limit=1&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    let second = scene.get(tenant, &next).await;
    assert_eq!(second["data"][0]["period"], "2026-12");
    assert!(second["next_cursor"].is_null());

    let id = first["data"][0]["id"].as_str().unwrap();
    let records = format!("/v1/invoices/{id}/lines/2/records");
    let mut operations = Vec::new();
    let mut path = format!("{records}?limit=3");
    loop {
        let page = scene.get(tenant, &path).await;
        for record in page["data"].as_array().unwrap() {
            operations.push(record["operation"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{records}?limit=3&cursor={cursor}");
    }
    operations.sort();
    operations.dedup();
    assert_eq!(operations.len(), 7);
    let base = scene
        .get(tenant, &format!("/v1/invoices/{id}/lines/1/records"))
        .await;
    assert_eq!(base["data"], json!([]), "a base fee counts nothing");

    let token = scene.house.token(tenant, &[ClientScope::Billing]);
    let cursor = first["next_cursor"].as_str().unwrap();
    for (path, status) in [
        (format!("{records}?cursor={cursor}"), 400),
        (format!("{records}?limit=0"), 400),
        ("/v1/invoices?limit=501".to_owned(), 400),
        (format!("/v1/invoices/{id}/lines/99/records"), 404),
        (format!("/v1/invoices/{id}/lines/x/records"), 404),
        (format!("/v1/invoices/{id}/lines/-1/records"), 404),
        ("/v1/invoices/inv_1".to_owned(), 404),
    ] {
        assert_eq!(scene.app.get(&path, &token).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_each_operation_asks_for_its_scope() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let id = scene.invoice(tenant, "2026-11").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let right = scene.house.token(tenant, &[ClientScope::Billing]);
    let wrong = scene
        .house
        .token(tenant, &[ClientScope::Verifications, ClientScope::Events]);
    let operator = scene.house.operator_token();
    for path in [
        "/v1/usage?period=2026-11".to_owned(),
        "/v1/invoices".to_owned(),
        format!("/v1/invoices/{id}"),
        format!("/v1/invoices/{id}/lines/1/records"),
    ] {
        scene
            .app
            .get(&path, "nonsense")
            .await
            .expect_problem(401, "invalid_token");
        for token in [&wrong, &operator] {
            scene
                .app
                .get(&path, token)
                .await
                .expect_problem(403, "insufficient_scope");
        }
        scene.app.get(&path, &right).await.expect(200);
    }
    let month = "/v1/operator/months/2026-11";
    let close = format!("{month}/close");
    for token in [&right, &wrong] {
        scene
            .app
            .get(month, token)
            .await
            .expect_problem(403, "insufficient_scope");
        scene
            .app
            .post(&close, token, &json!({}))
            .await
            .expect_problem(403, "insufficient_scope");
    }
    scene
        .app
        .get(month, "nonsense")
        .await
        .expect_problem(401, "invalid_token");
    scene
        .app
        .post(&close, "nonsense", &json!({}))
        .await
        .expect_problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_queries_are_refused_with_a_pointer() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let token = scene.house.token(tenant, &[ClientScope::Billing]);
    for (query, pointer) in [
        ("?period=2026-13", "?period"),
        ("?period=november", "?period"),
        ("", "?"),
        ("?period=2026-11&tenant=x", "?tenant"),
    ] {
        let reply = scene.app.get(&format!("/v1/usage{query}"), &token).await;
        let problem = reply.expect_problem(400, "invalid_request");
        let found = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(found.starts_with('?'), "{query}: {problem}");
        if pointer == "?period" {
            assert_eq!(found, pointer);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_cannot_be_right_is_refused() {
    let bad_number = "[issuer]\nname = \"x\"\nregistration_number = \"T1000012050002\"\n";
    let error = toml::from_str::<warikan_billing::Config>(bad_number).unwrap_err();
    assert!(
        error.to_string().contains("check digit should be 7"),
        "{error}"
    );
    assert!(toml::from_str::<warikan_billing::Config>("tax_roundin = \"floor\"\n").is_err());
    let twice = config(
        "[[tariff.plans]]\nplan = \"standard\"\nvalid_from = \"2023-01-01\"\nbase_fee = 1\n\
         signature_verification = 1\nauthentication = 1\nstatus_check = 1\n",
    );
    let house = warikan_testkit::TestHouse::new();
    let refused = warikan_billing::Billing::open(twice, &house.platform, Vec::new()).await;
    assert!(refused.is_err(), "the past does not move");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_in_the_document() {
    let scene = Scene::new().await;
    let reply = scene.app.get("/openapi.json", "").await;
    let document = reply.expect(200);
    for (path, method, scope) in [
        ("/v1/usage", "get", "billing"),
        ("/v1/invoices", "get", "billing"),
        ("/v1/invoices/{id}", "get", "billing"),
        ("/v1/invoices/{id}/lines/{n}/records", "get", "billing"),
        ("/v1/operator/months/{period}", "get", "operator"),
        ("/v1/operator/months/{period}/close", "post", "operator"),
    ] {
        let operation = &document["paths"][path][method];
        assert_eq!(
            operation["security"],
            json!([{"oauth2": [scope]}]),
            "{path}"
        );
        assert!(operation["summary"].is_string(), "{path}");
    }
    let schemas = &document["components"]["schemas"];
    assert!(
        schemas["LineView"]["properties"]["list_price"].is_object(),
        "{schemas}"
    );
}
