//! A house with a simulated J-LIS, a verification service, and a status source that a test sets.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use warikan_contracts::{
    api::{CertificateStatus, KnownState, StatusAnswer, StatusUnavailable},
    facts::Channel,
};
use warikan_pki::{AnchorSet, sha256};
use warikan_simulator::{
    Card, CertificateChoice, Content, Genesis, HashAlgorithm, Hierarchy, KeySource, Person,
    Simulator, fixtures,
};
use warikan_testkit::{App, TestHouse};
use warikan_types::{
    CertificateId, ClientScope, Clock, CrlPartition, Environment, RevocationReason, TenantScope,
    Timestamp,
};
use warikan_verification::{Config, Verification};

/// Answers `good` as of an hour ago, unless told otherwise for a serial, or silent.
pub struct Status {
    clock: Clock,
    pub revoked: Mutex<HashMap<Vec<u8>, RevocationReason>>,
    pub silent: Mutex<bool>,
    /// The list's thisUpdate where none came since.
    pub frozen: Mutex<Option<Timestamp>>,
}

#[async_trait]
impl CertificateStatus for Status {
    async fn status(
        &self,
        _environment: Environment,
        certificate: &CertificateId,
        _partition: Option<CrlPartition>,
        channel: Channel,
    ) -> Result<StatusAnswer, StatusUnavailable> {
        if *self.silent.lock().unwrap() || channel == Channel::Ocsp {
            return Err(StatusUnavailable {
                why: "told to be silent".to_owned(),
            });
        }
        let an_hour_ago = self.clock.now().minus(Duration::from_secs(3600));
        let this_update = self.frozen.lock().unwrap().unwrap_or(an_hour_ago);
        let revoked = self.revoked.lock().unwrap();
        Ok(StatusAnswer {
            state: match revoked.get(certificate.serial.octets()) {
                None => KnownState::Good,
                Some(reason) => KnownState::Revoked {
                    reason: *reason,
                    revoked_at: this_update,
                },
            },
            channel,
            this_update,
            next_update: this_update.plus(Duration::from_secs(48 * 3600)),
            version: "test-1".to_owned(),
        })
    }
}

pub struct World {
    pub house: TestHouse,
    pub app: App,
    pub service: Verification,
    anchors: Arc<AnchorSet>,
    pub status: Arc<Status>,
    pub jlis: Simulator,
    pub keys: KeySource,
    #[allow(dead_code, reason = "not every test file looks at it")]
    pub tenant: TenantScope,
    pub token: String,
}

impl World {
    /// A production tenant; the stand-in plays the production hierarchy and the test hierarchy is known too.
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    /// The same, as configured.
    pub async fn with(config: Config) -> Self {
        Self::in_house(TestHouse::new(), config).await
    }

    /// The same in a house that is not like the others.
    pub async fn in_house(house: TestHouse, config: Config) -> Self {
        let now = house.clock().now().utc();
        let mut keys = fixtures::key_source();
        let jlis = Simulator::genesis(Genesis::of(Hierarchy::Production), &mut keys, now).unwrap();
        let roots = jlis
            .roots()
            .into_iter()
            .map(|root| (Environment::Production, root.der))
            .chain(
                jlis_test_roots()
                    .into_iter()
                    .map(|der| (Environment::Sandbox, der)),
            );
        let anchors = Arc::new(AnchorSet::new(roots.collect::<Vec<_>>()).unwrap());
        let status = Arc::new(Status {
            clock: house.clock().clone(),
            revoked: Mutex::default(),
            silent: Mutex::new(false),
            frozen: Mutex::default(),
        });
        let service = Verification::open(
            config,
            &house.platform,
            Arc::clone(&anchors),
            Arc::clone(&status) as Arc<dyn CertificateStatus>,
        )
        .await
        .unwrap();
        let app = App::serve(&house.platform, vec![service.module()]).await;
        let tenant = house.tenant(Environment::Production);
        let token = house.token(tenant, &[ClientScope::Verifications, ClientScope::Subjects]);
        Self {
            house,
            app,
            service,
            anchors,
            status,
            jlis,
            keys,
            tenant,
            token,
        }
    }

    /// The same service over the same database once more, as another process of it would be.
    pub async fn replica(&self) -> App {
        let service = Verification::open(
            Config::default(),
            &self.house.platform,
            Arc::clone(&self.anchors),
            Arc::clone(&self.status) as Arc<dyn CertificateStatus>,
        )
        .await
        .unwrap();
        App::serve(&self.house.platform, vec![service.module()]).await
    }

    pub fn card(&mut self) -> Card {
        let now = self.house.clock().now().utc();
        let id = self
            .jlis
            .enroll(Person::of_the_test_card(), &mut self.keys, now)
            .unwrap();
        self.jlis.card(id).unwrap()
    }

    pub async fn verify(&self, body: &Value) -> Value {
        self.app
            .post("/v1/verifications", &self.token, body)
            .await
            .expect(201)
            .clone()
    }
}

pub fn b64(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// What a tenant sends for a document that the card signed.
pub fn signed_request(card: &Card, choice: CertificateChoice, document: &[u8]) -> Value {
    let digest = sha256(document);
    let signature = card
        .sign(choice, Content::Digest(&digest), HashAlgorithm::Sha256)
        .unwrap();
    json!({
        "certificate": b64(card.certificate(choice).unwrap()),
        "signature": b64(&signature),
        "signed": { "digest": b64(&digest), "algorithm": "sha256" },
    })
}

const REAL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../shared/pki/testdata/jlis"
);

pub fn real(file: &str) -> Vec<u8> {
    std::fs::read(format!("{REAL}/{file}")).unwrap()
}

fn jlis_test_roots() -> Vec<Vec<u8>> {
    [
        "signca-test-2019",
        "signca-test-2024",
        "authca-test-2019",
        "authca-test-2023",
    ]
    .into_iter()
    .map(|name| real(&format!("test-roots/{name}.cer")))
    .collect()
}
