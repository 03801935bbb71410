//! The inbox: which facts a consumer has already taken.

use std::{borrow::Cow, collections::HashSet};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, EntityName, Iden,
    sea_query::{OnConflict, Query},
};
use uuid::Uuid;
use warikan_contracts::Envelope;

use crate::entity::inbox::{Column, Entity};

/// Rows per statement: SQLite takes 32,766 parameters and a row has three.
const CHUNK: usize = 5_000;

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
    for chunk in rows.chunks(CHUNK) {
        let mut insert = Query::insert();
        insert
            .into_table(Entity.table_ref())
            .columns([Column::Consumer, Column::EventId, Column::OccurredAt])
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .returning_col(Column::EventId);
        for envelope in chunk {
            insert.values_panic([
                consumer.into(),
                envelope.id.uuid().into(),
                envelope.occurred_at.utc().into(),
            ]);
        }
        for row in transaction.query_all(&insert).await? {
            new.insert(row.try_get("", Column::EventId.unquoted())?);
        }
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
