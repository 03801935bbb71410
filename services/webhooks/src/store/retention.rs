//! Removing what was kept long enough.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, sea_query::Expr,
};
use uuid::Uuid;
use warikan_types::Timestamp;

use crate::entity::{attempt, delivery, endpoint, event, feed_head};

/// All feeds.
pub(crate) async fn heads<C: ConnectionTrait>(db: &C) -> Result<Vec<feed_head::Model>, DbErr> {
    feed_head::Entity::find().all(db).await
}

fn of(head: &feed_head::Model) -> sea_orm::Select<event::Entity> {
    event::Entity::find()
        .filter(event::Column::Tenant.eq(head.tenant))
        .filter(event::Column::Environment.eq(head.environment.clone()))
}

/// The number before which nothing of a feed is as young as `cutoff`: what lies in front of it may go. A feed loses a whole
/// beginning and never something from its middle, even where an old fact came late.
pub(crate) async fn first_young<C: ConnectionTrait>(
    db: &C,
    head: &feed_head::Model,
    cutoff: Timestamp,
) -> Result<i64, DbErr> {
    let young = of(head)
        .filter(event::Column::Sequence.gte(head.first_sequence))
        .filter(event::Column::OccurredAt.gte(cutoff.utc()))
        .order_by_asc(event::Column::Sequence)
        .one(db)
        .await?;
    Ok(young.map_or(head.last_sequence + 1, |event| event.sequence))
}

/// Removes the oldest events of a feed in front of a number, `limit` at most, with their deliveries and attempts, and moves the
/// feed's beginning behind them. Returns how many events went.
pub(crate) async fn cut(
    txn: &DatabaseTransaction,
    head: &feed_head::Model,
    before: i64,
    limit: u64,
) -> Result<usize, DbErr> {
    let rows: Vec<(Uuid, i64)> = of(head)
        .select_only()
        .columns([event::Column::Id, event::Column::Sequence])
        .filter(event::Column::Sequence.lt(before))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_tuple()
        .all(txn)
        .await?;
    let Some((_, last)) = rows.last() else {
        return Ok(0);
    };
    let ids: Vec<Uuid> = rows.iter().map(|(id, _)| *id).collect();
    // Through the endpoints, because deliveries are found by endpoint and event.
    let endpoints = endpoint::Entity::find()
        .select_only()
        .column(endpoint::Column::Id)
        .filter(endpoint::Column::Tenant.eq(head.tenant))
        .into_query();
    let theirs = Condition::all()
        .add(delivery::Column::Endpoint.in_subquery(endpoints))
        .add(delivery::Column::Event.is_in(ids.iter().copied()));
    let deliveries = delivery::Entity::find()
        .select_only()
        .column(delivery::Column::Id)
        .filter(theirs.clone())
        .into_query();
    attempt::Entity::delete_many()
        .filter(attempt::Column::Delivery.in_subquery(deliveries))
        .exec(txn)
        .await?;
    delivery::Entity::delete_many()
        .filter(theirs)
        .exec(txn)
        .await?;
    event::Entity::delete_many()
        .filter(event::Column::Id.is_in(ids))
        .exec(txn)
        .await?;
    feed_head::Entity::update_many()
        .col_expr(feed_head::Column::FirstSequence, Expr::value(last + 1))
        .filter(feed_head::Column::Tenant.eq(head.tenant))
        .filter(feed_head::Column::Environment.eq(head.environment.clone()))
        .exec(txn)
        .await?;
    Ok(rows.len())
}
