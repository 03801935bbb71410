//! What holds for facts that travel in batches: each still has its own fate.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use proptest::prelude::*;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    Statement,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use warikan_contracts::{Envelope, Fact};
use warikan_messaging::{
    Bus, Consumer, ConsumerCounts, DELIVERY_LIMIT, HandleError, Handler, Outbox, Outgoing,
    PublishError, Relay, begin_write,
};
use warikan_types::{Clock, Entropy};

/// What the consumer does with a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Fate {
    Works,
    Parks,
    Panics,
    /// Fails, whatever happens.
    Fails,
}

#[derive(Serialize, Deserialize)]
struct Told {
    number: u32,
    fate: Fate,
}
impl Fact for Told {
    const TYPE: &'static str = "test.told";
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
    db.execute_unprepared("CREATE TABLE effect (place INTEGER PRIMARY KEY, number INTEGER)")
        .await
        .unwrap();
    db
}

/// Writes one row per fact, and then does what the fact says: only the transaction can undo the row.
#[derive(Clone)]
struct Obedient {
    /// The length of every batch it saw.
    batches: Arc<Mutex<Vec<usize>>>,
    /// Taken before the handler returns from `committed_all`.
    gate: Arc<Semaphore>,
    failures: Arc<AtomicU32>,
}

impl Obedient {
    fn batches(&self) -> Vec<usize> {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.clone()
    }
}

#[async_trait]
impl Handler for Obedient {
    async fn apply(
        &self,
        envelope: &Envelope,
        on: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: Told = envelope.read()?;
        let insert = format!("INSERT INTO effect (number) VALUES ({})", fact.number);
        on.execute_unprepared(&insert).await?;
        match fact.fate {
            Fate::Works => Ok(()),
            Fate::Parks => Err(HandleError::Park("never".to_owned())),
            Fate::Panics => panic!("fact {} makes it panic", fact.number),
            Fate::Fails => {
                self.failures.fetch_add(1, Ordering::SeqCst);
                Err(HandleError::Retry("not now".to_owned()))
            }
        }
    }

    async fn apply_all(
        &self,
        envelopes: &[Envelope],
        on: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        self.batches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(envelopes.len());
        for envelope in envelopes {
            self.apply(envelope, on).await?;
        }
        Ok(())
    }

    async fn committed_all(&self, _envelopes: &[Envelope]) {
        self.gate.acquire().await.unwrap().forget();
    }
}

struct World {
    outbox: DatabaseConnection,
    inbox: DatabaseConnection,
    consumer: Consumer,
    handler: Obedient,
    bus: Bus,
    clock: Clock,
    entropy: Entropy,
}

impl World {
    async fn new() -> Self {
        let (outbox, inbox) = (database().await, database().await);
        let handler = Obedient {
            batches: Arc::default(),
            gate: Arc::new(Semaphore::new(1_000_000)),
            failures: Arc::default(),
        };
        let consumer = Consumer::new("test.obey", &[Told::TYPE], inbox.clone(), handler.clone());
        let bus = Bus::in_process();
        bus.connect(vec![consumer.clone()]);
        Self {
            outbox,
            inbox,
            consumer,
            handler,
            bus,
            clock: Clock::manual("2026-11-21T00:00:00Z".parse().unwrap()),
            entropy: Entropy::seeded(1),
        }
    }

    fn relay(&self) -> Relay {
        Relay::new(self.outbox.clone(), self.bus.clone(), self.clock.clone())
    }

    fn facts(&self, fates: impl IntoIterator<Item = Fate>) -> Vec<Envelope> {
        let now = self.clock.now();
        (1..)
            .zip(fates)
            .map(|(number, fate)| {
                let id = self.entropy.id(now);
                Envelope::of(id, None, now, "test", &Told { number, fate })
            })
            .collect()
    }

