//! What the bus, the outbox and the inbox promise together.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use serde::{Deserialize, Serialize};
use warikan_contracts::{Envelope, Fact};
use warikan_messaging::{
    Bus, Consumer, DELIVERY_LIMIT, HandleError, Handler, Outbox, Relay, RelayError, begin_write,
};
use warikan_types::{Clock, Entropy};

#[derive(Serialize, Deserialize)]
struct Happened {
    number: u32,
}
impl Fact for Happened {
    const TYPE: &'static str = "something.happened";
    const VERSION: u16 = 1;
}

struct Migrator;
#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        warikan_messaging::migrations()
    }
}

async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db.execute_unprepared("CREATE TABLE effect (number INTEGER NOT NULL)")
        .await
        .unwrap();
    db
}

/// Writes one row per fact; fails, panics or parks the first times as told.
struct Counting {
    trouble: Trouble,
    left: AtomicU32,
    committed: Arc<AtomicU32>,
}

#[derive(Clone, Copy)]
enum Trouble {
    None,
    Retry,
    Panic,
    Park,
}

#[async_trait]
impl Handler for Counting {
    async fn apply(
        &self,
        envelope: &Envelope,
        on: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: Happened = envelope.read()?;
        on.execute_unprepared(&format!("INSERT INTO effect VALUES ({})", fact.number))
            .await?;
        // The trouble comes after the effect: only the transaction can undo it.
        if self.left.load(Ordering::SeqCst) > 0 {
            self.left.fetch_sub(1, Ordering::SeqCst);
            match self.trouble {
                Trouble::None => {}
                Trouble::Retry => return Err(HandleError::Retry("not now".to_owned())),
                Trouble::Panic => panic!("a consumer that panics"),
                Trouble::Park => return Err(HandleError::Park("never".to_owned())),
            }
        }
        Ok(())
    }

    async fn committed(&self, _envelope: &Envelope) {
        self.committed.fetch_add(1, Ordering::SeqCst);
    }
}

struct World {
    producer: DatabaseConnection,
    consumer: DatabaseConnection,
    subscription: Consumer,
    relay: Relay,
    bus: Bus,
    clock: Clock,
    entropy: Entropy,
    committed: Arc<AtomicU32>,
}

impl World {
    async fn new(trouble: Trouble, times: u32) -> Self {
        let (producer, consumer) = (database().await, database().await);
        let clock = Clock::manual("2026-11-21T00:00:00Z".parse().unwrap());
        let bus = Bus::in_process();
        let committed = Arc::new(AtomicU32::new(0));
        let subscription = Consumer::new(
            "test.count",
            &[Happened::TYPE],
            consumer.clone(),
            Counting {
                trouble,
                left: AtomicU32::new(times),
                committed: Arc::clone(&committed),
            },
        );
        Self {
            relay: Relay::new(producer.clone(), bus.clone(), clock.clone()),
            producer,
            consumer,
            subscription,
            bus,
            clock,
            entropy: Entropy::seeded(1),
            committed,
        }
    }

    fn connect(&self) {
        self.bus.connect(vec![self.subscription.clone()]);
    }

    fn fact(&self, number: u32) -> Envelope {
        let now = self.clock.now();
        Envelope::of(
            self.entropy.id(now),
            None,
            now,
            "test",
            &Happened { number },
        )
    }

    async fn tell(&self, number: u32) -> Envelope {
        let envelope = self.fact(number);
        let transaction = begin_write(&self.producer).await.unwrap();
        Outbox::append(&transaction, [envelope.clone()])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        envelope
    }

    async fn effects(&self) -> Vec<i64> {
        let rows = self
            .consumer
            .query_all_raw(sea_orm::Statement::from_string(
                sea_orm::DbBackend::Sqlite,
                "SELECT number FROM effect ORDER BY rowid",
            ))
            .await
            .unwrap();
        rows.iter()
            .map(|row| row.try_get("", "number").unwrap())
            .collect()
    }
}

#[tokio::test]
async fn facts_wait_in_the_outbox_until_someone_listens_and_arrive_in_order() {
    let world = World::new(Trouble::None, 0).await;
    for number in 1..=3 {
        world.tell(number).await;
    }
    for _ in 0..2 * DELIVERY_LIMIT {
        let refused = world.relay.drain().await;
        assert!(matches!(refused, Err(RelayError::Bus(_))), "{refused:?}");
    }
    let waiting = Some(world.clock.now());
    assert_eq!(world.relay.lag().await.unwrap(), (3, waiting));
    world.connect();
    // At once and in order: that nobody listened was not the facts' fault and counts for nothing.
    assert_eq!(world.relay.drain().await.unwrap(), 3);
    assert_eq!(world.effects().await, [1, 2, 3]);
    assert_eq!(world.relay.lag().await.unwrap(), (0, None));
}

