//! `warikan doctor` on broken installations: each fault is found, said in words that tell what to do, and nothing else is called wrong.
//! What concerns PostgreSQL is in `postgres/doctor.rs`.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{net::TcpListener, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::FieldTable,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::Value;
use support::{broker::Broker, free, process::run, text};
use warikan::{
    compose::{self, Role},
    config::Config,
    doctor::{self, Finding, Level, Report},
};
use warikan_messaging::RabbitMqConfig;
use warikan_revocation::Source;
use warikan_runtime::RedisConfig;
use warikan_types::{Clock, Environment};

/// An installation on SQLite, migrated and with keys, that nothing is wrong with.
struct Scene {
    directory: tempfile::TempDir,
    config: Config,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: directory.path().join("data"),
            listen: Some(free()),
            ..Config::default()
        };
        compose::migrate(&config, |_| {}).await.unwrap();
        let here = Self { directory, config };
        here.write("data/keys.json", &new_keys(), 0o600);
        assert_eq!(here.wrong(Role::All).await, []);
        here
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }

    async fn look(&self, role: Role) -> Report {
        doctor::examine(&self.config, role, &Clock::system()).await
    }

    async fn wrong(&self, role: Role) -> Vec<Finding> {
        let findings = self.look(role).await.findings().to_vec();
        let wrong = findings
            .into_iter()
            .filter(|finding| finding.level == Level::Wrong);
        wrong.collect()
    }

    /// Exactly one thing is wrong: this, in these words, with this to do.
    async fn only(&self, role: Role, about: &str, found: &str, advice: &str) {
        let wrong = self.wrong(role).await;
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        let one = &wrong[0];
        assert_eq!(one.about, about, "{one:?}");
        assert!(one.found.contains(found), "{one:?}");
        assert!(one.advice.as_ref().unwrap().contains(advice), "{one:?}");
        assert!(!self.look(role).await.sound());
    }

    /// A service's own file, to spoil.
    async fn database(&self, service: &'static str) -> DatabaseConnection {
        let databases = self
            .config
            .database
            .databases(&self.config.data_dir)
            .unwrap();
        databases.existing(service).await.unwrap().unwrap()
    }

    async fn spoilt(&self, service: &'static str, sql: &str) {
        let db = self.database(service).await;
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }
}

fn new_keys() -> String {
    text(&run(&["keys"], &[])).0
}

fn json(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, Value) {
    let output = run(&[&["doctor", "--json"], arguments].concat(), environment);
    let (said, complained) = text(&output);
    let report = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{complained}"));
    (output.status.code(), report)
}

#[test]
fn a_configuration_that_cannot_be_read_is_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let (code, report) = json(
        &["--data-dir", data],
        &[("WARIKAN_WEBHOOKS__COLOUR", "blue")],
    );
    assert_eq!(code, Some(1));
    assert_eq!(report["sound"], false);
    let finding = &report["findings"][0];
    assert_eq!(finding["level"], "wrong");
    assert_eq!(finding["about"], "configuration");
    assert!(
        finding["found"].as_str().unwrap().contains("colour"),
        "{finding}"
    );
    assert!(
        finding["advice"]
            .as_str()
            .unwrap()
            .contains("WARIKAN_ variable"),
        "{finding}"
    );

    let listen = free();
    let (code, report) = json(&["--data-dir", data, "--listen", &listen], &[]);
    assert_eq!(
        (code, &report["sound"]),
        (Some(0), &Value::Bool(true)),
        "{report}"
    );
    assert!(!Path::new(data).exists(), "looking makes nothing");
}

#[tokio::test]
async fn keys_and_files_that_others_read_or_that_are_not_there() {
    let mut here = Scene::new().await;
    here.write("data/keys.json", &new_keys(), 0o640);
    here.only(Role::All, "keys", "its group", "chmod 600").await;
    here.write("data/keys.json", &new_keys(), 0o604);
    here.only(Role::All, "keys", "everyone", "chmod 600").await;
    here.write("data/keys.json", "{}", 0o600);
    here.only(Role::All, "keys", "keys.json", "backup").await;
    here.write("data/keys.json", &new_keys(), 0o600);

    here.config.keys_file = Some(here.directory.path().join("mounted.json"));
    here.only(Role::All, "keys", "mounted.json is not there", "keys_file")
        .await;
    here.write("mounted.json", &new_keys(), 0o600);
    assert_eq!(here.wrong(Role::All).await, []);

    here.config.operator_credential_file = Some(here.directory.path().join("operator.json"));
    here.only(
        Role::All,
        "operator's credential",
        "No such file",
        "warikan operator-credential",
    )
    .await;
    here.write("operator.json", "{}", 0o644);
    here.only(Role::All, "operator's credential", "everyone", "chmod 600")
        .await;
}

