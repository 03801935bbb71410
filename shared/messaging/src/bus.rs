//! The bus: one meaning, two adapters.

use std::sync::Arc;

use warikan_contracts::Envelope;

use crate::{
    Consumer,
    in_process::InProcess,
    parked,
    rabbitmq::{ConfigError, RabbitMq, RabbitMqConfig},
};

/// Where facts are published. Clones share the subscriptions.
#[derive(Clone)]
pub struct Bus(Adapter);

#[derive(Clone)]
enum Adapter {
    InProcess(Arc<InProcess>),
    RabbitMq(Arc<RabbitMq>),
}

/// A fact on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The fact.
    pub envelope: Envelope,
    /// Its publication's number, from 1.
    pub attempt: i32,
}

/// Responsibility for a fact has not moved; publish it again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Nothing can be published at present, whatever the fact: the broker is away, or nobody has been subscribed yet.
    #[error("the bus cannot be reached: {0}")]
    Unavailable(String),
    /// This fact was refused, by some consumers or by the broker.
    #[error("not taken by {}", .0.join(", "))]
    NotTaken(Vec<String>),
}

impl Bus {
    /// A bus without subscriptions: publications wait in the outboxes until [`Bus::connect`].
    #[must_use]
    pub fn in_process() -> Self {
        Self(Adapter::InProcess(Arc::default()))
    }

    /// A bus over RabbitMQ. Nothing is opened yet, and the broker need not be there: publications wait in the outboxes until it
    /// is. A process that only publishes never calls [`Bus::connect`]; one that only consumes never publishes.
    ///
    /// # Errors
    /// The configuration cannot be meant; the error names the field and holds no secret.
    pub fn rabbitmq(config: RabbitMqConfig) -> Result<Self, ConfigError> {
        Ok(Self(Adapter::RabbitMq(Arc::new(RabbitMq::new(config)?))))
    }

    /// Subscribes the consumers of this process, once, when all its services stand. Over RabbitMQ it starts tasks on the
    /// current tokio runtime that go on until [`Bus::close`] or until the last clone of the bus is gone.
    ///
    /// # Panics
    /// Over RabbitMQ, outside a tokio runtime.
    pub fn connect(&self, consumers: Vec<Consumer>) {
        match &self.0 {
            Adapter::InProcess(bus) => bus.connect(consumers),
            Adapter::RabbitMq(bus) => bus.connect(consumers),
        }
    }

    /// The consumers of this process.
    #[must_use]
    pub fn consumers(&self) -> &[Consumer] {
        match &self.0 {
            Adapter::InProcess(bus) => bus.consumers(),
            Adapter::RabbitMq(bus) => bus.consumers(),
        }
    }

    /// Publishes one fact for the `attempt`-th time (from 1).
    ///
    /// # Errors
    /// [`PublishError`]: the caller keeps the fact and tries again.
    pub async fn publish(&self, envelope: &Envelope, attempt: i32) -> Result<(), PublishError> {
        let fact = Outgoing {
            envelope: envelope.clone(),
            attempt,
        };
        self.publish_all(&[fact]).await.remove(0)
    }

    /// Publishes a batch; the outcomes stand in the order of the facts. An `Ok` says that responsibility has moved: every
    /// subscribed consumer has committed its effect or parked the fact, or the broker has it in each consumer's replicated and
    /// durable queue. An error says that the caller keeps that fact and tries again.
    pub async fn publish_all(&self, facts: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        match &self.0 {
            Adapter::InProcess(bus) => bus.publish_all(facts).await,
            Adapter::RabbitMq(bus) => bus.publish_all(facts).await,
        }
    }

    /// Delivers again what an operator asked for ([`crate::parked::request_replay`]) to the consumers of this process, and
    /// returns how many facts took effect or had done so before.
    ///
    /// # Errors
    /// A consumer's database failed; what was asked for is still asked for.
    pub async fn replay(&self) -> Result<u64, sea_orm::DbErr> {
        let mut replayed = 0;
        for consumer in self.consumers() {
            replayed += parked::replay(consumer).await?;
        }
        Ok(replayed)
    }

    /// Lets every consumer finish the batch in hand and takes no more. In-process consumers work only while somebody
    /// publishes, so there is nothing to wait for.
    pub async fn close(&self) {
        if let Adapter::RabbitMq(bus) = &self.0 {
            bus.close().await;
        }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::in_process()
    }
}
