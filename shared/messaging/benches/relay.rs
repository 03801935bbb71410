//! Facts per second from outbox to inbox, in batches and one by one.
//!
//! `cargo bench -p warikan-messaging --bench relay`. Each row is a new pair of SQLite files (WAL, `synchronous = FULL`) and the
//! in-process bus; the facts lie in the outbox before the time starts, and it ends when the last one is marked sent.
//!
//! *one by one* is what the relay did before it had batches: 64 rows claimed, then for each fact a consumer's transaction of its
//! own and an UPDATE of its own. It lives on here alone, as the yardstick: the **ratio** is the figure to compare.
//!
//! `WARIKAN_BENCH_FACTS` sets the number of facts (50,000 by default; a tenth of that one by one).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops where something fails"
)]

use std::{path::Path, time::Instant};

use async_trait::async_trait;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    Statement,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warikan_contracts::{Envelope, Fact};
use warikan_messaging::{Bus, Consumer, HandleError, Handler, Outbox, Relay, begin_write};
use warikan_types::{Clock, Entropy};

/// About as large as the facts that services tell.
#[derive(Serialize, Deserialize)]
struct Told {
    number: usize,
    subject: String,
    certificate: String,
    verdict: String,
}
impl Fact for Told {
    const TYPE: &'static str = "bench.told";
    const VERSION: u16 = 1;
}

struct Migrator;
#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        warikan_messaging::migrations()
    }
}

async fn database(directory: &Path, name: &str) -> DatabaseConnection {
    let path = directory.join(name);
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .in_memory(false)
                .shared_cache(false)
                .filename(&path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
        });
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db.execute_unprepared("CREATE TABLE effect (number INTEGER NOT NULL)")
        .await
        .unwrap();
    db
}

/// Reads the fact, and writes a row for each or one statement for all.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Nothing,
    RowByRow,
    ManyRows,
}

#[async_trait]
impl Handler for Effect {
    async fn apply(
        &self,
        envelope: &Envelope,
        on: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: Told = envelope.read()?;
        if *self != Self::Nothing {
            on.execute_raw(Statement::from_sql_and_values(
                DbBackend::Sqlite,
                "INSERT INTO effect VALUES (?)",
                [(fact.number as u64).into()],
            ))
            .await?;
        }
        Ok(())
    }

    async fn apply_all(
        &self,
        envelopes: &[Envelope],
        on: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        if *self != Self::ManyRows {
            for envelope in envelopes {
                self.apply(envelope, on).await?;
            }
            return Ok(());
        }
        let numbers = envelopes
            .iter()
            .map(|envelope| Ok(sea_orm::Value::from(envelope.read::<Told>()?.number as u64)))
            .collect::<Result<Vec<_>, HandleError>>()?;
        let places = vec!["(?)"; numbers.len()].join(",");
        on.execute_raw(Statement::from_sql_and_values(
            DbBackend::Sqlite,
            format!("INSERT INTO effect VALUES {places}"),
            numbers,
        ))
        .await?;
        Ok(())
    }
}

struct Scene {
    outbox: DatabaseConnection,
    consumers: Vec<Consumer>,
    inboxes: Vec<DatabaseConnection>,
    clock: Clock,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn new(facts: usize, consumers: usize, effect: Effect) -> Self {
        const NAMES: [&str; 3] = ["bench.one", "bench.two", "bench.three"];
        let directory = tempfile::tempdir().unwrap();
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let outbox = database(directory.path(), "outbox.sqlite").await;
        let mut inboxes = Vec::new();
        let mut subscribed = Vec::new();
        for name in &NAMES[..consumers] {
            let inbox = database(directory.path(), &format!("{name}.sqlite")).await;
            inboxes.push(inbox.clone());
            subscribed.push(Consumer::new(name, &[Told::TYPE], inbox, effect));
        }
        let all: Vec<Envelope> = (0..facts)
            .map(|number| {
                let now = clock.now();
                let fact = Told {
                    number,
                    subject: "sub_01jd3k5zgye0r8v2w9x4y6t7qa".to_owned(),
                    certificate: "3f6c1a8e5d2b4790a1c3e5f7092b4d6f".to_owned(),
                    verdict: "valid".to_owned(),
                };
                Envelope::of(entropy.id(now), None, now, "bench", &fact)
            })
            .collect();
        let transaction = begin_write(&outbox).await.unwrap();
        Outbox::append(&transaction, all).await.unwrap();
        transaction.commit().await.unwrap();
        Self {
            outbox,
            consumers: subscribed,
            inboxes,
            clock,
            _directory: directory,
        }
    }

