//! The bus over RabbitMQ.
//!
//! Facts go to one durable topic exchange; each consumer has a **quorum** queue of its own, so a fact is in as many queues as it
//! has listeners. Publishing is pipelined with confirms and `mandatory`; a consumer takes what lies ready, up to a batch, in one transaction
//! and acknowledges after the commit. Time and tries:
//!
//! - a fact that fails goes back to its queue after a pause that doubles, and is parked by the consumer at the tenth delivery;
//! - a consumer whose database does not work holds what it has and waits: that is no fact's fault;
//! - what is delivered [`topology::DELIVERY_LIMIT`] times and never answered (the process dies of it) the broker moves to the
//!   consumer's dead-letter queue, and the consumer from there to its parked messages with the reason. So nothing is left that only the
//!   broker knows.
//!
//! Publisher and consumers connect by themselves and again after every failure. Every process declares the whole topology
//! before it publishes: a fact must wait for a listener that was never started yet, and `mandatory` only says that *some* queue took it.

mod config;
mod consume;
mod dead_letters;
mod inspect;
mod link;
mod message;
mod publish;
mod topology;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

pub use config::{ConfigError, RabbitMqConfig};
pub use inspect::{BrokerState, Found, InspectError, QueueState, inspect_broker};

use crate::{Consumer, Outgoing, PublishError};

use self::{link::Link, publish::Publisher};

/// How long a consumer may take to finish its batch when the bus is closed.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) struct RabbitMq {
    link: Arc<Link>,
    publisher: Publisher,
    consumers: OnceLock<Vec<Consumer>>,
    stop: watch::Sender<bool>,
    /// Aborted when the bus is dropped: what a consumer had in hand rolls back and is delivered again.
    running: Mutex<JoinSet<()>>,
}

impl RabbitMq {
    pub(crate) fn new(config: RabbitMqConfig) -> Result<Self, ConfigError> {
        let link = Arc::new(Link::new(config)?);
        Ok(Self {
            publisher: Publisher::new(Arc::clone(&link)),
            link,
            consumers: OnceLock::new(),
            stop: watch::Sender::new(false),
            running: Mutex::default(),
        })
    }

    pub(crate) fn connect(&self, consumers: Vec<Consumer>) {
        if let Err(refused) = self.consumers.set(consumers) {
            let consumers = refused.len();
            tracing::warn!(consumers, "the bus was connected twice; the first stay");
            return;
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for consumer in self.consumers() {
            let (link, stop) = (Arc::clone(&self.link), self.stop.subscribe());
            running.spawn(consume::run(link, consumer.clone(), stop));
        }
    }

    pub(crate) fn consumers(&self) -> &[Consumer] {
        self.consumers.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) async fn publish_all(&self, facts: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        self.publisher.publish_all(facts).await
    }

    pub(crate) async fn close(&self) {
        self.stop.send_replace(true);
        let mut running = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *running)
        };
        let finished = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            tracing::warn!(
                "a consumer did not finish its batch in time; it will be delivered again"
            );
        }
        self.publisher.close().await;
    }
}
