//! The feed's rows.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_types::{TenantScope, Timestamp};

use super::environment;
use crate::{
    catalogue::EventType,
    entity::{event, feed_head},
};

/// Takes the next number. The row stays locked until the transaction ends, so numbers are given in order of commit.
pub(crate) async fn next_sequence(
    scope: TenantScope,
    txn: &DatabaseTransaction,
) -> Result<i64, DbErr> {
    let next = sea_orm::ExprTrait::add(
        Expr::col((feed_head::Entity, feed_head::Column::LastSequence)),
        1,
    );
    let head = feed_head::Entity::insert(feed_head::ActiveModel {
        tenant: Set(scope.tenant().uuid()),
        environment: Set(environment(scope).to_owned()),
        last_sequence: Set(1),
        first_sequence: Set(1),
    })
    .on_conflict(
        OnConflict::columns([feed_head::Column::Tenant, feed_head::Column::Environment])
            .value(feed_head::Column::LastSequence, next)
            .to_owned(),
    )
    .exec_with_returning(txn)
    .await?;
    Ok(head.last_sequence)
}

pub(crate) async fn insert(txn: &DatabaseTransaction, row: event::Model) -> Result<(), DbErr> {
    event::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// The oldest number that is kept, and the last one given; 1 and 0 for an empty feed.
pub(crate) async fn ends<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
) -> Result<(i64, i64), DbErr> {
    let key = (scope.tenant().uuid(), environment(scope).to_owned());
    let head = feed_head::Entity::find_by_id(key).one(db).await?;
    Ok(head.map_or((1, 0), |head| (head.first_sequence, head.last_sequence)))
}

fn of(scope: TenantScope) -> sea_orm::Select<event::Entity> {
    event::Entity::find()
        .filter(event::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(event::Column::Environment.eq(environment(scope)))
}

/// One event of this feed.
pub(crate) async fn event<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Uuid,
) -> Result<Option<event::Model>, DbErr> {
    of(scope).filter(event::Column::Id.eq(id)).one(db).await
}

/// Events after one number and up to another, in order; `types` empty for all.
pub(crate) async fn between<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    after: i64,
    up_to: i64,
    types: &[EventType],
    limit: u64,
) -> Result<Vec<event::Model>, DbErr> {
    let mut query = of(scope)
        .filter(event::Column::Sequence.gt(after))
        .filter(event::Column::Sequence.lte(up_to));
    if !types.is_empty() {
        query = query.filter(event::Column::EventType.is_in(types.iter().map(|one| one.as_str())));
    }
    query
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .all(db)
        .await
}

/// The ids, types and numbers of events that became true in a range of time, in order, after a number.
pub(crate) async fn in_time<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    range: (Timestamp, Timestamp),
    after: i64,
    limit: u64,
) -> Result<Vec<(Uuid, String, i64)>, DbErr> {
    of(scope)
        .select_only()
        .columns([
            event::Column::Id,
            event::Column::EventType,
            event::Column::Sequence,
        ])
        .filter(event::Column::OccurredAt.gte(range.0.utc()))
        .filter(event::Column::OccurredAt.lt(range.1.utc()))
        .filter(event::Column::Sequence.gt(after))
        .order_by_asc(event::Column::Sequence)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}
