//! Usage held against the services' own operations.

use sea_orm_migration::prelude::*;

use super::col;

pub(super) struct Reconciliation;

impl MigrationName for Reconciliation {
    fn name(&self) -> &'static str {
        "m0506_reconciliation"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Reconciliation {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Alias::new("usage_record"))
                    .add_column(col("mark").big_integer())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("reconciliation"))
                    .col(col("month").text().not_null().primary_key())
                    .col(col("checked_at").timestamp_with_time_zone().not_null())
                    .col(col("result").text().not_null())
                    .to_owned(),
            )
            .await?;
        let mut key = Index::create();
        for column in ["month", "tenant", "environment", "meter"] {
            key.col(column);
        }
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("agreed_group"))
                    .col(col("month").text().not_null())
                    .col(col("tenant").uuid().not_null())
                    .col(col("environment").text().not_null())
                    .col(col("meter").text().not_null())
                    .col(col("told").big_integer().not_null())
                    .col(col("told_marks").big_integer().not_null())
                    .col(col("held").big_integer().not_null())
                    .col(col("held_marks").big_integer().not_null())
                    .primary_key(&mut key)
                    .to_owned(),
            )
            .await
    }
}
