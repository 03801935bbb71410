//! The schema.

use sea_orm_migration::prelude::*;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = warikan_messaging::migrations();
        all.extend(warikan_http::migrations());
        all.push(Box::new(Sandbox));
        all
    }
}

struct Sandbox;

impl MigrationName for Sandbox {
    fn name(&self) -> &'static str {
        "m0601_sandbox"
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

#[async_trait::async_trait]
impl MigrationTrait for Sandbox {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("simulator_record"))
                    .col(col("kind").string_len(16).not_null())
                    .col(col("id").string_len(80).not_null())
                    .col(col("body").binary().not_null())
                    .primary_key(Index::create().col("kind").col("id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("person"))
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("number").big_integer().not_null().unique_key())
                    .col(col("demonstrates").string())
                    .col(col("listed").boolean().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("published_list"))
                    .col(col("ca").string_len(16).not_null())
                    .col(col("generation").big_integer().not_null())
                    .col(col("partition").string_len(130).not_null())
                    .col(col("number").big_integer().not_null())
                    .col(col("this_update").timestamp_with_time_zone().not_null())
                    .col(col("next_update").timestamp_with_time_zone().not_null())
                    .col(col("entries").big_integer().not_null())
                    .col(col("der").binary().not_null())
                    .col(col("previous").binary())
                    .primary_key(Index::create().col("ca").col("generation").col("partition"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("setting"))
                    .col(col("name").string_len(40).not_null().primary_key())
                    .col(col("value").text().not_null())
                    .to_owned(),
            )
            .await
    }
}
