//! The table of data keys; the only place that asks for it.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use sea_orm_migration::prelude::{
    Alias, ColumnDef, Index, MigrationName, MigrationTrait, SchemaManager, Table, async_trait,
};
use warikan_types::{Environment, TenantId, TenantScope, Timestamp};

use super::Wrapped;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "data_key")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        /// The name of the key that it is wrapped under; empty once it is destroyed.
        pub wrapped_under: String,
        /// Empty once it is destroyed.
        pub wrapped: Vec<u8>,
        pub created_at: DateTimeUtc,
        /// A tombstone's date.
        pub destroyed_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use entity::Model as Row;
use entity::{ActiveModel, Column, Entity};

const ENVIRONMENTS: [Environment; 2] = [Environment::Sandbox, Environment::Production];

impl Row {
    pub(super) fn scope(&self) -> TenantScope {
        let environment = ENVIRONMENTS
            .into_iter()
            .find(|one| one.as_str() == self.environment)
            .unwrap_or(Environment::Sandbox);
        TenantScope::of_event(TenantId::from_uuid(self.tenant), environment)
    }
}

/// Both environments of a tenant.
pub(super) fn scopes(tenant: TenantId) -> impl Iterator<Item = TenantScope> {
    ENVIRONMENTS
        .into_iter()
        .map(move |environment| TenantScope::of_event(tenant, environment))
}

fn of(scope: TenantScope) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(Column::Tenant.eq(scope.tenant().uuid()))
        .add(Column::Environment.eq(scope.environment().as_str()))
}

pub(super) async fn find<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
) -> Result<Option<Row>, DbErr> {
    Entity::find().filter(of(scope)).one(on).await
}

/// All that are no tombstones.
pub(super) async fn in_use<C: ConnectionTrait>(on: &C) -> Result<Vec<Row>, DbErr> {
    Entity::find()
        .filter(Column::DestroyedAt.is_null())
        .all(on)
        .await
}

/// Stands back where there is one already.
pub(super) async fn insert<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    wrapped: Wrapped,
    at: Timestamp,
) -> Result<(), DbErr> {
    Entity::insert(ActiveModel {
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        wrapped_under: Set(wrapped.under),
        wrapped: Set(wrapped.octets),
        created_at: Set(at.utc()),
        destroyed_at: Set(None),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(on)
    .await?;
    Ok(())
}

/// Puts another wrapping in the place of this one; nothing where this one is no longer there.
pub(super) async fn replace<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    before: &Wrapped,
    now: Wrapped,
) -> Result<usize, DbErr> {
    let changed = Entity::update_many()
        .filter(of(scope))
        .filter(Column::WrappedUnder.eq(&before.under))
        .filter(Column::DestroyedAt.is_null())
        .col_expr(Column::WrappedUnder, Expr::value(now.under))
        .col_expr(Column::Wrapped, Expr::value(now.octets))
        .exec(on)
        .await?;
    Ok(usize::try_from(changed.rows_affected).unwrap_or_default())
}

/// Tombstones, in both environments.
pub(super) async fn destroy<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    at: Timestamp,
) -> Result<(), DbErr> {
    for scope in scopes(tenant) {
        let none = Wrapped {
            under: String::new(),
            octets: Vec::new(),
        };
        // A tenant that had no key gets a row first, so that none is made for it later.
        insert(on, scope, none, at).await?;
    }
    Entity::update_many()
        .filter(Column::Tenant.eq(tenant.uuid()))
        .filter(Column::DestroyedAt.is_null())
        .col_expr(Column::WrappedUnder, Expr::value(""))
        .col_expr(Column::Wrapped, Expr::value(Vec::<u8>::new()))
        .col_expr(Column::DestroyedAt, Expr::value(at.utc()))
        .exec(on)
        .await?;
    Ok(())
}

/// The migration for services whose tenants have data keys.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(DataKeyTable)]
}

struct DataKeyTable;

impl MigrationName for DataKeyTable {
    fn name(&self) -> &'static str {
        "m0004_data_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for DataKeyTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let col = |name: &'static str| ColumnDef::new(Alias::new(name));
        let table = Table::create()
            .table(Alias::new("data_key"))
            .col(col("tenant").uuid().not_null())
            .col(col("environment").string_len(16).not_null())
            .col(col("wrapped_under").string_len(100).not_null())
            .col(col("wrapped").binary().not_null())
            .col(col("created_at").timestamp_with_time_zone().not_null())
            .col(col("destroyed_at").timestamp_with_time_zone())
            .primary_key(
                Index::create()
                    .col(Alias::new("tenant"))
                    .col(Alias::new("environment")),
            )
            .to_owned();
        manager.create_table(table).await
    }
}
