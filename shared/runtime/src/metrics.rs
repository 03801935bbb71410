//! What is counted. Every name is in [`METRICS`] and in `docs/operations.md`; a test compares the two.
//!
//! Labels hold names of the platform's own parts, statuses and route patterns: nothing of a tenant, and nothing that a client can
//! make up (a label's values live for ever).

use std::{
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, MeterProvider},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// Name and meaning of everything that `/metrics` may show.
pub const METRICS: [(&str, &str); 23] = [
    (
        "warikan_http_request_duration_seconds",
        "Requests by method, route pattern and status: how many, and how long.",
    ),
    (
        "warikan_upstream_failures_total",
        "Requests the gateway could not pass on, by service and reason (refused, full, resting, late, broken, unfit).",
    ),
    (
        "warikan_inner_refused_total",
        "Requests to an inner listener without a valid internal token, by service.",
    ),
    (
        "warikan_clock_refused_total",
        "Requests refused because this process's clock is wrong. Must be 0.",
    ),
    (
        "warikan_rate_limited_total",
        "Requests refused for being too many, by bucket (429: tenant, token, refused, public; 503: under_way).",
    ),
    (
        "warikan_requests_places",
        "Requests that the process takes at once, since it last refused one.",
    ),
    (
        "warikan_sign_ins_refused_total",
        "Token requests refused for their credentials, by reason (unknown, secret, assertion, revoked, expired, address, ..).",
    ),
    (
        "warikan_cache_failures_total",
        "Questions to Redis that failed or came too late, and were answered without it.",
    ),
    (
        "warikan_recall_total",
        "Requests with an Idempotency-Key at the gateway, by outcome (hit: answered from Redis as it was answered before, miss: passed on, kept: its answer was kept in Redis).",
    ),
    (
        "warikan_denied_tokens_age_seconds",
        "Since when the gateway has not heard from onboarding whose access tokens are denied.",
    ),
    (
        "warikan_cache_asked_total",
        "Look-ups in what a process remembers, by cache (access_token, challenge, examination) and outcome (hit, miss).",
    ),
    (
        "warikan_task_runs_total",
        "Runs of background tasks, by task and outcome (done, failed).",
    ),
    (
        "warikan_outbox_waiting",
        "Facts in an outbox that are not published yet, by relay.",
    ),
    (
        "warikan_outbox_oldest_seconds",
        "Since when the oldest of them waits, by relay.",
    ),
    (
        "warikan_crl_age_seconds",
        "Age of the oldest revocation list in force, by environment.",
    ),
    (
        "warikan_crl_stale",
        "Revocation lists past their nextUpdate, by environment.",
    ),
    (
        "warikan_recheck_missed",
        "Watches that the event path had missed and the last full re-check flagged. Must be 0.",
    ),
    (
        "warikan_revocation_feed_seconds",
        "From a revocation list taken over to each certificate.revoked in its tenant's feed, by environment.",
    ),
    (
        "warikan_revocation_delivery_seconds",
        "From thisUpdate of a revocation list to each certificate.revoked first delivered to a webhook endpoint, by environment.",
    ),
    (
        "warikan_usage_difference",
        "Usage records that no service knows as operations, as the last comparison found them. Must be 0.",
    ),
    (
        "warikan_usage_recovered_total",
        "Operations whose facts billing had not heard, taken as usage by a comparison.",
    ),
    (
        "warikan_usage_unreachable",
        "Services whose operations the last comparison could not ask for; what they have is not compared.",
    ),
    (
        "warikan_ready",
        "1 where a service can work, 0 where not, by service.",
    ),
];

/// From a tenth of a second to two days: a list is a day old at most, and an endpoint may be away for longer.
const FROM_LIST: [f64; 18] = [
    0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    14_400.0, 43_200.0, 86_400.0, 172_800.0,
];

