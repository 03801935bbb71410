//! The platform of a test.

use sea_orm::{Database, DatabaseConnection};
use tempfile::TempDir;
use warikan_messaging::Bus;
use warikan_runtime::{AccessToken, Clocks, Databases, Keys, Platform};
use warikan_types::{
    ClientScope, Clock, Entropy, Environment, Principal, TenantId, TenantScope, Timestamp,
};

use crate::{TestDatabase, on_postgres};

/// A platform of its own, gone with the test.
pub struct TestHouse {
    /// What services are opened over.
    pub platform: Platform,
    postgres: Option<TestDatabase>,
    directory: TempDir,
}

impl Default for TestHouse {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHouse {
    /// A house at 2026-11-21T00:00:00Z (09:00 in Japan). Both clocks stand until advanced.
    ///
    /// # Panics
    /// Where no temporary directory can be made.
    #[must_use]
    pub fn new() -> Self {
        Self::over(on_postgres().then(TestDatabase::create))
    }

    /// The same on SQLite, whatever tests were asked to run on: where the database is the test's matter.
    ///
    /// # Panics
    /// Where no temporary directory can be made.
    #[must_use]
    pub fn on_sqlite() -> Self {
        Self::over(None)
    }

    fn over(postgres: Option<TestDatabase>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a timestamp");
        let entropy = Entropy::seeded(0x5741_5249);
        let clock = Clock::manual(start);
        Self {
            platform: Platform {
                clocks: Clocks {
                    production: clock.clone(),
                    sandbox: clock,
                },
                keys: Keys::ephemeral(&entropy),
                entropy,
                bus: Bus::in_process(),
                databases: match &postgres {
                    Some(database) => database.databases(),
                    None => Databases::SqliteDirectory(directory.path().to_owned()),
                },
            },
            postgres,
            directory,
        }
    }

    /// The house's directory.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A service's data, as nobody but the database's owner sees them: for tests that look at rows, or damage them.
    ///
    /// # Panics
    /// Where the service was never opened.
    pub async fn database(&self, service: &str) -> DatabaseConnection {
        match &self.postgres {
            Some(database) => database.connect(service).await,
            None => {
                let file = self.directory.path().join(format!("{service}.sqlite"));
                Database::connect(format!("sqlite://{}", file.display()))
                    .await
                    .expect("the service's file")
            }
        }
    }

    /// The PostgreSQL database, where tests run on one.
    #[must_use]
    pub const fn postgres(&self) -> Option<&TestDatabase> {
        self.postgres.as_ref()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.platform.clock()
    }

    /// A tenant that no service knows yet, in an environment.
    #[must_use]
    pub fn tenant(&self, environment: Environment) -> TenantScope {
        let tenant: TenantId = self.platform.entropy.id(self.clock().now());
        TenantScope::of_event(tenant, environment)
    }

    /// An access token for a tenant, as onboarding would have given it.
    ///
    /// # Panics
    /// Where the token cannot be signed.
    #[must_use]
    pub fn token(&self, tenant: TenantScope, scopes: &[ClientScope]) -> String {
        self.issue(Some(tenant), scopes)
    }

    /// An access token for the operator.
    ///
    /// # Panics
    /// Where the token cannot be signed.
    #[must_use]
    pub fn operator_token(&self) -> String {
        self.issue(None, &[ClientScope::Operator])
    }

    fn issue(&self, tenant: Option<TenantScope>, scopes: &[ClientScope]) -> String {
        let platform = &self.platform;
        let principal = Principal {
            client: platform.entropy.id(self.clock().now()),
            tenant,
            scopes: scopes.iter().copied().collect(),
        };
        AccessToken::issue(
            &principal,
            &platform.keys,
            platform.clock(),
            &platform.entropy,
        )
        .expect("the token is signed")
    }
}
