//! From a row per entry to snapshots: tables as octets, and the changes between them.

use std::collections::BTreeMap;

use sea_orm::{DbBackend, QueryResult, Statement};
use sea_orm_migration::prelude::*;
use uuid::Uuid;
use warikan_types::Timestamp;

use super::{col, table};
use crate::{
    diff::{Revocation, narrow},
    store::{reason_of, serial_of, snapshots},
    table::{Builder, Row, table_to_blob},
};

/// Snapshots, the count of changes, and what a source called what it brought.
///
/// The rows of before are read once and stay: a process of the version before may still be running. A later migration drops them.
pub(super) struct Snapshots;

impl MigrationName for Snapshots {
    fn name(&self) -> &'static str {
        "m0310_snapshots"
    }
}

fn form() -> ColumnDef {
    col("form")
        .string_len(8)
        .not_null()
        .default("whole")
        .to_owned()
}

fn number(name: &'static str) -> ColumnDef {
    col(name).big_integer().not_null().default(0).to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Snapshots {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = async |name: &'static str, column: ColumnDef| {
            let altered = Table::alter()
                .table(Alias::new(name))
                .add_column(column)
                .to_owned();
            manager.alter_table(altered).await
        };
        add("crl_partition", number("change")).await?;
        add("crl_partition", number("whole_seq")).await?;
        add("crl_partition", number("loose")).await?;
        add("crl_partition", form()).await?;
        add("source_list", form()).await?;
        add("source_list", col("brought").string_len(64).to_owned()).await?;
        add("source_list", col("etag").text().to_owned()).await?;
        add("source_list", col("last_modified").text().to_owned()).await?;
        create(manager).await?;
        convert(manager.get_connection()).await
    }
}

async fn create(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            table("crl_snapshot")
                .col(col("partition_id").uuid().not_null())
                .col(col("form").string_len(8).not_null())
                .col(col("seq").big_integer().not_null())
                .col(col("octets").big_integer().not_null())
                .col(col("sha256").string_len(64).not_null())
                .primary_key(Index::create().col("partition_id").col("form").col("seq"))
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            table("crl_snapshot_part")
                .col(col("partition_id").uuid().not_null())
                .col(col("form").string_len(8).not_null())
                .col(col("seq").big_integer().not_null())
                .col(col("part").integer().not_null())
                .col(col("octets").binary().not_null())
                .primary_key(
                    Index::create()
                        .col("partition_id")
                        .col("form")
                        .col("seq")
                        .col("part"),
                )
                .to_owned(),
        )
        .await?;
    manager
        .create_table(
            table("crl_change")
                .col(col("id").integer().not_null().primary_key())
                .col(col("change").big_integer().not_null())
                .to_owned(),
        )
        .await?;
    let db = manager.get_connection();
    if db.get_database_backend() == DbBackend::Postgres {
        // Columns of numbers compress badly, and trying costs more than reading them as they are.
        db.execute_unprepared(
            "ALTER TABLE crl_snapshot_part ALTER COLUMN octets SET STORAGE EXTERNAL",
        )
        .await?;
    }
    db.execute_unprepared("INSERT INTO crl_change (id, change) VALUES (1, 0)")
        .await?;
    Ok(())
}

/// Turns the entries of every stored list into its first snapshot.
async fn convert<C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let lists = Statement::from_string(backend, "SELECT id, seq FROM crl_partition");
    for list in db.query_all_raw(lists).await? {
        let id: Uuid = list.try_get("", "id")?;
        let seq: i64 = list.try_get("", "seq")?;
        let place = if backend == DbBackend::Postgres {
            "$1"
        } else {
            "?"
        };
        let rows = db
            .query_all_raw(Statement::from_sql_and_values(
                backend,
                format!("SELECT serial, reason, revoked_at, since_seq, gone_seq FROM revoked_entry WHERE partition_id = {place}"),
                [id.into()],
            ))
            .await?;
        let octets = table_to_blob(&table_of(&rows)?);
        snapshots::keep(db, id, seq, snapshots::Form::Whole, &octets).await?;
        let update = if backend == DbBackend::Postgres {
            "UPDATE crl_partition SET whole_seq = seq WHERE id = $1"
        } else {
            "UPDATE crl_partition SET whole_seq = seq WHERE id = ?"
        };
        db.execute_raw(Statement::from_sql_and_values(backend, update, [id.into()]))
            .await?;
    }
    Ok(())
}

