//! Every tenant's rows lie behind row-level security, and every service's tables in a schema of its own.

use std::{collections::BTreeSet, net::SocketAddr};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
    TransactionTrait,
};
use warikan::{compose, config::Config};
use warikan_runtime::OpenError;
use warikan_testkit::{TestDatabase, on_postgres};

const SERVICES: [&str; 6] = [
    "billing",
    "onboarding",
    "revocation",
    "sandbox",
    "verification",
    "webhooks",
];

/// Tables without a tenant's column, and why that is right. A table that is neither here nor behind a policy fails the test.
const NOBODYS: [(&str, &str); 6] = [
    (
        "*",
        "seaql_migrations outbox inbox parked_message idempotent_answer",
    ),
    (
        "revocation",
        "crl_partition crl_version revoked_entry entry_change crl_snapshot crl_snapshot_part crl_change source_list source_problem recheck_run erased_subject",
    ),
    ("sandbox", "simulator_record person published_list setting"),
    // A client's id says whose it is, and is what it is found by.
    // Keys for access tokens are the platform's.
    ("onboarding", "client_assertion token_key"),
    ("billing", "ledger closed_month shared_cost reconciliation"),
    // Known by its delivery alone, which is behind the wall.
    ("webhooks", "delivery_attempt"),
];

const ONE: &str = "11111111-1111-7111-8111-111111111111";
const OTHER: &str = "22222222-2222-7222-8222-222222222222";