    /// Facts per second.
    async fn batches(self, facts: usize) -> f64 {
        let bus = Bus::in_process();
        bus.connect(self.consumers.clone());
        let relay = Relay::new(self.outbox.clone(), bus, self.clock.clone());
        let start = Instant::now();
        assert_eq!(relay.drain().await.unwrap(), facts as u64);
        let rate = per_second(facts, start);
        self.all_arrived(facts).await;
        rate
    }

    async fn one_by_one(self, facts: usize) -> f64 {
        let start = Instant::now();
        loop {
            let claimed = self.claim_64().await;
            if claimed.is_empty() {
                break;
            }
            for (id, envelope) in claimed {
                let envelope: Envelope = serde_json::from_str(&envelope).unwrap();
                for consumer in &self.consumers {
                    consumer.deliver(&envelope).await.unwrap();
                }
                let mark = Statement::from_sql_and_values(
                    DbBackend::Sqlite,
                    "UPDATE outbox SET sent_at = ? WHERE id = ?",
                    [self.clock.now().utc().into(), id.into()],
                );
                self.outbox.execute_raw(mark).await.unwrap();
            }
        }
        let rate = per_second(facts, start);
        self.all_arrived(facts).await;
        rate
    }

    async fn claim_64(&self) -> Vec<(Uuid, String)> {
        let claim = Statement::from_string(
            DbBackend::Sqlite,
            "UPDATE outbox SET attempts = attempts + 1 WHERE id IN \
             (SELECT id FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT 64) RETURNING id, envelope",
        );
        let rows = self.outbox.query_all_raw(claim).await.unwrap();
        rows.iter()
            .map(|row| {
                (
                    row.try_get("", "id").unwrap(),
                    row.try_get("", "envelope").unwrap(),
                )
            })
            .collect()
    }

    async fn all_arrived(&self, facts: usize) {
        for inbox in &self.inboxes {
            let count =
                Statement::from_string(DbBackend::Sqlite, "SELECT COUNT(*) AS taken FROM inbox");
            let row = inbox.query_one_raw(count).await.unwrap().unwrap();
            let taken: i64 = row.try_get("", "taken").unwrap();
            assert_eq!(usize::try_from(taken).unwrap(), facts);
        }
    }
}

#[allow(clippy::float_arithmetic, reason = "a rate")]
fn per_second(facts: usize, start: Instant) -> f64 {
    facts as f64 / start.elapsed().as_secs_f64()
}

#[tokio::main]
#[allow(clippy::float_arithmetic, reason = "a ratio")]
async fn main() {
    let facts: usize = std::env::var("WARIKAN_BENCH_FACTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(50_000);
    println!("consumers  effect per fact      one by one   in batches   ratio");
    for (consumers, effect, words) in [
        (1, Effect::Nothing, "nothing"),
        (1, Effect::RowByRow, "a row, one by one"),
        (1, Effect::ManyRows, "a row, together"),
        (3, Effect::ManyRows, "a row, together"),
    ] {
        let few = (facts / 10).max(1);
        let before = Scene::new(few, consumers, effect)
            .await
            .one_by_one(few)
            .await;
        let after = Scene::new(facts, consumers, effect)
            .await
            .batches(facts)
            .await;
        println!(
            "{consumers:>9}  {words:<18} {before:>10.0}/s {after:>10.0}/s {:>7.1}",
            after / before
        );
    }
}
