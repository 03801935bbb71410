//! The only place that asks the database.

pub(crate) mod assertions;
pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod token_keys;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_contracts::facts::TenantState;
use warikan_types::TenantId;

use crate::{
    entity::{checklist, tenant},
    error::Error,
    tenant::ChecklistItem,
};

pub(crate) use crate::entity::{checklist::Model as ChecklistRow, tenant::Model as TenantRow};

pub(crate) async fn insert_tenant(on: &DatabaseTransaction, row: TenantRow) -> Result<(), DbErr> {
    tenant::Entity::insert(tenant::ActiveModel::from(row))
        .exec_without_returning(on)
        .await?;
    Ok(())
}

pub(crate) async fn tenant<C: ConnectionTrait>(on: &C, id: TenantId) -> Result<TenantRow, Error> {
    tenant::Entity::find_by_id(id.uuid())
        .one(on)
        .await?
        .ok_or(Error::NotFound)
}

/// The same, for a decision on its state: that stays as it is until the transaction ends.
pub(crate) async fn tenant_to_change(
    on: &DatabaseTransaction,
    id: TenantId,
) -> Result<TenantRow, Error> {
    tenant::Entity::find_by_id(id.uuid())
        .lock_exclusive()
        .one(on)
        .await?
        .ok_or(Error::NotFound)
}

pub(crate) async fn tenants(
    on: &DatabaseConnection,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<TenantRow>, DbErr> {
    let mut find = tenant::Entity::find();
    if let Some(after) = after {
        find = find.filter(tenant::Column::Id.gt(after));
    }
    find.order_by_asc(tenant::Column::Id)
        .limit(limit)
        .all(on)
        .await
}

/// The tenants that are suspended, and those that are closed.
pub(crate) async fn not_served(
    on: &DatabaseConnection,
) -> Result<(Vec<TenantId>, Vec<TenantId>), DbErr> {
    let in_state = |state: TenantState| {
        tenant::Entity::find()
            .select_only()
            .column(tenant::Column::Id)
            .filter(tenant::Column::State.eq(state.as_str()))
            .into_tuple::<Uuid>()
            .all(on)
    };
    let ids = |all: Vec<Uuid>| all.into_iter().map(TenantId::from_uuid).collect();
    Ok((
        ids(in_state(TenantState::Suspended).await?),
        ids(in_state(TenantState::Closed).await?),
    ))
}

pub(crate) async fn set_state(
    on: &DatabaseTransaction,
    id: TenantId,
    state: TenantState,
    revision: i64,
) -> Result<(), DbErr> {
    tenant::Entity::update_many()
        .filter(tenant::Column::Id.eq(id.uuid()))
        .col_expr(tenant::Column::State, Expr::value(state.as_str()))
        .col_expr(tenant::Column::Revision, Expr::value(revision))
        .exec(on)
        .await?;
    Ok(())
}

pub(crate) async fn set_particulars(
    on: &DatabaseTransaction,
    id: TenantId,
    particulars: &str,
) -> Result<(), DbErr> {
    tenant::Entity::update_many()
        .filter(tenant::Column::Id.eq(id.uuid()))
        .col_expr(tenant::Column::Particulars, Expr::value(particulars))
        .exec(on)
        .await?;
    Ok(())
}

pub(crate) async fn checklist<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
) -> Result<Vec<ChecklistRow>, DbErr> {
    checklist::Entity::find()
        .filter(checklist::Column::Tenant.eq(tenant.uuid()))
        .order_by_asc(checklist::Column::Item)
        .all(on)
        .await
}

pub(crate) fn items(rows: &[ChecklistRow]) -> Vec<ChecklistItem> {
    rows.iter()
        .filter_map(|row| ChecklistItem::from_word(&row.item))
        .collect()
}

/// Records an item; a later record of the same item replaces the earlier one.
pub(crate) async fn record_item(on: &DatabaseTransaction, row: ChecklistRow) -> Result<(), DbErr> {
    checklist::Entity::insert(checklist::ActiveModel::from(row))
        .on_conflict(
            OnConflict::columns([checklist::Column::Tenant, checklist::Column::Item])
                .update_columns([
                    checklist::Column::Evidence,
                    checklist::Column::Dated,
                    checklist::Column::RecordedAt,
                    checklist::Column::RecordedBy,
                ])
                .to_owned(),
        )
        .exec_without_returning(on)
        .await?;
    Ok(())
}
