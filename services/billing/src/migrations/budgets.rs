//! Budgets, and what was told of them.

use sea_orm_migration::prelude::*;

use super::col;

pub(super) struct Budgets;

impl MigrationName for Budgets {
    fn name(&self) -> &'static str {
        "m0505_budgets"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Budgets {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("budget"))
                    .col(col("tenant").uuid().not_null())
                    .col(col("environment").text().not_null())
                    .col(col("amount").big_integer().not_null())
                    .col(col("thresholds").text().not_null())
                    .col(col("changed_at").timestamp_with_time_zone().not_null())
                    .primary_key(Index::create().col("tenant").col("environment"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("budget_crossing"))
                    .col(col("tenant").uuid().not_null())
                    .col(col("environment").text().not_null())
                    .col(col("month").text().not_null())
                    .col(col("percent").integer().not_null())
                    .col(col("spent").big_integer().not_null())
                    .col(col("crossed_at").timestamp_with_time_zone().not_null())
                    // The promise that a threshold is told once a month, kept by the database.
                    .primary_key(
                        Index::create()
                            .col("tenant")
                            .col("environment")
                            .col("month")
                            .col("percent"),
                    )
                    .to_owned(),
            )
            .await
    }
}
