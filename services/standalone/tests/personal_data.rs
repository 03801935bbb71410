//! Personal data at rest, over all services: what a closed tenant and an erased person leave in the files.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{Caller, Installation, Standing, caller::and, run, text, until};
use warikan_testkit::{App, Reply, WebhookSink};

const START: &str = "2026-11-21T00:00:00Z";
/// Services that seal something for tenants.
const SEALING: [&str; 4] = ["onboarding", "verification", "revocation", "webhooks"];
/// A customer number that nothing else looks like.
const CUSTOMER: &str = "customer-7f3a9c55-kokuto";

async fn keyed(caller: &Caller, path: &str, key: &str, body: &Value) -> Reply {
    App::read(caller.keyed(path, key, body)).await
}

/// A firm with something sealed in every service.
async fn settle_in(standing: &Standing, firm: &Caller, operator: &Caller, tenant: &str) {
    let anyone = standing.anyone();
    let person = anyone.person(&json!({})).await;
    let signed = anyone.sign(&person, "口座開設申込書").await;
    let body = and(&signed, json!({ "watch": true, "subject_ref": CUSTOMER }));
    let answer = keyed(firm, "/v1/verifications", "v-1", &body).await;
    answer.expect(201);
    let watch = json!({ "certificate": signed["certificate"], "ref": "another" });
    keyed(firm, "/v1/watches", "w-1", &watch).await.expect(201);
    let sink = WebhookSink::start().await;
    let endpoint = json!({ "url": sink.url });
    let endpoint = keyed(firm, "/v1/webhook-endpoints", "e-1", &endpoint).await;
    endpoint.expect(201);
    let access = format!("/v1/operator/tenants/{tenant}/credentials");
    let scopes = json!({ "environment": "sandbox", "scopes": ["access"] });
    let access = operator.post(&access, &scopes).await;
    let access = anyone.with(access.expect(201)).await;
    let own = json!({ "environment": "sandbox" });
    let own = keyed(&access, "/v1/credentials", "c-1", &own).await;
    own.expect(201);
    standing.settle().await;
}

async fn operator(standing: &Standing) -> Caller {
    let path = &standing.house.bootstrap.as_ref().unwrap().path;
    let credential: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    standing.anyone().with(&credential).await
}

