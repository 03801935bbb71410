//! F089: a migration that is interrupted is taken up again.

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
    let done = migrate(&whole, directory.path()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
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
    let done = migrate(&database, directory.path()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}");
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