    async fn tell(&self, facts: Vec<Envelope>) {
        let transaction = begin_write(&self.outbox).await.unwrap();
        Outbox::append(&transaction, facts).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn publish(&self, facts: &[Envelope], attempt: i32) -> Vec<Result<(), PublishError>> {
        let batch: Vec<Outgoing> = facts
            .iter()
            .map(|envelope| Outgoing {
                envelope: envelope.clone(),
                attempt,
            })
            .collect();
        self.bus.publish_all(&batch).await
    }

    async fn effects(&self) -> Vec<u32> {
        let query = "SELECT number FROM effect ORDER BY place";
        let rows = self
            .inbox
            .query_all_raw(Statement::from_string(DbBackend::Sqlite, query))
            .await
            .unwrap();
        rows.iter()
            .map(|row| row.try_get("", "number").unwrap())
            .collect()
    }

    async fn parked(&self) -> BTreeSet<u32> {
        let parked = self.consumer.parked().await.unwrap();
        parked
            .iter()
            .map(|(envelope, _)| envelope.read::<Told>().unwrap().number)
            .collect()
    }
}

#[tokio::test]
async fn a_batch_is_one_transaction() {
    let world = World::new().await;
    let facts = world.facts([Fate::Works; 200]);
    let outcomes = world.publish(&facts, 1).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(world.handler.batches(), [200]);
    assert_eq!(world.effects().await, (1..=200).collect::<Vec<_>>());
    let taken = ConsumerCounts {
        taken: 200,
        ..ConsumerCounts::default()
    };
    assert_eq!(world.consumer.counts(), taken);
}

#[tokio::test]
async fn f083_poison_in_the_middle_of_a_batch_fails_alone() {
    for fate in [Fate::Parks, Fate::Panics, Fate::Fails] {
        let world = World::new().await;
        let mut fates = [Fate::Works; 256];
        fates[100] = fate;
        let facts = world.facts(fates);
        let others: Vec<u32> = (1..=256).filter(|number| *number != 101).collect();

        let outcomes = world.publish(&facts, 1).await;
        assert_eq!(world.effects().await, others, "{fate:?}");
        for (place, outcome) in outcomes.iter().enumerate() {
            let refused = place == 100 && fate != Fate::Parks;
            assert_eq!(outcome.is_err(), refused, "{fate:?} at {place}");
        }
        let transactions = world.handler.batches().len();
        assert!(transactions <= 2 * 8 + 1, "{transactions} for one of 2^8");

        // At the last try it is put aside, whatever ails it.
        let again = world.publish(&facts, DELIVERY_LIMIT).await;
        assert!(again.iter().all(Result::is_ok), "{fate:?}");
        assert_eq!(world.effects().await, others, "{fate:?}");
        assert_eq!(world.parked().await, BTreeSet::from([101]), "{fate:?}");
    }
}

#[tokio::test]
async fn f072_half_a_batch_delivered_again_counts_once() {
    let world = World::new().await;
    let facts = world.facts([Fate::Works; 100]);
    world.publish(&facts[..50], 1).await;
    // Old and new facts mixed, and one of each kind twice in the same batch.
    let mut mixed = facts.clone();
    mixed.extend([facts[10].clone(), facts[90].clone()]);
    let outcomes = world.publish(&mixed, 2).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(world.effects().await, (1..=100).collect::<Vec<_>>());
    assert_eq!(world.handler.batches(), [50, 50], "new facts only");
    let counts = world.consumer.counts();
    assert_eq!((counts.taken, counts.repeated), (100, 52));
}

#[tokio::test]
async fn f085_two_relays_on_one_outbox_tell_each_fact_once() {
    let world = World::new().await;
    world.tell(world.facts([Fate::Works; 2_000])).await;
    let (one, other) = (world.relay(), world.relay());
    let (sent, also) = tokio::join!(one.drain(), other.drain());
    assert_eq!(sent.unwrap() + also.unwrap(), 2_000);
    let effects: BTreeSet<u32> = world.effects().await.into_iter().collect();
    assert_eq!(effects.len(), 2_000);
    assert_eq!(
        world.consumer.counts().repeated,
        0,
        "the lease kept them apart"
    );
    assert_eq!(world.relay().lag().await.unwrap(), (0, None));
}

#[tokio::test]
async fn one_relay_keeps_the_order_over_batches() {
    let world = World::new().await;
    for _ in 0..4 {
        world.tell(world.facts([Fate::Works; 250])).await;
        world.clock.advance(Duration::from_micros(300)).unwrap();
    }
    assert_eq!(world.relay().drain().await.unwrap(), 1_000);
    let thousand: Vec<u32> = (0..4).flat_map(|_| 1..=250).collect();
    assert_eq!(world.effects().await, thousand);
    assert!(world.handler.batches().iter().all(|length| *length <= 256));
}

#[tokio::test]
async fn f072_a_relay_that_dies_before_it_marks_facts_sent_doubles_nothing() {
    let world = World::new().await;
    world.tell(world.facts([Fate::Works; 20])).await;
    world.handler.gate.forget_permits(1_000_000);
    let relay = world.relay();
    let dying = tokio::spawn(async move { relay.drain().await });
    // The consumer has committed and stands before its gate; the outbox knows nothing of it.
    while world.effects().await.len() < 20 {
        tokio::task::yield_now().await;
    }
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    world.handler.gate.add_permits(1_000_000);

    assert_eq!(world.relay().lag().await.unwrap().0, 20);
    assert_eq!(world.relay().drain().await.unwrap(), 0, "still leased");
    world.clock.advance(Duration::from_secs(11)).unwrap();
    assert_eq!(world.relay().drain().await.unwrap(), 20);
    assert_eq!(world.effects().await, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn f085_the_lease_is_renewed_while_a_publication_lasts() {
    const LEASE: Duration = Duration::from_millis(60);
    let world = World::new().await;
    world.tell(world.facts([Fate::Works; 5])).await;
    world.handler.gate.forget_permits(1_000_000);
    let relay = world.relay().with_lease(LEASE);
    let slow = tokio::spawn(async move { relay.drain().await });
    for _ in 0..10 {
        // Renewal follows the clock by itself; the test only waits until it has seen it.
        world.clock.advance(LEASE / 2).unwrap();
        let wanted = world.clock.now().plus(LEASE).utc();
        while leased_until(&world).await < Some(wanted) {
            tokio::time::sleep(LEASE / 10).await;
        }
        assert_eq!(world.relay().turn().await.unwrap().claimed, 0, "leased");
    }
    world.handler.gate.add_permits(1_000_000);
    assert_eq!(slow.await.unwrap().unwrap(), 5);
    assert_eq!(world.handler.batches(), [5]);
}

async fn leased_until(world: &World) -> Option<chrono::DateTime<chrono::Utc>> {
    let query = "SELECT MIN(lease_until) AS lease FROM outbox";
    let row = world
        .outbox
        .query_one_raw(Statement::from_string(DbBackend::Sqlite, query))
        .await
        .unwrap();
    row.and_then(|row| row.try_get("", "lease").unwrap())
}

#[tokio::test]
async fn a_damaged_outbox_row_waits_alone() {
    let world = World::new().await;
    for fact in world.facts([Fate::Works; 3]) {
        world.tell(vec![fact]).await;
    }
    let damage = "UPDATE outbox SET envelope = '{' WHERE envelope LIKE '%\"number\":2%'";
    world.outbox.execute_unprepared(damage).await.unwrap();
    assert_eq!(world.relay().drain().await.unwrap(), 2);
    assert_eq!(world.effects().await, [1, 3]);
    assert_eq!(world.relay().lag().await.unwrap().0, 1, "it stays visible");
}

#[tokio::test]
async fn what_fails_of_a_parcel_waits_alone() {
    let world = World::new().await;
    let fates = [Fate::Works, Fate::Fails, Fate::Works];
    world.tell(world.facts(fates)).await;
    assert_eq!(rows(&world).await, 1, "one parcel");
    assert_eq!(world.relay().lag().await.unwrap().0, 3, "of three facts");
    assert_eq!(world.relay().drain().await.unwrap(), 2);
    assert_eq!(world.effects().await, [1, 3]);
    assert_eq!(rows(&world).await, 2, "what was sent, and what waits");
    assert_eq!(world.relay().lag().await.unwrap().0, 1);
    assert_eq!(world.relay().drain().await.unwrap(), 0, "not due yet");
    // Its own tries come to an end without touching the others again.
    for _ in 1..DELIVERY_LIMIT {
        world.clock.advance(Duration::from_secs(301)).unwrap();
        world.relay().drain().await.unwrap();
    }
    assert_eq!(world.relay().lag().await.unwrap().0, 0);
    assert_eq!(world.effects().await, [1, 3]);
    assert_eq!(world.consumer.parked().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_parcel_is_no_longer_than_can_be_held_and_keeps_its_order() {
    let world = World::new().await;
    world.tell(world.facts([Fate::Works; 200])).await;
    assert_eq!(rows(&world).await, 4);
    assert_eq!(world.relay().drain().await.unwrap(), 200);
    assert_eq!(world.effects().await, Vec::from_iter(1..=200));
}

/// Rows of the outbox.
async fn rows(world: &World) -> i64 {
    let query = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) AS n FROM outbox");
    let row = world.outbox.query_one_raw(query).await.unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

#[tokio::test]
async fn sent_facts_are_removed_after_a_week() {
    let world = World::new().await;
    let relay = world.relay();
    for fact in world.facts([Fate::Works; 300]) {
        world.tell(vec![fact]).await;
    }
    relay.drain().await.unwrap();
    assert_eq!(relay.prune().await.unwrap(), 0);
    world.tell(world.facts([Fate::Works; 7])).await;
    world
        .clock
        .advance(Duration::from_secs(7 * 86_400 + 1))
        .unwrap();
    assert_eq!(relay.prune().await.unwrap(), 200, "a bounded number");
    assert_eq!(relay.prune().await.unwrap(), 100);
    assert_eq!(relay.prune().await.unwrap(), 0);
    assert_eq!(relay.drain().await.unwrap(), 7, "what is unsent stays");
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Works),
        1 => Just(Fate::Parks),
        1 => Just(Fate::Panics),
        1 => Just(Fate::Fails),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// However poison lies in a batch and whichever pieces of it come again: what works takes effect once, in order; what does
    /// not is refused until the last try and then parked.
    #[test]
    fn f072_f083_every_fact_has_its_own_fate(
        fates in proptest::collection::vec(fate(), 1..60),
        pieces in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let facts = world.facts(fates.iter().copied());
            let number = |fate: fn(Fate) -> bool| -> Vec<u32> {
                (1..).zip(&fates).filter(|(_, it)| fate(**it)).map(|(number, _)| number).collect()
            };
            let whole = std::iter::once((0, facts.len()));
            let pieces = pieces.iter().map(|(from, to)| (from.index(facts.len()), to.index(facts.len())));
            for (attempt, (from, to)) in (1..).zip(whole.chain(pieces)) {
                let (from, to) = (from.min(to), from.max(to));
                let outcomes = world.publish(&facts[from..to], attempt).await;
                for (outcome, fate) in outcomes.iter().zip(&fates[from..to]) {
                    prop_assert_eq!(outcome.is_ok(), matches!(fate, Fate::Works | Fate::Parks));
                }
                prop_assert_eq!(world.effects().await, number(|fate| fate == Fate::Works));
            }
            let last = world.publish(&facts, DELIVERY_LIMIT).await;
            prop_assert!(last.iter().all(Result::is_ok));
            prop_assert_eq!(world.effects().await, number(|fate| fate == Fate::Works));
            let poison: BTreeSet<u32> = number(|fate| fate != Fate::Works).into_iter().collect();
            prop_assert_eq!(world.parked().await, poison);
            Ok(())
        })?;
    }
}
