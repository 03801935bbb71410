//! The platform as separate processes: a gateway and six services, on loopback, over the network alone.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Caller, PATIENCE, Split, caller::and, split::SERVICES, until};
use warikan_testkit::App;

/// The sandbox has no bus to say that lists are there; revocation looks every second.
const QUICK: &str = "[revocation]\nsync_period_seconds = 1\n";

/// Waits until the certificate's status is known to whoever verifies.
async fn valid(firm: &Caller, body: &Value) -> Value {
    until("a valid verdict", async || {
        let answer = firm.verify(body).await;
        (answer["verdict"] == "valid").then_some(answer)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f085_processes_start_in_any_order_and_verify_and_know_a_revocation() {
    let mut split = Split::new(QUICK);
    // Those who ask before those who answer.
    split
        .start_all(&[
            "gateway",
            "verification",
            "webhooks",
            "billing",
            "revocation",
        ])
        .await;
    let report = split.anyone().get("/health/ready").await;
    let report = report.expect(503);
    let of = |service: &str| {
        let all = report["services"].as_array().unwrap();
        all.iter()
            .find(|one| one["service"] == service)
            .unwrap()
            .clone()
    };
    assert_eq!(of("onboarding")["why"], "does not answer");
    assert_eq!(of("billing")["ready"], true);
    split.start_all(&["onboarding", "sandbox"]).await;
    split.ready().await;

    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    let answer = valid(&firm, &body).await;
    let id = answer["id"].as_str().unwrap();
    let read = firm.get(&format!("/v1/verifications/{id}")).await;
    assert_eq!(read.expect(200)["verdict"], "valid");

    // The list travels sandbox -> revocation -> verification's own memory.
    let moved = json!({ "event": "move", "address": "大阪府大阪市北区１" });
    anyone
        .post(&format!("/sandbox/persons/{person}/events"), &moved)
        .await
        .expect(200);
    anyone
        .post("/sandbox/publish-crl", &json!({}))
        .await
        .expect(200);
    let revoked = until("the revocation to be known", async || {
        let answer = firm.verify(&body).await;
        (answer["verdict"] == "invalid").then_some(answer)
    })
    .await;
    assert_eq!(revoked["reason"], "certificate_revoked");

    // The sandbox's clock is everyone's: a day later the lists are no longer in force, and the services know it.
    anyone
        .post("/sandbox/clock", &json!({ "advance": "P30D" }))
        .await
        .expect(200);
    let other = anyone.person(&json!({})).await;
    let later = anyone.sign(&other, "口座開設申込書").await;
    let later = and(&later, json!({ "channel": "crl" }));
    until("the sandbox's clock to be followed", async || {
        let answer = firm.verify(&later).await;
        (answer["reason"] == "status_stale").then_some(())
    })
    .await;
    split.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f006_inner_listeners_serve_nobody_without_an_internal_token() {
    let mut split = Split::new(QUICK);
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    split.ready().await;
    let firm = split.firm().await;
    let anyone = split.anyone();
    let usage = firm.get("/v1/freshness").await;
    usage.expect(200);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = firm.request(Method::GET, "/").build().unwrap().headers()["authorization"].clone();
    for (service, path) in [
        ("onboarding", "/v1/operator/tenants"),
        ("verification", "/v1/verifications"),
        ("revocation", "/v1/freshness"),
        ("revocation", "/inner/status"),
        ("webhooks", "/v1/events"),
        ("billing", "/v1/usage"),
        ("sandbox", "/inner/sandbox"),
        ("sandbox", "/sandbox/persons"),
        ("billing", "/inner/ready"),
    ] {
        let url = format!("{}{path}", split.inner(service));
        let forged = http
            .get(&url)
            .header("x-tenant-id", "ten_01")
            .header("x-user", "operator")
            .header("x-forwarded-for", "127.0.0.1")
            .header("x-warikan-internal", "eyJhbGciOiJub25lIn0.e30.")
            .header("authorization", token.clone());
        App::read(forged).await.expect_problem(401, "invalid_token");
        App::read(http.get(&url))
            .await
            .expect_problem(401, "invalid_token");
    }
    // What the stand-in for a CA publishes, anyone may read.
    let index = http.get(format!("{}/jlis/crl/index.json", split.inner("sandbox")));
    App::read(index).await.expect(200);

    // From outside nothing of the inside can be reached, whatever is claimed.
    for path in [
        "/inner/status",
        "/inner/sandbox",
        "/inner/ready",
        "/metrics",
        "/v1/../inner/status",
        "//inner/status",
        "/v1/%2e%2e/inner/status",
    ] {
        let reply = anyone.get(path).await;
        reply.expect_problem(404, "not_found");
    }
    let operator_list = anyone
        .request(Method::GET, "/v1/operator/tenants")
        .header("x-user", "operator")
        .header("x-warikan-internal", "x");
    App::read(operator_list)
        .await
        .expect_problem(401, "invalid_token");
    let as_firm = firm
        .request(Method::GET, "/v1/operator/tenants")
        .header("x-original-url", "/v1/verifications")
        .header("x-http-method-override", "POST");
    App::read(as_firm)
        .await
        .expect_problem(403, "insufficient_scope");
    let other_method = anyone.request(Method::DELETE, "/v1/verifications");
    let reply = App::read(other_method).await;
    reply.expect_problem(405, "method_not_allowed");
    assert_eq!(reply.headers["allow"], "GET, POST");
    split.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f086_a_service_that_is_down_is_a_503_and_the_others_go_on() {
    let mut split = Split::new(QUICK);
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    split.ready().await;
    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    valid(&firm, &body).await;

    split.kill("billing");
    for _ in 0..8 {
        let asked = Instant::now();
        let reply = firm.get("/v1/usage?month=2026-11").await;
        let problem = reply.expect_problem(503, "unavailable").clone();
        assert_eq!(problem["retryable"], true);
        assert_eq!(reply.headers["retry-after"], "1");
        assert!(asked.elapsed() < Duration::from_secs(5), "quickly");
    }
    // What was told before the service died goes on to be known.
    split.kill("revocation");
    let answer = firm.verify(&body).await;
    assert_eq!(answer["verdict"], "valid", "{answer}");
    firm.get("/v1/freshness")
        .await
        .expect_problem(503, "unavailable");

    // A key that was sent before the kill means the same after it.
    let keyed = || firm.keyed("/v1/verifications", "one", &body);
    let first = App::read(keyed()).await.expect(201)["id"].clone();
    split.kill("verification");
    firm.post("/v1/verifications", &body)
        .await
        .expect_problem(503, "unavailable");
    for role in ["verification", "revocation", "billing"] {
        split.start(role).await;
    }
    split.ready().await;
    let again = until("the same answer", async || {
        let reply = App::read(keyed()).await;
        (reply.status == 201).then(|| reply.json.clone())
    })
    .await;
    assert_eq!(again["id"], first);
    split.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f058_bodies_stream_and_are_bounded_at_the_edge() {
    let mut split = Split::new(QUICK);
    split
        .start_all(&["onboarding", "verification", "gateway"])
        .await;
    let firm = split.firm().await;
    // Declared too large: refused without a service.
    let big = firm
        .request(Method::POST, "/v1/verifications")
        .header("content-type", "application/json")
        .body(vec![b' '; 2 << 20]);
    App::read(big).await.expect_problem(413, "body_too_large");
    // Above the service's own limit: its answer.
    let own = firm
        .request(Method::POST, "/v1/verifications")
        .header("content-type", "application/json")
        .body(vec![b' '; 300 << 10]);
    App::read(own).await.expect_problem(413, "body_too_large");
    // The operation's own opinion of a body comes through.
    let bad = and(&json!({}), json!({ "nonsense": 1 }));
    firm.post("/v1/verifications", &bad)
        .await
        .expect_problem(400, "invalid_request");

    // Chunked for ever: cut, and the edge lives.
    let address = split.process("gateway").address().to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
        // No more than a little over the limit, and never an end.
        for _ in 0..80 {
            if stream.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        let mut answer = [0; 200];
        let read = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..read]).into_owned()
    })
    .await
    .unwrap();
    assert!(ended.starts_with("HTTP/1.1 413"), "{ended}");
    assert!(ended.contains("connection: close"), "{ended}");
    firm.get("/v1/verifications").await.expect(200);
    split.stop_all().await;
}
