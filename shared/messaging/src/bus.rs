//! The in-process bus: the meaning of a broker's confirm without a broker.

use std::sync::{Arc, OnceLock};

use warikan_contracts::Envelope;

use crate::{Consumer, DELIVERY_LIMIT, HandleError};

/// Where facts are published. Clones share the subscriptions.
#[derive(Clone, Default)]
pub struct Bus {
    consumers: Arc<OnceLock<Vec<Consumer>>>,
}

/// At least one consumer has not taken responsibility; publish again later.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No one has been subscribed yet: the process is still starting.
    #[error("the bus is not connected yet")]
    NotConnected,
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

    /// Publishes a fact for the `attempt`-th time (from 1). Resolves when every subscribed consumer has committed
    /// its effect or parked the fact.
    ///
    /// # Errors
    /// [`PublishError`]: the caller keeps the fact and tries again.
    pub async fn publish(&self, envelope: &Envelope, attempt: i32) -> Result<(), PublishError> {
        let consumers = self.consumers.get().ok_or(PublishError::NotConnected)?;
        let mut refused = Vec::new();
        for consumer in consumers {
            if !consumer.types.contains(&envelope.fact_type.as_str()) {
                continue;
            }
            if let Err(why) = deliver(consumer, envelope, attempt).await {
                refused.push(format!("{} ({why})", consumer.name));
            }
        }
        if refused.is_empty() {
            Ok(())
        } else {
            Err(PublishError::NotTaken(refused))
        }
    }
}

/// Runs one delivery apart, so that a consumer's panic fails that delivery and nothing else.
async fn deliver(consumer: &Consumer, envelope: &Envelope, attempt: i32) -> Result<(), String> {
    let outcome = {
        let (consumer, envelope) = (consumer.clone(), envelope.clone());
        tokio::spawn(async move { consumer.deliver(&envelope).await }).await
    };
    let failure = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(HandleError::Park(reason))) => {
            return consumer
                .park(envelope, &reason)
                .await
                .map_err(|error| error.to_string());
        }
        Ok(Err(HandleError::Retry(reason))) => reason,
        Err(panic) => format!("the consumer panicked: {panic}"),
    };
    if attempt >= DELIVERY_LIMIT {
        let reason = format!("given up after {attempt} tries: {failure}");
        return consumer
            .park(envelope, &reason)
            .await
            .map_err(|error| error.to_string());
    }
    Err(failure)
}