#[tokio::test]
async fn f088_a_directory_that_cannot_be_written_and_a_damaged_file() {
    let mut here = Scene::new().await;
    let good = here.config.data_dir.clone();
    // Nobody, not even root, makes files there.
    here.config.data_dir = "/proc/self".into();
    here.config.keys_file = Some(good.join("keys.json"));
    here.only(
        Role::All,
        "data directory",
        "cannot be written",
        "mounted for writing",
    )
    .await;
    here.config.data_dir = good;

    let file = here.config.data_dir.join("billing.sqlite");
    let whole = std::fs::read(&file).unwrap();
    let mut torn = whole.clone();
    let middle = torn.len() / 2;
    torn[4_096..middle].fill(0xA5);
    std::fs::write(&file, &torn).unwrap();
    here.only(Role::All, "database of billing", "", "").await;
    std::fs::write(&file, &whole).unwrap();
    here.spoilt(
        "billing",
        "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)",
    )
    .await;
    here.only(
        Role::All,
        "database of billing",
        "lacks migrations",
        "warikan migrate",
    )
    .await;
}

#[tokio::test]
async fn f085_facts_that_wait_too_long_and_f083_messages_that_were_parked() {
    let here = Scene::new().await;
    let old = "2026-01-01T00:00:00Z";
    let envelope = format!(
        r#"{{"id":"evt_01a1fc012c0879d497a4941b37d733fb","type":"tenant.changed","version":1,"scope":null,"occurred_at":"{old}","aggregate":"x","payload":{{}}}}"#
    );
    let row = |sent: &str| {
        format!(
            "INSERT INTO outbox (id, envelope, attempts, next_attempt_at, sent_at) VALUES (x'01a1fc012c0879d497a4941b37d733fb', '{envelope}', 3, '{old}', {sent})"
        )
    };
    here.spoilt("onboarding", &row("NULL")).await;
    here.only(
        Role::All,
        "facts of onboarding",
        "1 wait, the oldest for ",
        "has the broker",
    )
    .await;
    here.spoilt("onboarding", "DELETE FROM outbox").await;
    here.spoilt("onboarding", &row(&format!("'{old}'"))).await;
    let told = here.look(Role::All).await;
    let facts = told
        .findings()
        .iter()
        .find(|one| one.about == "facts of onboarding")
        .unwrap();
    assert!(
        facts.found.starts_with("0 wait; the last was relayed "),
        "{facts:?}"
    );

    here.spoilt(
        "webhooks",
        "INSERT INTO parked_message (consumer, event_id, envelope, reason, replay_requested)
         VALUES ('webhooks.tenants', x'01a1fc012c0879d497a4941b37d733fb', '{}', 'no envelope', 0)",
    )
    .await;
    here.only(
        Role::All,
        "parked messages of webhooks",
        "1 could not be taken",
        "warikan bus replay",
    )
    .await;
}

#[tokio::test]
async fn f041_lists_that_never_came_and_lists_that_are_over() {
    let mut here = Scene::new().await;
    here.config.revocation.sources.push(Source {
        environment: Environment::Production,
        index_url: "https://lists.example.jp/crl/index.json".to_owned(),
    });
    here.only(
        Role::All,
        "revocation lists of production",
        "no list was ever accepted",
        "pinned root",
    )
    .await;
    let row = |next_update: &str| {
        format!(
            "INSERT INTO crl_partition (id, environment, issuer, partition, seq, number, this_update, next_update, version, flagged_through, confirmed_month, change, whole_seq, loose, form)
             VALUES (x'01a1fc012c0879d497a4941b37d733fb', 'production', '{}', 'all', 1, x'01', '2026-01-01T00:00:00+00:00', '{next_update}', 'x', 1, '2026-01', 1, 1, 0, 'whole')",
            "ab".repeat(32)
        )
    };
    here.spoilt("revocation", &row("2026-01-02T00:00:00+00:00"))
        .await;
    here.only(
        Role::All,
        "revocation lists of production",
        "1 past their nextUpdate",
        "status_stale",
    )
    .await;
    here.spoilt("revocation", "DELETE FROM crl_partition").await;
    here.spoilt("revocation", &row("2999-01-02T00:00:00+00:00"))
        .await;
    assert_eq!(here.wrong(Role::All).await, []);
}

#[tokio::test]
async fn f055_a_clock_before_this_program_was_made() {
    let here = Scene::new().await;
    let early = Clock::manual("2001-01-01T00:00:00Z".parse().unwrap());
    let report = doctor::examine(&here.config, Role::All, &early).await;
    let wrong = report
        .findings()
        .iter()
        .find(|one| one.about == "clock")
        .unwrap();
    assert_eq!(wrong.level, Level::Wrong);
    assert!(wrong.advice.as_ref().unwrap().contains("NTP"));
}

