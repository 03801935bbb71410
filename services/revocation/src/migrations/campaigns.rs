//! Campaigns, and finding watches by customer number.

use sea_orm_migration::prelude::*;

use super::{col, indexes, table, time};

pub(super) struct Campaigns;

impl MigrationName for Campaigns {
    fn name(&self) -> &'static str {
        "m0311_campaigns"
    }
}

fn when(name: &'static str) -> ColumnDef {
    col(name).timestamp_with_time_zone().to_owned()
}

fn number(name: &'static str) -> ColumnDef {
    col(name).big_integer().not_null().to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Campaigns {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(campaign()).await?;
        manager.create_table(item()).await?;
        manager
            .create_table(
                table("campaign_chunk")
                    .col(col("campaign").uuid().not_null())
                    .col(number("number"))
                    .col(col("tenant").uuid().not_null())
                    .col(col("last_handle").uuid().not_null())
                    .col(col("root").binary().not_null())
                    .col(col("results").binary().not_null())
                    .primary_key(Index::create().col("campaign").col("number"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("campaign_change")
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("tenant").uuid().not_null())
                    .col(col("campaign").uuid().not_null())
                    .col(col("handle").uuid().not_null())
                    .col(col("watch").uuid())
                    .col(col("reference").binary())
                    .col(col("kind").string_len(32).not_null())
                    .col(time("not_after"))
                    .col(col("finding").small_integer().not_null())
                    .col(when("revoked_at"))
                    .to_owned(),
            )
            .await?;
        let key = Table::alter()
            .table(Alias::new("watch"))
            .add_column(col("reference_key").binary())
            .to_owned();
        manager.alter_table(key).await?;
        indexes(
            manager,
            &[
                "CREATE INDEX campaign_tenant ON campaign (tenant, environment, id)",
                "CREATE INDEX campaign_running ON campaign (served_at) WHERE state = 'running'",
                "CREATE INDEX campaign_change_page ON campaign_change (campaign, id)",
                // Erasure asks by certificate.
                "CREATE INDEX campaign_change_handle ON campaign_change (tenant, handle)",
                "CREATE INDEX campaign_item_handle ON campaign_item (tenant, handle)",
                "CREATE INDEX watch_reference ON watch (tenant, environment, reference_key)",
                // Watches from before the column: their keys are made in turn.
                "CREATE INDEX watch_unkeyed ON watch (id) WHERE reference IS NOT NULL AND reference_key IS NULL",
            ],
        )
        .await
    }
}

fn campaign() -> TableCreateStatement {
    table("campaign")
        .col(col("id").uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").string_len(16).not_null())
        .col(col("selector").string_len(16).not_null())
        .col(col("max_age_seconds").big_integer())
        .col(col("state").string_len(16).not_null())
        .col(time("created_at"))
        .col(when("started_at"))
        .col(when("judged_at"))
        .col(col("status_version").string_len(64))
        .col(number("lists"))
        .col(when("oldest_this_update"))
        .col(number("total"))
        .col(number("checked"))
        .col(number("good"))
        .col(number("revoked"))
        .col(number("expired"))
        .col(number("unknown"))
        .col(col("cursor").uuid())
        .col(number("restarts"))
        .col(col("root").binary())
        .col(col("receipt").text())
        .col(when("completed_at"))
        .col(col("lease").uuid())
        .col(when("leased_until"))
        .col(time("served_at"))
        .to_owned()
}

fn item() -> TableCreateStatement {
    table("campaign_item")
        .col(col("campaign").uuid().not_null())
        .col(col("handle").uuid().not_null())
        .col(col("tenant").uuid().not_null())
        .col(col("reference").binary())
        .col(col("issuer").string_len(64).not_null())
        .col(col("serial").binary().not_null())
        .col(col("partition").string_len(64).not_null())
        .col(col("kind").string_len(32).not_null())
        .col(time("not_after"))
        .primary_key(Index::create().col("campaign").col("handle"))
        .to_owned()
}
