//! A producer with an outbox, a bus, and consumers with inboxes.

use std::{
    collections::BTreeSet,
    net::ToSocketAddrs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement};
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, time::Instant};
use warikan_contracts::{Envelope, Fact, Subscription};
use warikan_messaging::{
    Bus, Consumer, HandleError, Handler, Outbox, RabbitMqConfig, Relay, begin_write,
};
use warikan_types::{Clock, Entropy};

use crate::{
    databases::{Kind, TestDatabase},
    proxy::Proxy,
};

const RABBITMQ: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";

/// Nothing here takes longer, even on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    InProcess,
    RabbitMq,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) carrier: Carrier,
    pub(crate) database: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    Works,
    Parks,
    Panics,
    Fails,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) number: u32,
    pub(crate) fate: Fate,
}
impl Fact for Told {
    const TYPE: &'static str = "test.told";
    const VERSION: u16 = 1;
}

/// A fact that nobody listens to.
#[derive(Serialize, Deserialize)]
pub(crate) struct Unheard {}
impl Fact for Unheard {
    const TYPE: &'static str = "test.unheard";
    const VERSION: u16 = 1;
}

pub(crate) const ONE: &str = "one.listens";
pub(crate) const OTHER: &str = "other.listens";
const BOTH: [Subscription; 2] = [
    Subscription {
        consumer: ONE,
        types: &[Told::TYPE],
    },
    Subscription {
        consumer: OTHER,
        types: &[Told::TYPE],
    },
];

/// Writes one row per fact, and then does what the fact says, unless it has been mended.
#[derive(Clone)]
pub(crate) struct Obedient {
    mended: Arc<AtomicBool>,
    /// Taken before the handler returns from `committed_all`.
    pub(crate) gate: Arc<Semaphore>,
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
            _ if self.mended.load(Ordering::SeqCst) => Ok(()),
            Fate::Works => Ok(()),
            Fate::Parks => Err(HandleError::Park("never".to_owned())),
            Fate::Panics => panic!("fact {} makes it panic", fact.number),
            Fate::Fails => Err(HandleError::Retry("not now".to_owned())),
        }
    }

    async fn committed_all(&self, _envelopes: &[Envelope]) {
        self.gate.acquire().await.unwrap().forget();
    }
}

/// One listener: its database outlives its processes.
pub(crate) struct Listener {
    pub(crate) database: TestDatabase,
    pub(crate) handler: Obedient,
    name: &'static str,
}

impl Listener {
    async fn new(name: &'static str, kind: Kind) -> Option<Self> {
        Some(Self {
            database: TestDatabase::new(kind).await?,
            handler: Obedient {
                mended: Arc::default(),
                gate: Arc::new(Semaphore::new(1_000_000)),
            },
            name,
        })
    }

    /// A process' subscription.
    pub(crate) fn consumer(&self) -> Consumer {
        let (db, handler) = (self.database.db.clone(), self.handler.clone());
        Consumer::new(self.name, &[Told::TYPE], db, handler)
    }

    pub(crate) fn mend(&self) {
        self.handler.mended.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn effects(&self) -> Vec<u32> {
        let db = &self.database.db;
        let query = "SELECT number FROM effect ORDER BY place";
        let query = Statement::from_string(db.get_database_backend(), query);
        let rows = db.query_all_raw(query).await.unwrap();
        rows.iter()
            .map(|row| u32::try_from(row.try_get::<i64>("", "number").unwrap()).unwrap())
            .collect()
    }

    pub(crate) async fn effect_set(&self) -> BTreeSet<u32> {
        let effects = self.effects().await;
        let set: BTreeSet<u32> = effects.iter().copied().collect();
        assert_eq!(set.len(), effects.len(), "a fact took effect twice");
        set
    }
}

pub(crate) struct World {
    pub(crate) outbox: TestDatabase,
    pub(crate) one: Listener,
    pub(crate) other: Listener,
    pub(crate) bus: Bus,
    /// Over RabbitMQ.
    pub(crate) broker: Option<Broker>,
    pub(crate) clock: Clock,
    entropy: Entropy,
}

impl World {
    /// `None` where a server is not there.
    pub(crate) async fn new(shape: Shape) -> Option<Self> {
        let broker = match shape.carrier {
            Carrier::InProcess => None,
            Carrier::RabbitMq => Some(Broker::new().await?),
        };
        let outbox = TestDatabase::new(shape.database).await?;
        Some(Self {
            outbox,
            one: Listener::new(ONE, shape.database).await?,
            other: Listener::new(OTHER, shape.database).await?,
            bus: broker.as_ref().map_or_else(Bus::in_process, Broker::bus),
            broker,
            clock: Clock::manual("2026-11-21T00:00:00Z".parse().unwrap()),
            entropy: Entropy::seeded(1),
        })
    }

