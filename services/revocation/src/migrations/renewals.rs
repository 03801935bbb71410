//! Which certificate replaces which, and look-ups of an earlier day.

use sea_orm_migration::prelude::*;

use super::{col, indexes, table, time};

pub(super) struct Renewals;

impl MigrationName for Renewals {
    fn name(&self) -> &'static str {
        "m0312_renewals"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Renewals {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table("renewal")
                    .col(col("replaced").uuid().not_null().primary_key())
                    .col(col("tenant").uuid().not_null())
                    .col(col("replacement").uuid().not_null())
                    .col(time("told_at"))
                    .to_owned(),
            )
            .await?;
        let as_of = Table::alter()
            .table(Alias::new("status_check"))
            .add_column(col("as_of").timestamp_with_time_zone())
            .to_owned();
        manager.alter_table(as_of).await?;
        // Erasure asks by either.
        indexes(
            manager,
            &["CREATE INDEX renewal_replacement ON renewal (tenant, replacement)"],
        )
        .await
    }
}
