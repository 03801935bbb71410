//! What an operator should know of a service's database: looked at from outside, beside a running server, and nothing changed.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use sea_orm_migration::MigratorTrait;
use tokio::sync::OnceCell;
use warikan_types::{Clock, Timestamp};

use crate::Reference;

use super::{Databases, OpenError, postgres::missing, provision::tenant_tables, sqlite};

/// A service's database as it was found.
#[derive(Debug)]
pub struct Inspection {
    /// Migrations that this program has and the database has not, by name.
    pub missing: Vec<String>,
    /// What SQLite's `quick_check` found first, where the file does not hold together.
    pub damage: Option<String>,
    /// PostgreSQL's sessions, of the tenants' and of the worker's role; none on SQLite.
    pub sessions: Vec<Session>,
    /// PostgreSQL's tables of tenants' rows without row-level security, forced and with both policies.
    pub unprotected: Vec<String>,
    /// For further questions, in the worker's role.
    pub db: DatabaseConnection,
}

/// A session of one of a service's roles in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The role.
    pub role: String,
    /// Superuser, or BYPASSRLS: no policy holds it.
    pub above_policies: bool,
    /// Tables of the service's schema that it owns: an owner may take its walls down.
    pub owns: i64,
    /// Other services' schemas that it may look into.
    pub looks_into: Vec<String>,
    /// How far the server's clock is ahead of ours, in milliseconds, by the middle of the question.
    pub ahead_millis: i64,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// Whether the server syncs what it acknowledges (`fsync`).
    pub durable: bool,
}

impl Databases {
    /// Looks at the service's database. `None` where it has none yet.
    ///
    /// # Errors
    /// [`OpenError`]: it cannot be reached or asked.
    pub async fn inspect<M: MigratorTrait>(
        &self,
        service: &'static str,
        _migrator: M,
        clock: &Clock,
    ) -> Result<Option<Inspection>, OpenError> {
        let failed = OpenError::database(service);
        match self {
            Self::SqliteDirectory(directory) | Self::ObservedSqlite(directory, _) => {
                let found = sqlite::existing(directory, service).await;
                let Some(db) = found.map_err(&failed)? else {
                    return Ok(None);
                };
                Ok(Some(Inspection {
                    damage: sqlite::damage(&db).await.map_err(&failed)?,
                    missing: lacking::<M>(&db).await.map_err(&failed)?,
                    sessions: Vec::new(),
                    unprotected: Vec::new(),
                    db,
                }))
            }
            Self::Postgres(server) => {
                let (tenants, worker) = server.both(service).await.map_err(&failed)?;
                let missing = missing::<M, _>(&tenants).await.map_err(&failed)?;
                let mut sessions = Vec::new();
                for db in [&tenants, &worker] {
                    sessions.push(session(db, clock).await.map_err(&failed)?);
                }
                let unprotected = tenant_tables(&worker).await.map_err(&failed)?;
                let unprotected = unprotected.into_iter().filter(|table| !table.protected);
                Ok(Some(Inspection {
                    missing,
                    damage: None,
                    sessions,
                    unprotected: unprotected.map(|table| table.name).collect(),
                    db: worker,
                }))
            }
        }
    }
}

/// The migrations that a SQLite file lacks.
async fn lacking<M: MigratorTrait>(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let ask = |sql: &str| Statement::from_string(DbBackend::Sqlite, sql);
    let there = ask("SELECT 1 FROM sqlite_master WHERE name = 'seaql_migrations'");
    let mut applied = Vec::new();
    if db.query_one_raw(there).await?.is_some() {
        for row in db
            .query_all_raw(ask("SELECT version FROM seaql_migrations"))
            .await?
        {
            applied.push(row.try_get_by_index::<String>(0)?);
        }
    }
    let known = M::migrations();
    let names = known.iter().map(|migration| migration.name().to_owned());
    Ok(names.filter(|name| !applied.contains(name)).collect())
}

async fn session(db: &DatabaseConnection, clock: &Clock) -> Result<Session, DbErr> {
    let asked = clock.now();
    let theirs = time(db).await?;
    let answered = clock.now();
    let row = one(
        db,
        "SELECT current_user::text,
                (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
                (SELECT count(*) FROM pg_class
                  WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace AND relowner = current_user::regrole),
                (SELECT coalesce(string_agg(nspname, ',' ORDER BY nspname), '') FROM pg_namespace
                  WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public', current_schema())
                    AND has_schema_privilege(oid, 'USAGE')),
                coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
                current_setting('fsync') = 'on'",
    )
    .await?;
    let others: String = row.try_get_by_index(3)?;
    Ok(Session {
        role: row.try_get_by_index(0)?,
        above_policies: row.try_get_by_index(1)?,
        owns: row.try_get_by_index(2)?,
        looks_into: others
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        ahead_millis: ahead(theirs, asked, answered),
        encrypted: row.try_get_by_index(4)?,
        durable: row.try_get_by_index(5)?,
    })
}

/// PostgreSQL's clock, in milliseconds since 1970.
async fn time(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    one(db, now).await?.try_get_by_index(0)
}

/// How long a database may take to tell the time. A later answer would prove nothing.
const PATIENCE: Duration = Duration::from_secs(2);

impl Databases {
    /// The database server's clock, asked as this service; `None` on SQLite, whose clock is this process's own.
    #[must_use]
    pub fn reference(&self, service: &'static str) -> Option<Reference> {
        let Self::Postgres(server) = self else {
            return None;
        };
        let (server, kept) = (Arc::clone(server), Arc::new(OnceCell::new()));
        Some(Reference::new("the database", move || {
            let (server, kept) = (Arc::clone(&server), Arc::clone(&kept));
            Box::pin(async move {
                let asked = async {
                    let db = kept.get_or_try_init(|| server.existing(service)).await?;
                    time(db).await
                };
                let told = tokio::time::timeout(PATIENCE, asked).await;
                Timestamp::from_unix_millis(told.ok()?.ok()?)
            })
        }))
    }
}

/// The answer was given some time between the two readings of our own clock; its middle is off by half of that at most.
fn ahead(theirs: i64, asked: Timestamp, answered: Timestamp) -> i64 {
    theirs - i64::midpoint(asked.unix_millis(), answered.unix_millis())
}

async fn one(db: &DatabaseConnection, sql: &str) -> Result<sea_orm::QueryResult, DbErr> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = db.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("PostgreSQL's word about itself".to_owned()))
}
