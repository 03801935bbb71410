//! One SQLite file per service.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr,
    Statement,
    sqlx::{
        self, Connection,
        sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_orm_migration::MigratorTrait;
use warikan_messaging::begin_write;

use super::{CommitObserver, OpenError};

/// Connections per SQLite file. SQLite has one writer at a time whatever we do; with one connection the waiting ones stand in
/// the pool's fair queue instead of polling the file's lock (which more than halved the rate of concurrent writes).
const CONNECTIONS: u32 = 1;
/// Connections that read beside the writer, made when they are needed: in WAL mode neither waits for the other, and a tenant's question
/// does not stand in the queue behind two hundred verifications' commit.
const READERS: u32 = 2;

/// Memory for pages of one file, in KiB as SQLite takes it (negative). Its own default of 2 MB does not hold the inner pages of an
/// index over ten million rows, and every look-up in it would read them again. Taken as pages come, not ahead.
const CACHE: &str = "-24576";
/// Pages in the write-ahead log before the commit that fills it copies them into the file (10 MB). A page that is written in many commits, as
/// the leaves of indices are, is then copied once for all of them; but everybody waits for that commit, so ten times as many made one
/// request in twenty twice as slow. Copying beside the writer costs more: the log begins anew only where nobody has written meanwhile.
const CHECKPOINT: &str = "2500";
/// As `CACHE`, for each connection that reads.
const READERS_CACHE: &str = "-8192";

/// Durable settings: WAL with `synchronous = FULL`, so an acknowledged commit survives a power cut.
///
/// The file is read through first (`quick_check`): one that was torn by a bad disk must not be written to, and not be found out years
/// later by whoever needs the evidence in it. A large one that was closed in order is not: that would take minutes at every start.
pub(super) async fn open<M: MigratorTrait>(
    directory: &Path,
    service: &'static str,
    observer: Option<&CommitObserver>,
) -> Result<DatabaseConnection, OpenError> {
    let failed = |source| told(source, directory, service);
    let path = file(directory, service);
    let suspect = is_suspect(length(&path), length(&path.with_extension("sqlite-wal")));
    let db = connect(directory, service, true, observer)
        .await
        .map_err(failed)?;
    if suspect && let Some(why) = damage(&db).await.map_err(failed)? {
        return Err(OpenError::Damaged {
            service,
            file: file(directory, service),
            why,
        });
    }
    let transaction = begin_write(&db).await.map_err(failed)?;
    M::up(&transaction, None).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(db)
}

/// So many octets are read through at every start: seconds.
const SMALL: u64 = 1 << 30;

/// Whether a file is to be read through before it is used. The last connection that closes takes the log away, so one that lies there says
/// that the process before did not end by itself.
const fn is_suspect(octets: u64, in_log: u64) -> bool {
    octets <= SMALL || in_log > 0
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

/// Connections that can only read, over a file that is open for writing.
pub(super) async fn readers(
    directory: &Path,
    service: &'static str,
) -> Result<DatabaseConnection, DbErr> {
    let path = file(directory, service);
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .max_connections(READERS)
        .min_connections(0)
        .connect_lazy(true)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .acquire_timeout(Duration::from_secs(10))
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .in_memory(false)
                .shared_cache(false)
                .filename(&path)
                .create_if_missing(false)
                .pragma("query_only", "ON")
                .pragma("cache_size", READERS_CACHE)
                .busy_timeout(Duration::from_secs(10))
        });
    Database::connect(options).await
}

/// What does not hold together in the file, if anything.
pub(super) async fn damage(db: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA quick_check(1)");
    let row = db.query_one_raw(check).await?;
    let found = match row {
        Some(row) => row.try_get_by_index::<String>(0)?,
        None => "no answer".to_owned(),
    };
    Ok((found != "ok").then_some(found))
}

/// SQLITE_CORRUPT (11) and SQLITE_NOTADB (26), with their extended codes, are no failure of the moment.
fn told(source: DbErr, directory: &Path, service: &'static str) -> OpenError {
    if is_damage(&source) {
        return OpenError::Damaged {
            service,
            file: file(directory, service),
            why: source.to_string(),
        };
    }
    OpenError::Database { service, source }
}

fn is_damage(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// A service's file as it is; nothing where there is none.
pub(super) async fn existing(
    directory: &Path,
    service: &'static str,
) -> Result<Option<DatabaseConnection>, DbErr> {
    if !file(directory, service).exists() {
        return Ok(None);
    }
    connect(directory, service, false, None).await.map(Some)
}

fn file(directory: &Path, service: &str) -> PathBuf {
    directory.join(format!("{service}.sqlite"))
}

async fn connect(
    directory: &Path,
    service: &'static str,
    create: bool,
    observer: Option<&CommitObserver>,
) -> Result<DatabaseConnection, DbErr> {
    let path = file(directory, service);
    // The path goes in as a file name, not through the URL: it may hold any character.
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .max_connections(CONNECTIONS)
        .sqlx_logging(false)
        // A file does not hang up, and asking it whether it is there costs as much as a look-up: a way to its thread and back.
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(10))
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .in_memory(false)
                .shared_cache(false)
                .filename(&path)
                .create_if_missing(create)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .pragma("cache_size", CACHE)
                .pragma("wal_autocheckpoint", CHECKPOINT)
                .pragma("secure_delete", warikan_messaging::USUAL_DELETION)
                .statement_cache_capacity(super::STATEMENTS)
                .busy_timeout(Duration::from_secs(10))
        })
        // SQLite ends a transaction by itself where the disk is full, and sqlx goes on counting it: such a connection would begin none
        // again. The pool makes a new one in its place.
        .map_sqlx_sqlite_before_acquire(|connection, _| {
            let over = !connection.is_in_transaction();
            Box::pin(async move { Ok(over) })
        });
    if let Some(observer) = observer.cloned() {
        options.map_sqlx_sqlite_pool_opts(move |pool| {
            let observer = observer.clone();
            pool.after_connect(move |connection, _| {
                Box::pin(observe(connection, service, observer.clone()))
            })
        });
    }
    Database::connect(options).await
}

async fn observe(
    connection: &mut SqliteConnection,
    service: &'static str,
    observer: CommitObserver,
) -> Result<(), sqlx::Error> {
    let changed = Changed::default();
    let mut handle = connection.lock_handle().await?;
    let (in_update, in_rollback) = (changed.clone(), changed.clone());
    handle.set_update_hook(move |change| {
        in_update.tables().insert(change.table.to_owned());
    });
    handle.set_rollback_hook(move || in_rollback.tables().clear());
    handle.set_commit_hook(move || {
        let tables = std::mem::take(&mut *changed.tables());
        observer.hear(service, &tables);
        true
    });
    Ok(())
}

/// The tables that the transaction under way has changed.
#[derive(Clone, Default)]
struct Changed(Arc<Mutex<BTreeSet<String>>>);

impl Changed {
    fn tables(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f088_what_was_closed_in_order_and_is_large_is_not_read_through_at_every_start() {
        assert!(is_suspect(0, 0));
        assert!(is_suspect(SMALL, 0));
        assert!(!is_suspect(SMALL + 1, 0));
        assert!(is_suspect(SMALL + 1, 32));
    }
}
