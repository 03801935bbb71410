//! Campaigns over HTTP: what is selected, what is found, what proves it.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use support::{AUTHENTICATION, Bench, SIGNATURE};
use warikan_contracts::facts::{CampaignCompleted, Channel, StatusChecked};
use warikan_revocation::verify_campaign;
use warikan_simulator::{LifeEvent, Person, PersonId};
use warikan_testkit::{App, Reply};
use warikan_types::{ClientScope, TenantScope};

fn token(bench: &Bench, tenant: TenantScope) -> String {
    bench.house.token(tenant, &[ClientScope::Campaigns])
}

async fn order(bench: &Bench, tenant: TenantScope, body: &Value) -> Value {
    let reply = bench
        .app
        .post("/v1/campaigns", &token(bench, tenant), body)
        .await;
    reply.expect(201).clone()
}

async fn get(bench: &Bench, tenant: TenantScope, path: &str) -> Reply {
    bench.app.get(path, &token(bench, tenant)).await
}

async fn get_as(bench: &Bench, tenant: TenantScope, path: &str, accept: &str) -> Reply {
    let request = bench.app.request(Method::GET, path);
    App::read(
        request
            .bearer_auth(token(bench, tenant))
            .header("Accept", accept),
    )
    .await
}

/// Runs the task until the campaign is completed, and lets its facts travel.
async fn complete(bench: &Bench, tenant: TenantScope, campaign: &Value) -> Value {
    let path = format!("/v1/campaigns/{}", campaign["id"].as_str().unwrap());
    for _ in 0..50 {
        bench.app.run("revocation.campaigns").await;
        let view = get(bench, tenant, &path).await.expect(200).clone();
        if view["state"] == "completed" {
            bench.app.settle().await;
            return view;
        }
    }
    panic!("the campaign does not end");
}

async fn upload(
    bench: &Bench,
    tenant: TenantScope,
    campaign: &Value,
    media: &str,
    body: String,
) -> Reply {
    let path = format!(
        "/v1/campaigns/{}/portfolio",
        campaign["id"].as_str().unwrap()
    );
    let request = bench.app.request(Method::POST, &path);
    let request = request
        .bearer_auth(token(bench, tenant))
        .header("Content-Type", media);
    App::read(request.body(body)).await
}

/// A citizen with both certificates.
fn cardholder(bench: &mut Bench) -> PersonId {
    let at = bench.now();
    bench
        .agency
        .enroll(Person::of_the_test_card(), &mut bench.keys, at)
        .unwrap()
}

fn handle(watch: &Value) -> String {
    watch["certificate_handle"].as_str().unwrap().to_owned()
}

/// Six watched citizens C-0 .. C-5: the second moved, the third lost the card, the fourth renewed; the lists say so.
async fn portfolio(bench: &mut Bench, tenant: TenantScope) -> (Vec<PersonId>, Vec<Value>) {
    let citizens = bench.citizens(6);
    let mut watches = Vec::new();
    for (number, citizen) in citizens.iter().enumerate() {
        let der = bench.certificate(*citizen, SIGNATURE);
        watches.push(bench.watch(tenant, &der, &format!("C-{number}")).await);
    }
    bench.move_house(citizens[1]);
    bench.happen(citizens[2], &LifeEvent::Lose);
    bench.happen(citizens[3], &LifeEvent::Renew);
    bench.publish_and_sync().await;
    (citizens, watches)
}

/// The changes by their customer numbers, read in pages of four.
async fn in_two_pages(
    bench: &Bench,
    tenant: TenantScope,
    changes: &str,
) -> BTreeMap<String, Value> {
    let page = get(bench, tenant, &format!("{changes}?limit=4"))
        .await
        .expect(200)
        .clone();
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = get(bench, tenant, &format!("{changes}?limit=4&cursor={cursor}"))
        .await
        .expect(200)
        .clone();
    assert_eq!(rest["next_cursor"], Value::Null);
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for change in [&page, &rest]
        .into_iter()
        .flat_map(|page| page["data"].as_array().unwrap())
    {
        assert_eq!(change["change"], "revoked");
        let reference = change["ref"].as_str().unwrap().to_owned();
        assert!(all.insert(reference, change.clone()).is_none());
    }
    all
}

