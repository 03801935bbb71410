//! Databases: each service has its own, one SQLite file in the one binary.

use std::path::PathBuf;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm_migration::MigratorTrait;
use std::time::Duration;
use warikan_messaging::begin_write;

/// Where services' databases lie.
#[derive(Clone, Debug)]
pub enum Databases {
    /// One SQLite file per service in this directory.
    SqliteDirectory(PathBuf),
}

/// A service cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its database cannot be opened or migrated.
    #[error("the database of {service} cannot be opened")]
    Database {
        /// Which service.
        service: &'static str,
        /// Why.
        source: DbErr,
    },
    /// Something in its configuration is not acceptable.
    #[error("{service} cannot start: {why}")]
    Config {
        /// Which service.
        service: &'static str,
        /// Why.
        why: String,
    },
}

impl OpenError {
    /// Wraps a database error with the service's name.
    pub fn database(service: &'static str) -> impl Fn(DbErr) -> Self {
        move |source| Self::Database { service, source }
    }
}

/// Connections per SQLite file. SQLite has one writer at a time whatever we do; with one connection the waiting ones stand in
/// the pool's fair queue instead of polling the file's lock (which more than halved the rate of concurrent writes).
const SQLITE_CONNECTIONS: u32 = 1;

impl Databases {
    /// Opens the service's database and brings its schema up to date: all that is missing in one transaction, because a
    /// process that dies between a migration's table and the note that it was applied could never start again.
    ///
    /// Durable settings: WAL with `synchronous = FULL`, so an acknowledged commit survives a power cut.
    ///
    /// # Errors
    /// [`OpenError::Database`].
    pub async fn open<M: MigratorTrait>(
        &self,
        service: &'static str,
        _migrator: M,
    ) -> Result<DatabaseConnection, OpenError> {
        let failed = OpenError::database(service);
        let Self::SqliteDirectory(directory) = self;
        let path = directory.join(format!("{service}.sqlite"));
        // The path goes in as a file name, not through the URL: it may hold any character.
        let mut options = ConnectOptions::new("sqlite::memory:");
        options
            .max_connections(SQLITE_CONNECTIONS)
            .sqlx_logging(false)
            .acquire_timeout(Duration::from_secs(10))
            .map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .in_memory(false)
                    .shared_cache(false)
                    .filename(&path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(10))
            });
        let db = Database::connect(options).await.map_err(&failed)?;
        let transaction = begin_write(&db).await.map_err(&failed)?;
        M::up(&transaction, None).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(db)
    }

    /// The migrations that are not applied yet, by name.
    ///
    /// # Errors
    /// [`OpenError::Database`].
    pub async fn pending<M: MigratorTrait>(
        db: &DatabaseConnection,
        service: &'static str,
    ) -> Result<Vec<String>, OpenError> {
        let pending = M::get_pending_migrations(db)
            .await
            .map_err(OpenError::database(service))?;
        Ok(pending
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;
    use sea_orm_migration::prelude::*;

    use super::*;

    struct Step(&'static str, &'static str);

    impl MigrationName for Step {
        fn name(&self) -> &str {
            self.0
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Step {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let statements = self.1.split(';');
            for statement in statements {
                manager
                    .get_connection()
                    .execute_unprepared(statement)
                    .await?;
            }
            Ok(())
        }
    }

    /// Ends in the middle, as a process does that is killed there.
    struct Broken;
    struct Mended;

    impl MigratorTrait for Broken {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![
                Box::new(Step("m1", "CREATE TABLE one (id INTEGER)")),
                Box::new(Step("m2", "CREATE TABLE two (id INTEGER);nonsense")),
            ]
        }
    }

    impl MigratorTrait for Mended {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![
                Box::new(Step("m1", "CREATE TABLE one (id INTEGER)")),
                Box::new(Step("m2", "CREATE TABLE two (id INTEGER)")),
            ]
        }
    }

    #[tokio::test]
    async fn f088_a_start_that_dies_while_migrating_can_be_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let databases = Databases::SqliteDirectory(directory.path().to_owned());
        for _ in 0..2 {
            let opened = databases.open("test", Broken).await;
            assert!(matches!(
                opened,
                Err(OpenError::Database {
                    service: "test",
                    ..
                })
            ));
        }
        let db = databases.open("test", Mended).await.unwrap();
        db.execute_unprepared("INSERT INTO two VALUES (1)")
            .await
            .unwrap();
        let pending = Databases::pending::<Mended>(&db, "test").await.unwrap();
        assert_eq!(pending, Vec::<String>::new());
    }
}
