//! The migration every service runs before its own.

use sea_orm_migration::prelude::*;

/// To be put first in a service's list of migrations.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(Messaging),
        Box::new(SentFacts),
        Box::new(Replays),
        Box::new(Parcels),
    ]
}

struct Messaging;

impl MigrationName for Messaging {
    fn name(&self) -> &'static str {
        "m0001_messaging"
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

#[async_trait::async_trait]
impl MigrationTrait for Messaging {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("outbox"))
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("envelope").text().not_null())
                    .col(col("attempts").integer().not_null())
                    .col(col("next_attempt_at").timestamp_with_time_zone().not_null())
                    .col(col("lease_until").timestamp_with_time_zone())
                    .col(col("sent_at").timestamp_with_time_zone())
                    .col(col("last_error").text())
                    .to_owned(),
            )
            .await?;
        // The relay asks for unsent rows that are due; sent ones must not slow it down.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX outbox_due ON outbox (next_attempt_at, id) WHERE sent_at IS NULL",
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("inbox"))
                    .col(col("consumer").string().not_null())
                    .col(col("event_id").uuid().not_null())
                    .col(col("occurred_at").timestamp_with_time_zone().not_null())
                    .primary_key(Index::create().col("consumer").col("event_id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("parked_message"))
                    .col(col("consumer").string().not_null())
                    .col(col("event_id").uuid().not_null())
                    .col(col("envelope").text().not_null())
                    .col(col("reason").text().not_null())
                    .primary_key(Index::create().col("consumer").col("event_id"))
                    .to_owned(),
            )
            .await
    }
}

/// What is sent is pruned by age, and the oldest unsent fact is asked for at every look at the lag: neither may read the whole table.
struct SentFacts;

impl MigrationName for SentFacts {
    fn name(&self) -> &'static str {
        "m0002_messaging_sent_facts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SentFacts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                Index::create()
                    .name("outbox_sent")
                    .table(Alias::new("outbox"))
                    .col(Alias::new("sent_at"))
                    .col(Alias::new("id"))
                    .to_owned(),
            )
            .await
    }
}

/// An operator's wish to have a parked message delivered again.
struct Replays;

impl MigrationName for Replays {
    fn name(&self) -> &'static str {
        "m0003_messaging_replays"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Replays {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Alias::new("parked_message"))
                    .add_column(col("replay_requested").boolean().not_null().default(false))
                    .to_owned(),
            )
            .await
    }
}

/// Rows of the outbox hold many facts. What is there already holds one each.
struct Parcels;

impl MigrationName for Parcels {
    fn name(&self) -> &'static str {
        "m0004_messaging_parcels"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Parcels {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Alias::new("outbox"))
                    .add_column(col("facts").integer().not_null().default(1))
                    .to_owned(),
            )
            .await
    }
}
