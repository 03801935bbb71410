//! Which watches have not been metered in a month.

use std::collections::HashSet;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;
use warikan_types::{BillingMonth, Environment, Id, TenantScope};

use super::{CHUNK, environment_of};
use crate::entity::{crl_partition, watch};

/// Lists that a sync found in force in the month: (environment, issuer, partition).
pub(crate) async fn confirmed<C: ConnectionTrait>(
    db: &C,
    month: BillingMonth,
) -> Result<HashSet<(String, String, String)>, DbErr> {
    Ok(crl_partition::Entity::find()
        .filter(crl_partition::Column::ConfirmedMonth.eq(month.to_string()))
        .all(db)
        .await?
        .into_iter()
        .map(|row| (row.environment, row.issuer, row.partition))
        .collect())
}

/// Not ended, not metered for the month, and not flagged before it began: what was revoked in an earlier month needs no
/// checking in this one.
fn due(month: BillingMonth) -> Condition {
    Condition::all()
        .add(watch::Column::MeteredMonth.ne(month.to_string()))
        .add(watch::Column::EndedAt.is_null())
        .add(
            Condition::any()
                .add(watch::Column::FlaggedAt.is_null())
                .add(watch::Column::FlaggedAt.gte(month.start().utc())),
        )
}

/// A suspended tenant's watches in production: its certificates are not confirmed for anybody, and so not metered.
fn resting() -> Condition {
    Condition::all()
        .add(watch::Column::Environment.eq(Environment::Production.as_str()))
        .add(watch::Column::Tenant.in_subquery(super::standing::suspended()))
}

/// The tenants with watches that are due.
pub(crate) async fn tenants_due<C: ConnectionTrait>(
    db: &C,
    month: BillingMonth,
) -> Result<Vec<TenantScope>, DbErr> {
    let rows: Vec<(Uuid, String)> = watch::Entity::find()
        .select_only()
        .column(watch::Column::Tenant)
        .column(watch::Column::Environment)
        .distinct()
        .filter(due(month))
        .filter(resting().not())
        .into_tuple()
        .all(db)
        .await?;
    rows.into_iter()
        .map(|(tenant, environment)| {
            let environment = environment_of(&environment)?;
            Ok(TenantScope::of_event(Id::from_uuid(tenant), environment))
        })
        .collect()
}

/// The tenant's watches that are due, after an id, at most [`CHUNK`]. Nobody else meters them before the transaction ends.
pub(crate) async fn watches_due(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    month: BillingMonth,
    after: Option<Uuid>,
) -> Result<Vec<watch::Model>, DbErr> {
    let mut query = watch::Entity::find()
        .filter(watch::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(watch::Column::Environment.eq(scope.environment().as_str()))
        .filter(due(month));
    if let Some(after) = after {
        query = query.filter(watch::Column::Id.gt(after));
    }
    query
        .order_by_asc(watch::Column::Id)
        .limit(CHUNK as u64)
        .lock_exclusive()
        .all(txn)
        .await
}

/// Marks watches as metered; how many were not yet.
pub(crate) async fn mark<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    month: BillingMonth,
    watches: &[Uuid],
) -> Result<u64, DbErr> {
    watch::Entity::update_many()
        .col_expr(watch::Column::MeteredMonth, Expr::value(month.to_string()))
        .filter(watch::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(watch::Column::Environment.eq(scope.environment().as_str()))
        .filter(watch::Column::Id.is_in(watches.iter().copied()))
        .filter(watch::Column::MeteredMonth.ne(month.to_string()))
        .exec(db)
        .await
        .map(|done| done.rows_affected)
}
