//! What was known on an earlier day (F053), and of a renewed certificate.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Bench, SIGNATURE};
use warikan_contracts::facts::StatusChecked;
use warikan_simulator::LifeEvent;
use warikan_testkit::Reply;
use warikan_types::{TenantScope, Timestamp};

async fn ask(bench: &Bench, tenant: TenantScope, watch: &Value, body: &Value) -> Reply {
    let handle = watch["certificate_handle"].as_str().unwrap();
    let path = format!("/v1/certificates/{handle}/check");
    bench.app.post(&path, &bench.token(tenant), body).await
}

/// Two watched certificates; the first is lost on the second of two days with lists, after five without any a third comes.
struct Days {
    bench: Bench,
    tenant: TenantScope,
    watches: Vec<Value>,
    /// Before the first list.
    before: Timestamp,
    first: Timestamp,
    second: Timestamp,
    /// Where no list was in force.
    gap: Timestamp,
}

impl Days {
    async fn new() -> Self {
        let mut bench = Bench::new().await;
        let citizens = bench.citizens(2);
        let tenant = bench.tenant();
        let mut watches = Vec::new();
        for citizen in &citizens {
            let der = bench.certificate(*citizen, SIGNATURE);
            watches.push(bench.watch(tenant, &der, "C").await);
        }
        let before = bench.house.clock().now();
        // Nothing is known at all: not even since when.
        ask(&bench, tenant, &watches[0], &at(before))
            .await
            .expect_problem(503, "unavailable");
        bench.advance(1);
        bench.publish_and_sync().await;
        let first = bench.house.clock().now();
        bench.advance(24);
        bench.happen(citizens[0], &LifeEvent::Lose);
        bench.publish_and_sync().await;
        let second = bench.house.clock().now();
        bench.advance(5 * 24);
        let gap = bench.house.clock().now();
        bench.advance(1);
        bench.publish_and_sync().await;
        Self {
            bench,
            tenant,
            watches,
            before,
            first,
            second,
            gap,
        }
    }

    async fn then(&self, watch: usize, moment: Timestamp) -> Value {
        let watch = &self.watches[watch];
        let reply = ask(&self.bench, self.tenant, watch, &at(moment)).await;
        reply.expect(200).clone()
    }
}

fn at(moment: Timestamp) -> Value {
    json!({ "at": moment.to_string() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f053_a_tenant_asks_what_was_known_on_an_earlier_day() {
    let days = Days::new().await;
    let checked_at = days.bench.house.clock().now();
    let then = days.then(0, days.before).await;
    assert_eq!(then["state"], "unknown");
    assert_eq!(then["reason"], "status_unavailable");
    assert_eq!(then["known_since"], days.first.to_string());
    assert_eq!(then["this_update"], Value::Null);
    let noon = days.first.plus(Duration::from_secs(12 * 3600));
    let then = days.then(0, noon).await;
    assert_eq!(then["state"], "good", "nobody knew yet: {then}");
    assert_eq!(then["as_of"], noon.to_string());
    assert_eq!(then["this_update"], days.first.to_string());
    assert_eq!(then["age_seconds"], 12 * 3600);
    assert_eq!(then["checked_at"], checked_at.to_string());
    let later = days.then(0, days.second).await;
    assert_eq!(later["state"], "revoked");
    assert_ne!(later["source_version"], then["source_version"]);

    // Where no list was in force nobody said good.
    let then = days.then(1, days.gap).await;
    assert_eq!(then["state"], "unknown");
    assert_eq!(then["reason"], "status_stale");
    assert_eq!(then["this_update"], days.second.to_string());
    let then = days.then(0, days.gap).await;
    assert_eq!(then["state"], "revoked", "a stale list still says that");
    // What was found is kept with the moment it is about; what was not, is not.
    let handle = days.watches[0]["certificate_handle"].as_str().unwrap();
    let path = format!("/v1/certificates/{handle}/statuses");
    let kept = days
        .bench
        .app
        .get(&path, &days.bench.token(days.tenant))
        .await;
    let kept = kept.expect(200)["data"].as_array().unwrap().clone();
    let moments: Vec<&str> = kept
        .iter()
        .map(|one| one["as_of"].as_str().unwrap())
        .collect();
    let expected = [noon, days.second, days.gap].map(|one| one.to_string());
    assert_eq!(moments, expected);
    // And metered as what it is.
    days.bench.app.settle().await;
    let facts = days.bench.probe.facts::<StatusChecked>();
    assert!(
        facts
            .iter()
            .all(|(envelope, _)| envelope.scope == Some(days.tenant))
    );
    let asked = facts
        .iter()
        .filter(|(_, fact)| fact.certificates.len() == 1);
    assert!(asked.count() >= kept.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f053_the_past_is_there_after_the_certificate_and_its_watch_have_ended() {
    let mut days = Days::new().await;
    days.bench.advance(6 * 366 * 24);
    days.bench.publish_and_sync().await;
    assert!(days.bench.watches(days.tenant, "watching").await.is_empty());
    let now = ask(&days.bench, days.tenant, &days.watches[0], &json!({})).await;
    now.expect_problem(404, "not_found");
    assert_eq!(days.then(0, days.second).await["state"], "revoked");
    assert_eq!(days.then(1, days.second).await["state"], "good");

    let future = days.bench.house.clock().now().plus(Duration::from_secs(1));
    let problem = ask(&days.bench, days.tenant, &days.watches[0], &at(future)).await;
    problem.expect_problem(400, "invalid_request");
    let stranger = days.bench.tenant();
    let theirs = ask(&days.bench, stranger, &days.watches[0], &at(days.second)).await;
    theirs.expect_problem(404, "not_found");
}
