//! The schema, one struct per step.

use sea_orm_migration::prelude::*;

pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(FeedAndDeliveries),
        Box::new(KeysHealthAndLog),
        Box::new(HowSoon),
        Box::new(Tenants),
        Box::new(TenantsSince),
    ]
}

/// Secrets that are sealed under the platform's key still are found at once, by an index that is empty when there are none.
pub(crate) struct Resealing;

impl MigrationName for Resealing {
    fn name(&self) -> &'static str {
        "m0105_webhooks_resealing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Resealing {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let which = crate::store::resealing::condition(manager.get_database_backend());
        let sql = format!("CREATE INDEX endpoint_resealing ON endpoint (id) WHERE {which}");
        manager.get_connection().execute_unprepared(&sql).await?;
        Ok(())
    }
}

struct FeedAndDeliveries;

impl MigrationName for FeedAndDeliveries {
    fn name(&self) -> &'static str {
        "m0101_webhooks_feed_and_deliveries"
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(Alias::new(name)).to_owned()
}

fn feed_head() -> TableCreateStatement {
    table("feed_head")
        .col(col("tenant").uuid().not_null())
        .col(col("environment").string_len(16).not_null())
        .col(col("last_sequence").big_integer().not_null())
        .primary_key(Index::create().col("tenant").col("environment"))
        .to_owned()
}

fn feed_event() -> TableCreateStatement {
    table("feed_event")
        .col(col("id").uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").string_len(16).not_null())
        .col(col("sequence").big_integer().not_null())
        .col(col("event_type").string_len(64).not_null())
        .col(col("occurred_at").timestamp_with_time_zone().not_null())
        .col(col("body").text().not_null())
        .to_owned()
}

fn endpoint() -> TableCreateStatement {
    table("endpoint")
        .col(col("id").uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").string_len(16).not_null())
        .col(col("url").text().not_null())
        .col(col("types").text().not_null())
        .col(col("enabled").boolean().not_null())
        .col(col("disabled_cause").string_len(32))
        .col(col("disabled_at").timestamp_with_time_zone())
        .col(col("failing_since").timestamp_with_time_zone())
        .col(col("last_failed_at").timestamp_with_time_zone())
        .col(col("secret").binary().not_null())
        .col(col("previous_secret").binary())
        .col(col("previous_until").timestamp_with_time_zone())
        .col(col("created_at").timestamp_with_time_zone().not_null())
        .to_owned()
}

fn delivery() -> TableCreateStatement {
    table("delivery")
        .col(col("id").uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").string_len(16).not_null())
        .col(col("endpoint").uuid().not_null())
        .col(col("event").uuid().not_null())
        .col(col("event_type").string_len(64).not_null())
        .col(col("state").string_len(16).not_null())
        .col(col("attempts").integer().not_null())
        .col(col("round_start").integer().not_null())
        .col(col("next_attempt_at").timestamp_with_time_zone().not_null())
        .col(col("lease_until").timestamp_with_time_zone())
        .col(col("created_at").timestamp_with_time_zone().not_null())
        .col(col("finished_at").timestamp_with_time_zone())
        .to_owned()
}

fn attempt() -> TableCreateStatement {
    table("delivery_attempt")
        .col(col("delivery").uuid().not_null())
        .col(col("number").integer().not_null())
        .col(col("at").timestamp_with_time_zone().not_null())
        .col(col("status").integer())
        .col(col("error").string_len(64))
        .col(col("duration_ms").big_integer().not_null())
        .primary_key(Index::create().col("delivery").col("number"))
        .to_owned()
}

/// Unique where a rule hangs on it: no sequence number twice, no event twice on the way to one endpoint. The partial
/// index keeps the question "what is due for this endpoint" independent of how much was ever delivered.
const INDEXES: [&str; 6] = [
    "CREATE UNIQUE INDEX feed_event_sequence ON feed_event (tenant, environment, sequence)",
    "CREATE INDEX endpoint_tenant ON endpoint (tenant, environment, id)",
    "CREATE UNIQUE INDEX delivery_once ON delivery (endpoint, event)",
    "CREATE INDEX delivery_list ON delivery (endpoint, id)",
    "CREATE INDEX delivery_due ON delivery (endpoint, next_attempt_at, id) WHERE state = 'pending'",
    "CREATE INDEX feed_event_time ON feed_event (tenant, environment, occurred_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for FeedAndDeliveries {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in [feed_head(), feed_event(), endpoint(), delivery(), attempt()] {
            manager.create_table(statement).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

/// The columns of the second step: public keys (`v1a`), slowing down, where a feed begins after pruning, and what was sent and
/// answered. All may be absent, so that rows of the first step stay valid.
struct KeysHealthAndLog;

impl MigrationName for KeysHealthAndLog {
    fn name(&self) -> &'static str {
        "m0102_webhooks_keys_health_and_log"
    }
}

fn added() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("endpoint", col("public_key").string_len(64).to_owned()),
        (
            "endpoint",
            col("previous_public_key").string_len(64).to_owned(),
        ),
        (
            "endpoint",
            col("throttled_until").timestamp_with_time_zone().to_owned(),
        ),
        (
            "endpoint",
            col("throttle_step")
                .integer()
                .not_null()
                .default(0)
                .to_owned(),
        ),
        (
            "feed_head",
            col("first_sequence")
                .big_integer()
                .not_null()
                .default(1)
                .to_owned(),
        ),
        ("delivery_attempt", col("url").text().to_owned()),
        ("delivery_attempt", col("signature").text().to_owned()),
        ("delivery_attempt", col("answer").text().to_owned()),
        (
            "delivery_attempt",
            col("answer_cut")
                .boolean()
                .not_null()
                .default(false)
                .to_owned(),
        ),
    ]
}

fn operator_notice() -> TableCreateStatement {
    table("operator_notice")
        .col(col("id").uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").string_len(16).not_null())
        .col(col("endpoint").uuid().not_null())
        .col(col("cause").string_len(32).not_null())
        .col(col("failing_since").timestamp_with_time_zone())
        .col(col("at").timestamp_with_time_zone().not_null())
        .to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for KeysHealthAndLog {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One column per statement: SQLite takes no more.
        for (name, column) in added() {
            let alter = Table::alter()
                .table(Alias::new(name))
                .add_column(column)
                .to_owned();
            manager.alter_table(alter).await?;
        }
        manager.create_table(operator_notice()).await
    }
}

/// Since when what is delivered could have been told.
struct HowSoon;

impl MigrationName for HowSoon {
    fn name(&self) -> &'static str {
        "m0103_webhooks_how_soon"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for HowSoon {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table(Alias::new("delivery"))
            .add_column(col("published_at").timestamp_with_time_zone())
            .to_owned();
        manager.alter_table(alter).await
    }
}

/// Where tenants stand: production is silent while one is suspended.
struct Tenants;

impl MigrationName for Tenants {
    fn name(&self) -> &'static str {
        "m0104_webhooks_tenants"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tenants {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let standing = table("tenant_standing")
            .col(col("tenant").uuid().not_null().primary_key())
            .col(col("state").string_len(16).not_null())
            .col(col("revision").big_integer().not_null())
            .to_owned();
        manager.create_table(standing).await
    }
}

/// Since when tenants stand where they do: what waited for one that is back is not removed for its age at once.
struct TenantsSince;

impl MigrationName for TenantsSince {
    fn name(&self) -> &'static str {
        "m0106_webhooks_tenants_since"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for TenantsSince {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table(Alias::new("tenant_standing"))
            .add_column(col("since").timestamp_with_time_zone())
            .to_owned();
        manager.alter_table(alter).await
    }
}
