//! What tenants have been told: that certificates end soon, that lists are stale.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_types::{Environment, Id, TenantScope, Timestamp};

use super::CHUNK;
use crate::entity::{source_notice, watch};

/// Watches that are neither ended nor flagged, whose certificates end between two moments and whose tenants have not been told;
/// those that end first, at most [`CHUNK`].
pub(crate) async fn expiring<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<watch::Model>, DbErr> {
    watch::Entity::find()
        .filter(watch::Column::Environment.eq(environment.as_str()))
        .filter(watch::Column::NotAfter.gte(from.utc()))
        .filter(watch::Column::NotAfter.lt(to.utc()))
        .filter(watch::Column::EndedAt.is_null())
        .filter(watch::Column::FlaggedAt.is_null())
        .filter(watch::Column::ExpiringToldAt.is_null())
        .order_by_asc(watch::Column::NotAfter)
        .limit(CHUNK as u64)
        .all(db)
        .await
}

/// Remembers that the tenants of these watches were told.
pub(crate) async fn told_expiring<C: ConnectionTrait>(
    db: &C,
    watches: &[Uuid],
    now: Timestamp,
) -> Result<(), DbErr> {
    for chunk in watches.chunks(CHUNK) {
        watch::Entity::update_many()
            .col_expr(watch::Column::ExpiringToldAt, Expr::value(Some(now.utc())))
            .filter(watch::Column::Id.is_in(chunk.iter().copied()))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// The tenants with watches in the environment that have not ended.
pub(crate) async fn watching<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
) -> Result<Vec<Uuid>, DbErr> {
    watch::Entity::find()
        .select_only()
        .column(watch::Column::Tenant)
        .distinct()
        .filter(watch::Column::Environment.eq(environment.as_str()))
        .filter(watch::Column::EndedAt.is_null())
        .into_tuple()
        .all(db)
        .await
}

/// The tenants that were told that the environment's lists are stale, and since when they were.
pub(crate) async fn told_stale<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
) -> Result<Vec<(TenantScope, Timestamp)>, DbErr> {
    Ok(source_notice::Entity::find()
        .filter(source_notice::Column::Environment.eq(environment.as_str()))
        .order_by_asc(source_notice::Column::Tenant)
        .all(db)
        .await?
        .into_iter()
        .map(|row| {
            let scope = TenantScope::of_event(Id::from_uuid(row.tenant), environment);
            (scope, Timestamp::new(row.since))
        })
        .collect())
}

/// Remembers that a tenant was told; `false` where another run was quicker.
pub(crate) async fn tell_stale<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    since: Timestamp,
) -> Result<bool, DbErr> {
    let inserted = source_notice::Entity::insert(source_notice::ActiveModel {
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        since: Set(since.utc()),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(db)
    .await?;
    Ok(inserted == 1)
}

/// Forgets that a tenant was told; `false` where another run was quicker.
pub(crate) async fn tell_recovered<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
) -> Result<bool, DbErr> {
    let key = (
        scope.tenant().uuid(),
        scope.environment().as_str().to_owned(),
    );
    let gone = source_notice::Entity::delete_by_id(key).exec(db).await?;
    Ok(gone.rows_affected == 1)
}
