//! Exchanges, queues and bindings: declared by every process, the same every time.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use warikan_contracts::Subscription;

use super::RabbitMqConfig;

/// Deliveries after which the broker gives up. Above [`crate::DELIVERY_LIMIT`], at which the consumer itself parks a fact: this
/// one is for facts that kill the process. Set explicitly, because RabbitMQ before 4.0 has no limit and later ones drop at 20 what has
/// no dead-letter exchange.
pub(super) const DELIVERY_LIMIT: i64 = 20;

/// Dead letters wait for their consumer however often it comes and goes.
const NO_LIMIT: i64 = 1_000_000_000;

/// The names, and who listens to what.
pub(crate) struct Topology {
    pub(super) facts: String,
    dead: String,
    prefix: String,
    pub(super) subscriptions: Vec<Subscription>,
}

/// A queue and its properties.
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) dead: bool,
    pub(super) arguments: FieldTable,
}

impl Topology {
    pub(super) fn new(config: &RabbitMqConfig) -> Self {
        let prefix = &config.prefix;
        Self {
            facts: format!("{prefix}.facts"),
            dead: format!("{prefix}.dead"),
            prefix: prefix.clone(),
            subscriptions: config.subscriptions.clone(),
        }
    }

    pub(super) fn queue(&self, consumer: &str) -> String {
        format!("{}.{consumer}", self.prefix)
    }

    pub(super) fn dead_queue(&self, consumer: &str) -> String {
        format!("{}.{consumer}.dead", self.prefix)
    }

    pub(super) fn exchanges(&self) -> [(&str, ExchangeKind); 2] {
        [
            (&self.facts, ExchangeKind::Topic),
            (&self.dead, ExchangeKind::Direct),
        ]
    }

    /// Every queue, as this program declares it.
    pub(super) fn queues(&self) -> Vec<Declared> {
        let both = |subscription: &Subscription| {
            let consumer = subscription.consumer;
            [
                Declared {
                    name: self.queue(consumer),
                    dead: false,
                    arguments: self.arguments(consumer),
                },
                Declared {
                    name: self.dead_queue(consumer),
                    dead: true,
                    arguments: dead_arguments(),
                },
            ]
        };
        self.subscriptions.iter().flat_map(both).collect()
    }

    pub(super) fn listened_to(&self, fact_type: &str) -> bool {
        let mut all = self.subscriptions.iter();
        all.any(|subscription| subscription.types.contains(&fact_type))
    }

    pub(super) async fn declare_all(&self, on: &Channel) -> Result<(), lapin::Error> {
        self.declare_exchanges(on).await?;
        for subscription in &self.subscriptions {
            self.declare(on, subscription).await?;
        }
        Ok(())
    }

    pub(super) async fn declare_exchanges(&self, on: &Channel) -> Result<(), lapin::Error> {
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        for (name, kind) in self.exchanges() {
            on.exchange_declare(name.into(), kind, durable, FieldTable::default())
                .await?;
        }
        Ok(())
    }

    /// A consumer's two queues and what goes into them.
    pub(super) async fn declare(
        &self,
        on: &Channel,
        subscription: &Subscription,
    ) -> Result<(), lapin::Error> {
        let consumer = subscription.consumer;
        let (queue, dead_queue) = (self.queue(consumer), self.dead_queue(consumer));
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        on.queue_declare(dead_queue.as_str().into(), durable, dead_arguments())
            .await?;
        on.queue_declare(queue.as_str().into(), durable, self.arguments(consumer))
            .await?;
        let bind = QueueBindOptions::default;
        on.queue_bind(
            dead_queue.into(),
            self.dead.as_str().into(),
            consumer.into(),
            bind(),
            FieldTable::default(),
        )
        .await?;
        for fact_type in subscription.types {
            on.queue_bind(
                queue.as_str().into(),
                self.facts.as_str().into(),
                (*fact_type).into(),
                bind(),
                FieldTable::default(),
            )
            .await?;
        }
        Ok(())
    }

    fn arguments(&self, consumer: &str) -> FieldTable {
        let mut arguments = quorum(DELIVERY_LIMIT);
        let mut text = |name: &str, value: &str| {
            arguments.insert(name.into(), AMQPValue::LongString(value.into()));
        };
        text("x-dead-letter-exchange", &self.dead);
        text("x-dead-letter-routing-key", consumer);
        // A dead letter leaves its queue only when the other has confirmed it; the broker asks for the overflow rule with it.
        text("x-dead-letter-strategy", "at-least-once");
        text("x-overflow", "reject-publish");
        arguments
    }
}

fn dead_arguments() -> FieldTable {
    quorum(NO_LIMIT)
}

fn quorum(delivery_limit: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    arguments.insert(
        "x-delivery-limit".into(),
        AMQPValue::LongLongInt(delivery_limit),
    );
    arguments
}
