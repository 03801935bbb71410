//! The schema, one step per struct.

mod campaigns;
mod live_checks;
mod renewals;
pub(crate) mod resealing;
mod snapshots;
mod tenants;

use sea_orm_migration::prelude::*;

pub(crate) fn own() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(Lists),
        Box::new(Sources),
        Box::new(Watches),
        Box::new(Checks),
        Box::new(Notices),
        Box::new(snapshots::Snapshots),
        Box::new(campaigns::Campaigns),
        Box::new(renewals::Renewals),
        Box::new(live_checks::LiveChecks),
        Box::new(tenants::Tenants),
    ]
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

fn table(name: &'static str) -> TableCreateStatement {
    Table::create().table(Alias::new(name)).to_owned()
}

/// A point in time that is always there.
fn time(name: &'static str) -> ColumnDef {
    col(name).timestamp_with_time_zone().not_null().to_owned()
}

async fn indexes(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}

struct Lists;

impl MigrationName for Lists {
    fn name(&self) -> &'static str {
        "m0301_lists"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Lists {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table("crl_partition")
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("environment").string_len(16).not_null())
                    .col(col("issuer").string_len(64).not_null())
                    .col(col("partition").string_len(64).not_null())
                    .col(col("seq").big_integer().not_null())
                    .col(col("number").binary().not_null())
                    .col(time("this_update"))
                    .col(time("next_update"))
                    .col(col("version").string_len(64).not_null())
                    .col(col("flagged_through").big_integer().not_null())
                    .col(col("confirmed_month").string_len(7).not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("crl_version")
                    .col(col("partition_id").uuid().not_null())
                    .col(col("seq").big_integer().not_null())
                    .col(col("version").string_len(64).not_null())
                    .col(col("number").binary().not_null())
                    .col(time("this_update"))
                    .col(time("next_update"))
                    .col(col("entries").big_integer().not_null())
                    .col(col("added").big_integer().not_null())
                    .col(col("changed").big_integer().not_null())
                    .col(col("vanished").big_integer().not_null())
                    .col(time("accepted_at"))
                    .primary_key(Index::create().col("partition_id").col("seq"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("revoked_entry")
                    .col(col("partition_id").uuid().not_null())
                    .col(col("serial").binary().not_null())
                    .col(col("reason").small_integer().not_null())
                    .col(time("revoked_at"))
                    .col(col("since_seq").big_integer().not_null())
                    .col(col("gone_seq").big_integer())
                    .primary_key(Index::create().col("partition_id").col("serial"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("entry_change")
                    .col(col("partition_id").uuid().not_null())
                    .col(col("serial").binary().not_null())
                    .col(col("seq").big_integer().not_null())
                    .col(col("change").string_len(16).not_null())
                    .col(col("reason").small_integer().not_null())
                    .col(time("revoked_at"))
                    .primary_key(Index::create().col("partition_id").col("serial").col("seq"))
                    .to_owned(),
            )
            .await?;
        indexes(
            manager,
            &[
                "CREATE UNIQUE INDEX crl_partition_key ON crl_partition (environment, issuer, partition)",
                // A new watch asks whether its serial is revoked already, whichever list says so.
                "CREATE INDEX revoked_entry_serial ON revoked_entry (serial)",
                // The join takes what is new since the version it has seen.
                "CREATE INDEX revoked_entry_since ON revoked_entry (partition_id, since_seq)",
            ],
        )
        .await
    }
}

struct Sources;

impl MigrationName for Sources {
    fn name(&self) -> &'static str {
        "m0302_sources"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Sources {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table("source_list")
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("environment").string_len(16).not_null())
                    .col(col("url").text().not_null())
                    .col(col("listed").boolean().not_null())
                    .col(col("partition_id").uuid())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("source_problem")
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("environment").string_len(16).not_null())
                    .col(col("url").text().not_null())
                    .col(col("code").string_len(32).not_null())
                    .col(col("detail").text().not_null())
                    .col(time("first_at"))
                    .col(time("last_at"))
                    .col(col("times").big_integer().not_null())
                    .col(col("resolved_at").timestamp_with_time_zone())
                    .to_owned(),
            )
            .await?;
        indexes(
            manager,
            &[
                "CREATE UNIQUE INDEX source_list_url ON source_list (environment, url)",
                "CREATE INDEX source_list_partition ON source_list (partition_id)",
                "CREATE INDEX source_problem_open ON source_problem (environment, url) WHERE resolved_at IS NULL",
            ],
        )
        .await
    }
}

