//! Look-ups that tenants asked for.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;
use warikan_types::{CertificateHandle, TenantScope};

use crate::entity::status_check;

/// Keeps one.
pub(crate) async fn insert<C: ConnectionTrait>(
    db: &C,
    row: status_check::Model,
) -> Result<(), DbErr> {
    status_check::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// A page of the tenant's look-ups of one certificate.
pub(crate) async fn page<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    handle: CertificateHandle,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<status_check::Model>, DbErr> {
    let mut query = status_check::Entity::find()
        .filter(status_check::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(status_check::Column::Environment.eq(scope.environment().as_str()))
        .filter(status_check::Column::Handle.eq(handle.uuid()));
    if let Some(after) = after {
        query = query.filter(status_check::Column::Id.gt(after));
    }
    query
        .order_by_asc(status_check::Column::Id)
        .limit(limit)
        .all(db)
        .await
}
