//! A verification service that may ask an OCSP responder.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::sync::Arc;

use serde_json::{Value, json};
use warikan_simulator::{Card, CertificateChoice, LifeEvent, Person, PersonId, Simulator};
use warikan_testkit::{Manner, OcspServer};
use warikan_types::{Clock, Environment, RevocationReason, Timestamp};
use warikan_verification::{
    CertIdUse, Certificates, Config, Fallback, NonceUse, OcspConfig, Responder,
};

use crate::support::{World, signed_request};

pub const SIGNATURE: CertificateChoice = CertificateChoice::Signature;

/// A person with a card, and a responder that knows them.
pub struct Scene {
    pub world: World,
    pub responder: OcspServer,
    /// The responder's: it stands unless it is advanced as well.
    pub responder_clock: Clock,
    person: PersonId,
    pub card: Card,
}

impl Scene {
    pub async fn new(fallback: Fallback, nonce: NonceUse, cert_id: CertIdUse) -> Self {
        // The house's clock stands there too.
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let responder_clock = Clock::manual(start);
        let responder = OcspServer::start(responder_clock.clone()).await;
        let config = Config {
            ocsp: OcspConfig {
                responders: vec![Responder {
                    environment: Environment::Production,
                    url: responder.url.clone(),
                    certificates: Certificates::All,
                    nonce,
                    cert_id,
                }],
                fallback,
            },
            ..Config::default()
        };
        let mut world = World::with(config).await;
        let now = world.house.clock().now().utc();
        let person = world
            .jlis
            .enroll(Person::of_the_test_card(), &mut world.keys, now)
            .unwrap();
        let card = world.jlis.card(person).unwrap();
        let scene = Self {
            world,
            responder,
            responder_clock,
            person,
            card,
        };
        scene.answer_truthfully();
        scene
    }

    pub async fn usual() -> Self {
        Self::new(Fallback::Crl, NonceUse::Optional, CertIdUse::Sha1).await
    }

    pub fn answer_truthfully(&self) {
        let copy = Simulator::restore(self.world.jlis.export()).unwrap();
        self.responder.behave(Manner::Live(Arc::new(copy)));
    }

    pub fn lose(&mut self) {
        let now = self.world.house.clock().now().utc();
        let world = &mut self.world;
        world
            .jlis
            .apply(self.person, &LifeEvent::Lose, &mut world.keys, now)
            .unwrap();
        self.answer_truthfully();
    }

    /// The list comes to say so too.
    pub fn list_says_revoked(&self) {
        let record = self
            .world
            .jlis
            .certificates_of(self.person)
            .find(|one| one.choice == SIGNATURE);
        let serial = record.unwrap().serial.to_be_bytes();
        let significant = serial.iter().position(|octet| *octet != 0).unwrap();
        let serial = serial[significant..].to_vec();
        let mut revoked = self.world.status.revoked.lock().unwrap();
        revoked.insert(serial, RevocationReason::KeyCompromise);
    }

    pub async fn verify(&self, more: &Value) -> Value {
        let mut request = signed_request(&self.card, SIGNATURE, b"document");
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        self.world.verify(&request).await
    }

    pub async fn replay(&self, answer: &Value) -> Value {
        let id = answer["id"].as_str().unwrap();
        let path = format!("/v1/verifications/{id}/revalidate");
        let reply = self
            .world
            .app
            .post(&path, &self.world.token, &json!({}))
            .await;
        reply.expect(200).clone()
    }
}
