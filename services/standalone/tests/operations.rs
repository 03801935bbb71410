//! What an operator sees of a process: probes, metrics, traces. And that nobody else does.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{collections::BTreeSet, net::TcpListener};

use serde_json::json;
use support::{Installation, Split, until};
use warikan_runtime::metrics::METRICS;
use warikan_testkit::WebhookSink;

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn get(url: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The names in the text of `/metrics`, without what Prometheus appends to a histogram's.
fn names(exposition: &str) -> BTreeSet<&str> {
    exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f012_metrics_are_the_operators_and_each_is_documented() {
    let ops = free();
    let here = Installation::configured(&format!("[ops]\nlisten = \"{ops}\"\n"));
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let anyone = server.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "注文書").await;
    firm.verify(&body).await;

    for path in ["/metrics", "/healthz", "/readyz"] {
        anyone.get(path).await.expect_problem(404, "not_found");
    }
    let (status, text) = get(&format!("http://{ops}/healthz")).await;
    assert_eq!((status, text.as_str()), (200, "ok\n"));
    let (status, ready) = get(&format!("http://{ops}/readyz")).await;
    assert_eq!(status, 200, "{ready}");
    assert!(
        ready.contains("sandbox: ") && ready.contains(" s old"),
        "the age of the lists: {ready}"
    );
    // The relays measure every few seconds; the first measurement is at the start.
    let (status, shown) = get(&format!("http://{ops}/metrics")).await;
    assert_eq!(status, 200);
    let documented: BTreeSet<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    let shown_names = names(&shown);
    let unknown: Vec<_> = shown_names.difference(&documented).collect();
    assert!(unknown.is_empty(), "not documented: {unknown:?}");
    for expected in [
        "warikan_http_request_duration_seconds",
        "warikan_task_runs_total",
        "warikan_outbox_waiting",
        "warikan_crl_age_seconds",
        "warikan_ready",
    ] {
        assert!(shown_names.contains(expected), "{expected}: {shown}");
    }
    let verified = "warikan_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/verifications\",status=\"201\"";
    assert!(shown.contains(verified), "{shown}");
    // Nothing of a tenant or a person in any label.
    for secret in [tenant.as_str(), person.as_str(), "割勘"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    let document = include_str!("../../../docs/operations.md");
    for (name, meaning) in METRICS {
        let row = format!("| `{name}` | {meaning} |");
        assert!(document.contains(&row), "docs/operations.md lacks: {row}");
    }
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `warikan_"))
        .count();
    assert_eq!(rows, METRICS.len());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_is_one_trace_through_gateway_and_service() {
    let collector = WebhookSink::start().await;
    let mut split = Split::new(&format!("[ops]\notlp_traces = \"{}\"\n", collector.url));
    split.start_all(&["onboarding", "gateway"]).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let anyone = split.anyone();
    let asked = anyone
        .request(reqwest::Method::GET, "/.well-known/jwks.json")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    warikan_testkit::App::read(asked).await.expect(200);
    // The rest is sent when a process ends.
    split.stop_all().await;
    let octets: Vec<u8> = trace
        .as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect();
    let contains = |body: &[u8], what: &[u8]| body.windows(what.len()).any(|part| part == what);
    let of = |service: &str| {
        collector
            .received()
            .iter()
            .any(|one| contains(&one.body, service.as_bytes()) && contains(&one.body, &octets))
    };
    until("both processes' spans", async || {
        (of("warikan-gateway") && of("warikan-onboarding")).then_some(())
    })
    .await;
    let received = collector.received();
    assert!(
        received
            .iter()
            .all(|one| one.header("content-type") == Some("application/x-protobuf"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f009_a_tenant_or_an_address_over_its_quota_is_told_so_and_the_others_go_on() {
    // The Redis is nobody's: limits hold without it (F081).
    let here = Installation::configured(&format!(
        "[limits]\ntenant_requests_per_minute = 5\npublic_requests_per_minute = 2\n[redis]\nurl = \"redis://{}\"\n",
        free()
    ));
    let server = here.serve().await;
    let operator = server.operator().await;
    let one = operator.take_on("割勘証券株式会社").await;
    let two = operator.take_on("割勘銀行株式会社").await;
    let noisy = operator.credential(&one, "sandbox").await;
    let second_credential = operator.credential(&one, "sandbox").await;
    let quiet = operator.credential(&two, "sandbox").await;
    for left in (2..5).rev() {
        let reply = noisy.get("/v1/event-types").await;
        assert_eq!(reply.headers["ratelimit-policy"], "\"tenant\";q=5;w=60");
        let state = reply.headers["ratelimit"].to_str().unwrap().to_owned();
        assert!(
            state.starts_with(&format!("\"tenant\";r={left};t=")),
            "{state}"
        );
    }
    // Another credential is the same tenant.
    let mut refused = None;
    for _ in 0..6 {
        let reply = second_credential.get("/v1/verifications").await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        reply.expect(200);
    }
    let refused = refused.expect("five a minute, and not many more");
    let problem = refused.expect_problem(429, "rate_limited");
    assert_eq!(problem["retryable"], true);
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    quiet.get("/v1/verifications").await.expect(200);
    let anyone = server.anyone();
    let mut public = Vec::new();
    for path in [
        "/v1/status-freshness",
        "/v1/reasons",
        "/v1/status-freshness",
    ] {
        let reply = anyone.get(path).await;
        assert_eq!(reply.headers["ratelimit-policy"], "\"public\";q=2;w=60");
        public.push(reply);
    }
    public[1].expect(200);
    public[2].expect_problem(429, "rate_limited");
    assert!(public[2].headers.contains_key("retry-after"));
    // Discovery is not counted.
    anyone.get("/.well-known/jwks.json").await.expect(200);
    operator.get("/v1/operator/tenants").await.expect(200);
    server.anyone().get("/health/live").await.expect(200);
    server.stop().await;
}
