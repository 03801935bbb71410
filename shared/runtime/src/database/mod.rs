//! Databases: each service has its own. In the one binary that is a SQLite file; in PostgreSQL a schema with roles that no
//! other service may use. Entities, migrations and queries are the same on both.

mod config;
mod inspect;
mod no_delay;
mod postgres;
mod provision;
mod sqlite;

use std::{collections::BTreeSet, fmt, path::PathBuf, sync::Arc};

use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use warikan_messaging::ServiceDatabase;

pub use config::{DatabaseConfig, DatabaseConfigError, DatabaseKind};
pub use inspect::{Inspection, Session};
pub use postgres::Postgres;

/// Prepared statements that a connection keeps: a group of rows has about twenty sizes a table (`warikan_rows`).
const STATEMENTS: usize = 256;

/// Where services' databases lie.
#[derive(Clone, Debug)]
pub enum Databases {
    /// One SQLite file per service in this directory.
    SqliteDirectory(PathBuf),
    /// The same, with somebody who hears of every commit.
    ObservedSqlite(PathBuf, CommitObserver),
    /// One PostgreSQL database, a schema and roles per service. Made from a [`DatabaseConfig`].
    Postgres(Arc<Postgres>),
}

/// Hears of every commit before it is durable, on the thread that commits: the service, and the tables that changed. SQLite changes
/// by commits alone, so whoever ends the process here has ended it between two of the steps that outlive it. No service knows
/// of it, and a step that is new is heard like the others. For the tests that do so.
#[derive(Clone)]
pub struct CommitObserver(Arc<Observe>);

type Observe = dyn Fn(&'static str, &BTreeSet<String>) + Send + Sync;

impl CommitObserver {
    /// Calls this.
    #[must_use]
    pub fn new(observe: impl Fn(&'static str, &BTreeSet<String>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    fn hear(&self, service: &'static str, tables: &BTreeSet<String>) {
        (self.0)(service, tables);
    }
}

impl fmt::Debug for CommitObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommitObserver")
    }
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
    /// Its database lacks migrations, and this process may not apply them.
    #[error(
        "the database of {service} lacks migrations ({}); run `warikan migrate` with database.owner_url first",
        .missing.join(", ")
    )]
    Pending {
        /// Which service.
        service: &'static str,
        /// The migrations' names.
        missing: Vec<String>,
    },
    /// Its file does not hold together.
    #[error(
        "{} of {service} is damaged ({why}); keep a copy of it with the files beside it, and restore the last backup", .file.display()
    )]
    Damaged {
        /// Which service.
        service: &'static str,
        /// Which file.
        file: PathBuf,
        /// What SQLite found first.
        why: String,
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

impl Databases {
    /// Opens the service's database.
    ///
    /// SQLite's schema is brought up to date: all that is missing in one transaction, because a process that dies between a
    /// migration's table and the note that it was applied could never start again. PostgreSQL's is where this process knows the
    /// owner's address, one process at a time; where it does not, a schema that lacks migrations is refused.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open<M: MigratorTrait>(
        &self,
        service: &'static str,
        _migrator: M,
    ) -> Result<ServiceDatabase, OpenError> {
        let (directory, observer) = match self {
            Self::SqliteDirectory(directory) => (directory, None),
            Self::ObservedSqlite(directory, observer) => (directory, Some(observer)),
            Self::Postgres(server) => return server.open::<M>(service).await,
        };
        let db = sqlite::open::<M>(directory, service, observer).await?;
        let readers = sqlite::readers(directory, service);
        let readers = readers.await.map_err(OpenError::database(service))?;
        Ok(ServiceDatabase::single(db).with_readers(readers))
    }

    /// The service's database as it is, for an operator's command beside a running server: nothing is made and nothing migrated.
    /// `None` where the service has no file yet.
    ///
    /// # Errors
    /// [`OpenError::Database`].
    pub async fn existing(
        &self,
        service: &'static str,
    ) -> Result<Option<DatabaseConnection>, OpenError> {
        match self {
            Self::SqliteDirectory(directory) | Self::ObservedSqlite(directory, _) => {
                sqlite::existing(directory, service).await
            }
            Self::Postgres(server) => server.existing(service).await.map(Some),
        }
        .map_err(OpenError::database(service))
    }

    /// Brings the service's schema up to date and opens nothing. Returns the names of the migrations that PostgreSQL lacked.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn migrate<M: MigratorTrait>(
        &self,
        service: &'static str,
        _migrator: M,
    ) -> Result<Vec<String>, OpenError> {
        let failed = OpenError::database(service);
        match self {
            Self::SqliteDirectory(directory) | Self::ObservedSqlite(directory, _) => {
                let db = sqlite::open::<M>(directory, service, None).await?;
                db.close().await.map_err(&failed)?;
                Ok(Vec::new())
            }
            Self::Postgres(server) => server.migrate::<M>(service, true).await,
        }
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
        db.worker()
            .execute_unprepared("INSERT INTO two VALUES (1)")
            .await
            .unwrap();
    }
}
