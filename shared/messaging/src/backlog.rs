//! What lies in a service's outbox, for an operator's command beside the running processes.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use warikan_types::Timestamp;

use crate::{
    entity::{outbox, parked},
    outbox::facts,
};

/// The state of an outbox and of what its service's consumers put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Facts not yet sent.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// When one was last sent; sent ones are kept for a week.
    pub last_sent: Option<Timestamp>,
    /// Messages that consumers could not take.
    pub parked: u64,
}

/// Facts not yet sent, and since when the oldest waits.
pub(crate) async fn waiting(db: &DatabaseConnection) -> Result<(u64, Option<Timestamp>), DbErr> {
    let unsent = outbox::Entity::find().filter(outbox::Column::SentAt.is_null());
    // A sum of integers is a bigint on both databases; of no row it is nothing.
    let count: Option<Option<i64>> = unsent
        .clone()
        .select_only()
        .expr(outbox::Column::Facts.sum())
        .into_tuple()
        .one(db)
        .await?;
    let oldest = unsent.order_by_asc(outbox::Column::Id).one(db).await?;
    let since = oldest
        .and_then(|row| facts(&row.envelope).ok())
        .and_then(|facts| facts.first().map(|envelope| envelope.occurred_at));
    let count = count.flatten().unwrap_or(0);
    Ok((u64::try_from(count).unwrap_or(0), since))
}

/// Looks, and changes nothing. The tables must be there.
///
/// # Errors
/// The database failed.
pub async fn backlog(db: &DatabaseConnection) -> Result<Backlog, DbErr> {
    let (waiting, oldest) = waiting(db).await?;
    let last = outbox::Entity::find()
        .filter(outbox::Column::SentAt.is_not_null())
        .order_by_desc(outbox::Column::SentAt)
        .limit(1)
        .one(db)
        .await?;
    Ok(Backlog {
        waiting,
        oldest,
        last_sent: last.and_then(|row| row.sent_at).map(Timestamp::from),
        parked: parked::Entity::find().count(db).await?,
    })
}
