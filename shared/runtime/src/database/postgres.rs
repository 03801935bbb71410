//! One PostgreSQL database for all services: a schema and two roles for each, and nothing shared.

use std::{fmt, str::FromStr, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement,
    TransactionTrait, sqlx::postgres::PgConnectOptions,
};
use sea_orm_migration::MigratorTrait;
use warikan_messaging::ServiceDatabase;

use super::{
    DatabaseConfig, DatabaseConfigError, OpenError, no_delay,
    provision::{self, Names, tenant_tables},
};

/// Connections that nobody used for so long are closed.
const IDLE: Duration = Duration::from_secs(300);
/// So long a migration waits for a lock: behind it, all others of that table wait.
const MIGRATION_LOCK_TIMEOUT: &str = "30s";

/// Where the database is, and as whom to come. Its `Debug` shows no address and no password.
#[derive(Clone)]
pub struct Postgres {
    config: DatabaseConfig,
    services: PgConnectOptions,
    owner: Option<PgConnectOptions>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.config).finish()
    }
}

impl Postgres {
    pub(super) fn of(config: &DatabaseConfig) -> Result<Self, DatabaseConfigError> {
        let wrong = |key, why: &str| DatabaseConfigError {
            key,
            why: why.to_owned(),
        };
        // The parser's own words may repeat parts of the address.
        let read = |key, text: &str| {
            PgConnectOptions::from_str(text)
                .ok()
                .filter(|_| text.starts_with("postgres://") || text.starts_with("postgresql://"))
                .filter(|options| options.get_database().is_some())
                .ok_or_else(|| wrong(key, "not postgres://host:port/database"))
        };
        let url = config
            .url
            .as_deref()
            .ok_or_else(|| wrong("url", "needed where database.kind is postgres"))?;
        let authority = url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        if authority.is_some_and(|authority| authority.contains('@')) {
            return Err(wrong(
                "url",
                "names a user, but each service comes as its own role; leave it out, and set database.passwords",
            ));
        }
        let owner = config
            .owner_url
            .as_ref()
            .map(|url| read("owner_url", url.expose()))
            .transpose()?;
        if config.pool_size == 0 || config.worker_pool_size == 0 {
            return Err(wrong("pool_size", "at least one connection for each role"));
        }
        if !provision::is_plain(&config.role_prefix) {
            return Err(wrong(
                "role_prefix",
                "lower-case letters, digits and underscores, 1 to 30, a letter first",
            ));
        }
        Ok(Self {
            services: read("url", url)?,
            owner,
            config: config.clone(),
        })
    }

    /// The names of a service's schema and roles.
    fn names(&self, service: &'static str) -> Names {
        Names::of(&self.config.role_prefix, service)
    }

    /// Opens the service's two pools, after migrating where the owner's address is known.
    pub(super) async fn open<M: MigratorTrait>(
        &self,
        service: &'static str,
    ) -> Result<ServiceDatabase, OpenError> {
        if self.owner.is_some() {
            self.migrate::<M>(service, false).await?;
        }
        let names = self.names(service);
        let tenants = self.pool(&names, &names.role, self.config.pool_size);
        let worker = self.pool(&names, &names.worker, self.config.worker_pool_size);
        let (tenants, worker) =
            tokio::try_join!(tenants, worker).map_err(OpenError::database(service))?;
        self.check::<M>(service, &names, &tenants).await?;
        Ok(ServiceDatabase::walled(tenants, worker))
    }

    /// A connection of the worker's role, whatever the state of the schema.
    pub(super) async fn existing(
        &self,
        service: &'static str,
    ) -> Result<DatabaseConnection, DbErr> {
        let names = self.names(service);
        self.pool(&names, &names.worker, 1).await
    }

    /// A connection of each role, whatever the state of the schema: the tenants' and the worker's.
    pub(super) async fn both(
        &self,
        service: &'static str,
    ) -> Result<(DatabaseConnection, DatabaseConnection), DbErr> {
        let names = self.names(service);
        let tenants = self.pool(&names, &names.role, 1);
        let worker = self.pool(&names, &names.worker, 1);
        tokio::try_join!(tenants, worker)
    }

    /// Makes what is missing of roles, schema, tables, policies and grants: all of it in one transaction, and one process at a time.
    /// `passwords`: roles that exist get their password anew.
    pub(super) async fn migrate<M: MigratorTrait>(
        &self,
        service: &'static str,
        passwords: bool,
    ) -> Result<Vec<String>, OpenError> {
        let failed = OpenError::database(service);
        let names = self.names(service);
        let Some(owner) = &self.owner else {
            let why = "migrating PostgreSQL needs database.owner_url".to_owned();
            return Err(OpenError::Config { service, why });
        };
        let settings = [
            ("search_path", names.schema.as_str()),
            ("lock_timeout", MIGRATION_LOCK_TIMEOUT),
        ];
        let db = self
            .connect(owner.clone().options(settings), 1)
            .await
            .map_err(&failed)?;
        let applied = self.migrate_on::<M>(&db, &names, passwords).await;
        db.close().await.map_err(&failed)?;
        applied
    }

