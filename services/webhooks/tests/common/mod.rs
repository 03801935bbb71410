//! A house with this service alone, facts to put on its bus, and receivers that misbehave.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use warikan_contracts::{
    Envelope,
    facts::{CertificateRevoked, InvoiceFinalized, Learned, VerificationCompleted, WatchOrder},
};
use warikan_messaging::Outgoing;
use warikan_testkit::{App, Received, TestHouse};
use warikan_types::{
    CertificateId, CertificateKind, ClientScope, Environment, IssuerKey, Reason, RevocationReason,
    Serial, TenantScope, Verdict, Yen,
};
use warikan_webhooks::{Config, Webhooks};

pub struct Scene {
    pub house: TestHouse,
    pub app: App,
}

/// Loopback receivers, no jitter; all else as in production.
pub fn config() -> Config {
    Config {
        allow_loopback_http: true,
        jitter_percent: 0,
        ..Config::default()
    }
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        let house = TestHouse::new();
        let service = Webhooks::open(config, &house.platform).await.unwrap();
        let app = App::serve(&house.platform, vec![service.module()]).await;
        Self { house, app }
    }

    /// A tenant in production, with a token for the feed and webhooks.
    pub fn tenant(&self) -> (TenantScope, String) {
        let tenant = self.house.tenant(Environment::Production);
        (tenant, self.token(tenant))
    }

    /// The same in the sandbox.
    pub fn sandbox_tenant(&self) -> (TenantScope, String) {
        let tenant = self.house.tenant(Environment::Sandbox);
        (tenant, self.token(tenant))
    }

    pub fn token(&self, tenant: TenantScope) -> String {
        let scopes = [ClientScope::Events, ClientScope::Webhooks];
        self.house.token(tenant, &scopes)
    }

    pub async fn endpoint(&self, token: &str, url: &str) -> Value {
        let body = json!({ "url": url });
        let reply = self.app.post("/v1/webhook-endpoints", token, &body).await;
        reply.expect(201).clone()
    }

    pub fn verification(&self, tenant: TenantScope) -> Envelope {
        let (entropy, now) = (&self.house.platform.entropy, self.house.clock().now());
        let certificate = CertificateId {
            issuer: IssuerKey([7; 32]),
            serial: Serial::from_u64(0x2f3e_4d5c).unwrap(),
        };
        let fact = VerificationCompleted {
            verification: entropy.id(now),
            client: entropy.id(now),
            kind: Some(CertificateKind::CardSignature),
            channel: None,
            verdict: Verdict::Invalid,
            reason: Some(Reason::CertificateRevoked),
            subject: Some(entropy.id(now)),
            handle: Some(entropy.id(now)),
            accepted_at: now,
            watch: Some(WatchOrder {
                watch: entropy.id(now),
                certificate,
                partition: None,
                kind: CertificateKind::CardSignature,
                not_after: now,
                handle: entropy.id(now),
                subject: None,
                reference: Some("customer-黒桐-4711".to_owned()),
            }),
        };
        let aggregate = fact.verification.to_string();
        Envelope::of(entropy.id(now), Some(tenant), now, aggregate, &fact)
    }

    pub fn revocation(&self, tenant: TenantScope, reason: RevocationReason) -> Envelope {
        let (entropy, now) = (&self.house.platform.entropy, self.house.clock().now());
        let fact = CertificateRevoked {
            watch: entropy.id(now),
            handle: entropy.id(now),
            kind: CertificateKind::CardSignature,
            subject: Some(entropy.id(now)),
            reason,
            revoked_at: now,
            this_update: now,
            source_version: "17".to_owned(),
            learned: Some(Learned {
                published_at: now,
                accepted_at: now,
            }),
            renewed_by: None,
        };
        let aggregate = fact.watch.to_string();
        Envelope::of(entropy.id(now), Some(tenant), now, aggregate, &fact)
    }

    pub fn invoice(&self, tenant: TenantScope) -> Envelope {
        let (entropy, now) = (&self.house.platform.entropy, self.house.clock().now());
        let fact = InvoiceFinalized {
            invoice: entropy.id(now),
            period: "2026-11".parse().unwrap(),
            total: Yen(12_345),
        };
        let aggregate = fact.invoice.to_string();
        Envelope::of(entropy.id(now), Some(tenant), now, aggregate, &fact)
    }

    pub async fn publish(&self, envelope: &Envelope) {
        self.house.platform.bus.publish(envelope, 1).await.unwrap();
    }

    /// Publishes `count` verifications and gives their event ids.
    pub async fn happen(&self, tenant: TenantScope, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let envelope = self.verification(tenant);
            self.publish(&envelope).await;
            ids.push(envelope.id.to_string());
        }
        ids
    }

    /// Publishes a verification for each of these tenants in one batch and gives the event ids.
    pub async fn happen_together(&self, tenants: &[TenantScope]) -> Vec<String> {
        let facts: Vec<Outgoing> = tenants
            .iter()
            .map(|tenant| Outgoing {
                envelope: self.verification(*tenant),
                attempt: 1,
            })
            .collect();
        let outcomes = self.house.platform.bus.publish_all(&facts).await;
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
        facts
            .iter()
            .map(|fact| fact.envelope.id.to_string())
            .collect()
    }

    pub async fn deliver(&self) {
        self.app.run("webhooks.deliver").await;
    }

    pub fn later(&self, seconds: u64) {
        self.house
            .clock()
            .advance(Duration::from_secs(seconds))
            .unwrap();
    }

    pub async fn feed(&self, token: &str, query: &str) -> Value {
        let reply = self.app.get(&format!("/v1/events{query}"), token).await;
        reply.expect(200).clone()
    }

    pub async fn deliveries(&self, token: &str, endpoint: &Value) -> Vec<Value> {
        let id = endpoint["id"].as_str().unwrap();
        let path = format!("/v1/webhook-endpoints/{id}/deliveries?limit=500");
        let reply = self.app.get(&path, token).await;
        reply.expect(200)["data"].as_array().unwrap().clone()
    }
}

