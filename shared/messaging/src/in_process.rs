//! The in-process bus: the meaning of a broker's confirm without a broker.

use std::sync::OnceLock;

use tokio::task::JoinHandle;

use crate::{
    Consumer, Outgoing, PublishError,
    take::{Taken, Untaken},
};

/// Consumers of this process, called directly.
#[derive(Default)]
pub(crate) struct InProcess {
    consumers: OnceLock<Vec<Consumer>>,
}

impl InProcess {
    pub(crate) fn connect(&self, consumers: Vec<Consumer>) {
        if self.consumers.set(consumers).is_err() {
            tracing::warn!("the bus was connected twice; the first subscriptions stay");
        }
    }

    pub(crate) fn consumers(&self) -> &[Consumer] {
        self.consumers.get().map_or(&[], Vec::as_slice)
    }

    /// Resolves when every subscribed consumer has committed its effects, parked what it can never take, or failed. Consumers
    /// work at the same time as each other; each takes its facts in the given order.
    pub(crate) async fn publish_all(&self, facts: &[Outgoing]) -> Vec<Result<(), PublishError>> {
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
        let mut places = Vec::new();
        let (mut envelopes, mut attempts) = (Vec::new(), Vec::new());
        for (place, fact) in facts.iter().enumerate() {
            if consumer.wants(&fact.envelope.fact_type) {
                places.push(place);
                envelopes.push(fact.envelope.clone());
                attempts.push(fact.attempt);
            }
        }
        if places.is_empty() {
            return None;
        }
        let name = consumer.name;
        let consumer = consumer.clone();
        Some(Self {
            consumer: name,
            places,
            // A task of its own: whoever stops waiting for the publication does not tear a delivery apart.
            taking: tokio::spawn(async move { consumer.take(&envelopes, &attempts).await }),
        })
    }

    async fn finish(self, refusals: &mut [Vec<String>]) {
        let outcomes = self.taking.await.unwrap_or_else(|error| {
            vec![Err(Untaken::Failed(error.to_string())); self.places.len()]
        });
        for (place, outcome) in self.places.into_iter().zip(outcomes) {
            if let Err(why) = outcome {
                refusals[place].push(format!("{} ({why})", self.consumer));
            }
        }
    }
}
