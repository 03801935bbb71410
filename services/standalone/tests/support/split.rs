//! The platform as separate processes on loopback.

use std::{collections::BTreeMap, net::TcpListener};

use super::{Caller, Installation, Server};

/// The services, without the gateway. Those that are followed come first; any other order takes a few seconds more.
pub const SERVICES: [&str; 6] = [
    "sandbox",
    "revocation",
    "onboarding",
    "verification",
    "webhooks",
    "billing",
];

/// The second process of a service, or of the gateway.
pub fn second(role: &str) -> String {
    format!("{role}#2")
}

/// A gateway and its services. Each is killed where a test ends without stopping it.
pub struct Split {
    here: Installation,
    addresses: BTreeMap<String, String>,
    running: BTreeMap<String, Server>,
}

/// A free loopback address. Somebody else may take it before it is used, which no test has met yet.
pub fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Split {
    /// An installation with an address for everyone, and nobody running. `more` is TOML to be added to its configuration.
    pub fn new(more: &str) -> Self {
        Self::with_replicas(more, &[])
    }

    /// The same where these services run twice ([`second`]).
    pub fn with_replicas(more: &str, twice: &[&str]) -> Self {
        let mut others = BTreeMap::new();
        let mut split = Self::with_topology(more, |service, address| {
            let mut all = vec![format!("http://{address}")];
            if twice.contains(&service) {
                let other = others.entry(second(service)).or_insert_with(free);
                all.push(format!("http://{other}"));
            }
            all
        });
        split.addresses.extend(others);
        split
    }

    /// The same where everybody reaches a service, which listens at the given address, at these URLs.
    pub fn with_topology(more: &str, mut urls: impl FnMut(&str, &str) -> Vec<String>) -> Self {
        let mut addresses = BTreeMap::new();
        let mut topology = String::new();
        for service in SERVICES {
            let address = free();
            topology += &match urls(service, &address).as_slice() {
                [one] => format!("{service} = {one:?}\n"),
                several => format!("{service} = {several:?}\n"),
            };
            addresses.insert(service.to_owned(), address);
        }
        let config = format!("{more}\n[topology]\n{topology}");
        Self {
            here: Installation::configured(&config),
            addresses,
            running: BTreeMap::new(),
        }
    }

    /// The data directory that all share.
    pub fn data(&self) -> std::path::PathBuf {
        self.here.data()
    }

    /// The configuration of every process.
    pub fn config(&self) -> warikan::config::Config {
        self.here.config()
    }

    /// `host:port` of a process.
    pub fn address(&self, role: &str) -> String {
        self.addresses[role].clone()
    }

    /// Where a service's inner listener is.
    pub fn inner(&self, service: &str) -> String {
        format!("http://{}", self.addresses[service])
    }

    /// Starts one process.
    pub async fn start(&mut self, role: &str) {
        self.start_with(role, &[]).await;
    }

    /// Starts one process with variables of its own.
    pub async fn start_with(&mut self, role: &str, variables: &[(&str, &str)]) {
        let listen = self.addresses.entry(role.to_owned()).or_insert_with(free);
        let kind = role.trim_end_matches("#2");
        let arguments = ["--role", kind, "--listen", listen];
        let log = format!("{role}.log");
        let server = self.here.spawn_with(&log, &arguments, variables).await;
        self.running.insert(role.to_owned(), server);
    }

    /// A path beside the data directory.
    pub fn beside(&self, name: &str) -> std::path::PathBuf {
        self.here.beside(name)
    }

    /// Starts one process on a schema that is older than it: it waits.
    pub async fn start_waiting(&mut self, role: &str) {
        let listen = self.addresses.entry(role.to_owned()).or_insert_with(free);
        let kind = role.trim_end_matches("#2");
        let arguments = ["--role", kind, "--listen", listen];
        let server = self
            .here
            .spawn_waiting(&format!("{role}.log"), &arguments)
            .await;
        self.running.insert(role.to_owned(), server);
    }

    /// `migrate`, as the schemas' owner.
    pub fn migrate(&self, owner_url: &str) {
        self.here.migrate(owner_url);
    }

    /// Starts one process as the program that is this part alone, with variables of its own.
    pub async fn start_program(&mut self, role: &str, program: &str, variables: &[(&str, &str)]) {
        let listen = (role == "gateway").then(free);
        let arguments = match &listen {
            Some(listen) => vec!["--listen", listen],
            None => Vec::new(),
        };
        let log = format!("{role}.log");
        let here = &self.here;
        let server = here
            .spawn_program(program, &log, &arguments, variables)
            .await;
        self.running.insert(role.to_owned(), server);
    }

    /// Starts these, in this order.
    pub async fn start_all(&mut self, order: &[&str]) {
        for role in order {
            self.start(role).await;
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self, role: &str) {
        self.running.remove(role).unwrap().kill();
    }

    /// SIGTERM, and it must end well.
    pub async fn stop(&mut self, role: &str) {
        self.running.remove(role).unwrap().stop().await;
    }

    pub fn process(&self, role: &str) -> &Server {
        &self.running[role]
    }

    /// Waits for the gateway's readiness, which knows that of every service.
    pub async fn ready(&self) {
        self.process("gateway").ready().await;
    }

    pub fn anyone(&self) -> Caller {
        self.process("gateway").anyone()
    }

    /// The operator, with the first credential, through the gateway.
    pub async fn operator(&self) -> Caller {
        let credential = self.process("onboarding").credential();
        self.anyone().with(&credential).await
    }

    /// A sandbox tenant's caller.
    pub async fn firm(&self) -> Caller {
        let operator = self.operator().await;
        let tenant = operator.take_on("割勘証券株式会社").await;
        operator.credential(&tenant, "sandbox").await
    }

    /// SIGTERM to everyone at the same moment; all must end well.
    pub async fn end_all(&mut self) {
        let running = std::mem::take(&mut self.running);
        running.values().for_each(Server::terminate);
        for (role, server) in running {
            let (status, _) = server.ended().await;
            assert_eq!(status.code(), Some(0), "{role}: {status}");
        }
    }

    /// Stops everyone.
    pub async fn stop_all(&mut self) {
        // The gateway first: what is under way finds its services.
        let mut roles: Vec<String> = self.running.keys().cloned().collect();
        roles.sort_by_key(|role| !role.starts_with("gateway"));
        for role in roles {
            self.stop(&role).await;
        }
    }
}