struct Instruments {
    registry: Registry,
    requests: Histogram<f64>,
    upstream: Counter<u64>,
    refused: Counter<u64>,
    clock: Counter<u64>,
    limited: Counter<u64>,
    places: Gauge<u64>,
    sign_ins: Counter<u64>,
    cache: Counter<u64>,
    recall: Counter<u64>,
    denied_age: Gauge<u64>,
    asked: Counter<u64>,
    tasks: Counter<u64>,
    waiting: Gauge<u64>,
    oldest: Gauge<u64>,
    crl_age: Gauge<u64>,
    crl_stale: Gauge<u64>,
    recheck_missed: Gauge<u64>,
    revocation_feed: Histogram<f64>,
    revocation_delivery: Histogram<f64>,
    usage_difference: Gauge<u64>,
    usage_recovered: Counter<u64>,
    usage_unreachable: Gauge<u64>,
    ready: Gauge<u64>,
    _provider: SdkMeterProvider,
}

static INSTRUMENTS: LazyLock<Option<Instruments>> = LazyLock::new(Instruments::new);
static FAILED: OnceLock<()> = OnceLock::new();

impl Instruments {
    fn new() -> Option<Self> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .build()
            .ok()?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("warikan");
        let counter = |name| meter.u64_counter(name).build();
        let gauge = |name| meter.u64_gauge(name).build();
        Some(Self {
            requests: meter
                .f64_histogram("warikan.http.request.duration")
                .with_unit("s")
                .with_boundaries(vec![
                    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
                    30.0,
                ])
                .build(),
            upstream: counter("warikan.upstream.failures"),
            refused: counter("warikan.inner.refused"),
            clock: counter("warikan.clock.refused"),
            limited: counter("warikan.rate.limited"),
            sign_ins: counter("warikan.sign.ins.refused"),
            cache: counter("warikan.cache.failures"),
            recall: counter("warikan.recall"),
            denied_age: gauge("warikan.denied.tokens.age.seconds"),
            asked: counter("warikan.cache.asked"),
            tasks: counter("warikan.task.runs"),
            places: gauge("warikan.requests.places"),
            waiting: gauge("warikan.outbox.waiting"),
            oldest: gauge("warikan.outbox.oldest.seconds"),
            crl_age: gauge("warikan.crl.age.seconds"),
            crl_stale: gauge("warikan.crl.stale"),
            recheck_missed: gauge("warikan.recheck.missed"),
            revocation_feed: meter
                .f64_histogram("warikan.revocation.feed")
                .with_unit("s")
                .with_boundaries(FROM_LIST.to_vec())
                .build(),
            revocation_delivery: meter
                .f64_histogram("warikan.revocation.delivery")
                .with_unit("s")
                .with_boundaries(FROM_LIST.to_vec())
                .build(),
            usage_difference: gauge("warikan.usage.difference"),
            usage_recovered: counter("warikan.usage.recovered"),
            usage_unreachable: gauge("warikan.usage.unreachable"),
            ready: gauge("warikan.ready"),
            registry,
            _provider: provider,
        })
    }
}

fn with(record: impl FnOnce(&Instruments)) {
    match &*INSTRUMENTS {
        Some(instruments) => record(instruments),
        None => {
            FAILED.get_or_init(|| tracing::error!("metrics cannot be kept in this process"));
        }
    }
}

/// The text of `/metrics` (Prometheus exposition format).
#[must_use]
pub fn exposition() -> String {
    let Some(instruments) = &*INSTRUMENTS else {
        return String::new();
    };
    TextEncoder::new()
        .encode_to_string(&instruments.registry.gather())
        .unwrap_or_default()
}

/// A request was answered.
pub fn request(method: &str, route: &str, status: u16, took: Duration) {
    // A client may send any method; the label knows the published ones.
    let method = match method {
        "GET" | "POST" | "PUT" | "PATCH" | "DELETE" => method.to_owned(),
        _ => "other".to_owned(),
    };
    with(|all| {
        all.requests.record(
            took.as_secs_f64(),
            &[
                KeyValue::new("method", method),
                KeyValue::new("route", route.to_owned()),
                KeyValue::new("status", i64::from(status)),
            ],
        );
    });
}

/// The gateway could not pass a request on.
pub fn upstream_failure(service: &'static str, reason: &'static str) {
    with(|all| {
        all.upstream.add(
            1,
            &[
                KeyValue::new("service", service),
                KeyValue::new("reason", reason),
            ],
        );
    });
}

