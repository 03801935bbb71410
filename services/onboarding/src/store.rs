//! The only file that asks the database.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_contracts::facts::TenantState;
use warikan_types::{Client, ClientScope, Id, Principal, TenantId, TenantScope, Timestamp};

use crate::{
    entity::{checklist, client, tenant},
    error::Error,
    tenant::ChecklistItem,
};

pub(crate) use crate::entity::{
    checklist::Model as ChecklistRow, client::Model as ClientRow, tenant::Model as TenantRow,
};

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

pub(crate) async fn insert_client<C: ConnectionTrait>(
    on: &C,
    principal: &Principal,
    secret_digest: Vec<u8>,
    at: Timestamp,
) -> Result<(), DbErr> {
    let scopes: Vec<&str> = principal
        .scopes
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    let row = client::ActiveModel {
        id: Set(principal.client.uuid()),
        tenant: Set(principal.tenant.map(|scope| scope.tenant().uuid())),
        environment: Set(principal
            .tenant
            .map(|scope| scope.environment().as_str().to_owned())),
        scopes: Set(scopes.join(" ")),
        secret_digest: Set(secret_digest),
        created_at: Set(at.utc()),
        revoked_at: Set(None),
        last_used_at: Set(None),
    };
    client::Entity::insert(row)
        .exec_without_returning(on)
        .await?;
    Ok(())
}

pub(crate) async fn client(
    on: &DatabaseConnection,
    id: Id<Client>,
) -> Result<Option<ClientRow>, DbErr> {
    client::Entity::find_by_id(id.uuid()).one(on).await
}

pub(crate) async fn clients(
    on: &DatabaseConnection,
    tenant: TenantId,
) -> Result<Vec<ClientRow>, DbErr> {
    client::Entity::find()
        .filter(client::Column::Tenant.eq(tenant.uuid()))
        .order_by_asc(client::Column::Id)
        .all(on)
        .await
}

pub(crate) async fn has_operator<C: ConnectionTrait>(on: &C) -> Result<bool, DbErr> {
    let one = client::Entity::find()
        .filter(client::Column::Tenant.is_null())
        .filter(client::Column::RevokedAt.is_null())
        .one(on)
        .await?;
    Ok(one.is_some())
}

/// Revokes a tenant's client; false where the tenant has no such client.
pub(crate) async fn revoke_client(
    on: &DatabaseConnection,
    tenant: TenantId,
    id: Id<Client>,
    at: Timestamp,
) -> Result<bool, DbErr> {
    let outcome = client::Entity::update_many()
        .filter(client::Column::Id.eq(id.uuid()))
        .filter(client::Column::Tenant.eq(tenant.uuid()))
        .col_expr(client::Column::RevokedAt, Expr::value(Some(at.utc())))
        .exec(on)
        .await?;
    Ok(outcome.rows_affected == 1)
}

pub(crate) async fn mark_used(
    on: &DatabaseConnection,
    id: Id<Client>,
    at: Timestamp,
) -> Result<(), DbErr> {
    client::Entity::update_many()
        .filter(client::Column::Id.eq(id.uuid()))
        .col_expr(client::Column::LastUsedAt, Expr::value(Some(at.utc())))
        .exec(on)
        .await?;
    Ok(())
}

/// Who a stored client is.
pub(crate) fn principal(row: &ClientRow) -> Result<Principal, Error> {
    let tenant = match (row.tenant, row.environment.as_deref()) {
        (Some(tenant), Some(word)) => {
            let environment = warikan_types::Environment::from_word(word)
                .ok_or(Error::Damaged("client.environment"))?;
            Some(TenantScope::of_event(
                TenantId::from_uuid(tenant),
                environment,
            ))
        }
        (None, None) => None,
        _ => return Err(Error::Damaged("client.tenant")),
    };
    Ok(Principal {
        client: Id::from_uuid(row.id),
        tenant,
        scopes: row
            .scopes
            .split_ascii_whitespace()
            .map(ClientScope::from_word)
            .collect::<Option<_>>()
            .ok_or(Error::Damaged("client.scopes"))?,
    })
}
