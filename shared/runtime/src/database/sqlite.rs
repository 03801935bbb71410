//! One SQLite file per service.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::{
        self,
        sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_orm_migration::MigratorTrait;
use warikan_messaging::begin_write;

use super::CommitObserver;

/// Connections per SQLite file. SQLite has one writer at a time whatever we do; with one connection the waiting ones stand in
/// the pool's fair queue instead of polling the file's lock (which more than halved the rate of concurrent writes).
const CONNECTIONS: u32 = 1;

/// Durable settings: WAL with `synchronous = FULL`, so an acknowledged commit survives a power cut.
pub(super) async fn open<M: MigratorTrait>(
    directory: &Path,
    service: &'static str,
    observer: Option<&CommitObserver>,
) -> Result<DatabaseConnection, DbErr> {
    let db = connect(directory, service, true, observer).await?;
    let transaction = begin_write(&db).await?;
    M::up(&transaction, None).await?;
    transaction.commit().await?;
    Ok(db)
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
                .busy_timeout(Duration::from_secs(10))
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