struct Watches;

impl MigrationName for Watches {
    fn name(&self) -> &'static str {
        "m0303_watches"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Watches {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table("watch")
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("tenant").uuid().not_null())
                    .col(col("environment").string_len(16).not_null())
                    .col(col("issuer").string_len(64).not_null())
                    .col(col("serial").binary().not_null())
                    .col(col("partition").string_len(64).not_null())
                    .col(col("kind").string_len(32).not_null())
                    .col(time("not_after"))
                    .col(col("handle").uuid().not_null())
                    .col(col("subject").uuid())
                    .col(col("reference").binary())
                    .col(time("created_at"))
                    .col(col("ended_at").timestamp_with_time_zone())
                    .col(col("flagged_at").timestamp_with_time_zone())
                    .col(col("flag_reason").small_integer())
                    .col(col("revoked_at").timestamp_with_time_zone())
                    .col(col("flag_this_update").timestamp_with_time_zone())
                    .col(col("flag_version").string_len(64))
                    .col(col("metered_month").string_len(7).not_null())
                    .to_owned(),
            )
            .await?;
        indexes(
            manager,
            &[
                "CREATE INDEX watch_tenant ON watch (tenant, environment, id)",
                "CREATE INDEX watch_handle ON watch (tenant, environment, handle)",
                // What the join, the month's metering and the end of certificates look for.
                "CREATE INDEX watch_certificate ON watch (environment, issuer, serial)",
                "CREATE INDEX watch_metered ON watch (metered_month, tenant, environment, id) WHERE ended_at IS NULL",
                "CREATE INDEX watch_not_after ON watch (environment, not_after) WHERE ended_at IS NULL",
            ],
        )
        .await
    }
}

struct Checks;

impl MigrationName for Checks {
    fn name(&self) -> &'static str {
        "m0304_checks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Checks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                table("status_check")
                    .col(col("id").uuid().not_null().primary_key())
                    .col(col("tenant").uuid().not_null())
                    .col(col("environment").string_len(16).not_null())
                    .col(col("handle").uuid().not_null())
                    .col(col("state").string_len(16).not_null())
                    .col(col("channel").string_len(8).not_null())
                    .col(col("reason").small_integer())
                    .col(col("revoked_at").timestamp_with_time_zone())
                    .col(time("this_update"))
                    .col(time("next_update"))
                    .col(col("age_seconds").big_integer().not_null())
                    .col(col("version").string_len(64).not_null())
                    .col(time("checked_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("recheck_run")
                    .col(col("id").uuid().not_null().primary_key())
                    .col(time("finished_at"))
                    .col(col("lists").big_integer().not_null())
                    .col(col("missed").big_integer().not_null())
                    .to_owned(),
            )
            .await?;
        indexes(
            manager,
            &["CREATE INDEX status_check_handle ON status_check (tenant, environment, handle, id)"],
        )
        .await
    }
}

/// What tenants were told of ends and sources, and whom they had erased.
struct Notices;

impl MigrationName for Notices {
    fn name(&self) -> &'static str {
        "m0305_notices"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Notices {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let told = col("expiring_told_at")
            .timestamp_with_time_zone()
            .to_owned();
        let watch = Table::alter()
            .table(Alias::new("watch"))
            .add_column(told)
            .to_owned();
        manager.alter_table(watch).await?;
        manager
            .create_table(
                table("source_notice")
                    .col(col("tenant").uuid().not_null())
                    .col(col("environment").string_len(16).not_null())
                    .col(time("since"))
                    .primary_key(Index::create().col("tenant").col("environment"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                table("erased_subject")
                    .col(col("subject").uuid().not_null().primary_key())
                    .col(time("erased_at"))
                    .to_owned(),
            )
            .await?;
        indexes(
            manager,
            &[
                "CREATE INDEX watch_expiring ON watch (environment, not_after) \
                 WHERE ended_at IS NULL AND expiring_told_at IS NULL AND flagged_at IS NULL",
                "CREATE INDEX watch_subject ON watch (tenant, environment, subject)",
            ],
        )
        .await
    }
}
