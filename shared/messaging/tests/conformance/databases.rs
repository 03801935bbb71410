//! A database of its own for each case: in memory, or a schema.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

const POSTGRES: &str = "postgres://root@127.0.0.1:5432/postgres";

struct Migrator;
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        warikan_messaging::migrations()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

pub(crate) struct TestDatabase {
    pub(crate) db: DatabaseConnection,
    /// How to remove it.
    server: Option<(DatabaseConnection, String)>,
}

impl TestDatabase {
    /// `None` where its server is not there and nobody said it should be.
    pub(crate) async fn new(kind: Kind) -> Option<Self> {
        let made = match kind {
            Kind::Sqlite => Self {
                db: connect("sqlite::memory:", 1).await.unwrap(),
                server: None,
            },
            Kind::Postgres => Self::on_postgres().await?,
        };
        Migrator::up(&made.db, None).await.unwrap();
        let table = match kind {
            Kind::Sqlite => "CREATE TABLE effect (place INTEGER PRIMARY KEY, number BIGINT)",
            Kind::Postgres => "CREATE TABLE effect (place BIGSERIAL PRIMARY KEY, number BIGINT)",
        };
        made.db.execute_unprepared(table).await.unwrap();
        Some(made)
    }

    async fn on_postgres() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let named = std::env::var("WARIKAN_TEST_POSTGRES").ok();
        let url = named.as_deref().unwrap_or(POSTGRES);
        let server = match connect(url, 1).await {
            Ok(server) => server,
            Err(error) if named.is_none() => {
                eprintln!("left out: no PostgreSQL at {url}: {error}");
                return None;
            }
            Err(error) => panic!("{url}: {error}"),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("warikan_bus_{}_{number}", std::process::id());
        let create = format!("CREATE SCHEMA {name}");
        server.execute_unprepared(&create).await.unwrap();
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(4)
            .sqlx_logging(false)
            .set_schema_search_path(&name);
        Some(Self {
            db: Database::connect(options).await.unwrap(),
            server: Some((server, name)),
        })
    }

    pub(crate) async fn remove(self) {
        if let Some((server, name)) = self.server {
            let drop = format!("DROP SCHEMA {name} CASCADE");
            server.execute_unprepared(&drop).await.unwrap();
        }
    }
}

async fn connect(url: &str, connections: u32) -> Result<DatabaseConnection, sea_orm::DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    Database::connect(options).await
}
