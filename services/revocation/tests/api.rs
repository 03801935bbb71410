//! Who may do what, what is refused, and what comes back.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use serde_json::{Value, json};
use support::{AUTHENTICATION, Bench, SIGNATURE, agency, roots, watch_body};
use warikan_contracts::facts::CertificateExpired;
use warikan_pki::AnchorSet;
use warikan_revocation::{Config, Revocation, Source};
use warikan_simulator::{Defect, Hierarchy, LifeEvent, Person, fixtures};
use warikan_testkit::{App, TestHouse};
use warikan_types::{ClientScope, Environment, TenantScope};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_one_tenant_never_sees_another_s_watches_or_certificates() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let der = bench.certificate(citizen, SIGNATURE);
    bench.publish_and_sync().await;
    let (first, second) = (bench.tenant(), bench.tenant());
    let (a, b) = (bench.token(first), bench.token(second));
    let watch = bench.watch(first, &der, "a's").await;
    let id = watch["id"].as_str().unwrap();
    let handle = watch["certificate_handle"].as_str().unwrap();
    let (mine, check, statuses) = (
        format!("/v1/watches/{id}"),
        format!("/v1/certificates/{handle}/check"),
        format!("/v1/certificates/{handle}/statuses"),
    );
    let random = "/v1/watches/wch_00000000000070008000000000000000";
    let unknown = bench.app.get(random, &b).await.expect(404)["detail"].clone();
    for reply in [
        bench.app.get(&mine, &b).await,
        bench.app.delete(&mine, &b).await,
        bench.app.post(&check, &b, &json!({})).await,
        bench.app.get(&statuses, &b).await,
    ] {
        let problem = reply.expect_problem(404, "not_found");
        assert_eq!(problem["detail"], unknown, "as for an id that never was");
    }
    assert!(bench.watches(second, "watching").await.is_empty());
    assert_eq!(bench.app.get(&mine, &a).await.expect(200), &watch);
    let theirs = bench.watch(second, &der, "b's").await;
    assert_ne!(theirs["certificate_handle"], watch["certificate_handle"]);

    // The same credential without the scope, or none at all.
    let scope = bench.house.tenant(bench.environment);
    let without = bench.house.token(scope, &[ClientScope::Verifications]);
    for path in [mine.as_str(), "/v1/watches", "/v1/freshness", &statuses] {
        let reply = bench.app.get(path, &without).await;
        reply.expect_problem(403, "insufficient_scope");
        let reply = bench.app.get(path, "nonsense").await;
        reply.expect_problem(401, "invalid_token");
    }
    let body = watch_body(&der, None);
    for (path, body) in [("/v1/watches", &body), (check.as_str(), &json!({}))] {
        let reply = bench.app.post(path, &without, body).await;
        reply.expect_problem(403, "insufficient_scope");
    }
    for token in [&a, &without] {
        let reply = bench.app.get("/v1/operator/sources", token).await;
        reply.expect_problem(403, "insufficient_scope");
    }
    let operator = bench.house.operator_token();
    let reply = bench.app.get("/v1/watches", &operator).await;
    reply.expect_problem(403, "insufficient_scope");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_is_made_once_and_ended() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(2);
    let tenant = bench.tenant();
    let post = async |key: &str, body: &Value| {
        let request = bench
            .app
            .request(reqwest::Method::POST, "/v1/watches")
            .bearer_auth(bench.token(tenant))
            .header("Idempotency-Key", key)
            .json(body);
        App::read(request).await
    };
    let body = watch_body(&bench.certificate(citizens[0], SIGNATURE), Some("顧客１"));
    let first = post("k1", &body).await;
    let watch = first.expect(201).clone();
    let replay = post("k1", &body).await;
    assert_eq!(replay.expect(201), &watch);
    assert_eq!(replay.headers["idempotency-replayed"], "true");
    let other = watch_body(&bench.certificate(citizens[1], SIGNATURE), Some("顧客１"));
    post("k1", &other)
        .await
        .expect_problem(409, "idempotency_key_reused");
    assert_eq!(
        post("k2", &body).await.expect(200),
        &watch,
        "the same watch"
    );
    assert_eq!(watch["ref"], "顧客１");
    assert_eq!(watch["kind"], "card_signature");
    let text = watch.to_string();
    assert!(!text.contains("serial") && !text.contains("issuer"));

    let one = format!("/v1/watches/{}", watch["id"].as_str().unwrap());
    bench
        .app
        .delete(&one, &bench.token(tenant))
        .await
        .expect(204);
    bench
        .app
        .delete(&one, &bench.token(tenant))
        .await
        .expect(204);
    assert_eq!(
        bench.app.get(&one, &bench.token(tenant)).await.expect(200)["state"],
        "ended"
    );
    assert_eq!(bench.watches(tenant, "ended").await.len(), 1);
    let anew = post("k3", &body).await;
    assert_ne!(
        anew.expect(201)["id"],
        watch["id"],
        "a new watch after the end"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f002_watches_are_listed_in_pages_whose_cursors_serve_their_list_alone() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(5);
    let tenant = bench.tenant();
    for (number, citizen) in citizens.iter().enumerate() {
        let der = bench.certificate(*citizen, SIGNATURE);
        bench.watch(tenant, &der, &number.to_string()).await;
    }

    let mut seen = Vec::new();
    let mut path = "/v1/watches?limit=2".to_owned();
    loop {
        let page = bench
            .app
            .get(&path, &bench.token(tenant))
            .await
            .expect(200)
            .clone();
        seen.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/watches?limit=2&cursor={cursor}");
    }
    let mut refs: Vec<&str> = seen
        .iter()
        .map(|one| one["ref"].as_str().unwrap())
        .collect();
    refs.sort_unstable();
    assert_eq!(refs, ["0", "1", "2", "3", "4"], "each once");
    let cursor = bench
        .app
        .get("/v1/watches?limit=2", &bench.token(tenant))
        .await
        .json["next_cursor"]
        .clone();
    let cursor = cursor.as_str().unwrap();
    let (token, stranger) = (bench.token(tenant), bench.token(bench.tenant()));
    for (token, query) in [
        (&stranger, format!("cursor={cursor}")),
        (&token, format!("state=flagged&cursor={cursor}")),
        (&token, "limit=0".to_owned()),
        (&token, "limit=1000000000".to_owned()),
        (&token, "state=sleeping".to_owned()),
        (&token, "tenant_id=ten_1".to_owned()),
    ] {
        let reply = bench.app.get(&format!("/v1/watches?{query}"), token).await;
        reply.expect_problem(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_watch_is_not_flagged_and_a_certificate_s_end_ends_its_watch() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(2);
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    let ders = [0, 1].map(|one: usize| bench.certificate(citizens[one], SIGNATURE));
    let deleted = bench.watch(tenant, &ders[0], "deleted").await;
    let expires = bench.watch(tenant, &ders[1], "expires").await;
    let path = format!("/v1/watches/{}", deleted["id"].as_str().unwrap());
    bench
        .app
        .delete(&path, &bench.token(tenant))
        .await
        .expect(204);
    bench.happen(citizens[0], &LifeEvent::Lose);
    bench.advance(24);
    bench.publish_and_sync().await;
    assert!(bench.watches(tenant, "flagged").await.is_empty());
    bench.advance(24 * 366 * 5);
    bench.app.run("revocation.sync").await;
    assert_eq!(bench.watches(tenant, "ended").await.len(), 2);
    // The tenant is told of the end, once; who ended the watch itself hears nothing.
    bench.app.run("revocation.sync").await;
    bench.app.settle().await;
    let told = bench.probe.facts::<CertificateExpired>();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0.scope, Some(tenant));
    assert_eq!(told[0].1.watch.to_string(), expires["id"].as_str().unwrap());
    let reply = bench
        .app
        .post(
            "/v1/watches",
            &bench.token(tenant),
            &watch_body(&ders[1], None),
        )
        .await;
    let problem = reply.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["code"], "certificate_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_with_a_pointer() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let good = watch_body(&bench.certificate(citizen, SIGNATURE), None);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let certificate = |text: &str| with("certificate", json!(text));
    let cases = [
        (json!({}), "/certificate", "missing"),
        (certificate("%%%"), "/certificate", "invalid_value"),
        (
            with("certificate", json!(7)),
            "/certificate",
            "invalid_value",
        ),
        (certificate(""), "/certificate", "not_der"),
        (certificate("AAAA"), "/certificate", "not_der"),
        (certificate("MAA="), "/certificate", "certificate_malformed"),
        (with("ref", json!("")), "/ref", "invalid_value"),
        (with("ref", json!("a\nb")), "/ref", "invalid_value"),
        (with("ref", json!("x".repeat(257))), "/ref", "invalid_value"),
        (with("tenant_id", json!("x")), "/tenant_id", "unknown_field"),
    ];
    let tenant = bench.tenant();
    for (body, pointer, code) in cases {
        refused(&bench, tenant, &body, pointer, code).await;
    }
    let token = bench.token(tenant);
    let path = "/v1/certificates/crt_1/check";
    let reply = bench.app.post(path, &token, &json!({})).await;
    reply.expect_problem(404, "not_found");
}

/// Asserts that a watch is refused for one field.
async fn refused(bench: &Bench, tenant: TenantScope, body: &Value, pointer: &str, code: &str) {
    let token = bench.token(tenant);
    let reply = bench.app.post("/v1/watches", &token, body).await;
    let problem = reply.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    assert_eq!(problem["errors"][0]["code"], code, "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_watched_is_refused_by_name() {
    let mut bench = Bench::new().await;
    let (tenant, at) = (bench.tenant(), bench.now());
    for (defect, code) in [
        (Defect::Truncated, "not_der"),
        (Defect::TrailingData, "not_der"),
        (Defect::UnknownIssuer, "issuer_unknown"),
        (Defect::ImpostorIssuer, "issuer_signature_invalid"),
        (Defect::TamperedSignature, "issuer_signature_invalid"),
        (Defect::MissingPolicies, "certificate_unsupported"),
        (Defect::Sha1Signature, "algorithm_refused"),
        (Defect::Expired, "certificate_expired"),
    ] {
        let (person, keys) = (Person::of_the_test_card(), &mut bench.keys);
        let id = bench
            .agency
            .enroll_defective(person, SIGNATURE, defect, keys, at)
            .unwrap();
        let body = watch_body(&bench.certificate(id, SIGNATURE), None);
        refused(&bench, tenant, &body, "/certificate", code).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_certificate_has_twenty_watches_at_most() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let der = bench.certificate(citizen, SIGNATURE);
    let tenant = bench.tenant();
    let token = bench.token(tenant);
    for number in 0..20 {
        bench.watch(tenant, &der, &format!("ref {number}")).await;
    }
    let body = watch_body(&der, Some("one too many"));
    let reply = bench.app.post("/v1/watches", &token, &body).await;
    reply.expect_problem(409, "conflict");
    let body = watch_body(&der, Some("ref 19"));
    let reply = bench.app.post("/v1/watches", &token, &body).await;
    reply.expect(200);
    bench.watch(bench.tenant(), &der, "another tenant").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f033_each_environment_watches_its_own_certificates_only() {
    let house = TestHouse::new();
    let at = house.clock().now().utc();
    // One pool for both, so that no CA key is used twice.
    let mut keys = fixtures::key_source();
    let mut production = agency(Hierarchy::Production, &mut keys, at);
    let mut sandbox = agency(Hierarchy::Test, &mut keys, at);
    let mut all = roots(&production, Environment::Production);
    all.extend(roots(&sandbox, Environment::Sandbox));
    let anchors = std::sync::Arc::new(AnchorSet::new(all).unwrap());
    let service = Revocation::open(Config::default(), &house.platform, anchors)
        .await
        .unwrap();
    let app = App::serve(&house.platform, vec![service.module()]).await;
    let mut certificate = |agency: &mut warikan_simulator::Simulator| {
        let person = Person::of_the_test_card();
        let id = agency.enroll(person, &mut keys, at).unwrap();
        let card = agency.card(id).unwrap();
        card.certificate(AUTHENTICATION).unwrap().to_vec()
    };
    let certificates = [certificate(&mut production), certificate(&mut sandbox)];
    for environment in Environment::ALL {
        let tenant = house.tenant(environment);
        let token = house.token(tenant, &[ClientScope::Watches]);
        let [own, other] = match environment {
            Environment::Production => [&certificates[0], &certificates[1]],
            Environment::Sandbox => [&certificates[1], &certificates[0]],
        };
        let reply = app
            .post("/v1/watches", &token, &watch_body(own, None))
            .await;
        assert_eq!(reply.expect(201)["kind"], "card_authentication");
        let reply = app
            .post("/v1/watches", &token, &watch_body(other, None))
            .await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["code"], "environment_mismatch");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_kept_and_replayed() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    let der = bench.certificate(citizen, SIGNATURE);
    let watch = bench.watch(tenant, &der, "x").await;
    let handle = watch["certificate_handle"].as_str().unwrap();
    let check = async |key: &str| {
        let request = bench
            .app
            .request(
                reqwest::Method::POST,
                &format!("/v1/certificates/{handle}/check"),
            )
            .bearer_auth(bench.token(tenant))
            .header("Idempotency-Key", key);
        App::read(request).await
    };
    let first = check("a").await.expect(200).clone();
    assert_eq!(first["state"], "good");
    assert_eq!(first["source_version"].as_str().unwrap().len(), 64);
    assert_eq!(check("a").await.expect(200), &first);
    check("b").await.expect(200);
    let path = format!("/v1/certificates/{handle}/statuses?limit=1");
    let page = bench
        .app
        .get(&path, &bench.token(tenant))
        .await
        .expect(200)
        .clone();
    assert_eq!(page["data"], json!([first]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = bench
        .app
        .get(&format!("{path}&cursor={cursor}"), &bench.token(tenant))
        .await;
    assert_eq!(next.expect(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        next.json["next_cursor"],
        json!(null),
        "the replay is no second check"
    );
    let reply = bench
        .app
        .post(
            &format!("/v1/certificates/{handle}/check"),
            &bench.token(tenant),
            &json!({"at": 1}),
        )
        .await;
    reply.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_cannot_be_meant_is_refused() {
    let bench = Bench::new().await;
    let source = |environment, url: &str| Source {
        environment,
        index_url: url.to_owned(),
    };
    let (here, other) = (Environment::Production, "http://127.0.0.1:1/x");
    for sources in [
        vec![source(here, "not an address")],
        vec![source(here, "ftp://127.0.0.1/index")],
        vec![source(here, other), source(here, other)],
    ] {
        let config = Config {
            sources,
            ..Config::default()
        };
        let anchors = std::sync::Arc::clone(&bench.anchors);
        let opened = Revocation::open(config, &bench.house.platform, anchors).await;
        assert!(opened.is_err());
    }
    let unknown = serde_json::from_value::<Config>(json!({"sync_periods": 1}));
    assert!(unknown.is_err());
}