    pub(crate) fn connect(&self) {
        self.bus
            .connect(vec![self.one.consumer(), self.other.consumer()]);
    }

    pub(crate) fn relay(&self) -> Relay {
        Relay::new(self.outbox.db.clone(), self.bus.clone(), self.clock.clone())
    }

    pub(crate) fn envelope<F: Fact>(&self, fact: &F) -> Envelope {
        let now = self.clock.now();
        Envelope::of(self.entropy.id(now), None, now, "test", fact)
    }

    pub(crate) fn facts(&self, fates: impl IntoIterator<Item = Fate>) -> Vec<Envelope> {
        (1..)
            .zip(fates)
            .map(|(number, fate)| self.envelope(&Told { number, fate }))
            .collect()
    }

    pub(crate) async fn tell(&self, facts: Vec<Envelope>) {
        let transaction = begin_write(&self.outbox.db).await.unwrap();
        Outbox::append(&transaction, facts).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub(crate) async fn waiting(&self) -> u64 {
        self.relay().lag().await.unwrap().0
    }

    /// Lets the relay work and time pass until it is so.
    pub(crate) async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let patience = Instant::now() + PATIENCE;
        let relay = self.relay();
        while !so().await {
            assert!(Instant::now() < patience, "it never came to this: {what}");
            // While the bus is away the relay says so; that is not what is waited for.
            let _ = relay.drain().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.clock.advance(Duration::from_secs(30)).unwrap();
        }
    }

    pub(crate) async fn end(self) {
        self.bus.close().await;
        if let Some(broker) = self.broker {
            broker.clear().await;
        }
        for database in [self.outbox, self.one.database, self.other.database] {
            database.remove().await;
        }
    }
}

/// A part of a broker: names of its own, behind a wire of its own.
pub(crate) struct Broker {
    pub(crate) proxy: Proxy,
    pub(crate) prefix: String,
    /// Past the wire.
    direct: Connection,
    url: String,
}

impl Broker {
    pub(crate) async fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let named = std::env::var("WARIKAN_TEST_AMQP").ok();
        let mut url = named.clone().unwrap_or_else(|| RABBITMQ.to_owned());
        if url.matches('/').count() < 3 {
            url.push_str("/%2f");
        }
        let url = url.as_str();
        let direct = match Connection::connect(url, ConnectionProperties::default()).await {
            Ok(direct) => direct,
            Err(error) if named.is_none() => {
                eprintln!("left out: no RabbitMQ on this machine: {error}");
                return None;
            }
            Err(error) => panic!("no RabbitMQ where WARIKAN_TEST_AMQP says: {error}"),
        };
        let (scheme_and_user, rest) = url.rsplit_once('@').unwrap();
        let (server, vhost) = rest.split_once('/').unwrap();
        let server = server.to_socket_addrs().unwrap().next().unwrap();
        let proxy = Proxy::before(server).await;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            url: format!("{scheme_and_user}@{}/{vhost}", proxy.address),
            proxy,
            prefix: format!("warikan-test-{}-{number}", std::process::id()),
            direct,
        })
    }

    pub(crate) fn config(&self) -> RabbitMqConfig {
        RabbitMqConfig {
            prefix: self.prefix.clone(),
            timeout_ms: 1_500,
            retry_ms: 1,
            subscriptions: BOTH.to_vec(),
            ..RabbitMqConfig::new(&self.url)
        }
    }

    /// As another process would have it.
    pub(crate) fn bus(&self) -> Bus {
        Bus::rabbitmq(self.config()).unwrap()
    }

    /// Past the wire: what an administrator could do.
    pub(crate) async fn channel(&self) -> Channel {
        self.direct.create_channel().await.unwrap()
    }

    pub(crate) fn queues(&self) -> Vec<String> {
        [ONE, OTHER]
            .into_iter()
            .flat_map(|name| {
                [
                    format!("{}.{name}", self.prefix),
                    format!("{}.{name}.dead", self.prefix),
                ]
            })
            .collect()
    }

    async fn clear(self) {
        let channel = self.channel().await;
        for queue in self.queues() {
            let removed = channel
                .queue_delete(queue.into(), QueueDeleteOptions::default())
                .await;
            removed.unwrap();
        }
        for exchange in ["facts", "dead"] {
            let name = format!("{}.{exchange}", self.prefix);
            let removed = channel
                .exchange_delete(name.into(), ExchangeDeleteOptions::default())
                .await;
            removed.unwrap();
        }
    }
}