#[tokio::test]
async fn a_fact_whose_transaction_did_not_commit_is_never_told() {
    let world = World::new(Trouble::None, 0).await;
    world.connect();
    let transaction = begin_write(&world.producer).await.unwrap();
    Outbox::append(&transaction, [world.fact(1)]).await.unwrap();
    drop(transaction);
    assert_eq!(world.relay.drain().await.unwrap(), 0);
    assert!(world.effects().await.is_empty());
}

#[tokio::test]
async fn f072_f085_a_fact_published_again_takes_effect_once() {
    let world = World::new(Trouble::None, 0).await;
    world.connect();
    let envelope = world.fact(7);
    // As after a crash between the consumer's commit and the producer's mark, and with two relays at once.
    for attempt in 1..=3 {
        world.bus.publish(&envelope, attempt).await.unwrap();
    }
    assert_eq!(world.effects().await, [7]);
    assert_eq!(
        world.committed.load(Ordering::SeqCst),
        3,
        "each publication may wake someone"
    );
}

#[tokio::test]
async fn f085_a_lease_that_ran_out_is_taken_over_and_nothing_doubles() {
    let world = World::new(Trouble::None, 0).await;
    world.connect();
    world.tell(1).await;
    // A relay that leased the fact and died before publishing leaves exactly this.
    world
        .producer
        .execute_unprepared(
            "UPDATE outbox SET attempts = 1, lease_until = '2026-11-21T00:00:30+00:00'",
        )
        .await
        .unwrap();
    assert_eq!(
        world.relay.drain().await.unwrap(),
        0,
        "the lease still runs"
    );
    world.clock.advance(Duration::from_secs(31)).unwrap();
    assert_eq!(world.relay.drain().await.unwrap(), 1);
    assert_eq!(world.effects().await, [1]);
}

#[tokio::test]
async fn a_failed_effect_leaves_nothing_behind_and_is_tried_again_later() {
    let world = World::new(Trouble::Retry, 2).await;
    world.connect();
    world.tell(1).await;
    assert_eq!(world.relay.drain().await.unwrap(), 0);
    assert!(
        world.effects().await.is_empty(),
        "rolled back with the inbox row"
    );
    world.clock.advance(Duration::from_millis(1_001)).unwrap();
    assert_eq!(world.relay.drain().await.unwrap(), 0);
    assert_eq!(
        world.relay.drain().await.unwrap(),
        0,
        "not before the pause is over"
    );
    world.clock.advance(Duration::from_millis(2_001)).unwrap();
    assert_eq!(world.relay.drain().await.unwrap(), 1);
    assert_eq!(world.effects().await, [1]);
}

#[tokio::test]
async fn f083_a_poisonous_fact_is_parked_with_its_reason_and_others_go_on() {
    for (trouble, times) in [(Trouble::Panic, u32::MAX), (Trouble::Park, 1)] {
        let world = World::new(trouble, times).await;
        world.connect();
        let poison = world.tell(1).await;
        for _ in 0..DELIVERY_LIMIT {
            world.relay.drain().await.unwrap();
            world.clock.advance(Duration::from_secs(301)).unwrap();
        }
        let parked = world.subscription.parked().await.unwrap();
        assert_eq!(parked.len(), 1);
        assert_eq!(parked[0].0, poison);
        assert!(!parked[0].1.is_empty());
        assert_eq!(world.relay.lag().await.unwrap().0, 0, "parked is taken");
        assert!(world.effects().await.is_empty());
    }
    // Once in the batch and once alone.
    let world = World::new(Trouble::Park, 2).await;
    world.connect();
    world.tell(1).await;
    world.tell(2).await;
    assert_eq!(world.relay.drain().await.unwrap(), 2);
    assert_eq!(
        world.effects().await,
        [2],
        "the one behind the poison arrived"
    );
}

#[tokio::test]
async fn f083_an_unknown_version_is_parked() {
    let world = World::new(Trouble::None, 0).await;
    world.connect();
    let mut future = world.fact(1);
    future.version = 9;
    world.bus.publish(&future, 1).await.unwrap();
    assert!(
        world.subscription.parked().await.unwrap()[0]
            .1
            .contains("version 9")
    );
}
