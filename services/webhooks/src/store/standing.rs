//! Where tenants stand.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, OnConflict, SelectStatement},
};
use uuid::Uuid;
use warikan_contracts::facts::{TenantChanged, TenantState};
use warikan_types::Timestamp;

use crate::entity::tenant_standing;

/// Takes a change over. Of two the higher revision counts, in whichever order they come.
pub(crate) async fn change<C: ConnectionTrait>(
    db: &C,
    fact: &TenantChanged,
    now: Timestamp,
) -> Result<(), DbErr> {
    let known = Expr::col((tenant_standing::Entity, tenant_standing::Column::Revision));
    let newer = sea_orm::ExprTrait::lt(known, fact.revision);
    tenant_standing::Entity::insert(tenant_standing::ActiveModel {
        tenant: Set(fact.tenant.uuid()),
        state: Set(fact.state.as_str().to_owned()),
        revision: Set(fact.revision),
        since: Set(Some(now.utc())),
    })
    .on_conflict(
        OnConflict::column(tenant_standing::Column::Tenant)
            .update_columns([
                tenant_standing::Column::State,
                tenant_standing::Column::Revision,
                tenant_standing::Column::Since,
            ])
            .action_and_where(newer)
            .to_owned(),
    )
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// Whether something may wait in a tenant's feed of production that is older than usual: it is suspended, or became active after this
/// moment.
pub(crate) async fn is_owed<C: ConnectionTrait>(
    db: &C,
    tenant: Uuid,
    after: Timestamp,
) -> Result<bool, DbErr> {
    let row = tenant_standing::Entity::find_by_id(tenant).one(db).await?;
    Ok(row.is_some_and(|row| {
        row.state == TenantState::Suspended.as_str()
            || (row.state == TenantState::Active.as_str()
                && row.since.is_some_and(|since| since > after.utc()))
    }))
}

/// The tenants that are suspended.
pub(crate) fn suspended() -> SelectStatement {
    tenant_standing::Entity::find()
        .select_only()
        .column(tenant_standing::Column::Tenant)
        .filter(tenant_standing::Column::State.eq(TenantState::Suspended.as_str()))
        .into_query()
}
