//! How many operations a second become usage, and how long the close of a large month takes.
//!
//! `cargo bench -p warikan-billing` prints a table: facts published in batches of 256 to billing's consumer, as a relay publishes them,
//! each batch one commit of inbox and usage; beside it rows of the same shape, with the same indexes and as many to a commit, inserted
//! into the same database by nothing but INSERT; then the comparison of the month with the services' operations, and its close over HTTP
//! (comparison, rating, invoices, facts, commit). SQLite with `synchronous = FULL`, or, with `WARIKAN_TEST_DATABASE=postgres`,
//! PostgreSQL.
//!
//! `WARIKAN_BENCH_RECORDS` sets the number of usage records (1,000,000 by default), `WARIKAN_BENCH_TENANTS` that of tenants (1,300).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops where something fails"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Scene, at};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait, Value};
use uuid::Uuid;
use warikan_contracts::{Envelope, facts::TenantState};
use warikan_messaging::Outgoing;
use warikan_types::{Environment, TenantScope, UsageRecord};

/// The one binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Facts that a relay publishes at a time.
const BATCH: usize = 256;
const MONTH: &str = "2026-11";

fn number(name: &str, usual: usize) -> usize {
    let told = std::env::var(name).ok();
    told.map_or(usual, |text| text.parse().expect("a number"))
}

fn per_second(count: usize, took: Duration) -> u128 {
    count as u128 * 1_000_000 / took.as_micros().max(1)
}

async fn take_on(scene: &Scene, count: usize) -> Vec<TenantScope> {
    let mut tenants = Vec::new();
    for number in 0..count {
        let scope = scene.house.tenant(Environment::Production);
        let plan = ["standard", "free"][number % 2];
        let since = at("2026-10-31T15:00:00Z");
        scene
            .tell_tenant(
                scope,
                "割勘証券株式会社",
                plan,
                TenantState::Active,
                1,
                since,
            )
            .await;
        tenants.push(scope);
    }
    tenants
}

/// Verifications all over the month, in the order of time.
fn batch(
    scene: &Scene,
    tenants: &[TenantScope],
    first: usize,
    count: usize,
    of: usize,
) -> Vec<Envelope> {
    let begin = at("2026-10-31T15:00:00Z");
    let length = Duration::from_secs(30 * 24 * 3_600);
    (first..first + count)
        .map(|place| {
            let share = u32::try_from(place).unwrap();
            let time = begin.plus(length / u32::try_from(of).unwrap() * share);
            let fact = if place % 3 == 0 {
                scene.authentication(&time.to_string())
            } else {
                scene.verification(&time.to_string())
            };
            scene.envelope(Some(tenants[place % tenants.len()]), time, &fact)
        })
        .collect()
}

async fn ingest(scene: &Scene, tenants: &[TenantScope], records: usize) -> (Duration, Duration) {
    let (mut ingested, mut answered) = (Duration::ZERO, Duration::ZERO);
    let mut first = 0;
    while first < records {
        let count = BATCH.min(records - first);
        let envelopes = batch(scene, tenants, first, count, records);
        let since = Instant::now();
        scene.services.answer(&envelopes).await;
        answered += since.elapsed();
        let facts: Vec<Outgoing> = envelopes
            .into_iter()
            .map(|envelope| Outgoing {
                envelope,
                attempt: 1,
            })
            .collect();
        let since = Instant::now();
        for outcome in scene.house.platform.bus.publish_all(&facts).await {
            outcome.unwrap();
        }
        ingested += since.elapsed();
        first += count;
    }
    (ingested, answered)
}

/// SQLite with the service's own settings.
async fn as_durable(db: &DatabaseConnection) {
    // As much memory for pages as the service's own connection has: with SQLite's default the indexes would be read again and again.
    for setting in [
        "journal_mode = WAL",
        "synchronous = FULL",
        "cache_size = -65536",
    ] {
        let pragma = format!("PRAGMA {setting}");
        db.execute_unprepared(&pragma).await.unwrap();
    }
}

