//! Facts per second through either bus, beside what the broker's library does with the same octets.
//!
//! `cargo bench -p warikan-messaging --bench bus`. One publisher, one consumer whose inbox is a SQLite file (WAL, `synchronous = FULL`), batches
//! of 256 as the relay makes them. *taken* is the time until responsibility has moved: on the in-process bus the consumer's commit,
//! on RabbitMQ the confirm of a quorum queue. *consumed* is the time until the last fact is in the inbox. *raw lapin* publishes the same
//! envelopes to a quorum queue of its own and waits for the same confirms, with nothing around it: the **ratio** to it is the figure
//! to compare.
//!
//! `WARIKAN_BENCH_FACTS` sets the number of facts (50,000 by default), `WARIKAN_TEST_AMQP` the broker
//! (amqp://guest:guest@127.0.0.1:5672/%2f); without a broker only the in-process row is printed.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "a bench prints rates, and stops where something fails"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use serde::{Deserialize, Serialize};
use warikan_contracts::{Envelope, Fact, Subscription};
use warikan_messaging::{Bus, Consumer, HandleError, Handler, Outgoing, RabbitMqConfig};
use warikan_types::{Clock, Entropy};

/// As many as the relay publishes at once.
const BATCH: usize = 256;
const CONSUMER: &str = "bench.listens";
const SUBSCRIPTIONS: [Subscription; 1] = [Subscription {
    consumer: CONSUMER,
    types: &[Told::TYPE],
}];

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

/// Counts what was committed.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

#[async_trait]
impl Handler for Count {
    async fn apply(&self, fact: &Envelope, _: &DatabaseTransaction) -> Result<(), HandleError> {
        fact.read::<Told>()?;
        Ok(())
    }

    async fn committed_all(&self, facts: &[Envelope]) {
        self.0.fetch_add(facts.len(), Ordering::AcqRel);
    }
}

async fn inbox(directory: &std::path::Path) -> DatabaseConnection {
    let path = directory.join("inbox.sqlite");
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
    db
}

fn facts(count: usize) -> Vec<Outgoing> {
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let fact = |number| {
        let now = clock.now();
        let told = Told {
            number,
            subject: "sub_01jd3k5zgye0r8v2w9x4y6t7qa".to_owned(),
            certificate: "3f6c1a8e5d2b4790a1c3e5f7092b4d6f".to_owned(),
            verdict: "valid".to_owned(),
        };
        Outgoing {
            envelope: Envelope::of(entropy.id(now), None, now, "bench", &told),
            attempt: 1,
        }
    };
    (0..count).map(fact).collect()
}

/// Facts per second until all were taken, and until all were consumed.
async fn through(bus: Bus, facts: &[Outgoing]) -> (f64, f64) {
    let directory = tempfile::tempdir().unwrap();
    let counted = Count::default();
    let inbox = inbox(directory.path()).await;
    bus.connect(vec![Consumer::new(
        CONSUMER,
        &[Told::TYPE],
        inbox,
        counted.clone(),
    )]);
    warm_up(&bus, &counted).await;
    let before = counted.0.load(Ordering::Acquire);
    let begun = Instant::now();
    for batch in facts.chunks(BATCH) {
        for outcome in bus.publish_all(batch).await {
            outcome.unwrap();
        }
    }
    let taken = per_second(facts.len(), begun);
    while counted.0.load(Ordering::Acquire) < before + facts.len() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let consumed = per_second(facts.len(), begun);
    bus.close().await;
    (taken, consumed)
}

/// Connections and queues stand before the time starts.
async fn warm_up(bus: &Bus, counted: &Count) {
    let first = facts(1);
    while bus.publish_all(&first).await[0].is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while counted.0.load(Ordering::Acquire) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same envelopes, published and confirmed by the library alone, as many in flight.
async fn raw(connection: &Connection, queue: &str, facts: &[Outgoing]) -> f64 {
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let mut kind = FieldTable::default();
    kind.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.into(), durable, kind)
        .await
        .unwrap();
    let begun = Instant::now();
    for batch in facts.chunks(BATCH) {
        let mut flying = Vec::with_capacity(BATCH);
        for fact in batch {
            flying.push(publish(&channel, queue, fact).await);
        }
        for confirm in flying {
            confirm.await.unwrap();
        }
    }
    let rate = per_second(facts.len(), begun);
    delete(&channel, queue).await;
    rate
}

async fn publish(channel: &Channel, queue: &str, fact: &Outgoing) -> lapin::PublisherConfirm {
    let octets = serde_json::to_vec(&fact.envelope).unwrap();
    let durable = BasicProperties::default().with_delivery_mode(2);
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    channel
        .basic_publish("".into(), queue.into(), mandatory, &octets, durable)
        .await
        .unwrap()
}

async fn delete(channel: &Channel, queue: &str) {
    channel
        .queue_delete(queue.to_owned().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
}

fn per_second(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let count = std::env::var("WARIKAN_BENCH_FACTS").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let facts = facts(count);
    println!("{count} facts           taken      consumed   of raw lapin");
    let (taken, consumed) = through(Bus::in_process(), &facts).await;
    println!("in process   {taken:>10.0}/s {consumed:>10.0}/s");
    let url = std::env::var("WARIKAN_TEST_AMQP")
        .unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned());
    let Ok(connection) = Connection::connect(&url, ConnectionProperties::default()).await else {
        println!("no RabbitMQ at the usual place, and WARIKAN_TEST_AMQP names none");
        return;
    };
    let prefix = format!("warikan-bench-{}", std::process::id());
    let raw = raw(&connection, &format!("{prefix}.raw"), &facts).await;
    let config = RabbitMqConfig {
        prefix: prefix.clone(),
        subscriptions: SUBSCRIPTIONS.to_vec(),
        ..RabbitMqConfig::new(url)
    };
    let (taken, consumed) = through(Bus::rabbitmq(config).unwrap(), &facts).await;
    println!(
        "RabbitMQ     {taken:>10.0}/s {consumed:>10.0}/s {:>12.2}",
        taken / raw
    );
    println!("raw lapin    {raw:>10.0}/s");
    let channel = connection.create_channel().await.unwrap();
    for end in ["", ".dead"] {
        delete(&channel, &format!("{prefix}.{CONSUMER}{end}")).await;
    }
    for exchange in ["facts", "dead"] {
        channel
            .exchange_delete(
                format!("{prefix}.{exchange}").into(),
                ExchangeDeleteOptions::default(),
            )
            .await
            .unwrap();
    }
}
