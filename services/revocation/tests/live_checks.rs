//! Checks of a watched certificate that ask an OCSP responder beside the list.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use support::{Bench, SIGNATURE};
use warikan_contracts::facts::{Channel, StatusChecked};
use warikan_revocation::Config;
use warikan_simulator::{LifeEvent, PersonId, Simulator};
use warikan_status::{CertIdUse, Certificates, Fallback, NonceUse, OcspConfig, Responder};
use warikan_testkit::{Manner, OcspServer};
use warikan_types::{Clock, Environment, TenantScope, Timestamp};

struct Scene {
    bench: Bench,
    responder: OcspServer,
    clock: Clock,
    tenant: TenantScope,
    person: PersonId,
    handle: String,
}

impl Scene {
    /// One watched certificate, the day's lists, and a responder that knows what the agency knows.
    async fn new() -> Self {
        // The house's clock stands there too.
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let clock = Clock::manual(start);
        let responder = OcspServer::start(clock.clone()).await;
        let config = Config {
            ocsp: OcspConfig {
                responders: vec![Responder {
                    environment: Environment::Production,
                    url: responder.url.clone(),
                    certificates: Certificates::All,
                    nonce: NonceUse::Optional,
                    cert_id: CertIdUse::Sha1,
                }],
                fallback: Fallback::Crl,
            },
            ..Config::default()
        };
        let mut bench = Bench::with(config).await;
        let person = bench.citizens(1)[0];
        bench.publish_and_sync().await;
        let tenant = bench.tenant();
        let der = bench.certificate(person, SIGNATURE);
        let watch = bench.watch(tenant, &der, "C-1").await;
        let handle = watch["certificate_handle"].as_str().unwrap().to_owned();
        let scene = Self {
            bench,
            responder,
            clock,
            tenant,
            person,
            handle,
        };
        scene.answer_truthfully();
        scene
    }

    fn answer_truthfully(&self) {
        let copy = Simulator::restore(self.bench.agency.export()).unwrap();
        self.responder.behave(Manner::Live(Arc::new(copy)));
    }

    fn pass(&self, hours: u64) {
        self.bench.advance(hours);
        let by = Duration::from_secs(hours * 3_600);
        self.clock.advance(by).unwrap();
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/certificates/{}/{what}", self.handle)
    }

    async fn check(&self, wanted: &Value) -> Value {
        let token = self.bench.token(self.tenant);
        let path = self.path("check");
        let reply = self.bench.app.post(&path, &token, wanted).await;
        reply.expect(200).clone()
    }

    /// How often each channel was told to billing.
    async fn metered(&self) -> (usize, usize) {
        self.bench.app.settle().await;
        let facts = self.bench.probe.facts::<StatusChecked>();
        let count = |channel| {
            facts
                .iter()
                .filter(|(_, one)| one.channel == channel)
                .count()
        };
        (count(Channel::Crl), count(Channel::Ocsp))
    }
}

/// State, reason and deciding channel, and each source as `channel state problem`.
fn told(check: &Value) -> (String, Vec<String>) {
    let word = |one: &Value| one.as_str().unwrap_or("-").to_owned();
    let sources = check["sources"].as_array().unwrap().iter();
    let sources = sources.map(|one| {
        let [channel, state, problem] =
            ["channel", "state", "problem"].map(|name| word(&one[name]));
        format!("{channel} {state} {problem}")
    });
    let outcome = ["state", "reason", "channel"].map(|name| word(&check[name]));
    (outcome.join(" "), sources.collect())
}

fn outcome(outcome: &str, sources: &[&str]) -> (String, Vec<String>) {
    let sources = sources.iter().map(|one| (*one).to_owned()).collect();
    (outcome.to_owned(), sources)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f051_a_live_answer_beside_the_list_is_kept_with_both_and_revoked_wins() {
    let mut scene = Scene::new().await;
    let (by_list, by_ocsp) = scene.metered().await;
    let check = scene.check(&json!({})).await;
    assert_eq!(told(&check), outcome("good - crl", &[]));
    assert_eq!(scene.responder.asked(), 0);
    let live = json!({ "channel": "ocsp", "max_age": "PT10M" });
    let both = ["ocsp good -", "crl good -"];
    assert_eq!(
        told(&scene.check(&live).await),
        outcome("good - ocsp", &both)
    );
    scene.pass(1);
    scene.bench.happen(scene.person, &LifeEvent::Lose);
    scene.answer_truthfully();
    // The list of the day does not know it yet.
    assert_eq!(
        told(&scene.check(&json!({})).await),
        outcome("good - crl", &[])
    );
    let check = scene.check(&live).await;
    let both = ["ocsp revoked -", "crl good -"];
    assert_eq!(told(&check), outcome("revoked - ocsp", &both));
    assert_eq!(check["revocation_reason"], "key_compromise");
    assert_eq!(scene.metered().await, (by_list + 2, by_ocsp + 2));
    // The record has what was heard.
    let token = scene.bench.token(scene.tenant);
    let kept = scene.bench.app.get(&scene.path("statuses"), &token).await;
    let kept = kept.expect(200)["data"].as_array().unwrap().clone();
    assert_eq!(kept.len(), 4);
    assert_eq!(kept[3], check);
    assert_eq!(told(&kept[1]).0, "good - ocsp");

    let past = json!({ "at": "2026-11-21T00:00:00Z", "channel": "auto" });
    let reply = scene
        .bench
        .app
        .post(&scene.path("check"), &token, &past)
        .await;
    reply.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f043_a_list_older_than_asked_for_says_good_of_nothing_and_a_live_answer_may() {
    let scene = Scene::new().await;
    scene.pass(3);
    let bound = json!({ "max_age": "PT2H" });
    assert_eq!(
        told(&scene.check(&bound).await),
        outcome("unknown status_stale crl", &[])
    );
    let auto = json!({ "channel": "auto", "max_age": "PT2H" });
    let check = scene.check(&auto).await;
    let both = ["ocsp good -", "crl good -"];
    assert_eq!(told(&check), outcome("good - ocsp", &both));
    assert_eq!(check["age_seconds"], 0);
    // The responder falls silent, the lists stop, and what it said is over as well.
    scene.pass(24 * 9);
    scene.responder.behave(Manner::Status(503));
    let auto = json!({ "channel": "auto" });
    let check = scene.check(&auto).await;
    let sources = ["ocsp unknown http_status", "crl good -"];
    assert_eq!(told(&check), outcome("unknown status_stale crl", &sources));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f049_a_responder_that_does_not_know_the_certificate_leaves_it_unknown() {
    let scene = Scene::new().await;
    let now = scene.bench.now();
    let mut keys = warikan_simulator::fixtures::key_source();
    let genesis = warikan_simulator::Genesis::of(warikan_simulator::Hierarchy::Production);
    // The same keys, and nobody was ever issued anything.
    let empty = Simulator::genesis(genesis, &mut keys, now).unwrap();
    scene.responder.behave(Manner::Live(Arc::new(empty)));
    let live = json!({ "channel": "ocsp" });
    let check = scene.check(&live).await;
    let sources = ["ocsp unknown -", "crl good -"];
    assert_eq!(
        told(&check),
        outcome("unknown status_unknown_serial ocsp", &sources)
    );
}