/// Every sealed thing of a service's file, with where it stands.
async fn boxes(standing: &Standing, service: &str) -> Vec<(String, Vec<u8>)> {
    let columns: &[(&str, &str)] = match service {
        "onboarding" => &[("idempotent_answer", "answer")],
        "verification" => &[
            ("idempotent_answer", "answer"),
            ("verification", "answer"),
            ("verification", "evidence"),
            ("subject", "reference"),
            ("subject_certificate", "identity"),
        ],
        "revocation" => &[("idempotent_answer", "answer"), ("watch", "reference")],
        _ => &[("idempotent_answer", "answer"), ("endpoint", "secret")],
    };
    let mut found = Vec::new();
    for (table, column) in columns {
        let sql = format!("SELECT {column} AS sealed FROM {table} WHERE length({column}) > 0");
        for row in standing.rows(service, &sql).await {
            let name = format!("{service}.{table}.{column}");
            found.push((name, row.try_get("", "sealed").unwrap()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f097_closing_a_tenant_destroys_its_keys_in_every_service() {
    let standing = Standing::at(START).await;
    let operator = operator(&standing).await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    settle_in(&standing, &firm, &operator, &tenant).await;
    // Everything of the tenant's is under a key of its own before. (The operator's own answers are under the platform's.)
    for service in SEALING {
        let found = boxes(&standing, service).await;
        let own: Vec<_> = found.iter().filter(|(_, sealed)| sealed[0] == 2).collect();
        assert!(!own.is_empty(), "nothing sealed in {service}");
        if service != "onboarding" {
            assert_eq!(own.len(), found.len(), "{service}: {found:?}");
        }
        let keys = "SELECT 1 FROM data_key WHERE destroyed_at IS NULL AND length(wrapped) > 0";
        assert!(!standing.rows(service, keys).await.is_empty(), "{service}");
    }

    let path = format!("/v1/operator/tenants/{tenant}/state");
    let closed = operator.post(&path, &json!({ "to": "closed" })).await;
    closed.expect(200);
    standing.settle().await;
    standing.run("revocation.tenants").await;

    for service in SEALING {
        let sql = "SELECT wrapped, wrapped_under, destroyed_at FROM data_key";
        let keys = standing.rows(service, sql).await;
        assert_eq!(keys.len(), 2, "{service}: a tombstone per environment");
        for key in keys {
            let wrapped: Vec<u8> = key.try_get("", "wrapped").unwrap();
            let under: String = key.try_get("", "wrapped_under").unwrap();
            let at: Option<String> = key.try_get("", "destroyed_at").unwrap();
            assert!(wrapped.is_empty() && under.is_empty() && at.is_some());
        }
    }
    standing.stop().await;
}

/// The octets of all files of a directory whose names begin so.
fn octets(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file() && path.to_string_lossy().contains(".sqlite"));
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect()
}

/// Where this can be found.
fn found(directory: &Path, what: &[u8]) -> Vec<String> {
    // What the sandbox plays, citizens and J-LIS, is nobody's data.
    let files = octets(directory).into_iter();
    files
        .filter(|(name, _)| !name.starts_with("sandbox"))
        .filter(|(_, octets)| octets.windows(what.len()).any(|part| part == what))
        .map(|(name, _)| name)
        .collect()
}

/// How revocation's rows and indexes name the person's certificate: its issuer, and its serial number right after it. (Alone a serial number is
/// a few octets, which are anywhere.)
async fn certificate_in_rows(standing: &Standing, handle: &str) -> Vec<u8> {
    let (_, digits) = handle.split_once('_').unwrap();
    let sql = format!("SELECT issuer, serial FROM watch WHERE hex(handle) = upper('{digits}')");
    let row = &standing.rows("revocation", &sql).await[0];
    let mut name = row.try_get::<String>("", "issuer").unwrap().into_bytes();
    name.extend(row.try_get::<Vec<u8>>("", "serial").unwrap());
    name
}

/// How the fact that orders the watch names it.
async fn certificate_in_facts(standing: &Standing) -> String {
    let sql = "SELECT envelope FROM outbox WHERE envelope LIKE '%verification.completed%'";
    let row = &standing.rows("verification", sql).await[0];
    let envelope: String = row.try_get("", "envelope").unwrap();
    let envelope: Value = serde_json::from_str(&envelope).unwrap();
    let certificate = &envelope["payload"]["watch"]["certificate"];
    format!("\"serial\":{}", certificate["serial"])
}

async fn settle_in_a_crowd(
    standing: &Standing,
    firm: &Caller,
    person: &str,
    crowd: usize,
) -> Value {
    let anyone = standing.anyone();
    let signed = anyone.sign(person, "口座開設申込書").await;
    let body = and(&signed, json!({ "watch": true, "subject_ref": CUSTOMER }));
    let answer = keyed(firm, "/v1/verifications", "v-1", &body).await;
    let answer = answer.expect(201).clone();
    let watch = json!({ "certificate": signed["certificate"], "ref": CUSTOMER });
    keyed(firm, "/v1/watches", "w-1", &watch).await;
    keyed(firm, "/v1/watches", "w-2", &watch).await.expect(200);
    // A crowd around them, so that their rows are moved from page to page.
    for (number, (_, certificate)) in anyone.population(crowd).await.into_iter().enumerate() {
        let other = json!({ "certificate": certificate, "ref": format!("C-{number}") });
        firm.post("/v1/watches", &other).await.expect(201);
    }
    standing.settle().await;
    let campaign = json!({ "selector": { "refs": [CUSTOMER] } });
    firm.post("/v1/campaigns", &campaign).await.expect(201);
    json!({ "answer": answer, "signed": signed, "body": body, "watch": watch })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f097_an_erased_person_is_in_no_file_and_in_no_answer() {
    let standing = Standing::at(START).await;
    let firm = standing.firm(standing.tenant());
    let person = standing.anyone().person(&json!({})).await;
    let made = settle_in_a_crowd(&standing, &firm, &person, 120).await;
    standing.run("revocation.campaigns").await;
    let handle = made["answer"]["certificate"]["handle"].as_str().unwrap();
    let in_rows = certificate_in_rows(&standing, handle).await;
    let in_facts = certificate_in_facts(&standing).await;
    // Customer number and certificate go to revocation in clear: they are found in the facts that were told, and in what is watched.
    for octets in [CUSTOMER.as_bytes(), &in_rows, in_facts.as_bytes()] {
        assert!(!found(standing.files(), octets).is_empty());
    }
    let id = made["answer"]["subject"]["id"].as_str().unwrap();
    let kept = "SELECT evidence FROM verification";
    let kept = &standing.rows("verification", kept).await[0];
    let evidence: Vec<u8> = kept.try_get("", "evidence").unwrap();
    assert!(!found(standing.files(), &evidence[..64]).is_empty());

    let path = format!("/v1/subjects/{id}");
    let erased = firm.request(reqwest::Method::DELETE, &path);
    assert_eq!(App::read(erased).await.status.as_u16(), 204);
    // In verification at once; elsewhere when the fact has come there.
    let left: Vec<String> = found(standing.files(), CUSTOMER.as_bytes());
    assert!(!left.iter().any(|name| name.starts_with("verification")));
    standing.settle().await;

    for (what, octets) in [
        ("the customer number", CUSTOMER.as_bytes()),
        ("the certificate", &in_rows),
        ("the order of the watch", in_facts.as_bytes()),
        ("what is sealed of the verification", &evidence[..64]),
    ] {
        let left = found(standing.files(), octets);
        assert_eq!(left, Vec::<String>::new(), "{what} is left");
    }
    // The keys stay used, and tell nothing: no repetition brings the person back.
    for (path, key, body) in [
        ("/v1/verifications", "v-1", "body"),
        ("/v1/watches", "w-1", "watch"),
        ("/v1/watches", "w-2", "watch"),
    ] {
        let again = keyed(&firm, path, key, &made[body]).await;
        let problem = again.expect_problem(409, "idempotency_key_reused");
        assert!(problem["detail"].as_str().unwrap().contains("erased"));
    }
    // A tombstone stays.
    let tombstone = firm.get(&path).await;
    let tombstone = tombstone.expect(200);
    assert!(tombstone["erased_at"].is_string());
    assert_eq!(tombstone["ref"], Value::Null);
    standing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f097_a_backup_cannot_be_read_once_its_wrapping_key_is_forgotten() {
    let here = Installation::new();
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let person = server.anyone().person(&json!({})).await;
    let signed = server.anyone().sign(&person, "口座開設申込書").await;
    let body = and(&signed, json!({ "watch": true, "subject_ref": CUSTOMER }));
    let verified = firm.verify(&body).await;
    until("the watch is there", async || {
        let watches = firm.get("/v1/watches").await;
        (watches.expect(200)["data"] != json!([])).then_some(())
    })
    .await;
    let path = format!("/v1/verifications/{}", verified["id"].as_str().unwrap());
    let address = server.base.trim_start_matches("http://").to_owned();
    server.stop().await;
    let backup = here.beside("backup");
    copy(&here.data(), &backup);

    let data = here.data_text();
    for flag in ["--new-key", "--forget-older"] {
        let output = run(&["rewrap", "--data-dir", &data, flag], &[]);
        let (said, complained) = text(&output);
        assert!(output.status.success(), "{said}{complained}");
    }
    // Today's data is read as before.
    let server = here.serve_at(&address).await;
    server.ready().await;
    firm.get(&path).await.expect(200);
    firm.get("/v1/watches").await.expect(200);
    server.stop().await;
    // Yesterday's, with today's keys: what it holds of persons is noise.
    let keys = here.data().join("keys.json");
    std::fs::copy(&keys, backup.join("keys.json")).unwrap();
    std::fs::remove_dir_all(here.data()).unwrap();
    copy(&backup, &here.data());
    let server = here.serve_at(&address).await;
    server.ready().await;
    firm.get(&path).await.expect_problem(500, "internal");
    let watches = firm.get("/v1/watches").await;
    watches.expect_problem(500, "internal");
    server.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let into = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &into);
        } else {
            std::fs::copy(&path, &into).unwrap();
        }
    }
}
