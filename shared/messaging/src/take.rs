//! How a consumer takes a batch, and finds the fact at fault where it cannot.

use std::ops::Range;

use sea_orm::DbErr;
use uuid::Uuid;
use warikan_contracts::Envelope;

use crate::{Consumer, DELIVERY_LIMIT, HandleError, consumer::BatchError, parked};

/// What became of one fact at one consumer. `Ok`: it has taken responsibility, by its effect or by parking the fact.
pub(crate) type Taken = Result<(), Untaken>;

/// Why the fact is to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untaken {
    /// The consumer's database does not work. No fact is at fault, and none would fare better.
    #[error("its database does not work: {0}")]
    Unavailable(String),
    /// The handler's word on this fact.
    #[error("{0}")]
    Failed(String),
}

/// Facts in one transaction: it holds the write lock, and requests of the same service wait for it.
const LONGEST: usize = 256;

impl Consumer {
    /// Takes the facts, in order, in as few transactions as it can; where something fails, the batch is halved until the fact
    /// at fault stands alone and fails alone. `attempts` says for each fact which delivery this is, from 1.
    pub(crate) async fn take(&self, envelopes: &[Envelope], attempts: &[i32]) -> Vec<Taken> {
        let mut outcomes: Vec<Taken> = Vec::with_capacity(envelopes.len());
        let mut parts: Vec<Range<usize>> = (0..envelopes.len())
            .step_by(LONGEST)
            .map(|start| start..envelopes.len().min(start + LONGEST))
            .rev()
            .collect();
        while let Some(part) = parts.pop() {
            let error = match self.commit(&envelopes[part.clone()]).await {
                Ok(()) => {
                    outcomes.extend(part.map(|_| Ok(())));
                    continue;
                }
                Err(error) => error,
            };
            match error {
                BatchError::Unavailable(error) => {
                    let rest = envelopes.len() - outcomes.len();
                    self.counting.retries(rest);
                    let why = Untaken::Unavailable(error.to_string());
                    outcomes.resize(envelopes.len(), Err(why));
                    break;
                }
                BatchError::Handler(error) if part.len() == 1 => {
                    let place = part.start;
                    outcomes.push(self.judge(&envelopes[place], attempts[place], error).await);
                }
                BatchError::Handler(_) => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
        }
        outcomes
    }

    /// What follows from a fact's own failure at its `attempt`-th delivery.
    async fn judge(&self, envelope: &Envelope, attempt: i32, error: HandleError) -> Taken {
        let reason = match error {
            HandleError::Park(reason) => reason,
            HandleError::Retry(reason) if attempt < DELIVERY_LIMIT => {
                self.counting.retries(1);
                return Err(Untaken::Failed(reason));
            }
            HandleError::Retry(reason) => format!("given up after {attempt} tries: {reason}"),
        };
        self.park(envelope, &reason)
            .await
            .map_err(|error| Untaken::Unavailable(error.to_string()))
    }

    /// Puts a fact aside with the reason, so that an operator can look at it and replay it.
    ///
    /// # Errors
    /// The database fails; the fact then stays where it was.
    pub async fn park(&self, envelope: &Envelope, reason: &str) -> Result<(), DbErr> {
        let text =
            serde_json::to_string(envelope).map_err(|error| DbErr::Custom(error.to_string()))?;
        self.park_text(envelope.id.uuid(), text, reason).await
    }

    /// The same for what is no envelope.
    pub(crate) async fn park_text(
        &self,
        event: Uuid,
        text: String,
        reason: &str,
    ) -> Result<(), DbErr> {
        tracing::error!(consumer = self.name, %event, reason, "fact parked");
        parked::put(&self.db, self.name, event, text, reason).await?;
        self.counting.parks();
        Ok(())
    }

    /// What lies parked, as `(event, reason)`.
    ///
    /// # Errors
    /// The database fails, or a message is no envelope; [`crate::parked::list`] shows those too.
    pub async fn parked(&self) -> Result<Vec<(Envelope, String)>, DbErr> {
        parked::list(&self.db, Some(self.name))
            .await?
            .into_iter()
            .map(|message| {
                let envelope = message
                    .envelope()
                    .map_err(|error| DbErr::Custom(error.to_string()))?;
                Ok((envelope, message.reason))
            })
            .collect()
    }
}
