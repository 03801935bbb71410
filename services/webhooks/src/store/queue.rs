//! What the dispatcher asks: work across all tenants.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, LockBehavior, LockType, Query, SimpleExpr},
};
use uuid::Uuid;
use warikan_rows::{Known, padded};
use warikan_types::{Environment, Timestamp};

use super::deliveries::{DELIVERED, PENDING};
use crate::entity::{attempt, delivery, endpoint, event};

/// Ids per statement: SQLite takes 32,766 parameters.
const CHUNK: usize = 1_000;

/// A moment that a column may lack.
type Moment = Option<chrono::DateTime<chrono::Utc>>;

/// As a literal and not as a parameter: only then does SQLite see that the partial index `delivery_due` answers the question, and
/// does not walk through everything that was ever delivered.
fn pending() -> SimpleExpr {
    Expr::cust("state = 'pending'")
}

fn claimable(now: Timestamp) -> Condition {
    Condition::all()
        .add(pending())
        .add(delivery::Column::NextAttemptAt.lte(now.utc()))
        .add(
            Condition::any()
                .add(delivery::Column::LeaseUntil.is_null())
                .add(delivery::Column::LeaseUntil.lt(now.utc())),
        )
}

/// Enabled endpoints with at least one delivery to be sent now.
pub(crate) async fn endpoints_with_work<C: ConnectionTrait>(
    db: &C,
    now: Timestamp,
) -> Result<Vec<endpoint::Model>, DbErr> {
    let work = delivery::Entity::find()
        .select_only()
        .column(delivery::Column::Id)
        .filter(sea_orm::ExprTrait::equals(
            Expr::col((delivery::Entity, delivery::Column::Endpoint)),
            (endpoint::Entity, endpoint::Column::Id),
        ))
        .filter(claimable(now))
        .into_query();
    let left_alone = Condition::any()
        .add(endpoint::Column::ThrottledUntil.is_null())
        .add(endpoint::Column::ThrottledUntil.lte(now.utc()));
    // What happens meanwhile waits, and is sent when the tenant is active again.
    let held = Condition::all()
        .add(endpoint::Column::Environment.eq(Environment::Production.as_str()))
        .add(endpoint::Column::Tenant.in_subquery(super::standing::suspended()));
    endpoint::Entity::find()
        .filter(endpoint::Column::Enabled.eq(true))
        .filter(left_alone)
        .filter(held.not())
        .filter(Expr::exists(work))
        .order_by_asc(endpoint::Column::Id)
        .all(db)
        .await
}

/// What the dispatcher needs to know of a delivery.
pub(crate) struct Claimed {
    pub id: Uuid,
    pub event: Uuid,
    /// The number of the attempt that is about to begin.
    pub attempts: i32,
}

/// Leases up to `limit` due deliveries of an endpoint and counts the attempt that is about to begin. Where another process has
/// chosen some at this moment, it passes those over.
pub(crate) async fn claim(
    txn: &DatabaseTransaction,
    endpoint: Uuid,
    limit: u64,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Vec<Claimed>, DbErr> {
    let due = delivery::Entity::find()
        .select_only()
        .column(delivery::Column::Id)
        .filter(delivery::Column::Endpoint.eq(endpoint))
        .filter(claimable(now))
        .order_by_asc(delivery::Column::NextAttemptAt)
        .order_by_asc(delivery::Column::Id)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let mut update = delivery::Entity::update_many()
        .col_expr(
            delivery::Column::LeaseUntil,
            Expr::value(Some(lease_until.utc())),
        )
        .col_expr(
            delivery::Column::Attempts,
            sea_orm::ExprTrait::add(Expr::col(delivery::Column::Attempts), 1),
        )
        .filter(delivery::Column::Id.in_subquery(due))
        .filter(claimable(now))
        .into_query();
    // Three columns of thirteen: reading the others would cost more than the claim.
    update.returning(Query::returning().columns([
        delivery::Column::Id,
        delivery::Column::Event,
        delivery::Column::Attempts,
    ]));
    let rows = txn.query_all(&update).await?;
    let mut claimed = rows
        .iter()
        .map(|row| {
            Ok(Claimed {
                id: row.try_get("", "id")?,
                event: row.try_get("", "event")?,
                attempts: row.try_get("", "attempts")?,
            })
        })
        .collect::<Result<Vec<_>, DbErr>>()?;
    // The statement gives them in no order; ids grow with time.
    claimed.sort_unstable_by_key(|row| row.id);
    Ok(claimed)
}

/// Gives claimed deliveries back that were not begun: the attempt is not counted, and they are due as before.
pub(crate) async fn release(txn: &DatabaseTransaction, ids: &[Uuid]) -> Result<(), DbErr> {
    for chunk in ids.chunks(CHUNK) {
        delivery::Entity::update_many()
            .col_expr(delivery::Column::LeaseUntil, Expr::value(Moment::None))
            .col_expr(
                delivery::Column::Attempts,
                sea_orm::ExprTrait::sub(Expr::col(delivery::Column::Attempts), 1),
            )
            .filter(delivery::Column::Id.is_in(padded(chunk.iter().copied())))
            .filter(delivery::Column::State.eq(PENDING))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// The messages of the events with these ids.
pub(crate) async fn bodies<C: ConnectionTrait>(
    db: &C,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, String)>, DbErr> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let part = event::Entity::find()
            .select_only()
            .columns([event::Column::Id, event::Column::Body])
            .filter(event::Column::Id.is_in(padded(chunk.iter().copied())))
            .into_tuple()
            .all(db)
            .await?;
        found.extend::<Vec<(Uuid, String)>>(part);
    }
    Ok(found)
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, FromQueryResult)]
pub(crate) struct Standing {
    pub id: Uuid,
    /// Attempts begun.
    pub attempts: i32,
    /// Those of earlier rounds.
    pub round_start: i32,
    /// Since when it could have been told, where that is still to be measured.
    pub published_at: Moment,
}

