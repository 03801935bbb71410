//! F089: a migration that is interrupted is taken up again, and a program that comes before it waits.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use warikan::{compose, config::Config};
use warikan_testkit::{TestDatabase, on_postgres};
use warikan_types::Entropy;

/// `warikan migrate` on this database.
fn migrate(database: &TestDatabase, directory: &std::path::Path) -> Command {
    let config = directory.join("warikan.toml");
    let text = format!(
        "data_dir = {:?}\n[database]\nkind = \"postgres\"\nurl = \"{}\"\nowner_url = \"{}\"\nrole_prefix = \"warikan_test\"\npassword = \"warikan-test\"\n",
        directory.join("data"),
        database.config().url.unwrap(),
        database.address()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_warikan"));
    for (name, _) in std::env::vars_os() {
        // Else they would be read as settings.
        if name.to_string_lossy().starts_with("WARIKAN_") {
            command.env_remove(name);
        }
    }
    command.arg("migrate").arg("--config").arg(config);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f089_a_migration_that_is_killed_again_and_again_is_taken_up_and_finished() {
    if !on_postgres() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let whole = TestDatabase::create();
    let begun = Instant::now();
    migrated(&whole, directory.path());
    let usual = begun.elapsed();

    let database = TestDatabase::create();
    let entropy = Entropy::seeded(89);
    for attempt in 1..=6_u32 {
        let mut child = migrate(&database, directory.path()).spawn().unwrap();
        // Later and later, so that each finds something and none need finish.
        let spread = u64::from_le_bytes(entropy.bytes()) % 1_000;
        let moment = usual / 8 * attempt + usual / 8 * u32::try_from(spread).unwrap() / 1_000;
        tokio::time::sleep(moment.min(Duration::from_secs(20))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let said = migrated(&database, directory.path());
    assert_eq!(said.matches("up to date").count(), 6, "{said}");
    // A process that may not migrate finds nothing missing and every wall standing.
    let mut config = Config {
        data_dir: directory.path().join("data"),
        database: database.config(),
        ..Config::default()
    };
    config.database.owner_url = None;
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let opened = compose::open(&config, compose::clocks(), nowhere).await;
    assert!(opened.is_ok(), "{:?}", opened.err());
    let tables = async |one: &TestDatabase| super::walls::shape(one).await;
    assert_eq!(tables(&database).await, tables(&whole).await);
}

/// `warikan migrate`, to its end.
fn migrated(database: &TestDatabase, directory: &std::path::Path) -> String {
    let done = migrate(database, directory).output().unwrap();
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{error}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn f089_migrations_of_several_databases_of_one_server_do_not_turn_each_other_away() {
    if !on_postgres() {
        return;
    }
    // Each sets the same roles' passwords: roles are the whole server's.
    let directories: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let databases: Vec<_> = (0..4).map(|_| TestDatabase::create()).collect();
    for _ in 0..5 {
        let begun: Vec<_> = directories
            .iter()
            .zip(&databases)
            .map(|(directory, database)| migrate(database, directory.path()).spawn().unwrap())
            .collect();
        for one in begun {
            let done = one.wait_with_output().unwrap();
            let error = String::from_utf8(done.stderr).unwrap();
            assert!(done.status.success(), "{error}");
        }
    }
}

/// A process of the part `billing` that may not migrate.
fn billing(database: &TestDatabase, directory: &std::path::Path, ops: &str) -> Command {
    let mut command = migrate(database, directory);
    command.env("WARIKAN_OPS__LISTEN", ops);
    let program = command.get_program().to_owned();
    let variables: Vec<_> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    let mut serve = Command::new(program);
    for (name, value) in variables {
        match value {
            Some(value) => serve.env(name, value),
            None => serve.env_remove(name),
        };
    }
    let config = directory.join("serve.toml");
    let text = std::fs::read_to_string(directory.join("warikan.toml")).unwrap();
    let own = text.lines().filter(|line| !line.starts_with("owner_url"));
    let own: Vec<&str> = own.collect();
    std::fs::write(&config, own.join("\n")).unwrap();
    serve
        .args(["serve", "--role", "billing", "--listen", "127.0.0.1:0"])
        .arg("--config")
        .arg(config);
    serve.stdout(Stdio::null()).stderr(Stdio::null());
    serve
}

async fn asked(ops: &str, path: &str) -> Option<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .get(format!("http://{ops}{path}"))
        .send()
        .await
        .ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

async fn until_ready(ops: &str, status: u16) -> String {
    for _ in 0..3_000 {
        if let Some((found, text)) = asked(ops, "/readyz").await
            && found == status
        {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("/readyz was never {status}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f089_a_program_without_its_schema_lives_and_waits_and_serves_after_the_migration() {
    if !on_postgres() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::create();
    migrated(&database, directory.path());
    let owner = database.connect("billing").await;
    for sql in ["DROP SCHEMA billing CASCADE", "CREATE SCHEMA billing"] {
        sea_orm::ConnectionTrait::execute_unprepared(&owner, sql)
            .await
            .unwrap();
    }
    owner.close().await.unwrap();

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ops = free.local_addr().unwrap().to_string();
    drop(free);
    let start = || billing(&database, directory.path(), &ops).spawn().unwrap();
    let mut first = start();
    let said = until_ready(&ops, 503).await;
    assert!(said.contains("lacks migrations"), "{said}");
    assert_eq!(asked(&ops, "/healthz").await.unwrap().0, 200);
    // It can be told to stop meanwhile.
    let script = format!("kill -TERM {}", first.id());
    assert!(
        Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(first.wait().unwrap().code(), Some(0));

    let mut second = start();
    until_ready(&ops, 503).await;
    migrated(&database, directory.path());
    until_ready(&ops, 200).await;
    second.kill().unwrap();
    second.wait().unwrap();
}
