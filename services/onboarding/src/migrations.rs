//! The schema.

mod audit;

use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = warikan_messaging::migrations();
        all.extend(warikan_http::migrations());
        all.push(Box::new(Tenants));
        all.push(Box::new(Credentials));
        all.push(Box::new(audit::Audit));
        all.push(Box::new(Particulars));
        all.push(Box::new(TokenKeys));
        all.extend(warikan_runtime::data_key_migrations());
        all
    }
}

struct Tenants;

impl MigrationName for Tenants {
    fn name(&self) -> &'static str {
        "m0101_tenants"
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

#[async_trait::async_trait]
impl MigrationTrait for Tenants {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("tenant"))
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("name").string().not_null())
                    .col(col("kind").string().not_null())
                    .col(col("plan").string().not_null())
                    .col(col("state").string().not_null())
                    .col(col("revision").big_integer().not_null())
                    .col(col("created_at").timestamp_with_time_zone().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("checklist_entry"))
                    .col(col("tenant").uuid().not_null())
                    .col(col("item").string().not_null())
                    .col(col("evidence").text().not_null())
                    .col(col("dated").string().not_null())
                    .col(col("recorded_at").timestamp_with_time_zone().not_null())
                    .col(col("recorded_by").uuid().not_null())
                    .primary_key(Index::create().col("tenant").col("item"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("client"))
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("tenant").uuid())
                    .col(col("environment").string())
                    .col(col("scopes").string().not_null())
                    .col(col("secret_digest").binary().not_null())
                    .col(col("created_at").timestamp_with_time_zone().not_null())
                    .col(col("revoked_at").timestamp_with_time_zone())
                    .col(col("last_used_at").timestamp_with_time_zone())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("client_by_tenant")
                    .table(Alias::new("client"))
                    .col(Alias::new("tenant"))
                    .to_owned(),
            )
            .await
    }
}

/// Several credentials, each with what proves it, from where, and until when.
struct Credentials;

impl MigrationName for Credentials {
    fn name(&self) -> &'static str {
        "m0102_credentials"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Credentials {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            col("name").string().to_owned(),
            col("expires_at").timestamp_with_time_zone().to_owned(),
            col("networks").text().to_owned(),
            col("public_keys").text().to_owned(),
            col("previous_digest").binary().to_owned(),
            col("previous_until").timestamp_with_time_zone().to_owned(),
        ];
        // SQLite adds one column at a time.
        for column in columns {
            let mut alter = Table::alter();
            alter.table(Alias::new("client")).add_column(column);
            manager.alter_table(alter).await?;
        }
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("client_assertion"))
                    .col(col("client").uuid().not_null())
                    .col(col("digest").binary().not_null())
                    .col(col("until").timestamp_with_time_zone().not_null())
                    .primary_key(Index::create().col("client").col("digest"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("client_assertion_until")
                    .table(Alias::new("client_assertion"))
                    .col(Alias::new("until"))
                    .to_owned(),
            )
            .await
    }
}

/// What a filing says of a tenant.
struct Particulars;

impl MigrationName for Particulars {
    fn name(&self) -> &'static str {
        "m0104_particulars"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Particulars {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut alter = Table::alter();
        alter
            .table(Alias::new("tenant"))
            .add_column(col("particulars").text().to_owned());
        manager.alter_table(alter).await
    }
}

/// Keys that sign access tokens, beside the key file's.
struct TokenKeys;

impl MigrationName for TokenKeys {
    fn name(&self) -> &'static str {
        "m0105_token_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for TokenKeys {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let keys = Table::create()
            .table(Alias::new("token_key"))
            .col(col("kid").string_len(64).not_null().primary_key())
            .col(col("sealed").binary().not_null())
            .col(col("signs_from").timestamp_with_time_zone().not_null())
            .col(col("until").timestamp_with_time_zone())
            .to_owned();
        manager.create_table(keys).await
    }
}
