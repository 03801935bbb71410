//! Rows put beside those that the platform wrote: copies of one of each table, with keys of their own.

use std::path::Path;

use anyhow::Context;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

/// Rows put in with one statement.
const CHUNK: u64 = 500_000;

/// A new value in a copied row.
#[derive(Clone, Copy)]
pub(crate) enum New {
    /// A UUID of version 7 of a moment in the past: ordered, as the platform's ids are.
    Ordered,
    /// A UUID like a pseudonym.
    Random,
    /// 22 digits, as a hash of 16 octets has in base64.
    Digest,
    /// 32 octets.
    Octets,
    /// A number above all that were given.
    Sequence,
    /// An ordered id as text.
    Text,
    /// A moment in 2023.
    Old,
    /// Its month.
    OldMonth,
    /// The first octets of what stands there.
    Cut,
    /// The first characters.
    CutText,
}

/// A table of a service, how many of its rows come to a hundred verifications, and what is new in each copy.
pub(crate) struct Growing {
    pub(crate) service: &'static str,
    pub(crate) table: &'static str,
    pub(crate) percent: u64,
    pub(crate) new: &'static [(&'static str, New)],
}

impl New {
    /// SQL for the copy with the number `n`.
    fn sql(self, column: &str, backend: DbBackend) -> String {
        // Milliseconds from 2023 on, and the number again, so that no two are equal.
        let hex = match backend {
            DbBackend::Sqlite => {
                "printf('%012x70008000%012x', 1700000000000 + n * 6, n)".to_owned()
            }
            _ => "lpad(to_hex(1700000000000 + n * 6), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0')"
                .to_owned(),
        };
        match (self, backend) {
            (Self::Ordered, DbBackend::Sqlite) => format!("unhex({hex})"),
            (Self::Ordered, _) => format!("({hex})::uuid"),
            (Self::Random, DbBackend::Sqlite) => "randomblob(16)".to_owned(),
            (Self::Random, _) => "gen_random_uuid()".to_owned(),
            (Self::Digest, DbBackend::Sqlite) => "substr(hex(randomblob(16)), 1, 22)".to_owned(),
            (Self::Digest, _) => "substr(md5(random()::text || n), 1, 22)".to_owned(),
            (Self::Octets, DbBackend::Sqlite) => "randomblob(32)".to_owned(),
            (Self::Octets, _) => "sha256((random()::text || n)::bytea)".to_owned(),
            (Self::Sequence, _) => "1000000000 + n".to_owned(),
            (Self::Text, _) => hex,
            // As the platform writes it: there it is text, and compared as such.
            (Self::Old, DbBackend::Sqlite) => "'2023-11-14T00:00:00+00:00'".to_owned(),
            (Self::Old, _) => "timestamptz '2023-11-14T00:00:00Z'".to_owned(),
            (Self::OldMonth, _) => "'2023-11'".to_owned(),
            // Of no octets at all it makes NULL.
            (Self::Cut, DbBackend::Sqlite) => format!("coalesce(substr({column}, 1, 64), x'')"),
            (Self::Cut, _) => format!("substring({column} from 1 for 64)"),
            (Self::CutText, _) => format!("substr({column}, 1, 64)"),
        }
    }
}

impl Growing {
    async fn open(&self, data: &Path) -> anyhow::Result<DatabaseConnection> {
        let url = match std::env::var("WARIKAN_DATABASE__OWNER_URL") {
            // Each service has a schema of its name.
            Ok(url) => {
                let sign = if url.contains('?') { '&' } else { '?' };
                format!("{url}{sign}options=-c%20search_path%3D{}", self.service)
            }
            Err(_) => {
                let file = data.join(format!("{}.sqlite", self.service));
                format!("sqlite://{}", file.display())
            }
        };
        let mut options = sea_orm::ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        Ok(Database::connect(options).await?)
    }

