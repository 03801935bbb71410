//! Where databases lie: the `[database]` section.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use serde::Deserialize;
use warikan_types::Secret;

use super::{Databases, postgres::Postgres};

/// Which database engine holds the services' data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// One file per service in the data directory.
    #[default]
    Sqlite,
    /// One database, with a schema and roles per service.
    Postgres,
}

/// The `[database]` section. All but `kind` concerns PostgreSQL.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Which engine.
    pub kind: DatabaseKind,
    /// `postgres://host:5432/name?sslmode=verify-full`: without a user, because each service comes as its own roles.
    pub url: Option<String>,
    /// As whom schemas are made and migrated: the schemas' owner, with CREATEROLE or with the roles made beforehand. A process that has
    /// it migrates at its start; one that has not waits where migrations are missing.
    pub owner_url: Option<Secret<String>>,
    /// Roles are `<prefix>_<service>` and `<prefix>_<service>_worker`.
    pub role_prefix: String,
    /// The password of all services' roles, where `passwords` has no other.
    pub password: Option<Secret<String>>,
    /// Passwords by service.
    pub passwords: BTreeMap<String, Secret<String>>,
    /// Connections per service for tenants' requests.
    pub pool_size: u32,
    /// Connections per service for work across tenants.
    pub worker_pool_size: u32,
    /// Milliseconds that a request waits for a connection before it is told to come again.
    pub acquire_timeout_ms: u64,
    /// Milliseconds after which PostgreSQL gives a statement up.
    pub statement_timeout_ms: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            kind: DatabaseKind::Sqlite,
            url: None,
            owner_url: None,
            role_prefix: "warikan".to_owned(),
            password: None,
            passwords: BTreeMap::new(),
            pool_size: 8,
            worker_pool_size: 4,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 10_000,
        }
    }
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |secret: bool| if secret { "(set, not shown)" } else { "(none)" };
        f.debug_struct("DatabaseConfig")
            .field("kind", &self.kind)
            // It should hold no password, and may.
            .field("url", &told(self.url.is_some()))
            .field("owner_url", &told(self.owner_url.is_some()))
            .field("role_prefix", &self.role_prefix)
            .field("password", &told(self.password.is_some()))
            .field("passwords", &self.passwords.keys().collect::<Vec<_>>())
            .field("pool_size", &self.pool_size)
            .field("worker_pool_size", &self.worker_pool_size)
            .field("acquire_timeout_ms", &self.acquire_timeout_ms)
            .field("statement_timeout_ms", &self.statement_timeout_ms)
            .finish()
    }
}

/// The `[database]` section cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("database.{key}: {why}")]
pub struct DatabaseConfigError {
    /// Which key.
    pub key: &'static str,
    /// What is wrong with it, without its value.
    pub why: String,
}

impl DatabaseConfig {
    /// The databases that it names; SQLite's files lie in `data_dir`.
    ///
    /// # Errors
    /// [`DatabaseConfigError`], which names the key and no secret.
    pub fn databases(&self, data_dir: &Path) -> Result<Databases, DatabaseConfigError> {
        match self.kind {
            DatabaseKind::Sqlite => Ok(Databases::SqliteDirectory(data_dir.to_owned())),
            DatabaseKind::Postgres => Ok(Databases::Postgres(Postgres::of(self)?.into())),
        }
    }

    /// A service's password.
    pub(super) fn password_of(&self, service: &str) -> Option<&Secret<String>> {
        self.passwords.get(service).or(self.password.as_ref())
    }

    pub(super) const fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }
}
