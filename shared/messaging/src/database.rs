//! A service's database: as its tenants' requests use it, and as its own work across tenants does.
//!
//! On PostgreSQL these are two roles. The tenants' role sees the rows of the one tenant that the transaction names (row-level
//! security, a second wall behind the filters by [`TenantScope`]); the worker's role sees all, until a transaction narrows
//! itself. On SQLite, where no such wall exists, both are the one connection that writes; tenants' reads have connections of their own,
//! which see what was committed when they began and wait for no writer.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, Statement, TransactionTrait,
};
use warikan_types::{TenantId, TenantScope};

use crate::begin_write;

/// Clones share the connections.
#[derive(Clone, Debug)]
pub struct ServiceDatabase {
    tenants: DatabaseConnection,
    worker: DatabaseConnection,
    /// SQLite's, where the file is read beside its one writer.
    readers: Option<DatabaseConnection>,
}

impl ServiceDatabase {
    /// One connection for both: SQLite.
    #[must_use]
    pub fn single(db: DatabaseConnection) -> Self {
        Self {
            tenants: db.clone(),
            worker: db,
            readers: None,
        }
    }

    /// With connections that only read, for tenants' questions: SQLite.
    #[must_use]
    pub fn with_readers(mut self, readers: DatabaseConnection) -> Self {
        self.readers = Some(readers);
        self
    }

    /// A pool of the role that sees one tenant at a time, and one of the role that sees all.
    #[must_use]
    pub const fn walled(tenants: DatabaseConnection, worker: DatabaseConnection) -> Self {
        Self {
            tenants,
            worker,
            readers: None,
        }
    }

    /// Whether a tenant's transactions see that tenant's rows alone.
    #[must_use]
    pub fn is_walled(&self) -> bool {
        self.tenants.get_database_backend() == DbBackend::Postgres
    }

    /// For work that spans tenants: relays, consumers, tasks, the operator's questions.
    #[must_use]
    pub const fn worker(&self) -> &DatabaseConnection {
        &self.worker
    }

    /// Begins a tenant's transaction that will write.
    ///
    /// # Errors
    /// The database does not answer, or the lock was not to be had in time.
    pub async fn begin_write(&self, scope: TenantScope) -> Result<DatabaseTransaction, DbErr> {
        let transaction = begin_write(&self.tenants).await?;
        narrow(&transaction, scope.tenant()).await?;
        Ok(transaction)
    }

    /// What a tenant's reads ask.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_read(&self, scope: TenantScope) -> Result<Reading, DbErr> {
        if self.tenants.get_database_backend() == DbBackend::Sqlite {
            // Nothing to set, and no connection is held from one question to the next.
            let readers = self.readers.as_ref().unwrap_or(&self.tenants);
            return Ok(Reading(Asked::Connection(readers.clone())));
        }
        let transaction = self.tenants.begin().await?;
        narrow(&transaction, scope.tenant()).await?;
        Ok(Reading(Asked::Transaction(transaction)))
    }

    /// Whether both roles answer.
    ///
    /// # Errors
    /// One does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.tenants.ping().await?;
        self.worker.ping().await
    }
}

/// A tenant's reads. Let go, it is over.
#[derive(Debug)]
pub struct Reading(Asked);

#[derive(Debug)]
enum Asked {
    Connection(DatabaseConnection),
    Transaction(DatabaseTransaction),
}

#[async_trait]
impl ConnectionTrait for Reading {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Asked::Connection(one) => one.get_database_backend(),
            Asked::Transaction(one) => one.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Asked::Connection(one) => one.execute_raw(statement).await,
            Asked::Transaction(one) => one.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Asked::Connection(one) => one.execute_unprepared(sql).await,
            Asked::Transaction(one) => one.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Asked::Connection(one) => one.query_one_raw(statement).await,
            Asked::Transaction(one) => one.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Asked::Connection(one) => one.query_all_raw(statement).await,
            Asked::Transaction(one) => one.query_all_raw(statement).await,
        }
    }
}

/// Names the transaction's tenant: from here to its end it sees and writes that tenant's rows alone. On SQLite it does nothing.
///
/// # Errors
/// The database does not answer.
pub async fn narrow<C: ConnectionTrait>(transaction: &C, tenant: TenantId) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    // `true`: local to the transaction, so that the pool's next user does not inherit it.
    let sql = "SELECT set_config('app.tenant', $1, true)";
    let tenant = tenant.uuid().to_string();
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [tenant.into()]);
    transaction.query_one_raw(statement).await?;
    Ok(())
}

/// How a transaction holds a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Together with others that share it.
    Shared,
    /// Alone.
    Exclusive,
}

impl Hold {
    const fn function(self) -> &'static str {
        match self {
            Self::Shared => "pg_advisory_xact_lock_shared",
            Self::Exclusive => "pg_advisory_xact_lock",
        }
    }
}

/// Waits until nobody else holds `name` (in this service's schema), and holds it until the transaction ends: for what a rule
/// speaks of that is no row yet. SQLite's write transactions are alone anyway.
///
/// Statements after it see what the earlier holders committed (READ COMMITTED).
///
/// # Errors
/// The database does not answer, or the wait took longer than a statement may.
pub async fn hold<C: ConnectionTrait>(transaction: &C, name: &str, how: Hold) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let function = how.function();
    let sql = format!("SELECT {function}(hashtextextended(current_schema() || '/' || $1, 0))");
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [name.into()]);
    transaction.query_one_raw(statement).await?;
    Ok(())
}

/// The same for many names, in an order in which no two transactions that do the same wait for each other in a circle. Gives whether
/// others may have held one before: then what was read before is to be read again.
///
/// # Errors
/// As [`hold`].
pub async fn hold_all<C: ConnectionTrait>(
    transaction: &C,
    names: &[String],
    how: Hold,
) -> Result<bool, DbErr> {
    if names.is_empty() || transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(false);
    }
    let function = how.function();
    // The names go as one parameter; the order is that of the keys.
    let sql = format!(
        "SELECT count({function}(key)) FROM (SELECT DISTINCT \
         hashtextextended(current_schema() || '/' || name, 0) AS key \
         FROM json_array_elements_text($1::json) AS name ORDER BY key) AS keys"
    );
    let names = serde_json::json!(names);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [names.into()]);
    transaction.query_one_raw(statement).await?;
    Ok(true)
}
