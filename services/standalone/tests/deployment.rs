//! What the chart and compose.yaml give each process is taken by the program itself.
//!
//! `deploy/helm/check` renders both and keeps the result under `deploy/helm/rendered`; here the real parser reads it, process by
//! process: command line, configuration file and variables.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use support::{process::run, text};
use warikan::{
    compose::{Role, remotes},
    config::Config,
};
use warikan_messaging::{Bus, RabbitMqConfig};
use warikan_runtime::load_config;

/// Everything that is rendered.
const RENDERED: [&str; 4] = ["defaults", "full", "split", "compose"];

#[derive(Deserialize)]
struct Rendered {
    processes: BTreeMap<String, Process>,
    /// Names that other processes find, with the port.
    reached: BTreeMap<String, u16>,
}

#[derive(Deserialize)]
struct Process {
    command: Vec<String>,
    variables: BTreeMap<String, String>,
    ports: BTreeMap<String, u16>,
    mounts: Vec<String>,
    config: String,
}

fn rendered(name: &str) -> Rendered {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/helm/rendered");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A Secret's text, as an operator would have put it there.
fn secret(variable: &str) -> &'static str {
    match variable {
        "WARIKAN_DATABASE__OWNER_URL" => "postgres://owner:secret@postgres:5432/warikan",
        "WARIKAN_RABBITMQ__URL" => "amqps://warikan:secret@rabbitmq:5671/%2f",
        "WARIKAN_REDIS__URL" => "redis://:secret@redis:6379",
        one if one.starts_with("WARIKAN_DATABASE__PASSWORDS__") => "secret",
        other => panic!("{other} is no secret that the program has"),
    }
}

impl Process {
    fn variables(&self) -> Vec<(String, String)> {
        let filled = |(name, value): (&String, &String)| {
            let is_secret = value.starts_with("secret ");
            let value = if is_secret { secret(name) } else { value };
            (name.clone(), value.to_owned())
        };
        self.variables.iter().map(filled).collect()
    }

    /// The configuration as the program reads it.
    fn config(&self) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("warikan.toml");
        std::fs::write(&file, &self.config).unwrap();
        let no_settings = ["WARIKAN_CONFIG_FILE", "WARIKAN_LOG"];
        let variables = self.variables();
        let settings = variables
            .into_iter()
            .filter(|(name, _)| !no_settings.contains(&name.as_str()));
        load_config(Some(&file), "WARIKAN", settings).unwrap()
    }
}

fn role(name: &str) -> Role {
    let all = Role::SERVICES.into_iter().chain([Role::All, Role::Gateway]);
    all.into_iter().find(|role| role.name() == name).unwrap()
}