async fn the_other_forms_say_the_same(
    bench: &Bench,
    tenant: TenantScope,
    changes: &str,
    all: &BTreeMap<String, Value>,
) {
    let csv = get_as(bench, tenant, changes, "text/csv").await;
    let csv = String::from_utf8(csv.body).unwrap();
    assert!(
        csv.starts_with("\"ref\",\"handle\",\"kind\",\"change\",\"reason\""),
        "{csv}"
    );
    assert!(
        csv.contains("\r\n\"'=1+1\",\"crt_"),
        "no cell is a formula: {csv}"
    );
    assert_eq!(csv.lines().count(), 6);
    let ndjson = get_as(bench, tenant, changes, "application/x-ndjson").await;
    let lines: Vec<Value> = std::str::from_utf8(&ndjson.body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(
        lines
            .iter()
            .all(|line| all[line["ref"].as_str().unwrap()] == *line)
    );
}

/// What proves it, judged without the platform.
async fn is_proved(bench: &Bench, tenant: TenantScope, view: &Value, watches: &[Value]) {
    let path = format!("/v1/campaigns/{}", view["id"].as_str().unwrap());
    let keys = serde_json::to_vec(&bench.house.platform.keys.jwks()).unwrap();
    let receipt = view["receipt"].as_str().unwrap();
    let verified = verify_campaign(receipt, &keys).unwrap();
    assert_eq!(verified.counts.checked, 7);
    assert_eq!(
        verified.status_version,
        view["status_version"].as_str().unwrap()
    );
    let results = get(bench, tenant, &format!("{path}/results")).await;
    assert_eq!(results.status, 200);
    verified.check_results(results.body.as_slice()).unwrap();
    let text = String::from_utf8(results.body).unwrap();
    let mut forged = text.replacen(",good,,", ",expired,certificate_expired,", 1);
    assert!(verified.check_results(forged.as_bytes()).is_err());
    forged = text
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        verified.check_results(forged.as_bytes()).is_err(),
        "one is missing"
    );
    let mut signed = receipt.to_owned();
    signed.replace_range(40..41, if &receipt[40..41] == "A" { "B" } else { "A" });
    assert!(verify_campaign(&signed, &keys).is_err());
    for watch in watches {
        let proof = get(bench, tenant, &format!("{path}/proofs/{}", handle(watch))).await;
        let entry = verified.check_proof(&proof.body).unwrap();
        assert!(text.contains(&format!("{entry}\n")), "{entry}");
        let lie = String::from_utf8(proof.body)
            .unwrap()
            .replace(",revoked,", ",good,")
            .replace(",good,,", ",revoked,,");
        assert!(verified.check_proof(lie.as_bytes()).is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_over_all_finds_exactly_what_changed_and_proves_it() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant();
    let (_, watches) = portfolio(&mut bench, tenant).await;
    // A second customer number of one certificate, a formula at that; another tenant; an ended watch.
    let (one, two) = (cardholder(&mut bench), cardholder(&mut bench));
    let der = bench.certificate(one, AUTHENTICATION);
    bench.watch(tenant, &der, "=1+1").await;
    bench.watch(tenant, &der, "C-4b").await;
    bench.happen(one, &LifeEvent::Lose);
    let other = bench.tenant();
    let elsewhere = bench.certificate(two, AUTHENTICATION);
    bench.watch(other, &elsewhere, "X").await;
    bench.publish_and_sync().await;

    let campaign = order(&bench, tenant, &json!({"selector": "all"})).await;
    assert_eq!(campaign["state"], "running");
    let path = format!("/v1/campaigns/{}", campaign["id"].as_str().unwrap());
    let changes = format!("{path}/changes");
    get(&bench, tenant, &changes)
        .await
        .expect_problem(409, "conflict");
    let view = complete(&bench, tenant, &campaign).await;
    assert_eq!(
        view["counts"],
        json!({"checked": 7, "good": 3, "revoked": 4, "expired": 0, "unknown": 0})
    );
    assert_eq!(view["progress"]["percent"], 100);
    assert_eq!(
        view["progress"]["in_words"],
        "7 of 7 certificates checked (100 %)"
    );

    let all = in_two_pages(&bench, tenant, &changes).await;
    let reasons: Vec<(&str, &str)> = all
        .iter()
        .map(|(name, one)| (name.as_str(), one["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("=1+1", "key_compromise"),
            ("C-1", "affiliation_changed"),
            ("C-2", "key_compromise"),
            ("C-3", "superseded"),
            ("C-4b", "key_compromise")
        ]
    );
    let moved = &all["C-1"];
    assert_eq!(moved["handle"], handle(&watches[1]).as_str());
    assert_eq!(
        moved["recommended_action"],
        "Ask the customer for the new attributes."
    );
    assert!(
        moved["customer_wording"]["ja"]
            .as_str()
            .unwrap()
            .contains("変更")
    );
    assert!(moved["revoked_at"].is_string() && moved["meaning"].is_string());

    the_other_forms_say_the_same(&bench, tenant, &changes, &all).await;
    is_proved(&bench, tenant, &view, &watches).await;
    let absent = format!("{path}/proofs/crt_{:032x}", 1);
    get(&bench, tenant, &absent).await.expect(404);
    get(&bench, other, &path).await.expect(404);
    get(&bench, other, &changes).await.expect(404);

    let completed = bench.probe.facts::<CampaignCompleted>();
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0].0.scope, Some(tenant));
    assert_eq!(completed[0].1.root, view["root"].as_str().unwrap());
}

async fn a_csv_is_taken(bench: &Bench, tenant: TenantScope, campaign: &Value, known: &str) {
    let csv = format!(
        "\u{feff}handle,ref\r\n{},K-1\r\n,C-2\r\n\r\n,nobody\r\ncrt_{:032x},K-9\r\nx,y\r\n{},again\r\n",
        known, 7, known,
    );
    let taken = upload(bench, tenant, campaign, "text/csv", csv.clone())
        .await
        .expect(200)
        .clone();
    assert_eq!(taken["lines"], 6);
    assert_eq!(
        (&taken["added"], &taken["duplicates"], &taken["refused"]),
        (&json!(2), &json!(1), &json!(3))
    );
    let problems: Vec<(u64, &str)> = taken["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        problems,
        [
            (7, "invalid_value"),
            (5, "unknown_ref"),
            (6, "unknown_handle")
        ]
    );
    // The same part again adds nothing.
    let again = upload(bench, tenant, campaign, "text/csv", csv)
        .await
        .expect(200)
        .clone();
    assert_eq!(
        (&again["added"], &again["duplicates"]),
        (&json!(0), &json!(3))
    );
}

async fn what_is_no_portfolio_is_refused(bench: &Bench, tenant: TenantScope, campaign: &Value) {
    upload(bench, tenant, campaign, "text/plain", String::new())
        .await
        .expect_problem(415, "unsupported_media_type");
    upload(bench, tenant, campaign, "text/csv", "name\n".to_owned())
        .await
        .expect_problem(400, "invalid_request");
    upload(bench, tenant, campaign, "text/csv", "x".repeat(300_000))
        .await
        .expect_problem(413, "body_too_large");
    let other = bench.tenant();
    upload(bench, other, campaign, "text/csv", "ref\nC-1\n".to_owned())
        .await
        .expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portfolio_is_taken_line_by_line_with_its_errors() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant();
    let (_, watches) = portfolio(&mut bench, tenant).await;
    let campaign = order(&bench, tenant, &json!({"selector": "upload"})).await;
    assert_eq!(campaign["state"], "collecting");
    a_csv_is_taken(&bench, tenant, &campaign, &handle(&watches[1])).await;

    // Certificates that nobody watches, as objects.
    let lost = cardholder(&mut bench);
    let unwatched = STANDARD.encode(bench.certificate(lost, AUTHENTICATION));
    bench.happen(lost, &LifeEvent::Lose);
    bench.publish_and_sync().await;
    let ndjson = format!(
        "{}\n{}\nnot json\n",
        json!({"ref": "+81", "certificate": unwatched}),
        json!({"ref": "M", "certificate": "MAA="})
    );
    let taken = upload(&bench, tenant, &campaign, "application/x-ndjson", ndjson)
        .await
        .expect(200)
        .clone();
    assert_eq!((&taken["added"], &taken["refused"]), (&json!(1), &json!(2)));
    what_is_no_portfolio_is_refused(&bench, tenant, &campaign).await;

    let start = format!("/v1/campaigns/{}/start", campaign["id"].as_str().unwrap());
    for _ in 0..2 {
        let started = bench
            .app
            .post(&start, &token(&bench, tenant), &json!({}))
            .await;
        assert_eq!(started.expect(200)["state"], "running");
    }
    upload(
        &bench,
        tenant,
        &campaign,
        "text/csv",
        "ref\nC-1\n".to_owned(),
    )
    .await
    .expect_problem(409, "conflict");
    let view = complete(&bench, tenant, &campaign).await;
    assert_eq!(
        view["counts"],
        json!({"checked": 3, "good": 0, "revoked": 3, "expired": 0, "unknown": 0})
    );
    let path = format!("/v1/campaigns/{}/changes", campaign["id"].as_str().unwrap());
    let changes = get(&bench, tenant, &path).await.expect(200).clone();
    let mut refs: Vec<&str> = changes["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["ref"].as_str().unwrap())
        .collect();
    refs.sort_unstable();
    assert_eq!(refs, ["+81", "C-2", "K-1"]);
    let left = bench.house.database("revocation").await;
    bench.app.run("revocation.campaigns").await;
    assert_eq!(
        count(&left, "campaign_item").await,
        0,
        "a portfolio goes with its campaign"
    );
}

async fn count(db: &sea_orm::DatabaseConnection, table: &str) -> i64 {
    use sea_orm::{ConnectionTrait, Statement};
    let sql = format!("SELECT count(*) FROM {table}");
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refs_select_customers_and_unknown_ones_are_named() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant();
    let (_, watches) = portfolio(&mut bench, tenant).await;
    let body = json!({"selector": {"refs": ["C-0", "nobody", "C-1", "nobody either"]}});
    let refused = bench
        .app
        .post("/v1/campaigns", &token(&bench, tenant), &body)
        .await;
    let problem = refused.expect_problem(400, "invalid_request");
    let pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["/selector/refs/1", "/selector/refs/3"]);
    for (bad, pointer) in [
        (json!({"selector": "some"}), "/selector"),
        (json!({"selector": {"refs": []}}), "/selector/refs"),
        (json!({"selector": {"refs": ["x"], "more": 1}}), "/selector"),
        (json!({"selector": "all", "max_age": "a day"}), "/max_age"),
    ] {
        let refused = bench
            .app
            .post("/v1/campaigns", &token(&bench, tenant), &bad)
            .await;
        assert_eq!(
            refused.expect_problem(400, "invalid_request")["errors"][0]["pointer"],
            pointer
        );
    }
    // Watches from before customer numbers could be found get their keys in passing.
    let db = bench.house.database("revocation").await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "UPDATE watch SET reference_key = NULL")
        .await
        .unwrap();
    let body = json!({"selector": {"refs": ["C-0", "C-1"]}});
    let key = "once";
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = bench.app.request(Method::POST, "/v1/campaigns");
        let request = request
            .bearer_auth(token(&bench, tenant))
            .header("Idempotency-Key", key);
        answers.push(App::read(request.json(&body)).await.expect(201).clone());
    }
    assert_eq!(answers[0], answers[1], "ordered once");
    let view = complete(&bench, tenant, &answers[0]).await;
    assert_eq!(
        view["counts"],
        json!({"checked": 2, "good": 1, "revoked": 1, "expired": 0, "unknown": 0})
    );
    let all = get(&bench, tenant, "/v1/campaigns")
        .await
        .expect(200)
        .clone();
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    let path = format!("/v1/campaigns/{}/changes", view["id"].as_str().unwrap());
    let changes = get(&bench, tenant, &path).await.expect(200).clone();
    assert_eq!(changes["data"][0]["handle"], handle(&watches[1]).as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f041_a_campaign_never_says_good_by_a_stale_list() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant();
    let (_, _) = portfolio(&mut bench, tenant).await;
    bench.advance(30);
    let fresh = order(
        &bench,
        tenant,
        &json!({"selector": "all", "max_age": "PT48H"}),
    )
    .await;
    let old = order(
        &bench,
        tenant,
        &json!({"selector": "all", "max_age": "PT24H"}),
    )
    .await;
    let fresh = complete(&bench, tenant, &fresh).await;
    assert_eq!(fresh["counts"]["good"], 3);
    let old = complete(&bench, tenant, &old).await;
    assert_eq!(
        old["counts"],
        json!({"checked": 6, "good": 0, "revoked": 3, "expired": 0, "unknown": 3})
    );
    let path = format!("/v1/campaigns/{}/changes", old["id"].as_str().unwrap());
    let changes = get(&bench, tenant, &path).await.expect(200).clone();
    let unknown: Vec<&Value> = changes["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["change"] == "unknown")
        .collect();
    assert_eq!(unknown.len(), 3);
    assert!(
        unknown
            .iter()
            .all(|one| one["reason"] == "status_stale" && one["customer_wording"].is_null())
    );
    // Six years on every certificate has ended; those that were revoked are told as revoked.
    bench.advance(6 * 366 * 24);
    let last = order(&bench, tenant, &json!({"selector": "all"})).await;
    let last = complete(&bench, tenant, &last).await;
    assert_eq!(
        last["counts"],
        json!({"checked": 6, "good": 0, "revoked": 3, "expired": 3, "unknown": 0})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_a_campaign_goes_on_in_another_process_and_never_mixes_versions() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant();
    let (citizens, _) = portfolio(&mut bench, tenant).await;
    let campaign = order(&bench, tenant, &json!({"selector": "all"})).await;
    let view = complete(&bench, tenant, &campaign).await;
    let first = view["status_version"].as_str().unwrap().to_owned();

    // Pinned, and then the process is gone: what was checked by then is put back to the middle.
    let campaign = order(&bench, tenant, &json!({"selector": "all"})).await;
    let view = complete(&bench, tenant, &campaign).await;
    assert_eq!(
        view["status_version"],
        first.as_str(),
        "the same lists have the same name"
    );
    let db = bench.house.database("revocation").await;
    let undo = |db: sea_orm::DatabaseConnection| async move {
        for sql in [
            "UPDATE campaign SET state = 'running', receipt = NULL, root = NULL, checked = 0, good = 0, revoked = 0, cursor = NULL, completed_at = NULL WHERE id = (SELECT max(id::text)::uuid FROM campaign)",
        ] {
            let sql = if db.get_database_backend() == sea_orm::DbBackend::Sqlite {
                sql.replace("max(id::text)::uuid", "max(id)")
            } else {
                sql.to_owned()
            };
            db.execute_unprepared(&sql).await.unwrap();
        }
    };
    use sea_orm::ConnectionTrait;
    undo(db.clone()).await;
    // The lists change before anyone goes on: it begins anew against the new ones, whole.
    bench.happen(citizens[0], &LifeEvent::Lose);
    bench.advance(1);
    bench.publish_and_sync().await;
    let view = complete(&bench, tenant, &campaign).await;
    assert_ne!(view["status_version"], first.as_str());
    assert_eq!(view["restarts"], 1);
    assert_eq!(
        view["counts"],
        json!({"checked": 6, "good": 2, "revoked": 4, "expired": 0, "unknown": 0})
    );
    let path = format!("/v1/campaigns/{}", view["id"].as_str().unwrap());
    let keys = serde_json::to_vec(&bench.house.platform.keys.jwks()).unwrap();
    let verified = verify_campaign(view["receipt"].as_str().unwrap(), &keys).unwrap();
    let results = get(&bench, tenant, &format!("{path}/results")).await;
    verified.check_results(results.body.as_slice()).unwrap();
    let changes = get(&bench, tenant, &format!("{path}/changes"))
        .await
        .expect(200)
        .clone();
    assert_eq!(changes["data"].as_array().unwrap().len(), 4, "each once");

    // One that was given up stays so, and a completed one cannot be.
    let campaign = order(&bench, tenant, &json!({"selector": "all"})).await;
    let given_up = format!("/v1/campaigns/{}", campaign["id"].as_str().unwrap());
    let key = token(&bench, tenant);
    bench.app.delete(&given_up, &key).await.expect(204);
    bench.app.run("revocation.campaigns").await;
    assert_eq!(
        get(&bench, tenant, &given_up).await.expect(200)["state"],
        "cancelled"
    );
    bench
        .app
        .delete(&path, &key)
        .await
        .expect_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_by_list_is_told_to_billing_once_a_month_and_never_without_an_answer() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant();
    let citizens = bench.citizens(3);
    let told = |bench: &Bench| -> usize {
        bench
            .probe
            .facts::<StatusChecked>()
            .iter()
            .map(|(_, fact)| {
                assert_eq!(fact.channel, Channel::Crl);
                fact.certificates.len()
            })
            .sum()
    };
    for citizen in &citizens {
        let der = bench.certificate(*citizen, SIGNATURE);
        bench.watch(tenant, &der, "C").await;
    }
    // Without any list nothing can be found out, and nothing is told.
    let campaign = order(&bench, tenant, &json!({"selector": "all"})).await;
    let view = complete(&bench, tenant, &campaign).await;
    assert_eq!(view["counts"]["unknown"], 3);
    assert_eq!(told(&bench), 0);
    bench.publish_and_sync().await;
    assert_eq!(told(&bench), 3, "by the watches");
    let campaign = order(&bench, tenant, &json!({"selector": "all"})).await;
    complete(&bench, tenant, &campaign).await;
    assert_eq!(
        told(&bench),
        3,
        "the campaign of the same month costs nothing more"
    );
    bench.advance(11 * 24);
    let publication = bench.publish();
    drop(publication);
    let campaign = order(&bench, tenant, &json!({"selector": "all"})).await;
    complete(&bench, tenant, &campaign).await;
    assert_eq!(told(&bench), 3, "a stale list is no answer");
}
