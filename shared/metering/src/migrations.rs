//! The migration of every service whose operations are paid for.

use sea_orm_migration::prelude::*;

/// To be put before a service's own migrations.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(MeteredOperations)]
}

struct MeteredOperations;

impl MigrationName for MeteredOperations {
    fn name(&self) -> &'static str {
        "m0021_metered_operations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for MeteredOperations {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let col = |name: &'static str| ColumnDef::new(Alias::new(name));
        // The key is the order in which a month is told, and the promise that an operation is there once.
        let mut key = Index::create();
        for column in ["month", "tenant", "environment", "meter", "id", "place"] {
            key.col(column);
        }
        let table = Table::create()
            .table(Alias::new("metered_operation"))
            .col(col("month").string_len(7).not_null())
            .col(col("tenant").uuid().not_null())
            .col(col("environment").string_len(16).not_null())
            .col(col("meter").string_len(16).not_null())
            .col(col("id").uuid().not_null())
            .col(col("place").integer().not_null())
            .col(col("kind").string_len(32))
            .col(col("channel").string_len(8))
            .col(col("verdict").string_len(16))
            .col(col("reason").string_len(32))
            .col(col("mark").big_integer().not_null())
            .col(col("accepted_at").timestamp_with_time_zone().not_null())
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await
    }
}
