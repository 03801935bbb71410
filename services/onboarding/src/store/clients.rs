//! Credentials.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use warikan_types::{
    Client, ClientScope, Environment, Id, Principal, TenantId, TenantScope, Timestamp,
};

use crate::{audit::Chain, entity::client, error::Error};

pub(crate) use crate::entity::client::Model as ClientRow;

/// Whose credentials are meant.
#[derive(Clone, Copy)]
pub(crate) enum Holder {
    /// The operator.
    Operator,
    /// A tenant; with an environment, its credentials of that one alone.
    Tenant(TenantId, Option<Environment>),
}

impl Holder {
    fn condition(self) -> Condition {
        match self {
            Self::Operator => Condition::all().add(client::Column::Tenant.is_null()),
            Self::Tenant(tenant, environment) => Condition::all()
                .add(client::Column::Tenant.eq(tenant.uuid()))
                .add_option(environment.map(|one| client::Column::Environment.eq(one.as_str()))),
        }
    }
}

pub(crate) async fn insert<C: ConnectionTrait>(on: &C, row: ClientRow) -> Result<(), DbErr> {
    client::Entity::insert(client::ActiveModel::from(row))
        .exec_without_returning(on)
        .await?;
    Ok(())
}

pub(crate) async fn find<C: ConnectionTrait>(
    on: &C,
    id: Id<Client>,
) -> Result<Option<ClientRow>, DbErr> {
    client::Entity::find_by_id(id.uuid()).one(on).await
}

/// One of the holder's credentials, which stays as it is until the transaction ends.
pub(crate) async fn to_change(
    on: &DatabaseTransaction,
    holder: Holder,
    id: Id<Client>,
) -> Result<ClientRow, Error> {
    client::Entity::find_by_id(id.uuid())
        .filter(holder.condition())
        .lock_exclusive()
        .one(on)
        .await?
        .ok_or(Error::NotFound)
}

pub(crate) async fn of<C: ConnectionTrait>(
    on: &C,
    holder: Holder,
) -> Result<Vec<ClientRow>, DbErr> {
    client::Entity::find()
        .filter(holder.condition())
        .order_by_asc(client::Column::Id)
        .all(on)
        .await
}

/// How many of the holder's credentials are not revoked.
pub(crate) async fn count_open<C: ConnectionTrait>(on: &C, holder: Holder) -> Result<u64, DbErr> {
    client::Entity::find()
        .filter(holder.condition())
        .filter(client::Column::RevokedAt.is_null())
        .count(on)
        .await
}

/// How many credentials the holder ever had.
pub(crate) async fn count_all<C: ConnectionTrait>(on: &C, holder: Holder) -> Result<u64, DbErr> {
    client::Entity::find()
        .filter(holder.condition())
        .count(on)
        .await
}

/// How many of the operator's accounts may do everything and have no end, beside one.
pub(crate) async fn count_other_admins<C: ConnectionTrait>(
    on: &C,
    beside: Id<Client>,
) -> Result<u64, DbErr> {
    client::Entity::find()
        .filter(Holder::Operator.condition())
        .filter(client::Column::Id.ne(beside.uuid()))
        .filter(client::Column::Scopes.eq(ClientScope::Operator.as_str()))
        .filter(client::Column::RevokedAt.is_null())
        .filter(client::Column::ExpiresAt.is_null())
        .count(on)
        .await
}

/// The credentials that were revoked at this moment or later.
pub(crate) async fn revoked_since<C: ConnectionTrait>(
    on: &C,
    since: Timestamp,
) -> Result<Vec<Id<Client>>, DbErr> {
    let ids = client::Entity::find()
        .select_only()
        .column(client::Column::Id)
        .filter(client::Column::RevokedAt.gte(since.utc()))
        .into_tuple::<uuid::Uuid>()
        .all(on)
        .await?;
    Ok(ids.into_iter().map(Id::from_uuid).collect())
}

/// Writes a credential as it is now.
pub(crate) async fn update(on: &DatabaseTransaction, row: ClientRow) -> Result<(), DbErr> {
    client::Entity::update(row.into_active_model().reset_all())
        .exec(on)
        .await?;
    Ok(())
}

/// Ends all of a tenant's credentials that are not over, and says which they were.
pub(crate) async fn revoke_all(
    on: &DatabaseTransaction,
    tenant: TenantId,
    at: Timestamp,
) -> Result<Vec<ClientRow>, DbErr> {
    let open = Condition::all()
        .add(client::Column::Tenant.eq(tenant.uuid()))
        .add(client::Column::RevokedAt.is_null());
    let rows = client::Entity::find()
        .filter(open.clone())
        .order_by_asc(client::Column::Id)
        .all(on)
        .await?;
    client::Entity::update_many()
        .filter(open)
        .col_expr(client::Column::RevokedAt, Expr::value(Some(at.utc())))
        .exec(on)
        .await?;
    Ok(rows)
}

pub(crate) async fn mark_used<C: ConnectionTrait>(
    on: &C,
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

/// A credential without anything that proves it.
pub(crate) fn row(principal: &Principal, at: Timestamp) -> ClientRow {
    let environment = principal.tenant.map(|scope| scope.environment().as_str());
    ClientRow {
        id: principal.client.uuid(),
        tenant: principal.tenant.map(|scope| scope.tenant().uuid()),
        environment: environment.map(str::to_owned),
        scopes: scope_words(principal),
        secret_digest: Vec::new(),
        created_at: at.utc(),
        revoked_at: None,
        last_used_at: None,
        name: None,
        expires_at: None,
        networks: None,
        public_keys: None,
        previous_digest: None,
        previous_until: None,
    }
}

/// In which chain of the audit trail a credential's affairs stand.
pub(crate) fn chain(row: &ClientRow) -> Chain {
    let environment = row.environment.as_deref();
    let environment = environment.and_then(Environment::from_word);
    row.tenant.map_or(Chain::Operator, |tenant| {
        Chain::Tenant(TenantId::from_uuid(tenant), environment)
    })
}

fn scope_words(principal: &Principal) -> String {
    let words: Vec<&str> = principal
        .scopes
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    words.join(" ")
}

/// Who a stored client is.
pub(crate) fn principal(row: &ClientRow) -> Result<Principal, Error> {
    let tenant = match (row.tenant, row.environment.as_deref()) {
        (Some(tenant), Some(word)) => {
            let environment =
                Environment::from_word(word).ok_or(Error::Damaged("client.environment"))?;
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
