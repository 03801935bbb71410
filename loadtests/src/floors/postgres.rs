//! The rows on PostgreSQL, whose processes are on this machine.

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};

use super::BATCH;

/// Where the tables are, as their owner.
const OWNER: &str = "WARIKAN_DATABASE__OWNER_URL";

/// The server as its database's owner, where this run's platform is on PostgreSQL.
pub(super) async fn server() -> anyhow::Result<Option<DatabaseConnection>> {
    let Ok(owner) = std::env::var(OWNER) else {
        return Ok(None);
    };
    let mut options = ConnectOptions::new(owner);
    options.max_connections(1).sqlx_logging(false);
    Ok(Some(Database::connect(options).await?))
}

/// The processor time of all processes of PostgreSQL, those that have ended included.
pub(super) fn processor() -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        // One that ends meanwhile is counted by its parent from then on.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((name, fields)) = stat.rsplit_once(')') else {
            continue;
        };
        if !name.ends_with("(postgres") {
            continue;
        }
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // `proc(5)`: user, system, and both of the children that were waited for.
        for place in 11..15 {
            ticks += fields.get(place).context("no times")?.parse::<u64>()?;
        }
    }
    ensure!(
        ticks > 0,
        "PostgreSQL runs elsewhere: its processor time is not known"
    );
    Ok(Duration::from_millis(ticks * 10))
}

/// Copies a service's rows into empty tables with the same indices, by commits of [`BATCH`] verifications; processor time of each.
pub(super) async fn copied(
    db: &DatabaseConnection,
    service: &str,
    tables: &[&str],
    verifications: usize,
) -> anyhow::Result<Duration> {
    let batches = u64::try_from(verifications)?.div_ceil(BATCH);
    let mut steps = Vec::new();
    for table in tables {
        let from = format!("{service}.\"{table}\"");
        // The owner of a table under FORCE sees no rows either.
        for sql in [
            format!("ALTER TABLE {from} NO FORCE ROW LEVEL SECURITY"),
            format!("CREATE TABLE {service}.\"{table}_copy\" (LIKE {from} INCLUDING ALL)"),
        ] {
            db.execute_unprepared(&sql).await?;
        }
        let sql = format!("SELECT pg_relation_size('{from}') / 8192 AS n");
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = db.query_one_raw(statement).await?.context("no size")?;
        let pages = u64::try_from(row.try_get::<i64>("", "n")?)?;
        ensure!(pages > 0, "{service}.{table} is empty");
        steps.push((from, format!("{service}.\"{table}_copy\""), pages));
    }
    let before = processor()?;
    for batch in 0..batches {
        let mut sql = String::from("BEGIN;");
        for (from, to, pages) in &steps {
            let (first, last) = (batch * pages / batches, (batch + 1) * pages / batches);
            sql += &format!(
                "INSERT INTO {to} SELECT * FROM {from} WHERE ctid >= '({first},0)' AND ctid < '({last},0)';"
            );
        }
        sql += "COMMIT";
        db.execute_unprepared(&sql).await?;
    }
    let took = processor()?.saturating_sub(before);
    for (_, to, _) in &steps {
        db.execute_unprepared(&format!("DROP TABLE {to}")).await?;
    }
    Ok(took / u32::try_from(verifications)?)
}
