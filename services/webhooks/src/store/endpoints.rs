//! Endpoints' rows.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, LockType},
};
use uuid::Uuid;
use warikan_types::{Endpoint, Id, TenantId, TenantScope, Timestamp};

use super::environment;
use crate::entity::{attempt, delivery, endpoint};

fn of(scope: TenantScope) -> Select<endpoint::Entity> {
    endpoint::Entity::find()
        .filter(endpoint::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(endpoint::Column::Environment.eq(environment(scope)))
}

pub(crate) async fn find<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Endpoint>,
) -> Result<Option<endpoint::Model>, DbErr> {
    of(scope)
        .filter(endpoint::Column::Id.eq(id.uuid()))
        .one(db)
        .await
}

/// The same, for a change of it: nobody else changes it until the transaction ends.
pub(crate) async fn find_to_change(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    id: Id<Endpoint>,
) -> Result<Option<endpoint::Model>, DbErr> {
    of(scope)
        .filter(endpoint::Column::Id.eq(id.uuid()))
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await
}

pub(crate) async fn list<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<endpoint::Model>, DbErr> {
    let mut query = of(scope);
    if let Some(after) = after {
        query = query.filter(endpoint::Column::Id.gt(after));
    }
    query
        .order_by_asc(endpoint::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Tenants per statement.
const CHUNK: usize = 1_000;

/// Those of these tenants that get new events, in both environments. None is deleted before the transaction ends, or it would
/// leave deliveries behind.
pub(crate) async fn enabled(
    txn: &DatabaseTransaction,
    tenants: impl Iterator<Item = Uuid>,
) -> Result<Vec<endpoint::Model>, DbErr> {
    let tenants: BTreeSet<Uuid> = tenants.collect();
    let tenants: Vec<Uuid> = tenants.into_iter().collect();
    let mut found = Vec::new();
    for chunk in tenants.chunks(CHUNK) {
        let rows = endpoint::Entity::find()
            .filter(endpoint::Column::Tenant.is_in(chunk.iter().copied()))
            .filter(endpoint::Column::Enabled.eq(true))
            .order_by_asc(endpoint::Column::Id)
            .lock(LockType::KeyShare)
            .all(txn)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

pub(crate) async fn count<C: ConnectionTrait>(scope: TenantScope, db: &C) -> Result<u64, DbErr> {
    of(scope).count(db).await
}

pub(crate) async fn insert(txn: &DatabaseTransaction, row: endpoint::Model) -> Result<(), DbErr> {
    endpoint::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes a row back whole. The caller read it in the same write transaction.
pub(crate) async fn update(txn: &DatabaseTransaction, row: endpoint::Model) -> Result<(), DbErr> {
    endpoint::Entity::update(row.into_active_model().reset_all())
        .exec(txn)
        .await?;
    Ok(())
}

/// Removes an endpoint with its deliveries and their attempts; `false` where there is none.
pub(crate) async fn delete(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    id: Id<Endpoint>,
) -> Result<bool, DbErr> {
    let gone = endpoint::Entity::delete_many()
        .filter(endpoint::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(endpoint::Column::Environment.eq(environment(scope)))
        .filter(endpoint::Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?
        .rows_affected;
    if gone == 0 {
        return Ok(false);
    }
    let deliveries = delivery::Entity::find()
        .select_only()
        .column(delivery::Column::Id)
        .filter(delivery::Column::Endpoint.eq(id.uuid()))
        .into_query();
    attempt::Entity::delete_many()
        .filter(attempt::Column::Delivery.in_subquery(deliveries))
        .exec(txn)
        .await?;
    delivery::Entity::delete_many()
        .filter(delivery::Column::Endpoint.eq(id.uuid()))
        .exec(txn)
        .await?;
    Ok(true)
}

/// Disables what is still enabled of a tenant, in both environments.
pub(crate) async fn disable_all(
    txn: &DatabaseTransaction,
    tenant: TenantId,
    cause: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    endpoint::Entity::update_many()
        .col_expr(endpoint::Column::Enabled, Expr::value(false))
        .col_expr(
            endpoint::Column::DisabledCause,
            Expr::value(Some(cause.to_owned())),
        )
        .col_expr(endpoint::Column::DisabledAt, Expr::value(Some(now.utc())))
        .filter(endpoint::Column::Tenant.eq(tenant.uuid()))
        .filter(endpoint::Column::Enabled.eq(true))
        .exec(txn)
        .await?;
    Ok(())
}
