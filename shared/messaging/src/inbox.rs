//! The inbox: which facts a consumer has already taken.

use std::{borrow::Cow, collections::HashSet};

use sea_orm::{ActiveValue::Set, DatabaseTransaction, DbErr};
use uuid::Uuid;
use warikan_contracts::Envelope;
use warikan_rows::{Known, insert_returning};

use crate::entity::inbox::{ActiveModel, Column};

/// Notes the batch's facts as taken, and returns those that were not before, each once and in order.
pub(crate) async fn enter<'a>(
    consumer: &str,
    envelopes: &'a [Envelope],
    transaction: &DatabaseTransaction,
) -> Result<Cow<'a, [Envelope]>, DbErr> {
    // In the order of the key: two batches that share facts then wait for each other instead of locking each other out.
    let mut rows: Vec<&Envelope> = envelopes.iter().collect();
    rows.sort_unstable_by_key(|envelope| envelope.id.uuid());
    let mut new: HashSet<Uuid> = HashSet::with_capacity(rows.len());
    let models = rows.into_iter().map(|envelope| ActiveModel {
        consumer: Set(consumer.to_owned()),
        event_id: Set(envelope.id.uuid()),
        occurred_at: Set(envelope.occurred_at.utc()),
    });
    let entered = insert_returning(transaction, models.collect(), Known::Kept, Column::EventId);
    for row in entered.await? {
        new.insert(row.try_get_by_index(0)?);
    }
    if new.len() == envelopes.len() {
        return Ok(Cow::Borrowed(envelopes));
    }
    // A fact may also stand twice in one batch: it is removed when its first copy is taken.
    Ok(envelopes
        .iter()
        .filter(|envelope| new.remove(&envelope.id.uuid()))
        .cloned()
        .collect())
}