/// Rows like the month's, by INSERT alone, in a table with the same indexes.
async fn raw(scene: &Scene, db: &DatabaseConnection, records: usize) -> Duration {
    let walled = db.get_database_backend() == sea_orm::DbBackend::Postgres;
    if !walled {
        as_durable(db).await;
    }
    let columns = "id, tenant, environment, meter, operation, purpose, kind, channel, quantity, accepted_at, month, bill_month, \
                   priced_on, billable, rule, verdict, reason, recorded_at, mark";
    let table = "CREATE TABLE raw_record AS SELECT * FROM usage_record WHERE 1 = 0";
    for statement in [
        table,
        "CREATE UNIQUE INDEX raw_id ON raw_record (id)",
        "CREATE UNIQUE INDEX raw_operation ON raw_record (tenant, environment, meter, operation)",
        "CREATE INDEX raw_month ON raw_record (environment, month, tenant)",
        "CREATE INDEX raw_bill ON raw_record (environment, bill_month, tenant, id)",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let at = at("2026-11-21T00:00:00Z");
    let new = || scene.house.platform.entropy.id::<UsageRecord>(at).uuid();
    let tenants: Vec<Uuid> = (0..1_300).map(|_| new()).collect();
    let time = at.utc();
    let mut took = Duration::ZERO;
    let mut done = 0;
    while done < records {
        let count = BATCH.min(records - done);
        let mut values: Vec<Value> = Vec::with_capacity(count * 19);
        let mut places = Vec::with_capacity(count);
        for place in 0..count {
            let id = new();
            // SQLite takes `$1` for a name, and looks all names up one by one.
            let numbers: Vec<String> = (1..=19)
                .map(|n| match walled {
                    true => format!("${}", place * 19 + n),
                    false => "?".to_owned(),
                })
                .collect();
            places.push(format!("({})", numbers.join(", ")));
            let operation = format!("ver_{}", id.as_simple());
            values.extend([
                Value::from(id),
                Value::from(tenants[(done + place) % tenants.len()]),
                "production".into(),
                "verification".into(),
                operation.into(),
                "signature_verification".into(),
                "card_signature".into(),
                "crl".into(),
                1_i64.into(),
                time.into(),
                MONTH.into(),
                MONTH.into(),
                time.date_naive().into(),
                true.into(),
                "answered_valid".into(),
                "valid".into(),
                Value::from(Option::<String>::None),
                time.into(),
                1_i64.into(),
            ]);
        }
        let sql = format!(
            "INSERT INTO raw_record ({columns}) VALUES {}",
            places.join(", ")
        );
        let since = Instant::now();
        let txn = db.begin().await.unwrap();
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        txn.execute_raw(statement).await.unwrap();
        txn.commit().await.unwrap();
        took += since.elapsed();
        done += count;
    }
    took
}

fn main() {
    // `cargo test --benches` runs it too, and wants to see that it works.
    let records = number(
        "WARIKAN_BENCH_RECORDS",
        if std::env::args().any(|one| one == "--bench") {
            1_000_000
        } else {
            2_000
        },
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(records, number("WARIKAN_BENCH_TENANTS", 1_300)));
}

async fn measure(records: usize, tenants: usize) {
    let scene = Scene::new().await;
    let database = if warikan_testkit::on_postgres() {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    let tenants = take_on(&scene, tenants.min(records)).await;
    scene.advance_to("2026-12-01T00:00:00Z");
    println!(
        "| {database}, {records} operations of {} tenants | |",
        tenants.len()
    );
    println!("|---|---|");
    let (ingested, answered) = ingest(&scene, &tenants, records).await;
    println!(
        "| operations kept by the service that answered, {BATCH} to a commit | {}/s |",
        per_second(records, answered)
    );
    println!(
        "| facts to usage, {BATCH} to a commit | {}/s |",
        per_second(records, ingested)
    );
    let inserted = raw(&scene, &scene.house.database("billing").await, records).await;
    println!(
        "| INSERT alone, same shape and indexes, {BATCH} to a commit | {}/s: usage is {} % of it |",
        per_second(records, inserted),
        inserted.as_micros() * 100 / ingested.as_micros().max(1)
    );
    let token = scene.house.operator_token();
    let path = format!("/v1/operator/months/{MONTH}/reconciliation");
    let since = Instant::now();
    let found = scene.app.post(&path, &token, &serde_json::json!({})).await;
    let compared = since.elapsed();
    assert_eq!(found.expect(200)["difference"], 0);
    assert_eq!(found.expect(200)["recovered"], 0);
    println!(
        "| compared with the services' operations | {} ms |",
        compared.as_millis()
    );
    let since = Instant::now();
    let closed = scene.close(MONTH).await;
    let took = since.elapsed();
    let invoiced = &closed.expect(200)["invoiced"];
    assert_eq!(invoiced["invoices"], tenants.len());
    println!(
        "| month closed: {} invoices, {} yen | {} ms |",
        invoiced["invoices"],
        invoiced["total"],
        took.as_millis()
    );
}
