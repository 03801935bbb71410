//! The rows on SQLite.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};

use super::BATCH;
use crate::platform::processor;

/// Copies a service's rows into an empty file with the same schema, by commits of [`BATCH`] verifications; processor time of each.
pub(super) async fn copied(
    data: &Path,
    service: &str,
    tables: &[&str],
    verifications: usize,
) -> anyhow::Result<Duration> {
    let from = data.join(format!("{service}.sqlite"));
    let to = data.join(format!("{service}-copy.sqlite"));
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", to.display()));
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await?;
    for pragma in [
        "PRAGMA journal_mode = WAL".to_owned(),
        "PRAGMA synchronous = FULL".to_owned(),
        "PRAGMA wal_autocheckpoint = 10000".to_owned(),
        "PRAGMA cache_size = -65536".to_owned(),
        format!("ATTACH DATABASE '{}' AS made", from.display()),
    ] {
        db.execute_unprepared(&pragma).await?;
    }
    let mut steps = Vec::new();
    let batches = u64::try_from(verifications)?.div_ceil(BATCH);
    for table in tables {
        let named = format!("tbl_name = '{table}' AND sql IS NOT NULL");
        let sql =
            format!("SELECT sql FROM made.sqlite_master WHERE {named} ORDER BY type = 'index'");
        for row in rows(&db, sql).await? {
            db.execute_unprepared(&row.try_get::<String>("", "sql")?)
                .await?;
        }
        let count = rows(&db, format!("SELECT count(*) AS n FROM made.{table}")).await?;
        let count: i64 = count.first().context("no count")?.try_get("", "n")?;
        ensure!(count > 0, "{service}.{table} is empty");
        steps.push((*table, u64::try_from(count)?.div_ceil(batches)));
    }
    let before = processor()?;
    for batch in 0..batches {
        let mut sql = String::from("BEGIN IMMEDIATE;");
        for (table, step) in &steps {
            let (first, last) = (batch * step, (batch + 1) * step);
            sql += &format!(
                "INSERT INTO main.{table} SELECT * FROM made.{table} WHERE rowid > {first} AND rowid <= {last};"
            );
        }
        sql += "COMMIT";
        db.execute_unprepared(&sql).await?;
    }
    let took = processor()?.saturating_sub(before);
    db.close().await?;
    Ok(took / u32::try_from(verifications)?)
}

async fn rows(db: &DatabaseConnection, sql: String) -> anyhow::Result<Vec<sea_orm::QueryResult>> {
    let statement = Statement::from_string(DbBackend::Sqlite, sql);
    Ok(db.query_all_raw(statement).await?)
}
