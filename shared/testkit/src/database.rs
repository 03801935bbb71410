//! Where a test's services keep their data: SQLite files, or a PostgreSQL database of its own.

use std::{
    env,
    path::Path,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};
use warikan_runtime::{DatabaseConfig, DatabaseKind, Databases};
use warikan_types::{Clock, Secret};

/// Which database tests run on: `sqlite` (where it is not set) or `postgres`.
const KIND: &str = "WARIKAN_TEST_DATABASE";
/// The server, as somebody who may make databases and roles, with the database to come in by.
const SERVER: &str = "WARIKAN_TEST_POSTGRES";
const SERVER_HERE: &str = "postgres://root@127.0.0.1:5432/postgres";
/// Databases of tests that were killed are removed by later ones, after this many seconds: no test takes so long.
const LEFT_OVER: i64 = 3_600;
const PREFIX: &str = "warikan_test_";

/// A PostgreSQL database of one test's own, dropped with it.
pub struct TestDatabase {
    server: String,
    name: String,
}

/// Whether tests were asked to run on PostgreSQL.
///
/// # Panics
/// Where the variable says anything but `sqlite` and `postgres`.
#[must_use]
pub fn on_postgres() -> bool {
    match env::var(KIND).as_deref() {
        Err(_) | Ok("" | "sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("{KIND} is {other:?}; it must be sqlite or postgres"),
    }
}

impl TestDatabase {
    /// Makes an empty database.
    ///
    /// # Panics
    /// Where the server is not there; the message says which it was.
    #[must_use]
    pub fn create() -> Self {
        static SWEEP: Once = Once::new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = env::var(SERVER).unwrap_or_else(|_| SERVER_HERE.to_owned());
        SWEEP.call_once(|| sweep(&server));
        let name = format!(
            "{PREFIX}{}_{}_{}",
            Clock::system().now().unix(),
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        run(&server, vec![format!("CREATE DATABASE {name}")]);
        Self { server, name }
    }

    /// How a process is told to use it, as the owner too: services migrate what they open.
    #[must_use]
    pub fn config(&self) -> DatabaseConfig {
        let owner = self.address();
        DatabaseConfig {
            kind: DatabaseKind::Postgres,
            url: Some(without_user(&owner)),
            owner_url: Some(Secret::new(owner)),
            role_prefix: "warikan_test".to_owned(),
            password: Some(Secret::new("warikan-test".to_owned())),
            pool_size: 8,
            worker_pool_size: 4,
            ..DatabaseConfig::default()
        }
    }

    /// The database, as services are opened over it.
    ///
    /// # Panics
    /// Where the server's address is not acceptable.
    #[must_use]
    pub fn databases(&self) -> Databases {
        self.config()
            .databases(Path::new("."))
            .expect("the test server's address is acceptable")
    }

    /// The owner's address.
    #[must_use]
    pub fn address(&self) -> String {
        let (before, _) = self.server.rsplit_once('/').expect("a database's name");
        format!("{before}/{}", self.name)
    }

    /// As its owner, before whom no row is hidden; in a service's schema.
    ///
    /// # Panics
    /// Where it cannot be reached.
    pub async fn connect(&self, service: &str) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.address());
        options
            .max_connections(2)
            .sqlx_logging(false)
            .set_schema_search_path(service);
        Database::connect(options)
            .await
            .expect("the test's database")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // FORCE: pools of services that the test left running are still connected.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        run(&self.server, vec![sql]);
    }
}

fn without_user(address: &str) -> String {
    match (address.split_once("://"), address.split_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => address.to_owned(),
    }
}

/// Drops what tests left behind that were killed.
fn sweep(server: &str) {
    let before = Clock::system().now().unix() - LEFT_OVER;
    let names = ask(
        server,
        format!("SELECT datname::text FROM pg_database WHERE datname LIKE '{PREFIX}%'"),
    );
    let old = names.into_iter().filter(|name| {
        let time = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('_').next());
        time.and_then(|time| time.parse::<i64>().ok())
            .is_some_and(|time| time < before)
    });
    let sql = old.map(|name| format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    run(server, sql.collect());
}

fn run(server: &str, statements: Vec<String>) {
    apart(server, async move |db: DatabaseConnection| {
        for sql in statements {
            db.execute_unprepared(&sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    });
}

fn ask(server: &str, sql: String) -> Vec<String> {
    apart(server, async move |db: DatabaseConnection| {
        let rows = db
            .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
            .await
            .expect("an answer");
        rows.iter()
            .map(|row| row.try_get_by_index(0).expect("text"))
            .collect()
    })
}

/// Works on the server from a thread of its own: houses are made and dropped in the middle of tests' runtimes, which must not be
/// blocked on themselves.
fn apart<T: Send + 'static>(
    server: &str,
    work: impl AsyncFnOnce(DatabaseConnection) -> T + Send + 'static,
) -> T {
    let server = server.to_owned();
    let outcome = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut options = ConnectOptions::new(&server);
            options.max_connections(1).sqlx_logging(false);
            let db = Database::connect(options).await.unwrap_or_else(|error| {
                panic!(
                    "no PostgreSQL for tests at {SERVER} ({}): {error}",
                    without_user(&server)
                )
            });
            let done = work(db.clone()).await;
            // Nothing is lost where the farewell fails.
            let _ = db.close().await;
            done
        })
    })
    .join();
    match outcome {
        Ok(done) => done,
        Err(panic) if std::thread::panicking() => {
            // The test's own failure is what counts.
            drop(panic);
            panic!("the test's database could not be dropped")
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
