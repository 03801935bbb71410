//! The feed's rows.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Alias, Expr, OnConflict},
};
use uuid::Uuid;
use warikan_rows::{Known, padded};
use warikan_types::{TenantScope, Timestamp};

use super::environment;
use crate::{
    catalogue::EventType,
    entity::{event, feed_head},
};

/// Feeds per statement: SQLite takes 32,766 parameters.
const CHUNK: usize = 2_000;

/// Takes so many numbers in each of these feeds; gives the first of each. The rows stay locked until the transaction ends, so
/// numbers are given in order of commit. They are taken in the order of the map, so that two transactions cannot wait for each
/// other.
pub(crate) async fn claim_sequences(
    txn: &DatabaseTransaction,
    counts: &BTreeMap<(Uuid, &str), i64>,
) -> Result<HashMap<(Uuid, String), i64>, DbErr> {
    let rows: Vec<feed_head::ActiveModel> = counts
        .iter()
        .map(|((tenant, environment), count)| feed_head::ActiveModel {
            tenant: Set(*tenant),
            environment: Set((*environment).to_owned()),
            last_sequence: Set(*count),
            first_sequence: Set(1),
        })
        .collect();
    let mut first = HashMap::with_capacity(rows.len());
    for chunk in rows.chunks(CHUNK) {
        let moved = sea_orm::ExprTrait::add(
            Expr::col((feed_head::Entity, feed_head::Column::LastSequence)),
            Expr::col((Alias::new("excluded"), feed_head::Column::LastSequence)),
        );
        let heads = feed_head::Entity::insert_many(chunk.to_vec())
            .on_conflict(
                OnConflict::columns([feed_head::Column::Tenant, feed_head::Column::Environment])
                    .value(feed_head::Column::LastSequence, moved)
                    .to_owned(),
            )
            .exec_with_returning(txn)
            .await?;
        for head in heads {
            let count = counts.get(&(head.tenant, head.environment.as_str()));
            let start = head.last_sequence - count.copied().unwrap_or(0) + 1;
            first.insert((head.tenant, head.environment), start);
        }
    }
    Ok(first)
}

/// Gives back the last numbers that the same transaction took.
pub(crate) async fn give_back(
    txn: &DatabaseTransaction,
    counts: &BTreeMap<(Uuid, &str), i64>,
) -> Result<(), DbErr> {
    for ((tenant, environment), count) in counts {
        let last = feed_head::Column::LastSequence;
        feed_head::Entity::update_many()
            .col_expr(last, sea_orm::ExprTrait::sub(Expr::col(last), *count))
            .filter(feed_head::Column::Tenant.eq(*tenant))
            .filter(feed_head::Column::Environment.eq(*environment))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Which of these events are in a feed.
pub(crate) async fn known(
    txn: &DatabaseTransaction,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashSet<Uuid>, DbErr> {
    let rows: Vec<Uuid> = event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(event::Column::Id.is_in(padded(ids)))
        .into_tuple()
        .all(txn)
        .await?;
    Ok(rows.into_iter().collect())
}

pub(crate) async fn insert(txn: &DatabaseTransaction, rows: &[event::Model]) -> Result<(), DbErr> {
    let models = rows.iter().cloned().map(IntoActiveModel::into_active_model);
    warikan_rows::insert(txn, models.collect(), Known::Refused).await?;
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
