//! How many events a second are taken and delivered, and how late they are.
//!
//! `cargo bench -p warikan-webhooks`. Events go in as facts over the in-process bus (one durable transaction each), deliveries go
//! over HTTP to a receiver that answers 204: nginx where it is installed, else a small one of this file's own. SQLite with
//! `synchronous = FULL`, as in the one binary. Only deliveries whose attempt is durably recorded count. Beside each figure
//! stands what `wrk`, where it is installed, gets out of the same receiver with requests of the same size.
//!
//! `WARIKAN_BENCH_EVENTS` sets the number of events (20,000 by default).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops where something fails"
)]

mod receiver;

use std::{collections::HashMap, sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::json;
use tokio::{sync::Semaphore, time::Instant};
use warikan_contracts::{Envelope, facts::VerificationCompleted};
use warikan_messaging::Bus;
use warikan_runtime::{AccessToken, Clocks, Databases, Keys, Module, Platform, RunningTasks};
use warikan_testkit::App;
use warikan_types::{
    CertificateKind, ClientScope, Clock, Entropy, Environment, Principal, TenantScope, Verdict,
};
use warikan_webhooks::{Config, Webhooks};

use receiver::Receiver;

struct Bench {
    platform: Platform,
    app: App,
    module: Module,
    tenant: TenantScope,
    db: DatabaseConnection,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new(endpoints: usize, url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let platform = Platform {
            clocks: Clocks {
                production: clock.clone(),
                sandbox: clock,
            },
            keys: Keys::ephemeral(&entropy),
            entropy,
            bus: Bus::in_process(),
            databases: Databases::SqliteDirectory(directory.path().to_owned()),
        };
        let config = Config {
            allow_loopback_http: true,
            ..Config::default()
        };
        let service = Webhooks::open(config, &platform).await.unwrap();
        let module = service.module();
        let app = App::serve(&platform, vec![module.clone()]).await;
        let now = platform.clock().now();
        let tenant = TenantScope::of_event(platform.entropy.id(now), Environment::Production);
        let principal = Principal {
            client: platform.entropy.id(now),
            tenant: Some(tenant),
            scopes: [ClientScope::Webhooks].into_iter().collect(),
        };
        let token = AccessToken::issue(
            &principal,
            &platform.keys,
            platform.clock(),
            &platform.entropy,
        )
        .unwrap();
        for _ in 0..endpoints {
            let made = app
                .post("/v1/webhook-endpoints", &token, &json!({ "url": url }))
                .await;
            made.expect(201);
        }
        let file = directory.path().join("webhooks.sqlite");
        let db = Database::connect(format!("sqlite://{}", file.display()))
            .await
            .unwrap();
        Self {
            platform,
            app,
            module,
            tenant,
            db,
            _directory: directory,
        }
    }

    fn fact(&self) -> Envelope {
        let (entropy, now) = (&self.platform.entropy, self.platform.clock().now());
        let fact = VerificationCompleted {
            verification: entropy.id(now),
            client: entropy.id(now),
            kind: Some(CertificateKind::CardSignature),
            channel: None,
            verdict: Verdict::Valid,
            reason: None,
            subject: Some(entropy.id(now)),
            handle: Some(entropy.id(now)),
            accepted_at: now,
            watch: None,
        };
        let aggregate = fact.verification.to_string();
        Envelope::of(entropy.id(now), Some(self.tenant), now, aggregate, &fact)
    }

    /// Publishes from 64 tasks at once and waits until all are committed.
    async fn publish(&self, count: usize) {
        let places = Arc::new(Semaphore::new(64));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..count {
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            let (bus, fact) = (self.platform.bus.clone(), self.fact());
            tasks.spawn(async move {
                bus.publish(&fact, 1).await.unwrap();
                drop(place);
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }

    async fn count(&self, sql: &str) -> u64 {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let row = self.db.query_one_raw(statement).await.unwrap().unwrap();
        u64::try_from(row.try_get::<i64>("", "n").unwrap()).unwrap()
    }

    async fn arrived(&self, deliveries: usize) {
        let sql = "SELECT COUNT(*) AS n FROM delivery WHERE state = 'pending'";
        while self.count(sql).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let recorded = "SELECT COUNT(*) AS n FROM delivery_attempt WHERE status = 204";
        assert_eq!(self.count(recorded).await, deliveries as u64);
    }

    async fn stop(self, tasks: RunningTasks) {
        tasks.stop().await;
        self.app.stop().await;
    }
}

fn per_second(count: usize, took: Duration) -> u128 {
    count as u128 * 1_000_000 / took.as_micros().max(1)
}

/// Taking and delivering together, and then delivering alone.
async fn throughput(endpoints: usize, events: usize, url: &str) {
    let bench = Bench::new(endpoints, url).await;
    let tasks = RunningTasks::spawn(bench.module.tasks.clone());
    let begun = Instant::now();
    bench.publish(events).await;
    let committed = begun.elapsed();
    bench.arrived(events * endpoints).await;
    let took = begun.elapsed();
    println!(
        "{endpoints} endpoint(s), taken and delivered: {} events/s, {} deliveries/s (taken alone after {committed:?})",
        per_second(events, took),
        per_second(events * endpoints, took),
    );
    bench.stop(tasks).await;

    let bench = Bench::new(endpoints, url).await;
    let begun = Instant::now();
    bench.publish(events).await;
    let taken = begun.elapsed();
    let begun = Instant::now();
    let tasks = RunningTasks::spawn(bench.module.tasks.clone());
    bench.arrived(events * endpoints).await;
    println!(
        "{endpoints} endpoint(s), one after the other: {} events/s taken, then {} deliveries/s",
        per_second(events, taken),
        per_second(events * endpoints, begun.elapsed()),
    );
    bench.stop(tasks).await;
}

/// How late a delivery is acknowledged after its event's commit, at a steady rate.
async fn lag(rate: u32, seconds: u32, url: &str) {
    let bench = Bench::new(1, url).await;
    let tasks = RunningTasks::spawn(bench.module.tasks.clone());
    let step = Duration::from_secs(1) / rate;
    let begun = Instant::now();
    let mut publications = tokio::task::JoinSet::new();
    for turn in 0..rate * seconds {
        tokio::time::sleep_until(begun + step * turn).await;
        let (bus, fact, clock) = (
            bench.platform.bus.clone(),
            bench.fact(),
            bench.platform.clock().clone(),
        );
        publications.spawn(async move {
            bus.publish(&fact, 1).await.unwrap();
            (fact.id.uuid(), clock.now().unix_millis())
        });
    }
    let mut committed = HashMap::new();
    while let Some(done) = publications.join_next().await {
        let (event, at) = done.unwrap();
        committed.insert(event, at);
    }
    bench.arrived(committed.len()).await;
    let statement = Statement::from_string(
        bench.db.get_database_backend(),
        "SELECT d.event, a.at, a.duration_ms FROM delivery_attempt a JOIN delivery d ON d.id = a.delivery",
    );
    let mut lags: Vec<i64> = Vec::new();
    for row in bench.db.query_all_raw(statement).await.unwrap() {
        let event: uuid::Uuid = row.try_get("", "event").unwrap();
        let at: chrono::DateTime<chrono::Utc> = row.try_get("", "at").unwrap();
        let took: i64 = row.try_get("", "duration_ms").unwrap();
        lags.push(at.timestamp_millis() + took - committed[&event]);
    }
    lags.sort_unstable();
    let quantile = |per_mille: usize| lags[(lags.len() - 1) * per_mille / 1_000];
    println!(
        "lag at {rate} events/s over {seconds} s: p50 {} ms, p99 {} ms, most {} ms",
        quantile(500),
        quantile(990),
        quantile(1_000)
    );
    bench.stop(tasks).await;
}

fn main() {
    let events = std::env::var("WARIKAN_BENCH_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let receiver = Receiver::start();
        println!("receiver: {}", receiver.name);
        receiver.ceiling();
        throughput(1, events, &receiver.url).await;
        throughput(10, events / 4, &receiver.url).await;
        lag(250, 20, &receiver.url).await;
        lag(1_000, 20, &receiver.url).await;
        receiver.ceiling();
    });
}
