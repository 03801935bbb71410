//! The whole platform in the test's process, as `warikan serve` composes it, with clocks that stand until they are moved and tasks
//! that run when they are told.

use std::{net::TcpListener, time::Duration};

use actix_web::dev::ServerHandle;
use serde_json::{Value, json};
use tempfile::TempDir;
use warikan::{
    compose::{self, House},
    config::Config,
};
use warikan_gateway::serve_ops;
use warikan_runtime::{AccessToken, Clocks};
use warikan_types::{ClientScope, Clock, Environment, Principal, TenantId, TenantScope, Timestamp};

use super::Caller;

pub struct Standing {
    pub house: House,
    base: String,
    ops: String,
    servers: Vec<ServerHandle>,
    directory: TempDir,
}

impl Standing {
    /// At a moment that both clocks show.
    pub async fn at(start: &str) -> Self {
        Self::configured(start, |_| {}).await
    }

    pub async fn configured(start: &str, change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (listener, base) = bound();
        let mut config = Config {
            data_dir: directory.path().to_owned(),
            workers: 1,
            ..Config::default()
        };
        config.webhooks.allow_loopback_http = true;
        change(&mut config);
        let clock = Clock::manual(start.parse::<Timestamp>().unwrap());
        let clocks = Clocks {
            production: clock.clone(),
            sandbox: clock,
        };
        let address = listener.local_addr().unwrap();
        let house = compose::open(&config, clocks, address).await.unwrap();
        let consumers = house.modules.iter();
        let consumers = consumers.flat_map(|module| module.consumers.iter().cloned());
        house.platform.bus.connect(consumers.collect());
        let edge = house.gateway().serve(listener).unwrap();
        let (listener, ops) = bound();
        let operator = serve_ops(listener, &house.modules, None).unwrap();
        let servers = vec![edge.handle(), operator.handle()];
        tokio::spawn(edge);
        tokio::spawn(operator);
        let standing = Self {
            house,
            base,
            ops,
            servers,
            directory,
        };
        standing.run("revocation.sync").await;
        standing
    }

    pub fn now(&self) -> Timestamp {
        self.house.platform.clock().now()
    }

    pub fn advance(&self, by: Duration) {
        self.house.platform.clock().advance(by).unwrap();
    }

    pub fn anyone(&self) -> Caller {
        Caller::anyone(&self.base)
    }

    /// The services' SQLite files.
    pub fn files(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A service's rows, as the database's owner sees them.
    pub async fn rows(&self, service: &str, sql: &str) -> Vec<sea_orm::QueryResult> {
        let file = self.files().join(format!("{service}.sqlite"));
        let db = sea_orm::Database::connect(format!("sqlite://{}", file.display()));
        let db = db.await.unwrap();
        let asked = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
        let rows = sea_orm::ConnectionTrait::query_all_raw(&db, asked).await;
        db.close().await.unwrap();
        rows.unwrap()
    }

    /// A tenant that nobody has heard of, in the sandbox.
    pub fn tenant(&self) -> TenantScope {
        let tenant: TenantId = self.house.platform.entropy.id(self.now());
        TenantScope::of_event(tenant, Environment::Sandbox)
    }

    /// As a tenant, with a token that is fresh at this moment.
    pub fn firm(&self, scope: TenantScope) -> Caller {
        let platform = &self.house.platform;
        let principal = Principal {
            client: platform.entropy.id(self.now()),
            tenant: Some(scope),
            scopes: ClientScope::TENANT.into_iter().collect(),
        };
        let (keys, clock) = (&platform.keys, platform.clock());
        let token = AccessToken::issue(&principal, keys, clock, &platform.entropy);
        Caller::bearing(&self.base, token.unwrap())
    }

    /// Runs one task once.
    pub async fn run(&self, name: &str) {
        let mut tasks = self.house.modules.iter().flat_map(|module| &module.tasks);
        let task = tasks.find(|task| task.name() == name);
        let task = task.unwrap_or_else(|| panic!("there is no task {name}"));
        if let Err(error) = task.run_once().await {
            panic!("{name} failed: {error}");
        }
    }

    /// Lets facts travel, and the facts that follow from them.
    pub async fn settle(&self) {
        for _ in 0..3 {
            for module in &self.house.modules {
                self.run(&format!("{}.relay", module.name)).await;
            }
        }
    }

    /// Something happens to a person of the sandbox.
    pub async fn happen(&self, person: &str, event: &Value) {
        let path = format!("/sandbox/persons/{person}/events");
        self.anyone().post(&path, event).await.expect(200);
    }

    /// The sandbox's lists of this moment; nobody has fetched them yet.
    pub async fn publish(&self) {
        let reply = self.anyone().post("/sandbox/publish-crl", &json!({})).await;
        reply.expect(200);
    }

    /// What the operator sees of a figure, as if it were seconds: the value of the line that begins so, 0 where there is none.
    pub async fn figure(&self, line: &str) -> Duration {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("{}/metrics", self.ops)).send().await;
        let text = answer.unwrap().text().await.unwrap();
        let found = text.lines().find(|one| one.starts_with(line));
        let value = found.map_or("0", |one| one.rsplit_once(' ').unwrap().1);
        Duration::try_from_secs_f64(value.parse().unwrap()).unwrap()
    }

    /// The nightly re-check finds nothing, and the end.
    pub async fn stop(self) {
        self.run("revocation.recheck").await;
        assert!(self.figure("warikan_recheck_missed").await.is_zero());
        for server in self.servers {
            server.stop(false).await;
        }
    }
}

fn bound() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}
