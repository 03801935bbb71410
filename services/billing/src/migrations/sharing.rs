//! Plans by day, shared costs, and lines that explain themselves.

use sea_orm_migration::prelude::*;

use super::col;

pub(super) struct Sharing;

impl MigrationName for Sharing {
    fn name(&self) -> &'static str {
        "m0503_sharing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Sharing {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("recipient_plan"))
                    .col(col("tenant").uuid().not_null())
                    .col(col("revision").big_integer().not_null())
                    .col(col("plan").text().not_null())
                    .col(col("from_day").date().not_null())
                    .primary_key(Index::create().col("tenant").col("revision"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("shared_cost"))
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("month").text().not_null())
                    .col(col("category").text().not_null())
                    .col(col("amount").big_integer().not_null())
                    .col(col("note").text().not_null())
                    .col(col("entered_at").timestamp_with_time_zone().not_null())
                    .to_owned(),
            )
            .await?;
        let statements = [
            "CREATE INDEX shared_cost_month ON shared_cost (month, id)",
            "ALTER TABLE invoice_line ADD COLUMN detail text",
            // What was known until now had held all along.
            "INSERT INTO recipient_plan (tenant, revision, plan, from_day) \
             SELECT tenant, revision, plan, '1970-01-01' FROM recipient",
        ];
        for statement in statements {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}
