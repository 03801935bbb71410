//! The audit trail: records that stay as they are, and how far each chain goes.

use sea_orm_migration::prelude::*;

use super::col;

pub(super) struct Audit;

impl MigrationName for Audit {
    fn name(&self) -> &'static str {
        "m0103_audit"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Audit {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("audit_record"))
                    .col(col("chain").string_len(80).not_null())
                    .col(col("sequence").big_integer().not_null())
                    .col(col("id").uuid().not_null().unique_key())
                    .col(col("tenant").uuid())
                    .col(col("environment").string())
                    .col(col("at").timestamp_with_time_zone().not_null())
                    .col(col("actor_kind").string().not_null())
                    .col(col("actor").string())
                    .col(col("act").string().not_null())
                    .col(col("outcome").string().not_null())
                    .col(col("subject").string())
                    .col(col("request_id").string())
                    .col(col("details").text().not_null())
                    .col(col("previous").string_len(64).not_null())
                    .col(col("hash").string_len(64).not_null())
                    .primary_key(Index::create().col("chain").col("sequence"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("audit_record_by_tenant")
                    .table(Alias::new("audit_record"))
                    .col(Alias::new("tenant"))
                    .col(Alias::new("id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("audit_head"))
                    .col(col("chain").string_len(80).not_null().primary_key())
                    .col(col("tenant").uuid())
                    .col(col("environment").string())
                    .col(col("length").big_integer().not_null())
                    .col(col("hash").string_len(64).not_null())
                    .col(col("statement").text().not_null())
                    .col(col("signed_at").timestamp_with_time_zone().not_null())
                    .to_owned(),
            )
            .await?;
        stay(manager).await
    }
}

/// The hashes show a change; these keep an honest mistake from making one.
async fn stay(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    if manager.get_database_backend() == sea_orm::DbBackend::Postgres {
        db.execute_unprepared(
            "CREATE FUNCTION audit_record_stays() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'records of the audit trail stay as they are'; END $$",
        )
        .await?;
        db.execute_unprepared(
            "CREATE TRIGGER audit_record_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_record
             FOR EACH STATEMENT EXECUTE FUNCTION audit_record_stays()",
        )
        .await?;
        return Ok(());
    }
    for (name, act) in [
        ("audit_record_no_update", "UPDATE"),
        ("audit_record_no_delete", "DELETE"),
    ] {
        let sql = format!(
            "CREATE TRIGGER {name} BEFORE {act} ON audit_record
             BEGIN SELECT RAISE(ABORT, 'records of the audit trail stay as they are'); END"
        );
        db.execute_unprepared(&sql).await?;
    }
    Ok(())
}
