//! How a consumer takes a batch, and finds the fact at fault where it cannot.

use std::ops::Range;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::OnConflict,
};
use warikan_contracts::Envelope;

use crate::{
    Consumer, DELIVERY_LIMIT, HandleError, Outgoing, consumer::BatchError, entity::parked,
};

/// What became of one fact at one consumer. `Ok`: it has taken responsibility, by its effect or by parking the fact.
/// The words say why not; the fact is to be delivered again.
pub(crate) type Taken = Result<(), String>;

impl Consumer {
    /// Takes the facts, in order, in as few transactions as it can: one where all goes well; where something fails, the
    /// batch is halved until the fact at fault stands alone and fails alone.
    pub(crate) async fn take(&self, facts: Vec<Outgoing>) -> Vec<Taken> {
        let (envelopes, attempts): (Vec<Envelope>, Vec<i32>) = facts
            .into_iter()
            .map(|fact| (fact.envelope, fact.attempt))
            .unzip();
        let mut outcomes: Vec<Taken> = Vec::with_capacity(envelopes.len());
        let mut parts: Vec<Range<usize>> = std::iter::once(0..envelopes.len()).collect();
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
                    let why = error.to_string();
                    let rest = envelopes.len() - outcomes.len();
                    self.counting.retries(rest);
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
                return Err(reason);
            }
            HandleError::Retry(reason) => format!("given up after {attempt} tries: {reason}"),
        };
        self.park(envelope, &reason)
            .await
            .map_err(|error| error.to_string())
    }

    /// Puts a fact aside with the reason, so that an operator can look at it and replay it.
    ///
    /// # Errors
    /// The database fails; the fact then stays where it was.
    pub async fn park(&self, envelope: &Envelope, reason: &str) -> Result<(), DbErr> {
        tracing::error!(consumer = self.name, event = %envelope.id, fact = envelope.fact_type, reason, "fact parked");
        let text =
            serde_json::to_string(envelope).map_err(|error| DbErr::Custom(error.to_string()))?;
        parked::Entity::insert(parked::ActiveModel {
            consumer: Set(self.name.to_owned()),
            event_id: Set(envelope.id.uuid()),
            envelope: Set(text),
            reason: Set(reason.to_owned()),
        })
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(&self.db)
        .await?;
        self.counting.parks();
        Ok(())
    }

    /// What lies parked, as `(event, reason)`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn parked(&self) -> Result<Vec<(Envelope, String)>, DbErr> {
        parked::Entity::find()
            .filter(parked::Column::Consumer.eq(self.name))
            .all(&self.db)
            .await?
            .into_iter()
            .map(|row| {
                serde_json::from_str(&row.envelope)
                    .map(|envelope| (envelope, row.reason))
                    .map_err(|error| DbErr::Custom(error.to_string()))
            })
            .collect()
    }
}
