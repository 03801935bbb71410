//! Deliveries and attempts as a tenant sees them.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;
use warikan_rows::Known;
use warikan_types::{Delivery, Endpoint, Id, TenantScope, Timestamp};

use super::environment;
use crate::entity::{attempt, delivery};

pub(crate) const PENDING: &str = "pending";
pub(crate) const DELIVERED: &str = "delivered";
pub(crate) const FAILED: &str = "failed";

fn of(scope: TenantScope) -> sea_orm::Select<delivery::Entity> {
    delivery::Entity::find()
        .filter(delivery::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(delivery::Column::Environment.eq(environment(scope)))
}

/// Inserts deliveries; one that is already there (same endpoint and event) stays as it is.
pub(crate) async fn insert(
    txn: &DatabaseTransaction,
    rows: Vec<delivery::Model>,
) -> Result<(), DbErr> {
    let models = rows.into_iter().map(IntoActiveModel::into_active_model);
    warikan_rows::insert(txn, models.collect(), Known::Kept).await?;
    Ok(())
}

pub(crate) async fn find<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Delivery>,
) -> Result<Option<delivery::Model>, DbErr> {
    of(scope)
        .filter(delivery::Column::Id.eq(id.uuid()))
        .one(db)
        .await
}

pub(crate) async fn list<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    endpoint: Id<Endpoint>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<delivery::Model>, DbErr> {
    let mut query = of(scope).filter(delivery::Column::Endpoint.eq(endpoint.uuid()));
    if let Some(after) = after {
        query = query.filter(delivery::Column::Id.gt(after));
    }
    query
        .order_by_asc(delivery::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// The attempts of deliveries that the caller has read under its own scope, in order.
pub(crate) async fn attempts<C: ConnectionTrait>(
    db: &C,
    deliveries: &[delivery::Model],
) -> Result<Vec<attempt::Model>, DbErr> {
    attempt::Entity::find()
        .filter(attempt::Column::Delivery.is_in(deliveries.iter().map(|row| row.id)))
        .order_by_asc(attempt::Column::Delivery)
        .order_by_asc(attempt::Column::Number)
        .all(db)
        .await
}

/// Makes deliveries of one endpoint due now and starts their ladder anew, whatever became of them before.
pub(crate) async fn reopen(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    endpoint: Uuid,
    events: &[Uuid],
    now: Timestamp,
) -> Result<(), DbErr> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value(PENDING))
        .col_expr(
            delivery::Column::RoundStart,
            Expr::col(delivery::Column::Attempts),
        )
        .col_expr(delivery::Column::NextAttemptAt, Expr::value(now.utc()))
        .col_expr(
            delivery::Column::FinishedAt,
            Expr::value(Option::<chrono::DateTime<chrono::Utc>>::None),
        )
        .filter(delivery::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(delivery::Column::Environment.eq(environment(scope)))
        .filter(delivery::Column::Endpoint.eq(endpoint))
        .filter(delivery::Column::Event.is_in(events.iter().copied()))
        .exec(txn)
        .await?;
    Ok(())
}
