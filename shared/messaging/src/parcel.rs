//! A row of the outbox that the relay has in hand, and what becomes of it.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use uuid::Uuid;
use warikan_contracts::Envelope;
use warikan_rows::{Known, padded};
use warikan_types::Timestamp;

use crate::{PublishError, begin_write, entity::outbox, outbox::row};

/// Facts that were claimed together.
pub(crate) struct Parcel {
    pub(crate) id: Uuid,
    pub(crate) attempts: i32,
    pub(crate) facts: Vec<Envelope>,
}

/// What became of one fact.
pub(crate) type Outcome = Result<(), PublishError>;

/// What became of a parcel.
enum Fate {
    Sent,
    /// The bus takes nothing at present.
    Untouched,
    /// Its only fact was not taken.
    Postponed(String),
    /// Its facts fared differently.
    Divided,
}

fn fate(outcomes: &[Outcome]) -> Fate {
    if outcomes.iter().all(Result::is_ok) {
        return Fate::Sent;
    }
    let unavailable = |outcome: &Outcome| matches!(outcome, Err(PublishError::Unavailable(_)));
    if outcomes.iter().all(unavailable) {
        return Fate::Untouched;
    }
    match outcomes {
        [Err(error)] => Fate::Postponed(error.to_string()),
        _ => Fate::Divided,
    }
}

/// Writes down what became of parcels; `outcomes` has an entry for each of their facts, in order.
pub(crate) async fn settle(
    db: &DatabaseConnection,
    parcels: &[Parcel],
    outcomes: &[Outcome],
    now: Timestamp,
) -> Result<(), DbErr> {
    let (mut sent, mut untouched) = (Vec::new(), Vec::new());
    let mut rest = outcomes;
    for parcel in parcels {
        let (own, others) = rest.split_at(parcel.facts.len());
        rest = others;
        match fate(own) {
            Fate::Sent => sent.push(parcel.id),
            Fate::Untouched => untouched.push(parcel.id),
            Fate::Postponed(why) => postpone(db, parcel.id, parcel.attempts, &why, now).await?,
            Fate::Divided => divide(db, parcel, own, now).await?,
        }
    }
    if !sent.is_empty() {
        outbox::Entity::update_many()
            .filter(outbox::Column::Id.is_in(padded(sent)))
            .col_expr(outbox::Column::SentAt, Expr::value(Some(now.utc())))
            .exec(db)
            .await?;
    }
    put_back(db, untouched).await
}

/// A row that failed waits for its next try.
pub(crate) async fn postpone(
    db: &DatabaseConnection,
    id: Uuid,
    attempts: i32,
    why: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    let due = now.plus(backoff(attempts)).utc();
    outbox::Entity::update_many()
        .filter(outbox::Column::Id.eq(id))
        .col_expr(outbox::Column::NextAttemptAt, Expr::value(due))
        .col_expr(outbox::Column::LeaseUntil, no_lease())
        .col_expr(outbox::Column::LastError, Expr::value(Some(why.to_owned())))
        .exec(db)
        .await?;
    Ok(())
}

/// Undoes claims.
pub(crate) async fn put_back(db: &DatabaseConnection, ids: Vec<Uuid>) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    outbox::Entity::update_many()
        .filter(outbox::Column::Id.is_in(ids))
        .col_expr(outbox::Column::LeaseUntil, no_lease())
        .col_expr(
            outbox::Column::Attempts,
            sea_orm::ExprTrait::sub(Expr::col(outbox::Column::Attempts), 1),
        )
        .exec(db)
        .await?;
    Ok(())
}

/// What was sent of a parcel stays together, the others get a row each, so that from now on each waits for itself alone.
async fn divide(
    db: &DatabaseConnection,
    parcel: &Parcel,
    outcomes: &[Outcome],
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut sent = Vec::new();
    let mut rows = Vec::with_capacity(parcel.facts.len());
    for (fact, outcome) in parcel.facts.iter().zip(outcomes) {
        let waiting = |due| row(std::slice::from_ref(fact), due);
        match outcome {
            Ok(()) => sent.push(fact.clone()),
            Err(PublishError::Unavailable(_)) => rows.push(outbox::ActiveModel {
                attempts: Set(parcel.attempts - 1),
                ..waiting(now.utc())?
            }),
            Err(error) => rows.push(outbox::ActiveModel {
                attempts: Set(parcel.attempts),
                last_error: Set(Some(error.to_string())),
                ..waiting(now.plus(backoff(parcel.attempts)).utc())?
            }),
        }
    }
    if !sent.is_empty() {
        rows.push(outbox::ActiveModel {
            attempts: Set(parcel.attempts),
            sent_at: Set(Some(now.utc())),
            ..row(&sent, now.utc())?
        });
    }
    let transaction = begin_write(db).await?;
    let removed = outbox::Entity::delete_many()
        .filter(outbox::Column::Id.eq(parcel.id))
        .filter(outbox::Column::SentAt.is_null())
        .exec(&transaction)
        .await?;
    // A lease that ran out: another relay has settled it meanwhile.
    if removed.rows_affected == 0 {
        return transaction.rollback().await;
    }
    warikan_rows::insert(&transaction, rows, Known::Refused).await?;
    transaction.commit().await
}

pub(crate) fn no_lease() -> Expr {
    Expr::value(Option::<chrono::DateTime<chrono::Utc>>::None)
}

fn backoff(attempts: i32) -> Duration {
    let doublings = u32::try_from(i32::clamp(attempts - 1, 0, 9)).unwrap_or(0);
    Duration::from_secs(u64::clamp(1 << doublings, 1, 300))
}
