//! Checks of a person that ask an OCSP responder: the platform kept issuer and serial number, and that is enough to ask.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "support/scene.rs"]
mod scene;
mod support;

use std::time::Duration;

use scene::{SIGNATURE, Scene};
use serde_json::{Value, json};
use warikan_testkit::Manner;
use warikan_types::ClientScope;
use warikan_verification::{CertIdUse, Fallback, NonceUse};

const HOUR: u64 = 3_600;

/// A person that the tenant has verified, and may check.
struct Known {
    scene: Scene,
    subject: String,
    verification: Value,
}

impl Known {
    async fn in_scene(scene: Scene) -> Self {
        let verification = scene.verify(&json!({ "channel": "crl" })).await;
        let subject = verification["subject"]["id"].as_str().unwrap().to_owned();
        Self {
            scene,
            subject,
            verification,
        }
    }

    async fn check(&self, wanted: &Value) -> Value {
        let path = format!("/v1/subjects/{}/check", self.subject);
        let world = &self.scene.world;
        let reply = world.app.post(&path, &world.token, wanted).await;
        let check = reply.expect(200).clone();
        assert_eq!(check["state"], check["certificates"][0]["status"]["state"]);
        check
    }

    fn pass(&mut self, hours: u64) {
        let by = Duration::from_secs(hours * HOUR);
        self.scene.world.house.clock().advance(by).unwrap();
        self.scene.responder_clock.advance(by).unwrap();
        // No token lives that long.
        let scopes = [ClientScope::Verifications, ClientScope::Subjects];
        let world = &mut self.scene.world;
        world.token = world.house.token(world.tenant, &scopes);
    }

    /// No list comes from here on.
    fn freeze_lists(&self) {
        let now = self.scene.world.house.clock().now();
        *self.scene.world.status.frozen.lock().unwrap() = Some(now);
    }
}

/// State and deciding channel, and each source as `channel state problem`.
fn told(check: &Value) -> (String, String, Vec<String>) {
    let word = |one: &Value| one.as_str().unwrap_or("-").to_owned();
    let status = &check["certificates"][0]["status"];
    let sources = status["sources"].as_array().unwrap().iter();
    let sources = sources.map(|one| {
        let [channel, state, problem] =
            ["channel", "state", "problem"].map(|name| word(&one[name]));
        format!("{channel} {state} {problem}")
    });
    (
        word(&check["state"]),
        word(&status["channel"]),
        sources.collect(),
    )
}