async fn strings(db: &impl ConnectionTrait, sql: &str) -> Vec<String> {
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// Every column of every service, and every policy.
pub(super) async fn shape(database: &TestDatabase) -> Vec<String> {
    let db = database.connect("public").await;
    let columns = "SELECT format('%s.%s.%s %s %s %s', table_schema, table_name, column_name, data_type, is_nullable, column_default) \
         FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
    let policies =
        "SELECT format('%s.%s %s', schemaname, tablename, policyname) FROM pg_policies ORDER BY 1";
    let mut all = strings(&db, columns).await;
    all.extend(strings(&db, policies).await);
    all
}

async fn count(db: &impl ConnectionTrait, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .unwrap_or_else(|error| panic!("{table}: {error}"));
    row.unwrap().try_get_by_index(0).unwrap()
}

/// As one of a service's roles, as the service itself comes.
async fn role(database: &TestDatabase, name: &str) -> DatabaseConnection {
    let (_, place) = database
        .address()
        .split_once('@')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let address = format!("postgres://{name}:warikan-test@{place}");
    let mut options = ConnectOptions::new(address);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

fn config(database: &TestDatabase, directory: &std::path::Path) -> Config {
    Config {
        data_dir: directory.to_owned(),
        database: database.config(),
        ..Config::default()
    }
}

/// An INSERT of a row of any table, with made-up values for what must be there.
async fn made_up(owner: &DatabaseConnection, table: &str, column: &str, tenant: &str) -> String {
    let (schema, name) = table.split_once('.').unwrap();
    let columns = strings(
        owner,
        &format!(
            "SELECT column_name || ' ' || data_type FROM information_schema.columns
              WHERE table_schema = '{schema}' AND table_name = '{name}'
                AND (is_nullable = 'NO' OR column_name = '{column}')"
        ),
    )
    .await;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for text in columns {
        let (one, kind) = text.split_once(' ').unwrap();
        names.push(format!("\"{one}\""));
        values.push(match kind {
            _ if one == column => format!("'{tenant}'"),
            "uuid" => "gen_random_uuid()".to_owned(),
            "bytea" => "'x'::bytea".to_owned(),
            "boolean" => "true".to_owned(),
            "date" | "timestamp with time zone" => "'2026-11-21'".to_owned(),
            "bigint" | "integer" | "smallint" => "1".to_owned(),
            _ => "left(gen_random_uuid()::text, 7)".to_owned(),
        });
    }
    format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        values.join(", ")
    )
}

async fn as_tenant(db: &DatabaseConnection, tenant: &str) -> sea_orm::DatabaseTransaction {
    let txn = db.begin().await.unwrap();
    let sql = format!("SELECT set_config('app.tenant', '{tenant}', true)");
    txn.query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await
        .unwrap();
    txn
}

/// The wall around one table, tried from all sides.
async fn it_is_walled(database: &TestDatabase, service: &str, table: &str, column: &str) {
    let owner = database.connect(service).await;
    let own = made_up(&owner, table, column, ONE).await;
    owner
        .execute_unprepared(&own)
        .await
        .unwrap_or_else(|error| panic!("{own}: {error}"));
    assert_eq!(count(&owner, table).await, 1, "{table}: the row is there");

    let tenants = role(database, &format!("warikan_test_{service}")).await;
    assert_eq!(count(&tenants, table).await, 0, "{table} without a scope");
    let inside = as_tenant(&tenants, ONE).await;
    assert_eq!(count(&inside, table).await, 1, "{table} for its tenant");
    inside.commit().await.unwrap();
    // The connection was used for a tenant before: nothing of that is left.
    assert_eq!(count(&tenants, table).await, 0, "{table} after a scope");
    let inside = as_tenant(&tenants, OTHER).await;
    assert_eq!(count(&inside, table).await, 0, "{table} for another tenant");
    let foreign = made_up(&owner, table, column, ONE).await;
    let refused = inside.execute_unprepared(&foreign).await.unwrap_err();
    assert!(
        refused.to_string().contains("row-level security"),
        "{table}: {refused}"
    );
    inside.rollback().await.unwrap();

    let worker = role(database, &format!("warikan_test_{service}_worker")).await;
    assert_eq!(count(&worker, table).await, 1, "{table} for the worker");
    let narrowed = as_tenant(&worker, OTHER).await;
    assert_eq!(count(&narrowed, table).await, 0, "{table}, narrowed");
    assert!(narrowed.execute_unprepared(&foreign).await.is_err());
    narrowed.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tenant_table_is_walled_and_no_service_sees_another() {
    if !on_postgres() {
        return;
    }
    let database = TestDatabase::create();
    let directory = tempfile::tempdir().unwrap();
    compose::migrate(&config(&database, directory.path()), |_| {})
        .await
        .unwrap();
    let mut walled = 0;
    for service in SERVICES {
        let owner = database.connect(service).await;
        let tables = strings(
            &owner,
            &format!("SELECT table_name::text FROM information_schema.tables WHERE table_schema = '{service}'"),
        )
        .await;
        let with_tenant: BTreeSet<String> = strings(
            &owner,
            &format!("SELECT table_name::text FROM information_schema.columns WHERE table_schema = '{service}' AND column_name = 'tenant'"),
        )
        .await
        .into_iter()
        .collect();
        for table in tables {
            let column = match (with_tenant.contains(&table), table.as_str()) {
                (true, _) => "tenant",
                (false, "tenant") => "id",
                (false, _) => {
                    let known = NOBODYS
                        .iter()
                        .filter(|(whose, _)| *whose == "*" || *whose == service)
                        .any(|(_, names)| names.split(' ').any(|name| name == table));
                    assert!(
                        known,
                        "{service}.{table} has no column `tenant`: give it one, or say in NOBODYS why not"
                    );
                    continue;
                }
            };
            it_is_walled(&database, service, &format!("{service}.{table}"), column).await;
            walled += 1;
        }
        for role_name in [
            format!("warikan_test_{service}"),
            format!("warikan_test_{service}_worker"),
        ] {
            let db = role(&database, &role_name).await;
            for other in SERVICES.into_iter().filter(|other| *other != service) {
                let sql = format!("SELECT 1 FROM {other}.outbox");
                let refused = db.execute_unprepared(&sql).await.unwrap_err().to_string();
                assert!(refused.contains("permission denied"), "{refused}");
            }
            let sql = format!("CREATE TABLE {service}.x (id integer)");
            assert!(
                db.execute_unprepared(&sql).await.is_err(),
                "{role_name} owns nothing"
            );
        }
    }
    assert!(walled >= 15, "{walled} tables only: the question was wrong");
}

/// A process that does not hold the owner's address starts on a migrated database, and on no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f088_a_process_that_may_not_migrate_refuses_an_older_schema() {
    if !on_postgres() {
        return;
    }
    let database = TestDatabase::create();
    let directory = tempfile::tempdir().unwrap();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let all = config(&database, directory.path());
    compose::migrate(&all, |_| {}).await.unwrap();
    let mut own = all.clone();
    own.database.owner_url = None;
    drop(
        compose::open(&own, compose::clocks(), nowhere)
            .await
            .unwrap_or_else(|error| panic!("{error}")),
    );
    let owner = database.connect("onboarding").await;
    owner
        .execute_unprepared("DELETE FROM seaql_migrations WHERE version = 'm0101_tenants'")
        .await
        .unwrap();
    let refused = compose::open(&own, compose::clocks(), nowhere).await.err();
    let Some(compose::ComposeError::Service(OpenError::Pending { service, missing })) = refused
    else {
        panic!("it started on a schema that lacks a migration");
    };
    assert_eq!(
        (service, missing.as_slice()),
        ("onboarding", &["m0101_tenants".to_owned()][..])
    );
    // A newer program's migration does not keep an older one from starting: a rolling update.
    owner
        .execute_unprepared(
            "INSERT INTO seaql_migrations VALUES ('m0101_tenants', 0), ('m9999_of_the_future', 0)",
        )
        .await
        .unwrap();
    assert!(
        compose::open(&own, compose::clocks(), nowhere)
            .await
            .is_ok()
    );
}

#[test]
fn what_is_configured_is_not_shown() {
    let mut config = warikan_runtime::DatabaseConfig {
        kind: warikan_runtime::DatabaseKind::Postgres,
        url: Some("postgres://db.example.jp/warikan".to_owned()),
        owner_url: Some(warikan_types::Secret::new(
            "postgres://owner:hush1@db.example.jp/warikan".to_owned(),
        )),
        password: Some(warikan_types::Secret::new("hush2".to_owned())),
        ..warikan_runtime::DatabaseConfig::default()
    };
    let here = std::path::Path::new(".");
    let shown = format!("{config:?} {:?}", config.databases(here).unwrap());
    assert!(!shown.contains("hush"), "{shown}");
    config.url = Some("postgres://app:hush3@db.example.jp/warikan".to_owned());
    let refused = config.databases(here).unwrap_err().to_string();
    assert!(
        refused.contains("database.url") && !refused.contains("hush"),
        "{refused}"
    );
}
