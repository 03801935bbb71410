//! A statement for each thing.

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    QueryResult, Statement, Value,
};

const TABLES: [&str; 6] = [
    "CREATE TABLE challenge (id text PRIMARY KEY, tenant text NOT NULL, digest text NOT NULL, used_by text)",
    "CREATE TABLE subject (id text PRIMARY KEY, tenant text NOT NULL, reference text NOT NULL, UNIQUE (tenant, reference))",
    "CREATE TABLE revoked (issuer BLOB NOT NULL, serial BLOB NOT NULL, PRIMARY KEY (issuer, serial))",
    "CREATE TABLE verification (id text PRIMARY KEY, tenant text NOT NULL, subject text NOT NULL, accepted_at text NOT NULL, evidence BLOB NOT NULL)",
    "CREATE TABLE answer (tenant text NOT NULL, key text NOT NULL, body text NOT NULL, PRIMARY KEY (tenant, key))",
    "CREATE TABLE outbox (id text PRIMARY KEY, fact text NOT NULL)",
];

/// Opens an empty database: `sqlite://<file>?mode=rwc` or `postgres://..`.
pub(super) async fn open(url: &str) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false);
    let sqlite = url.starts_with("sqlite:");
    // SQLite has one writer; with more connections the obvious code meets "database is locked".
    options.max_connections(if sqlite { 1 } else { 16 });
    let db = Database::connect(options).await?;
    if sqlite {
        db.execute_unprepared("PRAGMA journal_mode = WAL").await?;
        db.execute_unprepared("PRAGMA synchronous = FULL").await?;
    }
    for table in TABLES {
        let table = match sqlite {
            true => table.to_owned(),
            false => table.replace("BLOB", "bytea"),
        };
        db.execute_unprepared(&table).await?;
    }
    Ok(db)
}

fn statement(on: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(on.get_database_backend(), sql, values)
}

pub(super) async fn run(
    on: &DatabaseTransaction,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, DbErr> {
    Ok(on
        .execute_raw(statement(on, sql, values))
        .await?
        .rows_affected())
}

pub(super) async fn one(
    on: &DatabaseTransaction,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<QueryResult>, DbErr> {
    on.query_one_raw(statement(on, sql, values)).await
}
