//! The outbox: facts that are true and not yet told.

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr};
use warikan_contracts::Envelope;
use warikan_rows::Known;

use crate::entity::outbox;

/// Writes facts next to the state that makes them true.
pub struct Outbox;

impl Outbox {
    /// Appends facts in the caller's transaction; wake the relay after the commit.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not commit then.
    pub async fn append<C: ConnectionTrait>(
        transaction: &C,
        facts: impl IntoIterator<Item = Envelope> + Send,
    ) -> Result<(), DbErr> {
        let rows: Vec<outbox::ActiveModel> = facts
            .into_iter()
            .map(|envelope| {
                let text = serde_json::to_string(&envelope).map_err(|error| {
                    DbErr::Custom(format!("an envelope is plain data: {error}"))
                })?;
                Ok(outbox::ActiveModel {
                    id: Set(envelope.id.uuid()),
                    envelope: Set(text),
                    attempts: Set(0),
                    next_attempt_at: Set(first_due(&envelope)),
                    lease_until: Set(None),
                    sent_at: Set(None),
                    last_error: Set(None),
                })
            })
            .collect::<Result<_, DbErr>>()?;
        warikan_rows::insert(transaction, rows, Known::Refused).await?;
        Ok(())
    }
}

/// At once. To the millisecond, which is also the first part of the id: the relay takes facts in the order of this column and
/// the id, and that is then the order of the ids.
fn first_due(envelope: &Envelope) -> DateTime<Utc> {
    envelope.occurred_at.utc().trunc_subsecs(3)
}
