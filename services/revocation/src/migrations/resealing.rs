//! What is sealed under the platform's key still is found at once, by indexes that are empty when all of it is sealed under the tenants' own.

use sea_orm_migration::prelude::*;
use warikan_runtime::under_platform_key;

pub(crate) struct Resealing;

impl MigrationName for Resealing {
    fn name(&self) -> &'static str {
        "m0315_resealing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Resealing {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let which = under_platform_key(manager.get_database_backend(), "reference");
        for (name, table, key) in [
            ("watch_resealing", "watch", "id"),
            ("campaign_change_resealing", "campaign_change", "id"),
            (
                "campaign_item_resealing",
                "campaign_item",
                "campaign, handle",
            ),
        ] {
            let sql = format!("CREATE INDEX {name} ON {table} ({key}) WHERE {which}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
