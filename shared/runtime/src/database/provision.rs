//! Roles, schemas, grants and row-level security: what a service's tables lie behind on PostgreSQL.
//!
//! Who makes all this is the tables' owner. The services' two roles own nothing, and neither may look into another service's
//! schema. Policies compare with the setting `app.tenant`, which is local to a transaction; where it was never set it is NULL, and
//! where a connection was used before it is empty (hence `nullif`).

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use warikan_types::Secret;

use super::OpenError;

/// The tenant that the transaction has named, or NULL.
const TENANT: &str = "nullif(current_setting('app.tenant', true), '')::uuid";
/// Tables through which services work and which are no tenant's: what a tenant's role may do there.
const INTERNAL: [(&str, &str); 4] = [
    ("outbox", "INSERT"),
    ("inbox", ""),
    ("parked_message", ""),
    ("seaql_migrations", "SELECT"),
];

/// Tables to which rows are added and nothing else: not even the worker's role changes or removes one.
const APPEND_ONLY: [&str; 1] = ["audit_record"];

/// What a service's things are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) service: &'static str,
    pub(super) schema: String,
    /// For tenants' requests.
    pub(super) role: String,
    /// For work across tenants.
    pub(super) worker: String,
}

impl Names {
    pub(super) fn of(prefix: &str, service: &'static str) -> Self {
        Self {
            service,
            schema: service.to_owned(),
            role: format!("{prefix}_{service}"),
            worker: format!("{prefix}_{service}_worker"),
        }
    }
}

/// Whether a word can stand in a name without quotes.
pub(super) fn is_plain(word: &str) -> bool {
    (1..=30).contains(&word.len())
        && word.starts_with(|first: char| first.is_ascii_lowercase())
        && word
            .chars()
            .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
}

fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    // With `E''` a backslash means itself whatever standard_conforming_strings says.
    format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

fn asked(sql: impl Into<String>) -> Statement {
    Statement::from_string(DbBackend::Postgres, sql)
}

/// Roles or the schema cannot be made.
pub(super) enum ProvisionError {
    Database(DbErr),
    /// The owner may not make roles, and some are missing.
    RolesMissing(String),
}

impl From<DbErr> for ProvisionError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl ProvisionError {
    pub(super) fn into_open_error(self, service: &'static str) -> OpenError {
        match self {
            Self::Database(source) => OpenError::Database { service, source },
            Self::RolesMissing(sql) => OpenError::Config {
                service,
                why: format!(
                    "its roles are missing and the role of database.owner_url may not make any; as a superuser run\n{sql}"
                ),
            },
        }
    }
}

/// One process at a time migrates a service; the others wait and then find nothing to do.
pub(super) async fn lock<C: ConnectionTrait>(on: &C, names: &Names) -> Result<(), DbErr> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('warikan/migrate/' || $1, 0))";
    let what = [names.schema.as_str().into()];
    on.query_one_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql,
        what,
    ))
    .await?;
    Ok(())
}

/// Makes the roles and the schema where they are missing; with `renew`, roles that exist get the password again.
pub(super) async fn roles_and_schema<C: ConnectionTrait>(
    on: &C,
    names: &Names,
    password: Option<&Secret<String>>,
    renew: bool,
) -> Result<(), ProvisionError> {
    let mut missing = Vec::new();
    for role in [&names.role, &names.worker] {
        let found = asked(format!(
            "SELECT 1 FROM pg_roles WHERE rolname = {}",
            text(role)
        ));
        if on.query_one_raw(found).await?.is_none() {
            missing.push(role.as_str());
        }
    }
    let may = asked(
        "SELECT 1 FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole)",
    );
    let may = on.query_one_raw(may).await?.is_some();
    if !missing.is_empty() && !may {
        let roles = missing.iter().map(|role| create_role(role, None));
        let sql: Vec<String> = roles.collect();
        return Err(ProvisionError::RolesMissing(sql.join("\n")));
    }
    for role in [&names.role, &names.worker] {
        if missing.contains(&role.as_str()) {
            // Another database's migration may make the same role at this moment: roles are the cluster's.
            let sql = format!(
                "DO $role$ BEGIN {} EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $role$",
                create_role(role, password)
            );
            on.execute_unprepared(&sql).await?;
        } else if let Some(password) = password.filter(|_| renew && may) {
            on.execute_unprepared(&set_password(role, password)).await?;
        }
    }
    let schema = name(&names.schema);
    let (role, worker) = (name(&names.role), name(&names.worker));
    on.execute_unprepared(&format!(
        "CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO {role}, {worker}"
    ))
    .await?;
    Ok(())
}

