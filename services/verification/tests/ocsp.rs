//! The live question: which source speaks, and what a responder cannot do to a verification.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "support/scene.rs"]
mod scene;
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use scene::{SIGNATURE, Scene};
use serde_json::{Value, json};
use support::{World, signed_request};
use warikan_simulator::{Genesis, Hierarchy, Person, Simulator};
use warikan_testkit::{Manner, OcspServer};
use warikan_types::{Clock, Environment};
use warikan_verification::{CertIdUse, Fallback, NonceUse};

fn outcome(answer: &Value) -> (&str, Option<&str>, Option<&str>) {
    (
        answer["verdict"].as_str().unwrap(),
        answer["reason"].as_str(),
        answer["status"]["channel"].as_str(),
    )
}

/// Each source as `channel state problem`.
fn sources(answer: &Value) -> Vec<String> {
    let sources = answer["status"]["sources"].as_array().unwrap();
    sources
        .iter()
        .map(|one| {
            let word = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", word("channel"), word("state"), word("problem"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_question_is_asked_where_it_is_wanted_and_its_answer_kept() {
    for (nonce, cert_id) in [
        (NonceUse::Optional, CertIdUse::Sha1),
        (NonceUse::Required, CertIdUse::Sha256),
        (NonceUse::Never, CertIdUse::Sha1),
    ] {
        let scene = Scene::new(Fallback::Crl, nonce, cert_id).await;
        let by_list = scene.verify(&json!({})).await;
        assert_eq!(outcome(&by_list), ("valid", None, Some("crl")));
        assert_eq!(sources(&by_list), ["crl good -"]);
        // The list is an hour old: it answers `auto` as long as that is young enough.
        let young = scene
            .verify(&json!({"channel": "auto", "max_age": "PT2H"}))
            .await;
        assert_eq!(outcome(&young), ("valid", None, Some("crl")));
        assert_eq!(scene.responder.asked(), 0);
        let live = scene
            .verify(&json!({"channel": "auto", "max_age": "PT30M"}))
            .await;
        assert_eq!(outcome(&live), ("valid", None, Some("ocsp")), "{live}");
        assert_eq!(live["status"]["age_seconds"], 0);
        assert_eq!(sources(&live), ["ocsp good -", "crl good -"]);
        for _ in 0..3 {
            let again = scene.verify(&json!({"channel": "ocsp"})).await;
            assert_eq!(outcome(&again), ("valid", None, Some("ocsp")));
            assert_eq!(scene.replay(&again).await["same_as_recorded"], true);
        }
        assert_eq!(scene.responder.asked(), 1, "kept until its nextUpdate");
        scene
            .world
            .house
            .clock()
            .advance(Duration::from_secs(120))
            .unwrap();
        let kept = scene
            .verify(&json!({"channel": "ocsp", "max_age": "PT5M"}))
            .await;
        assert_eq!(
            (scene.responder.asked(), &kept["status"]["age_seconds"]),
            (1, &json!(120))
        );
        // By its own clock the responder answers as of two minutes ago still.
        let stale = scene
            .verify(&json!({"channel": "ocsp", "max_age": "PT1M"}))
            .await;
        assert_eq!(scene.responder.asked(), 2, "older than asked for");
        assert_eq!(
            outcome(&stale),
            ("indeterminate", Some("status_stale"), Some("crl"))
        );
        assert_eq!(sources(&stale), ["ocsp unknown status_stale", "crl good -"]);
        assert_eq!(scene.responder.connections(), 1, "one connection for all");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f051_where_list_and_responder_disagree_revoked_wins_and_both_are_recorded() {
    let mut scene = Scene::usual().await;
    scene.lose();
    let live = scene.verify(&json!({"channel": "ocsp"})).await;
    assert_eq!(
        outcome(&live),
        ("invalid", Some("certificate_revoked"), Some("ocsp"))
    );
    assert_eq!(live["status"]["revocation_reason"], "key_compromise");
    assert_eq!(sources(&live), ["ocsp revoked -", "crl good -"]);
    // The list alone does not know it yet, and says as of when.
    assert_eq!(
        outcome(&scene.verify(&json!({"channel": "crl"})).await).0,
        "valid"
    );
    assert_eq!(scene.replay(&live).await["same_as_recorded"], true);

    let other = Scene::usual().await;
    other.list_says_revoked();
    let listed = other.verify(&json!({"channel": "ocsp"})).await;
    assert_eq!(
        outcome(&listed),
        ("invalid", Some("certificate_revoked"), Some("crl"))
    );
    assert_eq!(sources(&listed), ["ocsp good -", "crl revoked -"]);
    assert_eq!(other.replay(&listed).await["same_as_recorded"], true);
    // What the list calls revoked needs no live question.
    let asked = other.responder.asked();
    other
        .verify(&json!({"channel": "auto", "max_age": "PT1M"}))
        .await;
    assert_eq!(other.responder.asked(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f049_no_answer_of_another_certificate_moment_or_signer_is_accepted() {
    let scene = Scene::usual().await;
    let request = json!({"channel": "ocsp"});
    let copy = || Simulator::restore(scene.world.jlis.export()).unwrap();
    // A CA of the same keys that never issued it.
    let now = scene.world.house.clock().now().utc();
    let mut keys = warikan_simulator::fixtures::key_source();
    let empty = Simulator::genesis(Genesis::of(Hierarchy::Production), &mut keys, now).unwrap();
    scene.responder.behave(Manner::Live(Arc::new(empty)));
    let unknown = scene.verify(&request).await;
    assert_eq!(unknown["verdict"], "indeterminate");
    assert_eq!(unknown["reason"], "status_unknown_serial");

    for (octets, problem) in [
        (vec![0x30, 3, 10, 1, 3], "ocsp_responder_error_3"),
        (vec![0x30, 3, 10, 1, 6], "ocsp_responder_error_6"),
        (b"<html>".to_vec(), "ocsp_malformed"),
        (Vec::new(), "ocsp_malformed"),
    ] {
        let scene = Scene::usual().await;
        scene.responder.behave(Manner::Octets(octets));
        let answer = scene.verify(&request).await;
        assert_eq!(
            outcome(&answer),
            ("valid", None, Some("crl")),
            "the list speaks"
        );
        assert_eq!(
            sources(&answer),
            [format!("ocsp unknown {problem}"), "crl good -".to_owned()]
        );
    }
    // An answer to somebody else's question: another nonce, or about another certificate.
    let scene = Scene::new(Fallback::None, NonceUse::Optional, CertIdUse::Sha1).await;
    let mut other = copy();
    let mut keys = warikan_simulator::fixtures::key_source();
    let stranger = other
        .enroll(Person::of_the_test_card(), &mut keys, now)
        .unwrap();
    let card = other.card(stranger).unwrap();
    let theirs = warikan_pki::examine(
        card.certificate(SIGNATURE).unwrap(),
        &warikan_pki::AnchorSet::new(
            other
                .roots()
                .into_iter()
                .map(|root| (Environment::Production, root.der))
                .collect::<Vec<_>>(),
        )
        .unwrap(),
    );
    for nonce in [Some(&b"another nonce 16"[..]), None] {
        let question = warikan_pki::ocsp_request(
            warikan_pki::OcspSubject::Certificate(theirs.certificate().unwrap()),
            theirs.path().unwrap().anchor(),
            warikan_pki::CertIdHash::Sha1,
            nonce,
        );
        let octets = other.ocsp(&question.unwrap(), now);
        scene.responder.behave(Manner::Octets(octets));
        let answer = scene.verify(&request).await;
        assert_eq!(
            outcome(&answer),
            ("indeterminate", Some("status_unavailable"), None)
        );
        let problem = if nonce.is_some() {
            "ocsp_nonce"
        } else {
            "ocsp_other_certificate"
        };
        assert_eq!(sources(&answer)[0], format!("ocsp unknown {problem}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f050_a_responder_that_misbehaves_costs_two_seconds_at_most_and_then_nothing() {
    let elsewhere = OcspServer::start(Clock::manual("2026-11-21T00:00:00Z".parse().unwrap())).await;
    for (manner, problem) in [
        (Manner::Silent, "timeout"),
        (Manner::Drip, "timeout"),
        (Manner::Reset, "unreachable"),
        (Manner::Status(503), "http_status"),
        (Manner::Html, "no_ocsp_response"),
        (Manner::Huge, "too_large"),
        (Manner::Redirect(elsewhere.url.clone()), "http_status"),
    ] {
        let scene = Scene::usual().await;
        scene.responder.behave(manner);
        let begun = Instant::now();
        let answer = scene.verify(&json!({"channel": "ocsp"})).await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(4), "{problem} took {took:?}");
        // The list spoke instead, and the answer says so, with its age.
        assert_eq!(outcome(&answer), ("valid", None, Some("crl")), "{answer}");
        assert_eq!(answer["status"]["age_seconds"], 3600);
        assert_eq!(
            sources(&answer),
            [format!("ocsp unknown {problem}"), "crl good -".to_owned()]
        );
        assert!(
            scene.responder.sent() < 20_000_000,
            "the body was not taken"
        );
    }
    assert_eq!(elsewhere.asked(), 0, "no redirect is followed");

    // Without a fallback nothing is known; the list is asked for as before.
    let scene = Scene::new(Fallback::None, NonceUse::Optional, CertIdUse::Sha1).await;
    scene.responder.behave(Manner::Status(503));
    let answer = scene.verify(&json!({"channel": "ocsp"})).await;
    assert_eq!(
        outcome(&answer),
        ("indeterminate", Some("status_unavailable"), None)
    );
    assert_eq!(
        outcome(&scene.verify(&json!({})).await),
        ("valid", None, Some("crl"))
    );
    // Five failures in a row, and it is left alone; half a minute later it is asked again.
    for _ in 0..6 {
        scene.verify(&json!({"channel": "ocsp"})).await;
    }
    assert_eq!(scene.responder.asked(), 5);
    let resting = scene.verify(&json!({"channel": "ocsp"})).await;
    assert_eq!(sources(&resting)[0], "ocsp unknown resting");
    scene.answer_truthfully();
    scene
        .world
        .house
        .clock()
        .advance(Duration::from_secs(31))
        .unwrap();
    let back = scene.verify(&json!({"channel": "ocsp"})).await;
    assert_eq!(outcome(&back), ("valid", None, Some("ocsp")));
    assert_eq!(scene.responder.asked(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f040_without_a_configured_responder_nobody_is_asked() {
    let mut world = World::new().await;
    let card = world.card();
    let mut request = signed_request(&card, SIGNATURE, b"document");
    request["channel"] = json!("ocsp");
    let answer = world.verify(&request).await;
    assert_eq!(outcome(&answer), ("valid", None, Some("crl")));
    assert_eq!(
        sources(&answer),
        ["ocsp unknown not_configured", "crl good -"]
    );
}
