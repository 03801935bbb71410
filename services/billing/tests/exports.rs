//! Exports: an invoice can be recomputed from nothing else, and what was changed is named; and invoices on paper.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]

mod common;

use common::{Scene, config};
use serde_json::{Value, json};
use warikan_billing::{Verified, verify_export};
use warikan_testkit::{App, Reply};
use warikan_types::{ClientScope, TenantScope};

const TARIFF: &str = "[[tariff.plans]]\nplan = \"large\"\nvalid_from = \"2026-01-01\"\nbase_fee = 1000\nminimum = 900\n\
     signature_verification = { included = 2, price = 50, tiers = [{ above = 5, price = 40 }] }\n\
     authentication = 7\nstatus_check = 3\n";

/// Two tenants, shared costs, included uses, tiers, a minimum, and late uses that change both.
async fn two_months() -> (Scene, TenantScope, TenantScope) {
    let scene = Scene::with(config(TARIFF)).await;
    let a = scene.tenant("青空証券株式会社", "large").await;
    let b = scene.tenant("髙﨑信用金庫", "standard").await;
    for minute in 10..17 {
        let time = format!("2026-11-21T00:{minute}:00Z");
        scene.tell(a, &scene.verification(&time)).await;
        scene.tell(b, &scene.authentication(&time)).await;
    }
    let handles = [scene.handle(), scene.handle()];
    scene.tell(a, &scene.checks("2026-11", &handles)).await;
    let token = scene.house.operator_token();
    for (month, amount) in [("2026-11", 1_000_001), ("2026-12", 77)] {
        let cost = json!({"month": month, "category": "certification", "amount": amount});
        let costs = "/v1/operator/shared-costs";
        scene.app.post(costs, &token, &cost).await.expect(201);
    }
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    for time in ["2026-11-30T14:59:59.999Z", "2026-12-02T00:00:00Z"] {
        scene.tell(a, &scene.verification(time)).await;
    }
    scene.advance_to("2027-01-01T00:00:00Z");
    scene.close("2026-12").await.expect(200);
    (scene, a, b)
}

async fn fetch(scene: &Scene, token: &str, path: &str, accept: &str) -> Reply {
    let request = scene.app.request(reqwest::Method::GET, path);
    App::read(request.bearer_auth(token).header("Accept", accept)).await
}

async fn export(scene: &Scene, token: &str, path: &str) -> String {
    let reply = fetch(scene, token, path, "*/*").await;
    assert_eq!(reply.status, 200, "{path}");
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    String::from_utf8(reply.body).unwrap()
}

fn judged(export: &str) -> Verified {
    verify_export(export.as_bytes()).unwrap()
}

fn findings(export: &str) -> Vec<String> {
    judged(export)
        .findings
        .into_iter()
        .map(|one| one.what)
        .collect()
}