/// An inner listener refused somebody.
pub fn inner_refused(service: &'static str) {
    with(|all| all.refused.add(1, &[KeyValue::new("service", service)]));
}

/// A request was refused because of this process's clock.
pub fn clock_refused() {
    with(|all| all.clock.add(1, &[]));
}

/// A request was answered 429.
pub fn rate_limited(bucket: &'static str) {
    with(|all| all.limited.add(1, &[KeyValue::new("bucket", bucket)]));
}

/// How many requests the process takes at once.
pub fn places(places: usize) {
    let places = u64::try_from(places).unwrap_or(u64::MAX);
    with(|all| all.places.record(places, &[]));
}

/// A token request was refused. The reason is one of the program's own words.
pub fn sign_in_refused(reason: &'static str) {
    with(|all| all.sign_ins.add(1, &[KeyValue::new("reason", reason)]));
}

/// Redis did not answer in time.
pub fn cache_failure() {
    with(|all| all.cache.add(1, &[]));
}

/// Something was looked up in what the process remembers.
pub fn cache_asked(cache: &'static str, hit: bool) {
    let outcome = if hit { "hit" } else { "miss" };
    with(|all| {
        all.asked.add(
            1,
            &[
                KeyValue::new("cache", cache),
                KeyValue::new("outcome", outcome),
            ],
        );
    });
}

/// What became of a request that may have been answered before.
pub fn recall(outcome: &'static str) {
    with(|all| all.recall.add(1, &[KeyValue::new("outcome", outcome)]));
}

/// How old the edge's list of denied tokens is.
pub fn denied_tokens(age: Duration) {
    with(|all| all.denied_age.record(age.as_secs(), &[]));
}

/// A task ran.
pub fn task_run(task: &'static str, done: bool) {
    let outcome = if done { "done" } else { "failed" };
    with(|all| {
        all.tasks.add(
            1,
            &[
                KeyValue::new("task", task),
                KeyValue::new("outcome", outcome),
            ],
        );
    });
}

/// What lies in an outbox.
pub fn outbox(relay: &'static str, waiting: u64, oldest: Duration) {
    with(|all| {
        let label = [KeyValue::new("relay", relay)];
        all.waiting.record(waiting, &label);
        all.oldest.record(oldest.as_secs(), &label);
    });
}

/// How old an environment's revocation lists are.
pub fn crl(environment: &'static str, age_seconds: u64, stale: u64) {
    with(|all| {
        let label = [KeyValue::new("environment", environment)];
        all.crl_age.record(age_seconds, &label);
        all.crl_stale.record(stale, &label);
    });
}

/// What the last full re-check found.
pub fn recheck_missed(watches: u64) {
    with(|all| all.recheck_missed.record(watches, &[]));
}

/// A revocation stands in its tenant's feed, so long after its list was taken over.
pub fn revocation_in_feed(environment: &'static str, after: Duration) {
    let label = [KeyValue::new("environment", environment)];
    with(|all| all.revocation_feed.record(after.as_secs_f64(), &label));
}

/// A revocation was delivered to an endpoint for the first time, so long after its list's thisUpdate.
pub fn revocation_delivered(environment: &'static str, after: Duration) {
    let label = [KeyValue::new("environment", environment)];
    with(|all| {
        all.revocation_delivery.record(after.as_secs_f64(), &label);
    });
}

/// What the last comparison of usage with operations found. A difference is told only where every service could be asked.
pub fn usage_compared(difference: Option<u64>, unreachable: u64) {
    with(|all| {
        if let Some(difference) = difference {
            all.usage_difference.record(difference, &[]);
        }
        all.usage_unreachable.record(unreachable, &[]);
    });
}

/// Operations were taken as usage whose facts had not been heard.
pub fn usage_recovered(operations: u64) {
    with(|all| all.usage_recovered.add(operations, &[]));
}

/// Whether a service can work.
pub fn ready(service: &'static str, ready: bool) {
    with(|all| {
        all.ready
            .record(u64::from(ready), &[KeyValue::new("service", service)]);
    });
}
