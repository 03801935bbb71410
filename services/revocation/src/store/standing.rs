//! Where tenants stand.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, OnConflict, SelectStatement},
};
use uuid::Uuid;
use warikan_contracts::facts::{TenantChanged, TenantState};
use warikan_types::TenantId;

use super::CHUNK;
use crate::entity::{tenant_standing, watch};

/// Takes a change over. Of two the higher revision counts, in whichever order they come.
pub(crate) async fn change<C: ConnectionTrait>(db: &C, fact: &TenantChanged) -> Result<(), DbErr> {
    let known = Expr::col((tenant_standing::Entity, tenant_standing::Column::Revision));
    let newer = sea_orm::ExprTrait::lt(known, fact.revision);
    tenant_standing::Entity::insert(tenant_standing::ActiveModel {
        tenant: Set(fact.tenant.uuid()),
        state: Set(fact.state.as_str().to_owned()),
        revision: Set(fact.revision),
    })
    .on_conflict(
        OnConflict::column(tenant_standing::Column::Tenant)
            .update_columns([
                tenant_standing::Column::State,
                tenant_standing::Column::Revision,
            ])
            .action_and_where(newer)
            .to_owned(),
    )
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// The tenants that are suspended.
pub(crate) fn suspended() -> SelectStatement {
    tenant_standing::Entity::find()
        .select_only()
        .column(tenant_standing::Column::Tenant)
        .filter(tenant_standing::Column::State.eq(TenantState::Suspended.as_str()))
        .into_query()
}

/// The tenants that are closed.
pub(crate) async fn closed<C: ConnectionTrait>(db: &C) -> Result<Vec<TenantId>, DbErr> {
    let ids: Vec<Uuid> = tenant_standing::Entity::find()
        .select_only()
        .column(tenant_standing::Column::Tenant)
        .filter(tenant_standing::Column::State.eq(TenantState::Closed.as_str()))
        .order_by_asc(tenant_standing::Column::Tenant)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// Some of a closed tenant's watches that are not emptied yet.
pub(crate) async fn some_watches<C: ConnectionTrait>(
    db: &C,
    tenant: TenantId,
) -> Result<Vec<Uuid>, DbErr> {
    watch::Entity::find()
        .select_only()
        .column(watch::Column::Id)
        .filter(watch::Column::Tenant.eq(tenant.uuid()))
        .filter(watch::Column::Issuer.ne(String::new()))
        .limit(CHUNK as u64)
        .into_tuple()
        .all(db)
        .await
}
