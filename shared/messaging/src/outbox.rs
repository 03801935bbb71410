//! The outbox: facts that are true and not yet told.
//!
//! What one transaction appends lies there in *parcels*, many facts to a row: taking it up and ticking it off then costs one row, however
//! many facts there are. A fact that cannot be sent with its parcel gets a row of its own (`crate::parcel`).

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use warikan_contracts::Envelope;
use warikan_rows::{Known, Writes};
use warikan_types::Timestamp;

use crate::entity::outbox;

/// Facts in a row. Enough to make the row's cost small beside the facts', and few enough to be read at once without a thought.
const PARCEL: usize = 64;
/// How long before a fact the first of its parcel may have become true, and how far an id may stand ahead of its moment, in milliseconds, with
/// much to spare.
const BEFORE: u64 = 60_000;
const AHEAD: u64 = 1_000;

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
        warikan_rows::insert(transaction, rows(facts)?, Known::Refused).await?;
        Ok(())
    }

    /// The same, beside other writes of the transaction.
    ///
    /// # Errors
    /// A fact cannot be written as JSON.
    pub fn add(
        writes: &mut Writes,
        facts: impl IntoIterator<Item = Envelope>,
    ) -> Result<(), DbErr> {
        writes.insert(rows(facts)?, Known::Refused)
    }

    /// Takes something out of the facts about `aggregate` that were appended at this moment, told or not: `change` gives the fact as it
    /// is to stand from now on, or `None` where it may stay. A relay that holds it already tells it as it was.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rewrite<C: ConnectionTrait>(
        transaction: &C,
        aggregate: &str,
        at: Timestamp,
        change: impl Fn(&Envelope) -> Option<Envelope> + Send,
    ) -> Result<(), DbErr> {
        // A row is named after its first fact, whose id begins with its moment.
        let moment = u64::try_from(at.unix_millis()).unwrap_or(0);
        let bound = |millis, rest| uuid::Builder::from_unix_timestamp_millis(millis, &rest);
        let from = bound(moment.saturating_sub(BEFORE), [0; 10]);
        let to = bound(moment + AHEAD, [0xff; 10]);
        let rows = outbox::Entity::find()
            .filter(outbox::Column::Id.between(from.into_uuid(), to.into_uuid()))
            .filter(outbox::Column::Envelope.contains(aggregate))
            .all(transaction)
            .await?;
        for row in rows {
            let Ok(mut told) = facts(&row.envelope) else {
                continue;
            };
            let mut rewritten = false;
            for fact in told.iter_mut().filter(|fact| fact.aggregate == aggregate) {
                if let Some(changed) = change(fact) {
                    *fact = changed;
                    rewritten = true;
                }
            }
            if rewritten {
                let text = text_of(&told)?;
                outbox::Entity::update_many()
                    .filter(outbox::Column::Id.eq(row.id))
                    .col_expr(outbox::Column::Envelope, Expr::value(text))
                    .exec(transaction)
                    .await?;
            }
        }
        Ok(())
    }
}

/// Parcels.
fn rows(facts: impl IntoIterator<Item = Envelope>) -> Result<Vec<outbox::ActiveModel>, DbErr> {
    let facts: Vec<Envelope> = facts.into_iter().collect();
    let parcels = facts.chunks(PARCEL).filter_map(|facts| {
        let first = facts.first()?;
        Some(row(facts, first_due(first)))
    });
    parcels.collect()
}

fn text_of(facts: &[Envelope]) -> Result<String, DbErr> {
    let text = match facts {
        // The envelope alone: what rows held before there were parcels.
        [fact] => serde_json::to_string(fact),
        facts => serde_json::to_string(facts),
    };
    text.map_err(|error| DbErr::Custom(format!("an envelope is plain data: {error}")))
}

/// A row that was never tried, named after its first fact. There is one at least.
pub(crate) fn row(facts: &[Envelope], due: DateTime<Utc>) -> Result<outbox::ActiveModel, DbErr> {
    let text = text_of(facts)?;
    let first = facts
        .first()
        .ok_or_else(|| DbErr::Custom("a parcel of nothing".to_owned()))?;
    Ok(outbox::ActiveModel {
        id: Set(first.id.uuid()),
        envelope: Set(text),
        facts: Set(i32::try_from(facts.len()).unwrap_or(i32::MAX)),
        attempts: Set(0),
        next_attempt_at: Set(due),
        lease_until: Set(None),
        sent_at: Set(None),
        last_error: Set(None),
    })
}

/// At once. To the millisecond, which is also the first part of the id: the relay takes facts in the order of this column and
/// the id, and that is then the order of the ids.
fn first_due(envelope: &Envelope) -> DateTime<Utc> {
    envelope.occurred_at.utc().trunc_subsecs(3)
}

/// What a row holds.
pub(crate) fn facts(text: &str) -> Result<Vec<Envelope>, serde_json::Error> {
    if text.starts_with('[') {
        serde_json::from_str(text)
    } else {
        Ok(vec![serde_json::from_str(text)?])
    }
}
