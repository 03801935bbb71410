//! A house with the revocation service, a simulated agency and a server that publishes its lists as told.
#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod jlis;
mod many;
mod probe;
mod reconciled;

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use warikan_contracts::{Envelope, facts::CrlPublished};
use warikan_pki::AnchorSet;
use warikan_revocation::{Config, Revocation, Source};
use warikan_simulator::{
    CertificateChoice, Genesis, Hierarchy, KeySource, LifeEvent, Municipality, PersonId,
    Publication, Simulator, fixtures,
};
use warikan_testkit::{App, TestHouse};
use warikan_types::{ClientScope, Environment, TenantScope};

#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub use jlis::{Answer, Jlis, path};
#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub use many::{Made, watch_many};
pub use probe::Probe;
pub use reconciled::Reconciled;

pub const SIGNATURE: CertificateChoice = CertificateChoice::Signature;
pub const AUTHENTICATION: CertificateChoice = CertificateChoice::Authentication;

/// Everything a test needs. The environment is production unless it says otherwise.
pub struct Bench {
    /// First: it looks before anything else is gone.
    pub reconciled: Reconciled,
    pub house: TestHouse,
    pub environment: Environment,
    pub agency: Simulator,
    pub keys: KeySource,
    pub jlis: Jlis,
    pub anchors: Arc<AnchorSet>,
    pub revocation: Revocation,
    pub probe: Probe,
    pub app: App,
}

/// An agency with three municipalities.
pub fn agency(hierarchy: Hierarchy, keys: &mut KeySource, at: DateTime<Utc>) -> Simulator {
    let genesis = Genesis {
        municipalities: Municipality::defaults().into_iter().take(3).collect(),
        ..Genesis::of(hierarchy)
    };
    Simulator::genesis(genesis, keys, at).unwrap()
}

pub fn roots(agency: &Simulator, environment: Environment) -> Vec<(Environment, Vec<u8>)> {
    let roots = agency.roots();
    roots
        .into_iter()
        .map(|root| (environment, root.der))
        .collect()
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let house = TestHouse::new();
        let mut keys = fixtures::key_source();
        let environment = Environment::Production;
        let agency = agency(Hierarchy::Production, &mut keys, house.clock().now().utc());
        let anchors = Arc::new(AnchorSet::new(roots(&agency, environment)).unwrap());
        let jlis = Jlis::start().await;
        let config = Config {
            sources: vec![Source {
                environment,
                index_url: jlis.index_url(),
            }],
            ..config
        };
        let revocation = Revocation::open(config, &house.platform, Arc::clone(&anchors))
            .await
            .unwrap();
        let probe = Probe::open(&house.platform).await;
        let modules = vec![revocation.module(), probe.module()];
        let app = App::serve(&house.platform, modules).await;
        Self {
            reconciled: Reconciled::of(&revocation),
            house,
            environment,
            agency,
            keys,
            jlis,
            anchors,
            revocation,
            probe,
            app,
        }
    }

    /// The service opened again over the same database, with a source that is not there.
    pub async fn restarted(&self) -> Revocation {
        let config = Config {
            sources: vec![Source {
                environment: self.environment,
                index_url: "http://127.0.0.1:1/index".to_owned(),
            }],
            ..Config::default()
        };
        Revocation::open(config, &self.house.platform, Arc::clone(&self.anchors))
            .await
            .unwrap()
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.house.clock().now().utc()
    }

    pub fn advance(&self, hours: u64) {
        self.house
            .clock()
            .advance(std::time::Duration::from_secs(hours * 3600))
            .unwrap();
    }

    /// Citizens with signature certificates, spread over the municipalities.
    pub fn citizens(&mut self, count: usize) -> Vec<PersonId> {
        let (mut rng, at) = (self.house.platform.entropy.rng(), self.now());
        self.agency
            .issue_population(count, &mut rng, &mut self.keys, at)
            .unwrap()
    }

    pub fn happen(&mut self, person: PersonId, event: &LifeEvent) {
        let at = self.now();
        self.agency
            .apply(person, event, &mut self.keys, at)
            .unwrap();
    }

    pub fn move_house(&mut self, person: PersonId) {
        self.happen(
            person,
            &LifeEvent::Move {
                address: "東京都新宿区本町１－１－１".to_owned(),
                municipality: None,
            },
        );
    }

    /// Writes the day's lists and lays them ready.
    pub fn publish(&mut self) -> Publication {
        let publication = self.agency.publish(self.now()).unwrap();
        self.jlis.publish(&publication);
        publication
    }

    /// Lays the day's lists ready and lets the service have them.
    pub async fn publish_and_sync(&mut self) -> Publication {
        let publication = self.publish();
        self.app.run("revocation.sync").await;
        self.app.settle().await;
        publication
    }

    /// Says on the bus that lists lie ready.
    pub async fn announce(&self) {
        let now = self.house.clock().now();
        let fact = CrlPublished {
            environment: self.environment,
        };
        let envelope = Envelope::of(self.house.platform.entropy.id(now), None, now, "crl", &fact);
        self.house.platform.bus.publish(&envelope, 1).await.unwrap();
    }

    pub fn certificate(&self, person: PersonId, choice: CertificateChoice) -> Vec<u8> {
        let card = self.agency.card(person).unwrap();
        card.certificate(choice).unwrap().to_vec()
    }

    /// A tenant that no service knows yet.
    pub fn tenant(&self) -> TenantScope {
        self.house.tenant(self.environment)
    }

    /// A fresh token for watches: the days of a test outlive any other.
    pub fn token(&self, tenant: TenantScope) -> String {
        self.house.token(tenant, &[ClientScope::Watches])
    }

    pub async fn watch(&self, tenant: TenantScope, certificate: &[u8], reference: &str) -> Value {
        let body = watch_body(certificate, Some(reference));
        let reply = self
            .app
            .post("/v1/watches", &self.token(tenant), &body)
            .await;
        reply.expect(201).clone()
    }

    pub async fn watches(&self, tenant: TenantScope, state: &str) -> Vec<Value> {
        let path = format!("/v1/watches?limit=500&state={state}");
        let reply = self.app.get(&path, &self.token(tenant)).await;
        reply.expect(200)["data"].as_array().unwrap().clone()
    }

    /// What the operator sees of the lists, and the oddities that last.
    pub async fn sources(&self) -> Value {
        let token = self.house.operator_token();
        let reply = self.app.get("/v1/operator/sources?limit=500", &token).await;
        reply.expect(200).clone()
    }

    /// The codes of the oddities that last, with the end of their addresses.
    pub async fn problems(&self) -> Vec<(String, String)> {
        let sources = self.sources().await;
        let open = sources["open_problems"].as_array().unwrap();
        let mut all: Vec<_> = open
            .iter()
            .map(|one| {
                let text = |name: &str| one[name].as_str().unwrap().to_owned();
                (text("code"), text("url").replace(&self.jlis.base, ""))
            })
            .collect();
        all.sort();
        all
    }
}

pub fn watch_body(certificate: &[u8], reference: Option<&str>) -> Value {
    json!({"certificate": STANDARD.encode(certificate), "ref": reference})
}
