//! What a process remembers changes no answer: two houses get the same requests in the same order, one remembers the certificates that it
//! examined and the challenges that it made, and one does not, while time goes on, certificates are revoked and the status falls silent.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::Value;
use support::{World, b64, signed_request};
use warikan_pki::Certificate;
use warikan_simulator::CertificateChoice;
use warikan_types::{ClientScope, RevocationReason};
use warikan_verification::Config;

const PERSONS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// A signature by a person, as it is or with an octet of the named part changed.
    Verify(usize, Option<(&'static str, usize)>),
    /// A challenge over what a person signs, answered so many times, so many hours later.
    Challenge(usize, usize, u64),
    Revoke(usize),
    Silent(bool),
    Hours(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let part = prop::sample::select(vec!["certificate", "signature"]);
    let verify = (
        0..PERSONS,
        prop::option::weighted(0.3, (part, 0..4_000_usize)),
    );
    let step = prop_oneof![
        8 => verify.prop_map(|(who, change)| Step::Verify(who, change)),
        3 => (0..PERSONS, 1..3_usize, 0..2_u64)
            .prop_map(|(who, times, hours)| Step::Challenge(who, times, hours)),
        1 => (0..PERSONS).prop_map(Step::Revoke),
        1 => any::<bool>().prop_map(Step::Silent),
        1 => (1..900_u64).prop_map(Step::Hours),
    ];
    prop::collection::vec(step, 1..25)
}

/// A house and what its persons have signed.
async fn house(kept: u64) -> (World, Vec<Value>, Vec<Vec<u8>>) {
    let mut world = World::with(Config {
        examinations_kept: kept,
        challenges_kept: usize::try_from(kept).unwrap(),
        ..Config::default()
    })
    .await;
    let (mut signed, mut serials) = (Vec::new(), Vec::new());
    for _ in 0..PERSONS {
        let card = world.card();
        let choice = CertificateChoice::Signature;
        let der = card.certificate(choice).unwrap();
        let serial = Certificate::parse(der).unwrap().serial().octets().to_vec();
        serials.push(serial);
        signed.push(signed_request(&card, choice, b"an order"));
    }
    (world, signed, serials)
}

fn changed(body: &Value, change: Option<(&'static str, usize)>) -> Value {
    let mut body = body.clone();
    if let Some((part, at)) = change {
        let mut octets = STANDARD.decode(body[part].as_str().unwrap()).unwrap();
        let at = at % octets.len();
        octets[at] ^= 1;
        body[part] = b64(&octets).into();
    }
    body
}

/// Without what is made for this one verification.
async fn answer(world: &World, body: &Value) -> Value {
    // An octet of a length makes a certificate that is none: that is a 400, for both.
    let reply = world.app.post("/v1/verifications", &world.token, body);
    let reply = reply.await;
    let mut answer = reply.json.clone();
    for own in ["id", "receipt", "subject", "request_id"] {
        answer.as_object_mut().unwrap().remove(own);
    }
    serde_json::json!([reply.status.as_u16(), answer])
}

fn hours_pass(world: &mut World, hours: u64) {
    let time = Duration::from_secs(hours * 3600);
    world.house.clock().advance(time).unwrap();
    world.token = world
        .house
        .token(world.tenant, &[ClientScope::Verifications]);
}

/// All that is answered.
async fn answers(kept: u64, steps: &[Step]) -> Vec<Value> {
    let (mut world, signed, serials) = house(kept).await;
    let mut answers = Vec::new();
    for step in steps {
        match step {
            Step::Verify(who, change) => {
                let body = changed(&signed[*who], *change);
                answers.push(answer(&world, &body).await);
            }
            Step::Challenge(who, times, hours) => {
                let wanted =
                    serde_json::json!({"purpose": "signature", "signed": signed[*who]["signed"]});
                let made = world.app.post("/v1/challenges", &world.token, &wanted);
                let made = made.await.expect(201).clone();
                hours_pass(&mut world, *hours);
                let mut body = signed[*who].clone();
                body["challenge_id"] = made["id"].clone();
                for _ in 0..*times {
                    answers.push(answer(&world, &body).await);
                }
            }
            Step::Revoke(who) => {
                let mut revoked = world.status.revoked.lock().unwrap();
                revoked.insert(serials[*who].clone(), RevocationReason::KeyCompromise);
            }
            Step::Silent(silent) => *world.status.silent.lock().unwrap() = *silent,
            Step::Hours(hours) => hours_pass(&mut world, *hours),
        }
    }
    answers
}

#[test]
fn what_is_remembered_changes_no_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 8,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let same = runner.run(&steps(), |steps| {
        // A small room too: entries come and go.
        let [none, one, all] = [0, 1, 1_000].map(|room| runtime.block_on(answers(room, &steps)));
        prop_assert_eq!(&one, &none);
        prop_assert_eq!(&all, &none);
        Ok(())
    });
    same.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_comes_again_is_found_and_judged_anew() {
    let again = Step::Verify(0, None);
    let steps = [
        Step::Challenge(0, 2, 0),
        again.clone(),
        again.clone(),
        Step::Revoke(0),
        again.clone(),
        Step::Silent(true),
        again,
    ];
    let verdicts: Vec<Value> = answers(1_000, &steps)
        .await
        .into_iter()
        .map(|answer| answer[1]["verdict"].clone())
        .collect();
    let expected = [
        "valid",
        "invalid",
        "valid",
        "valid",
        "invalid",
        "indeterminate",
    ];
    assert_eq!(verdicts, expected, "a challenge is answered once");
    let metrics = warikan_runtime::metrics::exposition();
    let hits = metrics
        .lines()
        .find(|line| {
            line.starts_with("warikan_cache_asked_total")
                && line.contains("examination")
                && line.contains("hit")
        })
        .and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    assert!(hits.is_some_and(|hits| hits >= 3.0), "{metrics}");
}
