//! The in-process bus: the meaning of a broker's confirm without a broker.

use std::sync::{Arc, OnceLock};

use tokio::task::JoinHandle;
use warikan_contracts::Envelope;

use crate::{Consumer, take::Taken};

/// Where facts are published. Clones share the subscriptions.
#[derive(Clone, Default)]
pub struct Bus {
    consumers: Arc<OnceLock<Vec<Consumer>>>,
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
    /// Nothing can be published at present, whatever the fact: no one has been subscribed yet, for instance.
    #[error("the bus cannot be reached: {0}")]
    Unavailable(String),
    /// Some consumers failed.
    #[error("not taken by {}", .0.join(", "))]
    NotTaken(Vec<String>),
}

impl Bus {
    /// A bus without subscriptions: publications wait in the outboxes until [`Bus::connect`].
    #[must_use]
    pub fn in_process() -> Self {
        Self::default()
    }

    /// Subscribes the consumers, once, when all services stand.
    pub fn connect(&self, consumers: Vec<Consumer>) {
        if self.consumers.set(consumers).is_err() {
            tracing::warn!("the bus was connected twice; the first subscriptions stay");
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

    /// Publishes a batch; the outcomes stand in the order of the facts. Resolves when every subscribed consumer has
    /// committed its effects, parked what it can never take, or failed. Consumers work at the same time as each other; each takes
    /// its facts in the given order.
    ///
    /// An error says that the caller keeps that fact and tries again.
    pub async fn publish_all(&self, facts: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        let Some(consumers) = self.consumers.get() else {
            let error = PublishError::Unavailable("nobody is connected yet".to_owned());
            return vec![Err(error); facts.len()];
        };
        let deliveries: Vec<Delivery> = consumers
            .iter()
            .filter_map(|consumer| Delivery::start(consumer, facts))
            .collect();
        let mut refusals: Vec<Vec<String>> = vec![Vec::new(); facts.len()];
        for delivery in deliveries {
            delivery.finish(&mut refusals).await;
        }
        refusals
            .into_iter()
            .map(|refused| match refused.is_empty() {
                true => Ok(()),
                false => Err(PublishError::NotTaken(refused)),
            })
            .collect()
    }
}

/// One consumer's part of a batch, under way.
struct Delivery {
    consumer: &'static str,
    /// Where its facts stand in the batch.
    places: Vec<usize>,
    taking: JoinHandle<Vec<Taken>>,
}

impl Delivery {
    /// Nothing where the consumer wants none of the facts.
    fn start(consumer: &Consumer, facts: &[Outgoing]) -> Option<Self> {
        let (places, wanted): (Vec<usize>, Vec<Outgoing>) = facts
            .iter()
            .enumerate()
            .filter(|(_, fact)| consumer.wants(&fact.envelope.fact_type))
            .map(|(place, fact)| (place, fact.clone()))
            .unzip();
        if places.is_empty() {
            return None;
        }
        let name = consumer.name;
        let consumer = consumer.clone();
        Some(Self {
            consumer: name,
            places,
            // A task of its own: whoever stops waiting for the publication does not tear a delivery apart.
            taking: tokio::spawn(async move { consumer.take(wanted).await }),
        })
    }

    async fn finish(self, refusals: &mut [Vec<String>]) {
        let outcomes = self
            .taking
            .await
            .unwrap_or_else(|error| vec![Err(error.to_string()); self.places.len()]);
        for (place, outcome) in self.places.into_iter().zip(outcomes) {
            if let Err(why) = outcome {
                refusals[place].push(format!("{} ({why})", self.consumer));
            }
        }
    }
}
