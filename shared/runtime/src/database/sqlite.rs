//! One SQLite file per service.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm_migration::MigratorTrait;
use warikan_messaging::begin_write;

/// Connections per SQLite file. SQLite has one writer at a time whatever we do; with one connection the waiting ones stand in
/// the pool's fair queue instead of polling the file's lock (which more than halved the rate of concurrent writes).
const CONNECTIONS: u32 = 1;

/// Durable settings: WAL with `synchronous = FULL`, so an acknowledged commit survives a power cut.
pub(super) async fn open<M: MigratorTrait>(
    directory: &Path,
    service: &'static str,
) -> Result<DatabaseConnection, DbErr> {
    let db = connect(directory, service, true).await?;
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
    connect(directory, service, false).await.map(Some)
}

fn file(directory: &Path, service: &str) -> PathBuf {
    directory.join(format!("{service}.sqlite"))
}

async fn connect(
    directory: &Path,
    service: &'static str,
    create: bool,
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
    Database::connect(options).await
}