/// The export with one line changed.
fn changed(export: &str, number: usize, change: impl Fn(&mut Value)) -> String {
    let line = |(place, line): (usize, &str)| {
        let mut json: Value = serde_json::from_str(line).unwrap();
        if place == number {
            change(&mut json);
        }
        format!("{json}\n")
    };
    export.lines().enumerate().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f075_invoices_and_months_are_recomputed_from_their_exports_alone() {
    let (scene, a, b) = two_months().await;
    let operator = scene.house.operator_token();
    for (month, invoices, records) in [("2026-11", 2, 16), ("2026-12", 2, 2)] {
        let text = export(
            &scene,
            &operator,
            &format!("/v1/operator/months/{month}/export"),
        )
        .await;
        let verified = judged(&text);
        assert_eq!(verified.findings, [], "{month}");
        assert_eq!(
            (verified.invoices, verified.records),
            (invoices, records),
            "{month}"
        );
        for tenant in [a, b] {
            let id = scene.invoice(tenant, month).await["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let token = scene.house.token(tenant, &[ClientScope::Billing]);
            let text = export(&scene, &token, &format!("/v1/invoices/{id}/export")).await;
            assert_eq!(findings(&text), Vec::<String>::new(), "{month}");
        }
    }
    let token = scene.house.token(b, &[ClientScope::Billing]);
    let foreign = scene.invoice(a, "2026-11").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let refused = fetch(
        &scene,
        &token,
        &format!("/v1/invoices/{foreign}/export"),
        "*/*",
    )
    .await;
    refused.expect_problem(404, "not_found");
    let open = fetch(
        &scene,
        &operator,
        "/v1/operator/months/2027-01/export",
        "*/*",
    )
    .await;
    open.expect_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_in_an_export_is_named() {
    let (scene, a, _) = two_months().await;
    let id = scene.invoice(a, "2026-11").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = scene.house.token(a, &[ClientScope::Billing]);
    let whole = export(&scene, &token, &format!("/v1/invoices/{id}/export")).await;
    let lines: Vec<Value> = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[3]["type"], "record");
    let record = lines[3]["id"].as_str().unwrap();

    let other_kind = changed(&whole, 3, |line| line["kind"] = json!("phone_signature"));
    let found = findings(&other_kind);
    assert!(
        found[0].starts_with(&format!("record {record}: it is not what was exported")),
        "{found:?}"
    );
    assert!(found.len() > 1, "and the lines no longer follow: {found:?}");
    let other_day = changed(&whole, 3, |line| {
        line["accepted_at"] = json!("2026-10-21T00:00:00Z")
    });
    let found = findings(&other_day);
    assert!(
        found.contains(&format!(
            "record {record}: it was accepted in another month"
        )),
        "{found:?}"
    );
    let refused = changed(&whole, 3, |line| line["verdict"] = json!("indeterminate"));
    let found = findings(&refused);
    assert!(
        found.contains(&format!("record {record}: another rule applies to it")),
        "{found:?}"
    );
    let dearer = changed(&whole, 1, |line| {
        line["invoice"]["lines"][2]["unit_price"] = json!(51);
    });
    assert_eq!(
        findings(&dearer),
        ["line 3: unit price: the export says 51, recomputed 50"]
    );
    let rounded_up = changed(&whole, 1, |line| line["invoice"]["tax"] = json!(1));
    assert!(
        findings(&rounded_up)[0].starts_with("tax: the export says 1, recomputed"),
        "tax"
    );
    let shared = changed(&whole, 1, |line| {
        let lines = line["invoice"]["lines"].as_array_mut().unwrap();
        let share = lines
            .iter_mut()
            .find(|line| line["category"] == "shared_cost")
            .unwrap();
        share["share"]["amount"] = json!(share["share"]["amount"].as_i64().unwrap() + 2);
    });
    assert!(
        findings(&shared)
            .iter()
            .any(|what| what.contains("does not follow from cost, key and units"))
    );
    let cheaper = changed(&whole, 0, |line| {
        line["tariff"]["plans"][2]["base_fee"] = json!(1)
    });
    assert_eq!(
        findings(&cheaper).len(),
        2,
        "unit price and amount of the base fee"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_not_whole_is_refused() {
    let (scene, a, _) = two_months().await;
    let id = scene.invoice(a, "2026-11").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = scene.house.token(a, &[ClientScope::Billing]);
    let whole = export(&scene, &token, &format!("/v1/invoices/{id}/export")).await;
    let without: String = whole
        .lines()
        .enumerate()
        .filter(|(place, _)| *place != 3)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    assert!(verify_export(without.as_bytes()).is_err());
    let twice: String = whole
        .lines()
        .enumerate()
        .flat_map(|(place, line)| {
            std::iter::repeat_n(format!("{line}\n"), if place == 3 { 2 } else { 1 })
        })
        .collect();
    assert!(
        verify_export(twice.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("says 1 invoices and 9 records, and holds 1 and 10")
    );
    let cut: String = whole
        .lines()
        .take(5)
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        verify_export(cut.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("last line is missing")
    );
    assert!(verify_export("{}\n".as_bytes()).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiers_part_the_records_and_each_line_lists_its_own() {
    let (scene, a, _) = two_months().await;
    let invoice = scene.invoice(a, "2026-11").await;
    let id = invoice["id"].as_str().unwrap();
    let token = scene.house.token(a, &[ClientScope::Billing]);
    let mut seen = Vec::new();
    let usage: Vec<&Value> = invoice["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["category"] == "platform_usage" && line["meter"] == "verification")
        .collect();
    let shape: Vec<_> = usage
        .iter()
        .map(|line| {
            (
                line["quantity"].as_i64().unwrap(),
                line["unit_price"].as_i64().unwrap(),
                line["records_before"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(shape, [(2, 0, 0), (3, 50, 2), (2, 40, 5)]);
    for line in usage {
        let records = format!("/v1/invoices/{id}/lines/{}/records", line["n"]);
        let mut path = format!("{records}?limit=1");
        let mut count = 0;
        loop {
            let page = scene.get(a, &path).await;
            for record in page["data"].as_array().unwrap() {
                seen.push(record["operation"].as_str().unwrap().to_owned());
                count += 1;
            }
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("{records}?limit=1&cursor={cursor}");
        }
        assert_eq!(count, line["quantity"].as_i64().unwrap());
        let csv = fetch(&scene, &token, &records, "text/csv").await;
        assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
        let text = String::from_utf8(csv.body).unwrap();
        assert_eq!(
            i64::try_from(text.lines().count()).unwrap(),
            count + 1,
            "with a head"
        );
        assert!(text.starts_with("\"id\",\"operation\",\"meter\""));
    }
    assert_eq!(seen.len(), 7);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7, "each operation on one line");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_comes_as_a_pdf_that_says_what_it_says() {
    let (scene, _, b) = two_months().await;
    let invoice = scene.invoice(b, "2026-11").await;
    let path = format!("/v1/invoices/{}", invoice["id"].as_str().unwrap());
    let token = scene.house.token(b, &[ClientScope::Billing]);
    let pdf = fetch(&scene, &token, &path, "application/pdf").await;
    assert_eq!(pdf.status, 200);
    assert_eq!(pdf.headers["content-type"], "application/pdf");
    assert!(
        pdf.body.starts_with(b"%PDF-") && pdf.body.len() < 200_000,
        "{}",
        pdf.body.len()
    );
    let again = fetch(&scene, &token, &path, "application/pdf").await;
    assert_eq!(pdf.body, again.body, "the same document");
    let json = fetch(&scene, &token, &path, "application/json").await;
    assert_eq!(json.expect(200), &invoice);
    // Poppler reads the text out of it, where there is one.
    let file = scene.house.directory().join("invoice.pdf");
    std::fs::write(&file, &pdf.body).unwrap();
    let Ok(read) = std::process::Command::new("pdftotext")
        .arg("-layout")
        .arg(&file)
        .arg("-")
        .output()
    else {
        println!("skipped: no pdftotext on this machine");
        return;
    };
    let text = String::from_utf8(read.stdout).unwrap();
    for said in [
        "適格請求書",
        "髙﨑信用金庫",
        "T9999999999999",
        "2026-11-00002",
        "2026年12月1日",
        "共同費用の割り勘",
        "利用者証明検証",
    ] {
        assert!(text.contains(said), "{said} is not in:\n{text}");
    }
    let total = invoice["total"].as_i64().unwrap();
    let grouped = format!("¥{},{:03}", total / 1_000, total % 1_000);
    assert!(text.contains(&grouped), "{grouped} is not in:\n{text}");
}

/// Makes the document whose picture is in `docs/billing`; run it with `--ignored` and render it with `pdftoppm -r 80 -png`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes a file for the documentation"]
async fn the_example_of_the_documentation() {
    let scene = Scene::with(config(&format!(
        "{TARIFF}[issuer]\nname = \"割り勘プラットフォーム株式会社\"\nregistration_number = \"T9999999999999\"\n"
    )))
    .await;
    let tenant = scene.tenant("髙﨑あおぞら証券株式会社", "large").await;
    let other = scene.tenant("みどり銀行", "standard").await;
    for minute in 10..50 {
        let time = format!("2026-11-21T00:{minute}:00Z");
        scene.tell(tenant, &scene.verification(&time)).await;
        scene.tell(other, &scene.authentication(&time)).await;
    }
    let handles: Vec<_> = (0..120).map(|_| scene.handle()).collect();
    scene.tell(tenant, &scene.checks("2026-11", &handles)).await;
    let token = scene.house.operator_token();
    for (category, amount) in [
        ("certification", 1_000_001),
        ("lines", 180_000),
        ("hsm", 95_000),
    ] {
        let cost = json!({"month": "2026-11", "category": category, "amount": amount});
        let costs = "/v1/operator/shared-costs";
        scene.app.post(costs, &token, &cost).await.expect(201);
    }
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let id = scene.invoice(tenant, "2026-11").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = scene.house.token(tenant, &[ClientScope::Billing]);
    let pdf = fetch(
        &scene,
        &token,
        &format!("/v1/invoices/{id}"),
        "application/pdf",
    )
    .await;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("invoice.pdf");
    std::fs::write(&file, &pdf.body).unwrap();
    println!("{}", file.display());
}
