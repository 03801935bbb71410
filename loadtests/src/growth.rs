//! `growth`: what a verification costs with ten million stored ones, beside what it costs with none.
//!
//! The first half on a fresh platform; then the platform stops, and rows are put beside the ones it wrote: copies of one of each table with
//! keys of their own, ordered or random as the platform's own are, their sealed parts cut short (they lie at the right edge of the tables and
//! are never read again, but 60 GB take long to write). Then the platform starts again, and the second half follows.

use std::{io::Write, path::Path, time::Instant};

use anyhow::Context;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use crate::{
    drive::Pace,
    platform::{Place, Platform},
    report::{Budget, Report},
    work::{Part, Work, line},
};

const NAME: &str = "growth";
/// Rows put in with one statement.
const CHUNK: u64 = 500_000;

/// The scenario.
pub(crate) struct Growth {
    pub(crate) place: Place,
    pub(crate) work: Work,
    /// Stored verifications.
    pub(crate) rows: u64,
}

/// A new value in a copied row.
#[derive(Clone, Copy)]
enum New {
    /// A UUID of version 7 of a moment in the past: ordered, as the platform's ids are.
    Ordered,
    /// A UUID like a pseudonym.
    Random,
    /// 64 hexadecimal digits.
    Digest,
    /// 32 octets.
    Octets,
    /// A number above all that were given.
    Sequence,
    /// An ordered id as text.
    Text,
    /// The first octets of what stands there.
    Cut,
    /// The first characters.
    CutText,
}

/// A table of a service, how many of its rows come to a hundred verifications, and what is new in each copy.
struct Growing {
    service: &'static str,
    table: &'static str,
    percent: u64,
    new: &'static [(&'static str, New)],
}

/// What grows with every verification. A tenth of them are of certificates not seen before.
const TABLES: &[Growing] = &[
    Growing {
        service: "verification",
        table: "verification",
        percent: 100,
        new: &[
            ("id", New::Ordered),
            ("answer", New::Cut),
            ("evidence", New::Cut),
            ("subject", New::Random),
        ],
    },
    Growing {
        service: "verification",
        table: "idempotent_answer",
        percent: 100,
        new: &[("place", New::Digest), ("answer", New::Cut)],
    },
    Growing {
        service: "verification",
        table: "metered_operation",
        percent: 100,
        new: &[("id", New::Ordered)],
    },
    Growing {
        service: "verification",
        table: "subject",
        percent: 10,
        new: &[("id", New::Ordered), ("reference_digest", New::Octets)],
    },
    Growing {
        service: "verification",
        table: "subject_certificate",
        percent: 10,
        new: &[("handle", New::Random), ("subject", New::Random)],
    },
    Growing {
        service: "webhooks",
        table: "feed_event",
        percent: 100,
        new: &[
            ("id", New::Ordered),
            ("sequence", New::Sequence),
            ("body", New::CutText),
        ],
    },
    Growing {
        service: "billing",
        table: "usage_record",
        percent: 100,
        new: &[("id", New::Ordered), ("operation", New::Text)],
    },
];

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
            (Self::Digest, DbBackend::Sqlite) => "lower(hex(randomblob(32)))".to_owned(),
            (Self::Digest, _) => "md5(random()::text || n) || md5(n || random()::text)".to_owned(),
            (Self::Octets, DbBackend::Sqlite) => "randomblob(32)".to_owned(),
            (Self::Octets, _) => "sha256((random()::text || n)::bytea)".to_owned(),
            (Self::Sequence, _) => "1000000000 + n".to_owned(),
            (Self::Text, _) => hex,
            (Self::Cut, DbBackend::Sqlite) => format!("substr({column}, 1, 64)"),
            (Self::Cut, _) => format!("substring({column} from 1 for 64)"),
            (Self::CutText, _) => format!("substr({column}, 1, 64)"),
        }
    }
}

impl Growth {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        writeln!(
            out,
            "{NAME}: {} verifications before and after {} rows, {} clients\n\
             | | a second | of the RSA limit | refused | p50 | p90 | p99 | most (us) | platform's processor time each (us) | | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            self.work.count / 2,
            self.rows,
            self.work.clients
        )?;
        let platform = Platform::at(&self.place).await?;
        let (before, platform) = self.half(platform).await?;
        line(out, "nothing stored", &before, None, "")?;
        let directory = platform.stop().await?;
        let begun = Instant::now();
        for table in TABLES {
            let rows = self.rows * table.percent / 100;
            table.grow(&directory.path().join("data"), rows).await?;
        }
        let seeded = begun.elapsed().as_secs();
        let platform = Platform::over(&self.place, &[], directory).await?;
        let (after, _) = self.half(platform).await?;
        let name = format!("{} stored (put there in {seeded} s)", self.rows);
        line(out, &name, &after, None, "")?;
        let percent = before.rate() * 100 / after.rate().max(1);
        report.budget(Budget::at_most(
            NAME,
            "cost with ten million stored, percent of that with none",
            percent,
            120,
        ));
        let percent = after.each() * 100 / before.each().max(1);
        report.figure(NAME, "processor time, percent of that with none", percent);
        Ok(())
    }

    /// Half of the work by new tenants, after a tenth of it to warm up.
    async fn half(&self, platform: Platform) -> anyhow::Result<(Part, Platform)> {
        let warm_up = self.work.count / 10;
        let work = Work {
            count: warm_up + self.work.count / 2,
            ..self.work
        };
        let stage = work.on(platform).await?;
        let (_, ids) = work.challenges(&stage).await?;
        let pace = Pace::Closed(work.clients);
        work.verifications(&stage, &ids, 0..warm_up, pace).await?;
        let part = work
            .verifications(&stage, &ids, warm_up..work.count, pace)
            .await?;
        work.told(&stage, work.count).await?;
        Ok((part, stage.host.into_platform()?))
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
    async fn grow(&self, data: &Path, rows: u64) -> anyhow::Result<()> {
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
        db.close().await?;
        Ok(())
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
