//! Where tenants stand.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, OnConflict, SelectStatement},
};
use warikan_contracts::facts::{TenantChanged, TenantState};

use crate::entity::tenant_standing;

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