fn table_of(rows: &[QueryResult]) -> Result<crate::table::Table, DbErr> {
    let (mut common, mut wide) = (BTreeMap::new(), BTreeMap::new());
    let version =
        |seq: i64| snapshots::version(seq).map_err(|error| DbErr::Type(error.to_string()));
    for row in rows {
        let serial = serial_of(&row.try_get::<Vec<u8>>("", "serial")?)?;
        let said = Revocation {
            reason: reason_of(row.try_get("", "reason")?)?,
            revoked_at: Timestamp::new(row.try_get("", "revoked_at")?),
        };
        let since = version(row.try_get("", "since_seq")?)?;
        let gone = row.try_get::<Option<i64>>("", "gone_seq")?;
        let gone = gone.map(version).transpose()?;
        let otherwise = false;
        match narrow(&serial, said) {
            Some((number, said)) => {
                let row = Row {
                    said,
                    since,
                    gone,
                    otherwise,
                };
                common.insert(number, row);
            }
            None => {
                let row = Row {
                    said,
                    since,
                    gone,
                    otherwise,
                };
                wide.insert(serial, row);
            }
        }
    }
    let damaged = |error: crate::table::Damaged| DbErr::Custom(error.to_string());
    let mut builder = Builder::with_capacity(common.len());
    for (serial, row) in common {
        builder.push(serial, row).map_err(damaged)?;
    }
    builder.finish(wide).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use warikan_testkit::TestHouse;
    use warikan_types::{Environment, IssuerKey, RevocationReason, Serial};

    use super::*;
    use crate::{
        in_force,
        status::{ListKey, StatusStore},
        table::Past,
    };

    /// The schema as it was, with an entry per row.
    struct Before;

    impl MigratorTrait for Before {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            let all = crate::Migrator::migrations();
            let kept = all
                .iter()
                .position(|one| one.name() == Snapshots.name())
                .unwrap();
            all.into_iter().take(kept).collect()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn f089_rows_of_the_schema_before_become_snapshots() {
        let house = TestHouse::new();
        let databases = &house.platform.databases;
        let old = databases.open("revocation", Before).await.unwrap();
        let db = old.worker();
        let octets = |hex: &str| match db.get_database_backend() {
            DbBackend::Postgres => format!("decode('{hex}', 'hex')"),
            _ => format!("X'{hex}'"),
        };
        let id = Uuid::from_u128(7);
        let uuid = match db.get_database_backend() {
            DbBackend::Postgres => format!("'{id}'"),
            _ => format!("X'{}'", id.simple()),
        };
        let at = "'2026-11-20T00:00:00+00:00'";
        let (number, issuer) = (octets("05"), IssuerKey([3; 32]));
        db.execute_unprepared(&format!(
            "INSERT INTO crl_partition VALUES ({uuid}, 'sandbox', '{issuer}', 'all', 4, {number}, {at}, {at}, 'v', 4, '2026-11')"
        ))
        .await
        .unwrap();
        let long = "7f".repeat(20);
        for (serial, reason, since, gone) in [
            ("2a", 1, 1, "NULL"),
            ("010000", 6, 2, "4"),
            (long.as_str(), 3, 3, "NULL"),
        ] {
            let serial = octets(serial);
            db.execute_unprepared(&format!(
                "INSERT INTO revoked_entry VALUES ({uuid}, {serial}, {reason}, {at}, {since}, {gone})"
            ))
            .await
            .unwrap();
        }
        let new = databases.open("revocation", crate::Migrator).await.unwrap();
        let status = StatusStore::default();
        in_force::load(new.worker(), &status).await.unwrap();
        let key = ListKey {
            environment: Environment::Sandbox,
            issuer,
            partition: None,
        };
        let list = status.get(&key).unwrap();
        assert_eq!((list.seq, list.table.len()), (4, 3));
        let found = |serial: Serial| {
            list.table
                .find(&serial)
                .map(|row| (row.said.reason, row.since, row.gone))
        };
        assert_eq!(
            found(Serial::from_u64(0x2a).unwrap()),
            Some((RevocationReason::KeyCompromise, 1, None))
        );
        let held = Serial::from_u64(0x01_0000).unwrap();
        assert_eq!(
            found(held.clone()),
            Some((RevocationReason::CertificateHold, 2, Some(4)))
        );
        assert_eq!(list.table.past(&held, 1), Past::Unnamed);
        let long = Serial::from_octets(&[0x7f; 20]).unwrap();
        assert_eq!(
            found(long),
            Some((RevocationReason::AffiliationChanged, 3, None))
        );
    }
}