    async fn migrate_on<M: MigratorTrait>(
        &self,
        db: &DatabaseConnection,
        names: &Names,
        passwords: bool,
    ) -> Result<Vec<String>, OpenError> {
        let service = names.service;
        let failed = OpenError::database(service);
        let transaction = db.begin().await.map_err(&failed)?;
        let password = self.config.password_of(service);
        provision::lock(&transaction, names)
            .await
            .map_err(&failed)?;
        provision::roles_and_schema(&transaction, names, password, passwords)
            .await
            .map_err(|error| error.into_open_error(service))?;
        let missing = missing::<M, _>(&transaction).await.map_err(&failed)?;
        if !missing.is_empty() {
            // The owner of a table under FORCE sees no rows either, and a migration may have to change some.
            provision::unforce(&transaction).await.map_err(&failed)?;
            M::up(&transaction, None).await.map_err(&failed)?;
        }
        provision::protect(&transaction, names)
            .await
            .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(missing)
    }

    async fn pool(
        &self,
        names: &Names,
        role: &str,
        size: u32,
    ) -> Result<DatabaseConnection, DbErr> {
        let timeout = self.config.statement_timeout_ms.to_string();
        let settings = [
            ("search_path", names.schema.as_str()),
            ("statement_timeout", timeout.as_str()),
            // A transaction that its process forgot must not hold locks for ever.
            ("idle_in_transaction_session_timeout", "60s"),
            // An acknowledged commit is on disk, whatever the server's default says.
            ("synchronous_commit", "on"),
        ];
        let mut options = self.services.clone().username(role).options(settings);
        if let Some(password) = self.config.password_of(names.service) {
            options = options.password(password.expose());
        }
        self.connect(options, size).await
    }

    async fn connect(
        &self,
        server: PgConnectOptions,
        size: u32,
    ) -> Result<DatabaseConnection, DbErr> {
        let port = server.get_port();
        // The true address, with its password, goes in beside the URL, which is shown by `Debug`.
        let mut options = ConnectOptions::new("postgres://configured");
        options
            .max_connections(size)
            .sqlx_logging(false)
            .acquire_timeout(self.config.acquire_timeout())
            .idle_timeout(IDLE)
            // Asked whether it is there before each use, within the time that waiting for a connection may take: a server that stalls is found
            // out before a transaction begins, which nothing bounds (F079).
            .test_before_acquire(true)
            .map_sqlx_postgres_opts(move |_| {
                use sea_orm::sqlx::ConnectOptions;
                let server = server.clone().statement_cache_capacity(super::STATEMENTS);
                server.disable_statement_logging()
            })
            .map_sqlx_postgres_pool_opts(move |pool| {
                pool.after_connect(move |_, _| {
                    Box::pin(async move {
                        no_delay::on_connections_to(port);
                        Ok(())
                    })
                })
            });
        Database::connect(options).await
    }

    /// Refuses a database that the service must not work on: a schema it does not know, or walls that do not stand.
    async fn check<M: MigratorTrait>(
        &self,
        service: &'static str,
        names: &Names,
        db: &DatabaseConnection,
    ) -> Result<(), OpenError> {
        let failed = OpenError::database(service);
        let missing = missing::<M, _>(db).await.map_err(&failed)?;
        if !missing.is_empty() {
            return Err(OpenError::Pending { service, missing });
        }
        let refused = |why| Err(OpenError::Config { service, why });
        let role = Statement::from_string(
            DbBackend::Postgres,
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user",
        );
        let above = match db.query_one_raw(role).await.map_err(&failed)? {
            Some(row) => row.try_get_by_index::<bool>(0).map_err(&failed)?,
            None => true,
        };
        if above {
            return refused(format!(
                "the role {} stands above row-level security; take SUPERUSER and BYPASSRLS from it",
                names.role
            ));
        }
        let open: Vec<String> = tenant_tables(db)
            .await
            .map_err(&failed)?
            .into_iter()
            .filter(|table| !table.protected)
            .map(|table| table.name)
            .collect();
        if !open.is_empty() {
            return refused(format!(
                "tables without row-level security: {}; run `warikan migrate`",
                open.join(", ")
            ));
        }
        let durable = Statement::from_string(DbBackend::Postgres, "SHOW fsync");
        let durable = db.query_one_raw(durable).await.map_err(&failed)?;
        let durable = durable.map(|row| row.try_get_by_index::<String>(0));
        if let Some(Ok(word)) = durable
            && word == "off"
        {
            tracing::warn!(
                service,
                "fsync is off: a power cut loses what was acknowledged"
            );
        }
        Ok(())
    }
}

/// The migrations that are not applied, by name. One that is applied and not known here is a newer program's: during a rolling
/// update the older one goes on.
pub(super) async fn missing<M: MigratorTrait, C: ConnectionTrait>(
    db: &C,
) -> Result<Vec<String>, DbErr> {
    let there = Statement::from_string(
        DbBackend::Postgres,
        "SELECT 1 WHERE to_regclass(quote_ident(current_schema()) || '.seaql_migrations') IS NOT NULL",
    );
    let mut applied = std::collections::HashSet::new();
    if db.query_one_raw(there).await?.is_some() {
        let rows =
            Statement::from_string(DbBackend::Postgres, "SELECT version FROM seaql_migrations");
        for row in db.query_all_raw(rows).await? {
            applied.insert(row.try_get_by_index::<String>(0)?);
        }
    }
    Ok(M::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .filter(|name| !applied.contains(name))
        .collect())
}