    /// Copies one row so many times.
    pub(crate) async fn grow(&self, data: &Path, rows: u64) -> anyhow::Result<()> {
        let db = self.open(data).await?;
        let backend = db.get_database_backend();
        let columns = self.columns(&db).await?;
        let copied: Vec<String> = columns
            .iter()
            .map(|column| {
                let new = self.new.iter().find(|(name, _)| name == column);
                new.map_or_else(|| column.clone(), |(_, new)| new.sql(column, backend))
            })
            .collect();
        if backend == DbBackend::Sqlite {
            // Nobody else is here, and what a crash spoils is thrown away.
            let fast = "PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000";
            db.execute_unprepared(fast).await?;
        }
        let mut from = 0;
        while from < rows {
            let to = (from + CHUNK).min(rows);
            let series = match backend {
                DbBackend::Sqlite => format!(
                    "WITH RECURSIVE series (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM series WHERE n + 1 < {to}) "
                ),
                _ => format!(
                    "WITH series AS (SELECT n FROM generate_series({from}, {to} - 1) AS made (n)) "
                ),
            };
            let sql = format!(
                "{series}INSERT INTO {table} ({columns}) SELECT {copied} FROM series, (SELECT * FROM {table} LIMIT 1) AS one",
                table = self.table,
                columns = columns.join(", "),
                copied = copied.join(", "),
            );
            // SQLite wants the WITH behind the INSERT INTO or before it; both take it before.
            db.execute_unprepared(&sql)
                .await
                .with_context(|| format!("growing {}.{}", self.service, self.table))?;
            from = to;
        }
        let after = match backend {
            DbBackend::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
            _ => format!("VACUUM ANALYZE {}", self.table),
        };
        db.execute_unprepared(&after).await?;
        if backend == DbBackend::Postgres {
            // What was put there is not to be written out while others are measured.
            db.execute_unprepared("CHECKPOINT").await?;
        }
        db.close().await?;
        Ok(())
    }

    /// Says that all months before this one are closed, as they are on a platform that has been at work for long: it compares what it
    /// was told with what was done for each open month, from its start on.
    pub(crate) async fn close_months(data: &Path) -> anyhow::Result<()> {
        let ledger = Self {
            service: "billing",
            table: "ledger",
            percent: 0,
            new: &[],
        };
        let db = ledger.open(data).await?;
        let before = match db.get_database_backend() {
            DbBackend::Sqlite => "strftime('%Y-%m', 'now', 'start of month', '-1 month')",
            _ => "to_char(date_trunc('month', now()) - interval '1 month', 'YYYY-MM')",
        };
        let sql = format!("UPDATE ledger SET closed_through = {before}");
        db.execute_unprepared(&sql).await?;
        db.close().await?;
        Ok(())
    }

    /// How many rows there are of 2023.
    pub(crate) async fn old(&self, data: &Path, column: &str) -> anyhow::Result<i64> {
        let db = self.open(data).await?;
        let table = self.table;
        let sql = format!("SELECT COUNT(*) AS old FROM {table} WHERE {column} < '2024-01-01'");
        let sql = Statement::from_string(db.get_database_backend(), sql);
        let row = db.query_one_raw(sql).await?.context("a count has a row")?;
        db.close().await?;
        Ok(row.try_get("", "old")?)
    }

    async fn columns(&self, db: &DatabaseConnection) -> anyhow::Result<Vec<String>> {
        let backend = db.get_database_backend();
        let table = self.table;
        let sql = match backend {
            DbBackend::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
            _ => format!(
                "SELECT column_name::text AS name FROM information_schema.columns \
                 WHERE table_schema = current_schema AND table_name = '{table}' ORDER BY ordinal_position"
            ),
        };
        let rows = db
            .query_all_raw(Statement::from_string(backend, sql))
            .await?;
        rows.iter()
            .map(|row| Ok(row.try_get("", "name")?))
            .collect()
    }
}
