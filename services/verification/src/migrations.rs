//! The schema.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = warikan_messaging::migrations();
        all.extend(warikan_http::migrations());
        all.extend(warikan_metering::migrations());
        all.push(Box::new(Verifications));
        all.push(Box::new(Renewals));
        all.push(Box::new(SealedBoxes));
        all.extend(warikan_runtime::data_key_migrations());
        all
    }
}

struct Verifications;

impl MigrationName for Verifications {
    fn name(&self) -> &'static str {
        "m0101_verifications"
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

/// A table whose rows belong to a tenant in an environment.
fn tenant_table(name: &'static str, key: &'static str) -> TableCreateStatement {
    Table::create()
        .table(Alias::new(name))
        .col(col(key).uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").string_len(16).not_null())
        .to_owned()
}

fn index(name: &str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(Alias::new(table));
    for column in columns {
        index.col(Alias::new(*column));
    }
    index
}

#[async_trait::async_trait]
impl MigrationTrait for Verifications {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let challenge = tenant_table("challenge", "id")
            .col(col("purpose").string_len(16).not_null())
            .col(col("algorithm").string_len(16).not_null())
            .col(col("digest").binary().not_null())
            .col(col("expires_at").timestamp_with_time_zone().not_null())
            .col(col("used_by").uuid())
            .to_owned();
        let verification = tenant_table("verification", "id")
            .col(col("verdict").string_len(16).not_null())
            .col(col("subject").uuid())
            .col(col("accepted_at").timestamp_with_time_zone().not_null())
            .col(col("answer").binary().not_null())
            .col(col("evidence").binary().not_null())
            .to_owned();
        let subject = tenant_table("subject", "id")
            .col(col("reference_digest").binary())
            .col(col("reference").binary())
            .col(col("created_at").timestamp_with_time_zone().not_null())
            .col(col("erased_at").timestamp_with_time_zone())
            .to_owned();
        let certificate = tenant_table("subject_certificate", "handle")
            .col(col("subject").uuid().not_null())
            .col(col("kind").string_len(32).not_null())
            .col(col("not_after").timestamp_with_time_zone().not_null())
            .col(col("identity").binary().not_null())
            .to_owned();
        for table in [challenge, verification, subject, certificate] {
            manager.create_table(table).await?;
        }
        let mut one_per_reference = index(
            "subject_by_reference",
            "subject",
            &["tenant", "environment", "reference_digest"],
        );
        for index in [
            index(
                "verification_by_tenant",
                "verification",
                &["tenant", "environment", "id"],
            ),
            index("verification_by_subject", "verification", &["subject"]),
            index(
                "subject_by_tenant",
                "subject",
                &["tenant", "environment", "id"],
            ),
            one_per_reference.unique().to_owned(),
            index(
                "certificate_by_subject",
                "subject_certificate",
                &["subject"],
            ),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// When a subject's certificates began, so that the later of two is known.
struct Renewals;

impl MigrationName for Renewals {
    fn name(&self) -> &'static str {
        "m0102_renewals"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Renewals {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table(Alias::new("subject_certificate"))
            .add_column(col("not_before").timestamp_with_time_zone())
            .to_owned();
        manager.alter_table(alter).await
    }
}

/// PostgreSQL tries to compress what is long; a sealed box never gets shorter.
struct SealedBoxes;

impl MigrationName for SealedBoxes {
    fn name(&self) -> &'static str {
        "m0103_sealed_boxes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SealedBoxes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            let sql = "ALTER TABLE verification ALTER COLUMN evidence SET STORAGE EXTERNAL";
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
