//! Personal data at rest: each tenant's own data key, who wraps it, and what is left when it is destroyed.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use support::{World, signed_request};
use warikan_contracts::{Envelope, facts::TenantClosed};
use warikan_runtime::{KeyWrapping, WrapError, Wrapped};
use warikan_simulator::CertificateChoice;
use warikan_testkit::{App, TestHouse};
use warikan_types::{ClientScope, Entropy, Environment, Sealer, TenantScope};
use warikan_verification::Config;

const SCOPES: [ClientScope; 2] = [ClientScope::Verifications, ClientScope::Subjects];

/// A key management service that a test switches off.
struct Management {
    sealer: Sealer,
    down: AtomicBool,
}

impl Management {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            sealer: Sealer::new([9; 32], Entropy::seeded(9)),
            down: AtomicBool::new(false),
        })
    }

    fn answers(&self) -> Result<(), WrapError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(WrapError::Unavailable("no answer".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl KeyWrapping for Management {
    fn in_force(&self) -> String {
        "kms".to_owned()
    }

    async fn wrap(&self, place: &str, key: &[u8; 32]) -> Result<Wrapped, WrapError> {
        self.answers()?;
        Ok(Wrapped {
            under: self.in_force(),
            octets: self.sealer.seal(place, key),
        })
    }

    async fn unwrap(&self, place: &str, wrapped: &Wrapped) -> Result<[u8; 32], WrapError> {
        self.answers()?;
        let opened = self.sealer.open(place, &wrapped.octets);
        let opened = opened.map_err(|_| WrapError::Damaged)?;
        opened.try_into().map_err(|_| WrapError::Damaged)
    }
}

async fn world_with(management: &Arc<Management>) -> World {
    let mut house = TestHouse::new();
    let wrapping = Arc::clone(management) as Arc<dyn KeyWrapping>;
    house.platform.keys = house.platform.keys.clone().with_wrapping(wrapping);
    World::in_house(house, Config::default()).await
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<sea_orm::QueryResult> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap()
}

async fn count(db: &DatabaseConnection, table: &str) -> i64 {
    let rows = rows(db, &format!("SELECT count(*) AS n FROM {table}")).await;
    rows[0].try_get("", "n").unwrap()
}

fn request(world: &mut World, document: &[u8]) -> Value {
    let card = world.card();
    let mut request = signed_request(&card, CertificateChoice::Signature, document);
    request["subject_ref"] = json!("C-1001");
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f096_without_the_key_management_nothing_is_kept_and_nothing_is_opened() {
    let management = Management::new();
    let mut world = world_with(&management).await;
    let body = request(&mut world, b"open an account");
    let db = world.house.database("verification").await;

    // No key, no data key, nothing written: not even under the platform's own.
    management.down.store(true, Ordering::SeqCst);
    let refused = world
        .app
        .post("/v1/verifications", &world.token, &body)
        .await;
    refused.expect_problem(503, "unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    for table in ["verification", "subject", "data_key", "idempotent_answer"] {
        assert_eq!(count(&db, table).await, 0, "{table}");
    }

    management.down.store(false, Ordering::SeqCst);
    let answer = world.verify(&body).await;
    assert_eq!(answer["verdict"], "valid", "{answer}");
    let keys = rows(&db, "SELECT wrapped_under, wrapped FROM data_key").await;
    assert_eq!(keys.len(), 1);
    assert_eq!(
        keys[0].try_get::<String>("", "wrapped_under").unwrap(),
        "kms"
    );

    // A process that has not unwrapped the key yet cannot read without it, and can when it is back.
    let other = world.replica().await;
    let path = format!("/v1/verifications/{}", answer["id"].as_str().unwrap());
    management.down.store(true, Ordering::SeqCst);
    let closed = other.get(&path, &world.token).await;
    closed.expect_problem(503, "unavailable");
    management.down.store(false, Ordering::SeqCst);
    assert_eq!(
        other.get(&path, &world.token).await.expect(200)["verdict"],
        "valid"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f096_a_data_key_that_was_changed_or_exchanged_opens_nothing() {
    let mut world = World::new().await;
    let body = request(&mut world, b"open an account");
    let answer = world.verify(&body).await;
    let neighbour = world.house.tenant(Environment::Production);
    let theirs = world.house.token(neighbour, &SCOPES);
    let reply = world.app.post("/v1/verifications", &theirs, &body).await;
    reply.expect(201);
    let db = world.house.database("verification").await;
    assert_eq!(count(&db, "data_key").await, 2);
    // The neighbour's key in the place of one's own: it is bound to its tenant.
    let sql =
        "UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key ORDER BY tenant DESC LIMIT 1)";
    let backend = db.get_database_backend();
    db.execute_raw(Statement::from_string(backend, sql))
        .await
        .unwrap();
    let other = world.replica().await;
    let path = format!("/v1/verifications/{}", answer["id"].as_str().unwrap());
    let mine = other.get(&path, &world.token).await;
    let list = other.get("/v1/verifications", &theirs).await;
    let refused = [&mine, &list]
        .iter()
        .filter(|reply| reply.status == 500)
        .count();
    assert_eq!(refused, 1, "{mine:?} {list:?}");
}

async fn close(world: &World, tenant: TenantScope) {
    let platform = &world.house.platform;
    let now = platform.clock().now();
    let fact = TenantClosed {
        tenant: tenant.tenant(),
        revision: 9,
    };
    let about = tenant.tenant().to_string();
    let envelope = Envelope::of(platform.entropy.id(now), None, now, about, &fact);
    platform.bus.publish(&envelope, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f097_what_a_closed_tenant_left_is_noise_and_a_tombstone() {
    let mut world = World::new().await;
    let body = request(&mut world, b"open an account");
    let answer = world.verify(&body).await;
    let neighbour = world.house.tenant(Environment::Production);
    let theirs = world.house.token(neighbour, &SCOPES);
    let kept = world.app.post("/v1/verifications", &theirs, &body).await;
    let kept = kept.expect(201)["id"].as_str().unwrap().to_owned();
    let id = answer["id"].as_str().unwrap().to_owned();

    close(&world, world.tenant).await;
    close(&world, world.tenant).await;

    let mut paths = vec![
        format!("/v1/verifications/{id}"),
        "/v1/verifications".to_owned(),
    ];
    let subject = answer["subject"]["id"].as_str().unwrap();
    paths.push(format!("/v1/subjects/{subject}"));
    for path in &paths {
        let reply = world.app.get(path, &world.token).await;
        reply.expect_problem(403, "tenant_not_active");
    }
    // No new key is made for it, in either environment.
    let again = world
        .app
        .post("/v1/verifications", &world.token, &body)
        .await;
    again.expect_problem(403, "tenant_not_active");
    let sandbox = TenantScope::of_event(world.tenant.tenant(), Environment::Sandbox);
    let sandbox = world.house.token(sandbox, &SCOPES);
    let purpose = json!({ "purpose": "authentication" });
    let there = world.app.post("/v1/challenges", &sandbox, &purpose).await;
    there.expect_problem(403, "tenant_not_active");

    // The neighbour has lost nothing.
    let reply = world
        .app
        .get(&format!("/v1/verifications/{kept}"), &theirs)
        .await;
    reply.expect(200);

    // The rows stay, what they hold opens under no key that is left.
    let db = world.house.database("verification").await;
    assert_eq!(count(&db, "verification").await, 2);
    let tombstones = rows(
        &db,
        "SELECT wrapped, wrapped_under FROM data_key WHERE destroyed_at IS NOT NULL",
    )
    .await;
    assert_eq!(tombstones.len(), 2);
    for row in tombstones {
        assert!(row.try_get::<Vec<u8>>("", "wrapped").unwrap().is_empty());
        assert!(
            row.try_get::<String>("", "wrapped_under")
                .unwrap()
                .is_empty()
        );
    }
    let place = format!(
        "verification.evidence/{}/production/{id}",
        world.tenant.tenant()
    );
    for row in rows(&db, "SELECT evidence FROM verification").await {
        let evidence: Vec<u8> = row.try_get("", "evidence").unwrap();
        assert_eq!(evidence[0], 2, "sealed under a tenant's key");
        let platform = world.house.platform.keys.sealer();
        assert!(platform.open(&place, &evidence).is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f096_f097_nothing_of_a_person_can_be_read_on_the_disk() {
    let mut world = World::in_house(TestHouse::on_sqlite(), Config::default()).await;
    let body = request(&mut world, b"open an account");
    let keyed = world
        .app
        .request(reqwest::Method::POST, "/v1/verifications");
    let keyed = keyed
        .bearer_auth(&world.token)
        .header("Idempotency-Key", "k-1")
        .json(&body);
    let answer = App::read(keyed).await;
    let answer = answer.expect(201);
    let attribute = |name: &str| {
        answer["attributes"][name]
            .as_str()
            .unwrap()
            .as_bytes()
            .to_vec()
    };
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let der = base64(&body["certificate"]);
    let signature = base64(&body["signature"]);
    let secrets = [
        ("the name", attribute("name")),
        ("the address", attribute("address")),
        ("the certificate", der[der.len() / 2..][..48].to_vec()),
        (
            "the certificate in base64",
            text(&body["certificate"])[200..260].to_vec(),
        ),
        ("the signature", signature[..48].to_vec()),
        (
            "the signature in base64",
            text(&body["signature"])[..60].to_vec(),
        ),
    ];
    let mut read = 0;
    for entry in std::fs::read_dir(world.house.directory()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("verification") {
            continue;
        }
        let octets = std::fs::read(&path).unwrap();
        read += octets.len();
        for (what, secret) in &secrets {
            let found = octets.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "{what} can be read in {name}");
        }
    }
    assert!(read > 50_000, "{read} octets were looked at");
}

fn base64(value: &Value) -> Vec<u8> {
    use ::base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}