fn create_role(role: &str, password: Option<&Secret<String>>) -> String {
    let password = password.map_or_else(String::new, |password| {
        format!(" PASSWORD {}", text(password.expose()))
    });
    format!(
        "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT{password};",
        name(role)
    )
}

/// Roles are the whole server's, and advisory locks one database's: another database's migration may change the same role at this
/// moment. The server then says "tuple concurrently updated" (an internal error, no class of its own); what it saw is old, so it looks again.
fn set_password(role: &str, password: &Secret<String>) -> String {
    format!(
        "DO $role$ BEGIN
           FOR attempt IN 1..100 LOOP
             BEGIN
               ALTER ROLE {} PASSWORD {};
               RETURN;
             EXCEPTION WHEN internal_error THEN
               IF attempt = 100 THEN RAISE; END IF;
               PERFORM pg_sleep(0.05);
             END;
           END LOOP;
         END $role$",
        name(role),
        text(password.expose())
    )
}

/// A table whose rows are tenants'.
#[derive(Debug, Clone)]
pub(super) struct TenantTable {
    pub(super) name: String,
    /// The column that says whose.
    column: &'static str,
    /// Whether row-level security holds there, for its owner too, with a policy for each role.
    pub(super) protected: bool,
}

/// The tables of the schema with a column that names a tenant: `tenant`, or in the table of tenants itself its id.
pub(super) async fn tenant_tables<C: ConnectionTrait>(on: &C) -> Result<Vec<TenantTable>, DbErr> {
    let rows = on
        .query_all_raw(asked(
            "SELECT c.relname::text, a.attname = 'id',
                    c.relrowsecurity AND c.relforcerowsecurity
                      AND (SELECT count(*) = 2 FROM pg_policy p
                            WHERE p.polrelid = c.oid AND p.polname IN ('of_tenant', 'of_worker'))
               FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
              WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
                AND (a.attname = 'tenant' OR (c.relname = 'tenant' AND a.attname = 'id'))
              ORDER BY c.relname",
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TenantTable {
                name: row.try_get_by_index(0)?,
                column: if row.try_get_by_index(1)? {
                    "id"
                } else {
                    "tenant"
                },
                protected: row.try_get_by_index(2)?,
            })
        })
        .collect()
}

/// Lets the owner see its tables' rows, until [`protect`] at the end of the same transaction.
pub(super) async fn unforce<C: ConnectionTrait>(on: &C) -> Result<(), DbErr> {
    for table in tenant_tables(on).await? {
        let table = name(&table.name);
        on.execute_unprepared(&format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"))
            .await?;
    }
    Ok(())
}

/// Puts a policy for each role on every tenant table that lacks one, and grants what the roles need.
pub(super) async fn protect<C: ConnectionTrait>(on: &C, names: &Names) -> Result<(), DbErr> {
    let (role, worker) = (name(&names.role), name(&names.worker));
    for table in tenant_tables(on).await? {
        if table.protected {
            continue;
        }
        let (table, column) = (name(&table.name), name(table.column));
        let own = format!("{column} = {TENANT}");
        let all = format!("{TENANT} IS NULL OR {own}");
        on.execute_unprepared(&format!(
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
             ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
             DROP POLICY IF EXISTS of_tenant ON {table};
             DROP POLICY IF EXISTS of_worker ON {table};
             CREATE POLICY of_tenant ON {table} TO {role} USING ({own}) WITH CHECK ({own});
             CREATE POLICY of_worker ON {table} TO {worker} USING ({all}) WITH CHECK ({all})"
        ))
        .await?;
    }
    let schema = name(&names.schema);
    on.execute_unprepared(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}, {worker};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}, {worker}"
    ))
    .await?;
    for (table, right) in INTERNAL {
        if !is_there(on, table).await? {
            continue;
        }
        let mut sql = format!("REVOKE ALL ON {table} FROM {role};");
        if !right.is_empty() {
            sql.push_str(&format!("GRANT {right} ON {table} TO {role}"));
        }
        on.execute_unprepared(&sql).await?;
    }
    for table in APPEND_ONLY {
        if is_there(on, table).await? {
            let sql = format!("REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}, {worker}");
            on.execute_unprepared(&sql).await?;
        }
    }
    Ok(())
}

async fn is_there<C: ConnectionTrait>(on: &C, table: &str) -> Result<bool, DbErr> {
    let there = asked(format!(
        "SELECT 1 WHERE to_regclass({}) IS NOT NULL",
        text(table)
    ));
    Ok(on.query_one_raw(there).await?.is_some())
}
