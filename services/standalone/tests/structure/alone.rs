//! Each service boots with nothing else running and the bus not connected, serves, and keeps its facts until somebody listens.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::dev::ServerHandle;
use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use serde_json::Value;
use warikan_billing::Billing;
use warikan_contracts::{
    Envelope, Fact,
    api::{CertificateStatus, StatusAnswer, StatusUnavailable},
    facts::{Channel, TenantChanged, TenantState},
};
use warikan_gateway::Gateway;
use warikan_messaging::{Consumer, HandleError, Handler, Outbox};
use warikan_onboarding::Onboarding;
use warikan_revocation::Revocation;
use warikan_runtime::{Module, Platform};
use warikan_sandbox::Sandbox;
use warikan_testkit::TestHouse;
use warikan_types::{CertificateId, CrlPartition, Environment, Event, Id, TenantId};
use warikan_verification::Verification;
use warikan_webhooks::Webhooks;

/// Longer than a fact ever waits for its next try.
const A_WHILE: Duration = Duration::from_secs(600);

/// Revocation, when it is not there.
struct NobodyThere;

#[async_trait]
impl CertificateStatus for NobodyThere {
    async fn status(
        &self,
        _environment: Environment,
        _certificate: &CertificateId,
        _partition: Option<CrlPartition>,
        _channel: Channel,
    ) -> Result<StatusAnswer, StatusUnavailable> {
        Err(StatusUnavailable {
            why: "revocation does not run".to_owned(),
        })
    }
}

async fn serve(platform: &Platform, module: &Module) -> (String, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = Gateway::new(platform.clone(), vec![module.clone()], 1)
        .serve(listener)
        .expect("the edge starts");
    let handle = server.handle();
    tokio::spawn(server);
    (base, handle)
}

async fn get(url: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client.get(url).send().await.expect("an answer");
    let status = reply.status().as_u16();
    (status, reply.json().await.unwrap_or(Value::Null))
}

/// Serves the service and nothing else, and asks how it is.
async fn it_serves(platform: &Platform, module: &Module) {
    let (base, server) = serve(platform, module).await;
    let (status, live) = get(&format!("{base}/health/live")).await;
    assert_eq!(
        (status, &live["status"]),
        (200, &"ok".into()),
        "{}",
        module.name
    );
    let (status, ready) = get(&format!("{base}/health/ready")).await;
    assert_eq!(status, 200, "{}: {ready}", module.name);
    let services = ready["services"].as_array().unwrap();
    assert_eq!(services.len(), 1, "{ready}");
    assert_eq!(services[0]["service"], module.name);
    server.stop(false).await;
}

/// Remembers what it was told.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<Id<Event>>>>);

impl Listener {
    fn heard(&self) -> Vec<Id<Event>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Handler for Listener {
    async fn apply(
        &self,
        envelope: &Envelope,
        _transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(envelope.id);
        Ok(())
    }
}

/// Puts a fact where the service puts its own, lets the relay try in vain, and then connects a listener.
async fn it_keeps_its_facts(house: &TestHouse, module: &Module) {
    let platform = &house.platform;
    let relay = module
        .tasks
        .iter()
        .find(|task| task.name() == format!("{}.relay", module.name))
        .unwrap_or_else(|| panic!("{} has no task `{0}.relay`", module.name));
    let now = platform.clock().now();
    let tenant: TenantId = platform.entropy.id(now);
    let fact = TenantChanged {
        tenant,
        name: "割勘証券株式会社".to_owned(),
        plan: "standard".to_owned(),
        state: TenantState::Applied,
        revision: 1,
    };
    let id: Id<Event> = platform.entropy.id(now);
    let envelope = Envelope::of(id, None, now, tenant.to_string(), &fact);
    // Another connection to the service's own data.
    let db = house.database(module.name).await;
    Outbox::append(&db, [envelope]).await.unwrap();
    for _ in 0..3 {
        // Whether the relay calls it a failure that nobody listens is its own affair; that the fact stays is not.
        drop(relay.run_once().await);
        platform.clock().advance(A_WHILE).unwrap();
    }
    let listener = Listener::default();
    platform.bus.connect(vec![Consumer::new(
        "structure.listener",
        &[TenantChanged::TYPE],
        db,
        listener.clone(),
    )]);
    for _ in 0..2 {
        relay.run_once().await.unwrap();
        platform.clock().advance(A_WHILE).unwrap();
    }
    assert_eq!(
        listener.heard(),
        [id],
        "{}: the fact that waited must be told once, when somebody listens",
        module.name
    );
}

async fn it_stands_alone(house: &TestHouse, module: &Module) {
    it_serves(&house.platform, module).await;
    it_keeps_its_facts(house, module).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn onboarding_stands_alone() {
    let house = TestHouse::new();
    let credential = house.directory().join("operator-credential.json");
    let service = Onboarding::open(
        warikan_onboarding::Config::default(),
        credential,
        &house.platform,
    )
    .await
    .unwrap();
    it_stands_alone(&house, &service.module()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verification_stands_alone() {
    let house = TestHouse::new();
    let anchors = Arc::new(warikan::anchors::load(None, []).unwrap());
    let config = warikan_verification::Config::default();
    let service = Verification::open(config, &house.platform, anchors, Arc::new(NobodyThere))
        .await
        .unwrap();
    it_stands_alone(&house, &service.module()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocation_stands_alone() {
    let house = TestHouse::new();
    let anchors = Arc::new(warikan::anchors::load(None, []).unwrap());
    let config = warikan_revocation::Config::default();
    let service = Revocation::open(config, &house.platform, anchors)
        .await
        .unwrap();
    it_stands_alone(&house, &service.module()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_stands_alone() {
    let house = TestHouse::new();
    let config = warikan_webhooks::Config::default();
    let service = Webhooks::open(config, &house.platform).await.unwrap();
    it_stands_alone(&house, &service.module()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn billing_stands_alone() {
    let house = TestHouse::new();
    let config = warikan_billing::Config::default();
    let service = Billing::open(config, &house.platform, Vec::new())
        .await
        .unwrap();
    it_stands_alone(&house, &service.module()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sandbox_stands_alone() {
    let house = TestHouse::new();
    let config = warikan_sandbox::Config {
        fixed_keys: true,
        ..warikan_sandbox::Config::default()
    };
    let service = Sandbox::open(config, &house.platform).await.unwrap();
    it_stands_alone(&house, &service.module()).await;
}

/// A service that is added to the house is added here too.
#[test]
fn every_service_is_asked_to_stand_alone() {
    let here = include_str!("alone.rs");
    let services = crate::repository::root().join("services");
    for entry in std::fs::read_dir(services).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "standalone" || here.contains(&format!("async fn {name}_stands_alone")),
            "add a test `{name}_stands_alone` to tests/structure/alone.rs"
        );
    }
}