/// The signature that a consumer with this secret expects.
pub fn expected_signature(secret: &str, received: &Received) -> String {
    standardwebhooks::Webhook::new(secret)
        .unwrap()
        .sign(
            received.header("webhook-id").unwrap(),
            received
                .header("webhook-timestamp")
                .unwrap()
                .parse()
                .unwrap(),
            &received.body,
        )
        .unwrap()
}

/// Whether a `v1a` signature of a request is by this public key (`whpk_..`), as a consumer would find out.
pub fn verifies_v1a(public_key: &str, signature: &str, received: &Received) -> bool {
    let key = STANDARD
        .decode(public_key.strip_prefix("whpk_").unwrap())
        .unwrap();
    let octets = STANDARD
        .decode(signature.strip_prefix("v1a,").unwrap())
        .unwrap();
    let mut content = format!(
        "{}.{}.",
        received.header("webhook-id").unwrap(),
        received.header("webhook-timestamp").unwrap()
    )
    .into_bytes();
    content.extend(&received.body);
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&content, &octets)
        .is_ok()
}

/// A receiver on the level of octets: reads a request, then does as told. Counts connections and those open at once.
pub struct RawReceiver {
    pub url: String,
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub most_at_once: Arc<AtomicUsize>,
}

impl RawReceiver {
    pub async fn start<F, R>(behave: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let (count, most) = (Arc::clone(&connections), Arc::clone(&most_at_once));
        tokio::spawn(async move {
            let open = Arc::new(AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let now = open.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                let open = Arc::clone(&open);
                let behaviour = behave(stream);
                tokio::spawn(async move {
                    behaviour.await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            url: format!("http://{address}/hook"),
            address,
            connections,
            most_at_once,
        }
    }

    /// One that never answers, until the client gives up.
    pub async fn hanging() -> Self {
        Self::start(|mut stream| async move {
            let mut sink = [0; 4096];
            while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
        })
        .await
    }

    /// One that answers everything with 204 and keeps its connections open, and counts what it answered.
    pub async fn lasting() -> (Self, Arc<AtomicUsize>) {
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let receiver = Self::start(move |mut stream| {
            let count = Arc::clone(&count);
            async move {
                while read_request(&mut stream).await {
                    let answer = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    answer.unwrap();
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        (receiver.await, answered)
    }

    /// One that answers every request with these octets and closes.
    pub async fn answering(answer: String) -> Self {
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                // The client may have gone already.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }
}

/// Reads one request with a Content-Length; `false` where the client has closed instead.
pub async fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return false;
        }
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some(end) = text.find("\r\n\r\n") else {
            continue;
        };
        let length = text
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if request.len() >= end + 4 + length {
            return true;
        }
    }
}