#[tokio::test]
async fn f081_a_redis_that_is_away_and_services_that_do_not_listen() {
    let mut here = Scene::new().await;
    here.config.redis = RedisConfig::at(format!("redis://:verysecret@{}", free()));
    here.only(
        Role::All,
        "redis",
        "does not answer",
        "no answer depends on it",
    )
    .await;
    let mut said = Vec::new();
    here.look(Role::All).await.write(true, &mut said).unwrap();
    assert!(!String::from_utf8(said).unwrap().contains("verysecret"));
    here.config.redis = RedisConfig::default();

    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = format!("http://{}", listening.local_addr().unwrap());
    let topology = &mut here.config.topology;
    for service in [
        &mut topology.onboarding,
        &mut topology.verification,
        &mut topology.revocation,
        &mut topology.webhooks,
        &mut topology.sandbox,
    ] {
        *service = there.clone().into();
    }
    topology.billing = format!("http://{}", free()).into();
    here.only(Role::Gateway, "service billing", "refused", "[topology]")
        .await;

    // Something that holds the port and says nothing.
    here.config.topology.billing = there.into();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    here.config.listen = Some(mute.local_addr().unwrap().to_string());
    here.only(
        Role::Gateway,
        "server",
        "does not answer",
        "what process that is",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f082_a_broker_that_is_away_or_that_nobody_named() {
    let mut here = Scene::new().await;
    here.config.rabbitmq = Some(RabbitMqConfig {
        timeout_ms: 500,
        ..RabbitMqConfig::new(format!("amqp://guest:verysecret@{}/%2f", free()))
    });
    here.only(Role::All, "broker", "", "facts wait in the outboxes")
        .await;
    let wrong = here.wrong(Role::All).await;
    assert!(!wrong[0].found.contains("verysecret"), "{wrong:?}");
    here.config.rabbitmq = None;
    here.only(
        Role::Billing,
        "broker",
        "none is configured",
        "rabbitmq.url",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f084_queues_that_are_not_ours_and_f083_dead_letters() {
    let mut here = Scene::new().await;
    let Some(broker) = Broker::find("doctor").await else {
        return;
    };
    let toml = broker.toml();
    let given: toml::Table = toml.parse().unwrap();
    let given: RabbitMqConfig = given["rabbitmq"].clone().try_into().unwrap();
    here.config.rabbitmq = Some(given.clone());
    let told = here.look(Role::All).await;
    let one = told
        .findings()
        .iter()
        .find(|one| one.about == "broker")
        .unwrap();
    assert_eq!(one.level, Level::Note, "{one:?}");
    assert!(one.found.contains("not declared yet"), "{one:?}");

    // A classic queue under one of our names: not replicated, without a delivery limit, without dead letters.
    let connection = Connection::connect(&given.url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let consumer = warikan_contracts::SUBSCRIPTIONS[0].consumer;
    let ours = format!("{}.{consumer}", given.prefix);
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(ours.as_str().into(), durable, FieldTable::default())
        .await
        .unwrap();
    here.only(
        Role::All,
        &format!("queue {ours}"),
        "declared otherwise",
        "delete it",
    )
    .await;
    channel
        .queue_delete(ours.as_str().into(), Default::default())
        .await
        .unwrap();

    let house = declared_by_the_platform(&here).await;
    assert_eq!(here.wrong(Role::All).await, []);
    house.platform.bus.close().await;
    let dead = format!("{ours}.dead");
    let options = BasicPublishOptions::default();
    channel
        .basic_publish(
            "".into(),
            dead.as_str().into(),
            options,
            b"{}",
            BasicProperties::default(),
        )
        .await
        .unwrap();
    support::until("the dead letter to be found", async || {
        let wrong = here.wrong(Role::All).await;
        let found = wrong.iter().any(|one| {
            one.about == format!("queue {dead}") && one.found.contains("1 dead letters")
        });
        found.then_some(())
    })
    .await;
    let _ =
        tokio::time::timeout(Duration::from_secs(5), connection.close(200, "done".into())).await;
    broker.clear().await;
}

/// The platform connects and declares everything.
async fn declared_by_the_platform(here: &Scene) -> compose::House {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = here.config.clone();
    config.data_dir = here.directory.path().join("other");
    let house = compose::open(&config, compose::clocks(), nowhere)
        .await
        .unwrap();
    let consumers = house
        .modules
        .iter()
        .flat_map(|module| module.consumers.iter().cloned());
    house.platform.bus.connect(consumers.collect());
    support::until("everything to be declared", async || {
        let told = here.look(Role::All).await;
        let mut all = told.findings().iter();
        all.any(|one| one.about == "broker" && one.level == Level::Good)
            .then_some(())
    })
    .await;
    house
}