fn outcome(state: &str, channel: &str, sources: &[&str]) -> (String, String, Vec<String>) {
    let sources = sources.iter().map(|one| (*one).to_owned()).collect();
    (state.to_owned(), channel.to_owned(), sources)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f041_a_person_is_asked_about_live_where_the_list_is_too_old() {
    for cert_id in [CertIdUse::Sha1, CertIdUse::Sha256] {
        let scene = Scene::new(Fallback::Crl, NonceUse::Optional, cert_id).await;
        let known = Known::in_scene(scene).await;
        // By the list unless asked otherwise: a live answer costs.
        let check = known.check(&json!({})).await;
        assert_eq!(told(&check), outcome("good", "crl", &["crl good -"]));
        assert_eq!(known.scene.responder.asked(), 0);
        // The list is an hour old.
        let check = known.check(&json!({ "max_age": "PT30M" })).await;
        assert_eq!(told(&check), outcome("unknown", "crl", &["crl good -"]));
        let live = json!({ "channel": "auto", "max_age": "PT30M" });
        let check = known.check(&live).await;
        assert_eq!(
            told(&check),
            outcome("good", "ocsp", &["ocsp good -", "crl good -"])
        );
        assert_eq!(check["certificates"][0]["status"]["age_seconds"], 0);
        assert_eq!(known.scene.responder.asked(), 1);
        // What a verification of the same certificate heard answers here too, and the reverse.
        let verified = known.scene.verify(&live).await;
        assert_eq!(verified["status"]["channel"], "ocsp");
        assert_eq!(known.scene.responder.asked(), 1);
        let wrong = json!({ "channel": "telex" });
        let path = format!("/v1/subjects/{}/check", known.subject);
        let world = &known.scene.world;
        let reply = world.app.post(&path, &world.token, &wrong).await;
        reply.expect_problem(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f043_an_answer_from_before_the_revocation_makes_nobody_good() {
    for nonce in [NonceUse::Required, NonceUse::Never] {
        let scene = Scene::new(Fallback::Crl, nonce, CertIdUse::Sha1).await;
        let mut known = Known::in_scene(scene).await;
        known.freeze_lists();
        // Somebody kept what the responder said while the certificate was good.
        let world = &known.scene.world;
        let anchors = warikan_pki::AnchorSet::new(
            world
                .jlis
                .roots()
                .into_iter()
                .map(|root| (warikan_types::Environment::Production, root.der)),
        )
        .unwrap();
        let der = known.scene.card.certificate(SIGNATURE).unwrap();
        let examined = warikan_pki::examine(der, &anchors);
        let path = examined.path().unwrap();
        let question = warikan_pki::ocsp_request(
            warikan_pki::OcspSubject::Serial(&path.certificate_id().serial),
            path.anchor(),
            warikan_pki::CertIdHash::Sha1,
            None,
        );
        let kept = world
            .jlis
            .ocsp(&question.unwrap(), world.house.clock().now().utc());
        known.scene.responder.behave(Manner::Octets(kept));
        // Three days on it is replayed, and the lists have stopped coming.
        known.pass(72);
        let check = known.check(&json!({ "channel": "ocsp" })).await;
        let problem = match nonce {
            NonceUse::Required => "ocsp unknown ocsp_nonce",
            _ => "ocsp unknown status_stale",
        };
        assert_eq!(
            told(&check),
            outcome("unknown", "crl", &[problem, "crl good -"])
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f052_a_person_revoked_after_a_verification_is_revoked_now_and_the_verification_stays() {
    let mut known = Known::in_scene(Scene::usual().await).await;
    assert_eq!(known.verification["verdict"], "valid");
    let before = known.check(&json!({ "channel": "ocsp" })).await;
    assert_eq!(before["state"], "good");
    known.pass(1);
    known.scene.lose();
    // The answer of an hour ago is kept; this one has to be younger.
    let wanted = json!({ "channel": "ocsp", "max_age": "PT5M" });
    let now = known.check(&wanted).await;
    assert_eq!(
        told(&now),
        outcome("revoked", "ocsp", &["ocsp revoked -", "crl good -"])
    );
    let replayed = known.scene.replay(&known.verification).await;
    assert_eq!(replayed["same_as_recorded"], true);
    assert_eq!(replayed["verdict"], "valid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f050_a_silent_responder_leaves_a_person_to_the_list_or_unknown() {
    for (fallback, expected) in [
        (
            Fallback::Crl,
            outcome("good", "crl", &["ocsp unknown http_status", "crl good -"]),
        ),
        (
            Fallback::None,
            outcome("unknown", "-", &["ocsp unknown http_status", "crl good -"]),
        ),
    ] {
        let scene = Scene::new(fallback, NonceUse::Optional, CertIdUse::Sha1).await;
        let known = Known::in_scene(scene).await;
        known.scene.responder.behave(Manner::Status(503));
        let check = known.check(&json!({ "channel": "ocsp" })).await;
        assert_eq!(told(&check), expected);
        // *Revoked* by the list is believed either way (F051).
        known.scene.list_says_revoked();
        let check = known.check(&json!({ "channel": "ocsp" })).await;
        assert_eq!(
            (check["state"].as_str(), told(&check).1.as_str()),
            (Some("revoked"), "crl")
        );
    }
}
