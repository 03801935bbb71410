//! The service as it runs in the one binary, with tenants, a producing service beside it, and a look at its rows.

use std::{collections::HashMap, time::Duration};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use serde_json::{Value, json};
use warikan_contracts::{Envelope, facts::VerificationCompleted};
use warikan_messaging::{Bus, Outbox, Relay, ServiceDatabase, begin_write};
use warikan_runtime::{
    AccessToken, Clocks, Databases, Keys, Module, Platform, RunningTasks, relay_task,
};
use warikan_testkit::{App, TestDatabase, on_postgres};
use warikan_types::{
    CertificateKind, ClientScope, Clock, Entropy, Environment, Principal, TenantScope, Verdict,
};
use warikan_webhooks::{Config, Webhooks};

/// Facts per transaction where a bench fills the outbox ahead.
const CHUNK: usize = 500;

pub struct House {
    pub platform: Platform,
    app: App,
    module: Module,
    /// The producing service's outbox.
    producer: ServiceDatabase,
    relay: Relay,
    /// The service's own rows, for looking.
    db: DatabaseConnection,
    _directory: tempfile::TempDir,
    _postgres: Option<TestDatabase>,
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        warikan_messaging::migrations()
    }
}

impl House {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let postgres = on_postgres().then(TestDatabase::create);
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let platform = Platform {
            clocks: Clocks {
                production: clock.clone(),
                sandbox: clock,
            },
            keys: Keys::ephemeral(&entropy),
            entropy,
            bus: Bus::in_process(),
            databases: match &postgres {
                Some(database) => database.databases(),
                None => Databases::SqliteDirectory(directory.path().to_owned()),
            },
        };
        let config = Config {
            allow_loopback_http: true,
            ..Config::default()
        };
        let service = Webhooks::open(config, &platform).await.unwrap();
        let module = service.module();
        let app = App::serve(&platform, vec![module.clone()]).await;
        let producer = platform.databases.open("producer", Migrator).await.unwrap();
        let db = match &postgres {
            Some(database) => database.connect("webhooks").await,
            None => {
                let file = directory.path().join("webhooks.sqlite");
                let url = format!("sqlite://{}", file.display());
                Database::connect(url).await.unwrap()
            }
        };
        Self {
            relay: platform.relay(&producer),
            platform,
            app,
            module,
            producer,
            db,
            _directory: directory,
            _postgres: postgres,
        }
    }

    /// A tenant with so many endpoints.
    pub async fn tenant(&self, endpoints: usize, url: &str) -> TenantScope {
        let platform = &self.platform;
        let now = platform.clock().now();
        let tenant = TenantScope::of_event(platform.entropy.id(now), Environment::Production);
        let principal = Principal {
            client: platform.entropy.id(now),
            tenant: Some(tenant),
            scopes: [ClientScope::Webhooks].into_iter().collect(),
        };
        let (clock, entropy) = (platform.clock(), &platform.entropy);
        let token = AccessToken::issue(&principal, &platform.keys, clock, entropy).unwrap();
        for _ in 0..endpoints {
            let body: Value = json!({ "url": url });
            let made = self.app.post("/v1/webhook-endpoints", &token, &body).await;
            made.expect(201);
        }
        tenant
    }

    pub fn fact(&self, tenant: TenantScope) -> Envelope {
        let (entropy, now) = (&self.platform.entropy, self.platform.clock().now());
        let fact = VerificationCompleted {
            verification: entropy.id(now),
            client: entropy.id(now),
            kind: Some(CertificateKind::CardSignature),
            channel: None,
            verdict: Verdict::Valid,
            reason: None,
            subject: Some(entropy.id(now)),
            handle: Some(entropy.id(now)),
            accepted_at: now,
            watch: None,
        };
        let aggregate = fact.verification.to_string();
        Envelope::of(entropy.id(now), Some(tenant), now, aggregate, &fact)
    }

    /// Lets events happen: the producing service commits them to its outbox.
    pub async fn commit(&self, facts: Vec<Envelope>) {
        for chunk in facts.chunks(CHUNK) {
            let txn = begin_write(self.producer.worker()).await.unwrap();
            Outbox::append(&txn, chunk.to_vec()).await.unwrap();
            txn.commit().await.unwrap();
        }
        self.relay.wake();
    }

    /// The relay that carries events from the producer into the feeds.
    pub fn carry(&self) -> RunningTasks {
        RunningTasks::spawn(vec![relay_task("producer.relay", self.relay.clone())])
    }

    /// The service's own tasks: the one that delivers, above all.
    pub fn deliver(&self) -> RunningTasks {
        RunningTasks::spawn(self.module.tasks.clone())
    }

    pub async fn count(&self, sql: &str) -> u64 {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let row = self.db.query_one_raw(statement).await.unwrap().unwrap();
        u64::try_from(row.try_get::<i64>("", "n").unwrap()).unwrap()
    }

    /// Waits until so many events stand in feeds.
    pub async fn taken(&self, events: usize) {
        let sql = "SELECT CAST(COALESCE(SUM(last_sequence), 0) AS BIGINT) AS n FROM feed_head";
        while self.count(sql).await < events as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until so many deliveries are recorded as acknowledged.
    pub async fn arrived(&self, deliveries: usize) {
        let pending = "SELECT COUNT(*) AS n FROM delivery WHERE state = 'pending'";
        let recorded = "SELECT COUNT(*) AS n FROM delivery_attempt WHERE status = 204";
        // The cheap question first: the expensive one is asked when all seems done.
        while self.count(pending).await > 0 || self.count(recorded).await < deliveries as u64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.count(recorded).await, deliveries as u64);
    }

    /// When each event's first 204 came, in milliseconds since 1970.
    pub async fn acknowledged(&self) -> HashMap<uuid::Uuid, i64> {
        let sql = "SELECT d.event, a.at, a.duration_ms FROM delivery_attempt a \
                   JOIN delivery d ON d.id = a.delivery WHERE a.status = 204";
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let rows = self.db.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| {
                let event: uuid::Uuid = row.try_get("", "event").unwrap();
                let at: chrono::DateTime<chrono::Utc> = row.try_get("", "at").unwrap();
                let took: i64 = row.try_get("", "duration_ms").unwrap();
                (event, at.timestamp_millis() + took)
            })
            .collect()
    }

    pub async fn stop(self, tasks: Vec<RunningTasks>) {
        for one in tasks {
            one.stop().await;
        }
        self.app.stop().await;
    }
}