/// Where the deliveries with these ids stand. They stay so until the transaction ends.
pub(crate) async fn standing(
    txn: &DatabaseTransaction,
    ids: &[Uuid],
) -> Result<Vec<Standing>, DbErr> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let part = delivery::Entity::find()
            .select_only()
            .columns([
                delivery::Column::Id,
                delivery::Column::Attempts,
                delivery::Column::RoundStart,
                delivery::Column::PublishedAt,
            ])
            .filter(delivery::Column::Id.is_in(padded(chunk.iter().copied())))
            .order_by_asc(delivery::Column::Id)
            .lock(LockType::NoKeyUpdate)
            .into_model::<Standing>()
            .all(txn)
            .await?;
        found.extend(part);
    }
    Ok(found)
}

/// The endpoints with these ids, which nobody else changes until the transaction ends. Locked in one order, and before their
/// deliveries, as their deletion does: nobody waits in a circle.
pub(crate) async fn endpoints(
    txn: &DatabaseTransaction,
    ids: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<endpoint::Model>, DbErr> {
    endpoint::Entity::find()
        .filter(endpoint::Column::Id.is_in(ids))
        .order_by_asc(endpoint::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(txn)
        .await
}

/// Writes attempts down. One that is already there is the same attempt.
pub(crate) async fn record_attempts(
    txn: &DatabaseTransaction,
    rows: Vec<attempt::Model>,
) -> Result<(), DbErr> {
    let models = rows.into_iter().map(IntoActiveModel::into_active_model);
    warikan_rows::insert(txn, models.collect(), Known::Kept).await?;
    Ok(())
}

/// Marks deliveries as arrived.
pub(crate) async fn mark_delivered(
    txn: &DatabaseTransaction,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<(), DbErr> {
    for chunk in ids.chunks(CHUNK) {
        delivery::Entity::update_many()
            .col_expr(delivery::Column::State, Expr::value(DELIVERED))
            .col_expr(delivery::Column::LeaseUntil, Expr::value(Moment::None))
            .col_expr(delivery::Column::FinishedAt, Expr::value(Some(now.utc())))
            .col_expr(delivery::Column::PublishedAt, Expr::value(Moment::None))
            .filter(delivery::Column::Id.is_in(padded(chunk.iter().copied())))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Writes down what follows from a failed attempt: the next one, or the end.
pub(crate) async fn mark_unsuccessful(
    txn: &DatabaseTransaction,
    id: Uuid,
    state: &'static str,
    next_attempt_at: Timestamp,
    finished_at: Option<Timestamp>,
) -> Result<(), DbErr> {
    delivery::Entity::update(delivery::ActiveModel {
        id: Set(id),
        state: Set(state.to_owned()),
        next_attempt_at: Set(next_attempt_at.utc()),
        lease_until: Set(None),
        finished_at: Set(finished_at.map(Timestamp::utc)),
        ..sea_orm::ActiveModelTrait::default()
    })
    .exec(txn)
    .await?;
    Ok(())
}

/// Writes the dispatcher's view of an endpoint's health back, and nothing else of the row.
pub(crate) async fn set_health(
    txn: &DatabaseTransaction,
    row: &endpoint::Model,
) -> Result<(), DbErr> {
    endpoint::Entity::update(endpoint::ActiveModel {
        id: Set(row.id),
        enabled: Set(row.enabled),
        disabled_cause: Set(row.disabled_cause.clone()),
        disabled_at: Set(row.disabled_at),
        failing_since: Set(row.failing_since),
        last_failed_at: Set(row.last_failed_at),
        throttled_until: Set(row.throttled_until),
        throttle_step: Set(row.throttle_step),
        ..sea_orm::ActiveModelTrait::default()
    })
    .exec(txn)
    .await?;
    Ok(())
}
