//! Parked messages: what a consumer could not take, with the reason, until an operator decides.
//!
//! They lie in each service's own database, whichever bus carried them. An operator's command lists them and **asks** for a replay by
//! a mark in the row; the running process that has the consumer delivers it ([`crate::Bus::replay`]). So the command needs nothing but
//! the database, works beside a running server, and a replay goes the same way as any delivery: effect, inbox row and the end of
//! the parked row are one transaction.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_contracts::Envelope;

use crate::{
    Consumer,
    consumer::BatchError,
    entity::parked::{ActiveModel, Column, Entity, Model},
};

/// Messages replayed in one turn.
const TURN: u64 = 256;

/// A message that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Who could not take it.
    pub consumer: String,
    /// The fact's id, in UUID form; for a message that is no envelope, a digest of it.
    pub event: Uuid,
    /// The message as it came: an envelope's JSON, or whatever it was (`hex:` and digits where it was no text).
    pub message: String,
    /// Why.
    pub reason: String,
    /// Whether an operator asked for its replay and it has not been tried yet.
    pub replay_requested: bool,
}

impl Parked {
    /// The fact.
    ///
    /// # Errors
    /// The message holds none.
    pub fn envelope(&self) -> Result<Envelope, serde_json::Error> {
        serde_json::from_str(&self.message)
    }
}

impl From<Model> for Parked {
    fn from(row: Model) -> Self {
        Self {
            consumer: row.consumer,
            event: row.event_id,
            message: row.envelope,
            reason: row.reason,
            replay_requested: row.replay_requested,
        }
    }
}

/// What a service's consumers (or one of them) have put aside, oldest event first.
///
/// # Errors
/// The database fails.
pub async fn list(db: &DatabaseConnection, consumer: Option<&str>) -> Result<Vec<Parked>, DbErr> {
    let mut query = Entity::find()
        .order_by_asc(Column::Consumer)
        .order_by_asc(Column::EventId);
    if let Some(name) = consumer {
        query = query.filter(Column::Consumer.eq(name));
    }
    let rows = query.all(db).await?;
    Ok(rows.into_iter().map(Parked::from).collect())
}

/// Asks for the replay of one event, or of all; of one consumer, or of all that have it. Returns how many rows were marked.
///
/// # Errors
/// The database fails.
pub async fn request_replay(
    db: &DatabaseConnection,
    consumer: Option<&str>,
    event: Option<Uuid>,
) -> Result<u64, DbErr> {
    let mut update = Entity::update_many().col_expr(Column::ReplayRequested, Expr::value(true));
    if let Some(name) = consumer {
        update = update.filter(Column::Consumer.eq(name));
    }
    if let Some(event) = event {
        update = update.filter(Column::EventId.eq(event));
    }
    Ok(update.exec(db).await?.rows_affected)
}

pub(crate) async fn put(
    db: &DatabaseConnection,
    consumer: &str,
    event: Uuid,
    message: String,
    reason: &str,
) -> Result<(), DbErr> {
    Entity::insert(ActiveModel {
        consumer: Set(consumer.to_owned()),
        event_id: Set(event),
        envelope: Set(message),
        reason: Set(reason.to_owned()),
        replay_requested: Set(false),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// Removes what has been taken, in the transaction that takes it.
pub(crate) async fn remove<C: ConnectionTrait>(
    on: &C,
    consumer: &str,
    event: Uuid,
) -> Result<(), DbErr> {
    Entity::delete_by_id((consumer.to_owned(), event))
        .exec(on)
        .await?;
    Ok(())
}

/// Delivers what was asked for to the consumer. What fails again stays parked, with the new reason and without the mark.
pub(crate) async fn replay(consumer: &Consumer) -> Result<u64, DbErr> {
    let wanted = Entity::find()
        .filter(Column::Consumer.eq(consumer.name))
        .filter(Column::ReplayRequested.eq(true))
        .order_by_asc(Column::EventId)
        .limit(TURN)
        .all(&consumer.db)
        .await?;
    let mut replayed = 0;
    for row in wanted {
        let event = row.event_id;
        let parked = Parked::from(row);
        let failure = match parked.envelope() {
            Err(error) => format!("it holds no envelope: {error}"),
            Ok(envelope) => match consumer.commit_parked(&envelope).await {
                Ok(()) => {
                    tracing::info!(consumer = consumer.name, %event, "parked fact replayed");
                    replayed += 1;
                    continue;
                }
                Err(BatchError::Unavailable(error)) => return Err(error),
                Err(BatchError::Handler(error)) => error.to_string(),
            },
        };
        tracing::warn!(consumer = consumer.name, %event, failure, "replay failed");
        Entity::update_many()
            .filter(Column::Consumer.eq(consumer.name))
            .filter(Column::EventId.eq(event))
            .col_expr(Column::ReplayRequested, Expr::value(false))
            .col_expr(
                Column::Reason,
                Expr::value(format!("replay failed: {failure}")),
            )
            .exec(&consumer.db)
            .await?;
    }
    Ok(replayed)
}