fn each(mut look: impl FnMut(&str, &str, &Process, &Rendered)) {
    let mut seen = 0;
    for name in RENDERED {
        let deployment = rendered(name);
        for (component, process) in &deployment.processes {
            look(
                &format!("{name}: {component}"),
                component,
                process,
                &deployment,
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 1 + 2 + 8 + 8, "processes in {RENDERED:?}");
}

#[test]
fn the_program_takes_every_processs_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("warikan.toml");
    let file = file.to_str().unwrap();
    each(|place, _, process, _| {
        std::fs::write(file, &process.config).unwrap();
        let mut variables = process.variables();
        variables.retain(|(name, _)| name != "WARIKAN_CONFIG_FILE");
        variables.push(("WARIKAN_CONFIG_FILE".to_owned(), file.to_owned()));
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let (said, refused) = text(&run(&["topology"], &variables));
        assert!(
            refused.is_empty() && said.contains("/v1/verifications"),
            "{place}: {refused}{said}"
        );
        // One key more, and it would not have been taken.
        let spoilt = format!("no_such_key = 1\n{}", process.config);
        std::fs::write(file, spoilt).unwrap();
        let (_, refused) = text(&run(&["topology"], &variables));
        assert!(refused.contains("no_such_key"), "{place}: {refused}");
    });
}

#[test]
fn each_process_is_the_program_of_its_part_and_listens_where_it_is_looked_for() {
    each(|place, component, process, deployment| {
        let config = process.config();
        let command: Vec<&str> = process.command.iter().map(String::as_str).collect();
        match component {
            "migrate" => {
                assert_eq!(command.last(), Some(&"migrate"), "{place}");
                assert!(config.database.owner_url.is_some(), "{place}");
                return;
            }
            "all" => assert_eq!(command, ["serve"], "{place}"),
            part => {
                let program = format!("/usr/local/bin/{}", role(part).program());
                assert_eq!(command, [program], "{place}");
            }
        }
        assert!(
            config.database.owner_url.is_none(),
            "{place}: the owner's address at run time"
        );
        let role = role(component);
        let port = |listen: &str| {
            listen
                .strip_prefix("0.0.0.0:")
                .unwrap()
                .parse::<u16>()
                .unwrap()
        };
        assert_eq!(
            port(&role.listen(&config)),
            process.ports["http"],
            "{place}"
        );
        assert_eq!(
            port(config.ops.listen.as_ref().unwrap()),
            process.ports["ops"],
            "{place}"
        );
        if role == Role::All {
            return;
        }
        // Every process looks for every service where one is.
        let found: BTreeSet<&str> = remotes(&config).iter().map(|remote| remote.name).collect();
        assert_eq!(found.len(), Role::SERVICES.len(), "{place}: {found:?}");
        for remote in remotes(&config) {
            for address in &remote.addresses {
                let (host, port) = address
                    .strip_prefix("http://")
                    .unwrap()
                    .split_once(':')
                    .unwrap();
                assert!(host.ends_with(remote.name), "{place}: {address}");
                let there = deployment.reached.get(host).map(ToString::to_string);
                assert_eq!(there.as_deref(), Some(port), "{place}: {address}");
            }
        }
    });
}

#[tokio::test]
async fn each_process_has_what_its_part_needs_and_no_secret_more() {
    each(|place, component, process, _| {
        let config = process.config();
        let databases = config.database.databases(&config.data_dir);
        assert!(databases.is_ok(), "{place}: {:?}", databases.err());
        // The authorities' file is read at once, and is looked for among the mounts below.
        let broker = config.rabbitmq.clone().map(|broker| {
            let ca_file = None;
            Bus::rabbitmq(RabbitMqConfig { ca_file, ..broker })
        });
        let brokered = !matches!(component, "gateway" | "migrate") && config.rabbitmq.is_some();
        assert_eq!(brokered, matches!(broker, Some(Ok(_))), "{place}");
        let uses = matches!(component, "all" | "gateway" | "onboarding");
        assert!(
            config.redis.url.is_none() || uses,
            "{place}: Redis is the gateway's and onboarding's"
        );
        let passwords: Vec<&str> = config
            .database
            .passwords
            .keys()
            .map(String::as_str)
            .collect();
        match component {
            "all" | "migrate" => {}
            "gateway" => assert!(passwords.is_empty(), "{place}: {passwords:?}"),
            part if config.database.password.is_none() => assert_eq!(passwords, [part], "{place}"),
            _ => {}
        }
        // Each file that the configuration names lies where something is mounted.
        let mut files = vec![config.data_dir.clone()];
        if component != "migrate" {
            files.extend(config.keys_file.clone());
        }
        if matches!(component, "all" | "onboarding") {
            files.extend(config.operator_credential_file.clone());
        }
        if matches!(component, "all" | "verification" | "revocation") {
            files.extend(config.production.anchors.clone());
        }
        files.extend(
            config
                .rabbitmq
                .as_ref()
                .and_then(|broker| broker.ca_file.clone()),
        );
        files.extend(config.redis.ca_file.clone());
        for file in files {
            let mounted = process.mounts.iter().any(|mount| file.starts_with(mount));
            assert!(mounted, "{place}: {} is mounted nowhere", file.display());
        }
    });
}
