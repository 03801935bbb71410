//! What is kept of each operation beside its fact: what billing asks for where it has not heard (F074).

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use support::{World, signed_request};
use warikan_contracts::{
    facts::Channel,
    operations::{Metered, MeteredOperation, OperationGroup, Tally},
};
use warikan_simulator::CertificateChoice;
use warikan_testkit::App;
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateKind, Reason, Timestamp, Verdict, VerificationId,
};

const SIGNATURE: CertificateChoice = CertificateChoice::Signature;

fn later() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

fn november() -> BillingMonth {
    "2026-11".parse().unwrap()
}

/// What is kept of the tenant, and its tally.
async fn kept(world: &World, meter: Metered) -> (Vec<MeteredOperation>, Tally) {
    let operations = world.service.operations();
    let group = OperationGroup::of(world.tenant, meter);
    let tallies = operations.tallies(november(), later()).await.unwrap();
    let tally = tallies.iter().find(|one| one.group == group);
    let page = operations.page(november(), later(), group, None).await;
    (
        page.unwrap(),
        tally.map(|one| one.tally).unwrap_or_default(),
    )
}

async fn once(world: &World, key: &str, body: &Value) -> u16 {
    let request = world
        .app
        .request(Method::POST, "/v1/verifications")
        .bearer_auth(&world.token)
        .header("idempotency-key", key);
    App::read(request.json(body)).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f073_f074_every_answer_is_kept_as_an_operation_and_a_repeated_request_is_none() {
    let mut world = World::new().await;
    let card = world.card();
    let request = signed_request(&card, SIGNATURE, b"document");
    let valid = world.verify(&request).await;
    let mut wrong = request.clone();
    wrong["signature"] = json!(support::b64(&[0; 256]));
    let invalid = world.verify(&wrong).await;
    // A hundred repetitions of one request, at once.
    let all = (0..100).map(|_| once(&world, "the same", &request));
    for status in futures_util::future::join_all(all).await {
        assert_eq!(status, 201);
    }
    let refused = json!({ "certificate": "?" });
    let refused = world
        .app
        .post("/v1/verifications", &world.token, &refused)
        .await;
    assert_eq!(refused.status, 400);

    let (operations, tally) = kept(&world, Metered::Verification).await;
    assert_eq!(operations.len(), 3, "{operations:#?}");
    let marks = operations.iter().map(|one| one.key.mark()).sum();
    assert_eq!(
        tally,
        Tally {
            operations: 3,
            marks
        }
    );
    let of = |answer: &Value| {
        let id: VerificationId = answer["id"].as_str().unwrap().parse().unwrap();
        let mut all = operations.iter();
        all.find(|one| one.key.id == id.uuid()).unwrap()
    };
    let (good, bad) = (of(&valid), of(&invalid));
    assert_eq!(good.kind, Some(CertificateKind::CardSignature));
    assert_eq!(good.channel, Some(Channel::Crl));
    assert_eq!((good.verdict, good.reason), (Some(Verdict::Valid), None));
    assert_eq!(
        (bad.verdict, bad.reason),
        (Some(Verdict::Invalid), Some(Reason::SignatureMismatch))
    );
    assert_eq!(good.accepted_at, world.house.clock().now());
    assert_eq!(good.month, november());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_a_subject_s_checks_are_kept_once_a_month_and_outlive_its_erasure() {
    let mut world = World::new().await;
    let card = world.card();
    let request = signed_request(&card, SIGNATURE, b"document");
    let answer = world.verify(&request).await;
    let subject = answer["subject"]["id"].as_str().unwrap();
    let check = format!("/v1/subjects/{subject}/check");
    for _ in 0..3 {
        world
            .app
            .post(&check, &world.token, &json!({}))
            .await
            .expect(200);
    }
    let handle: CertificateHandle = answer["certificate"]["handle"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let ids = |operations: Vec<MeteredOperation>| -> BTreeSet<_> {
        operations.into_iter().map(|one| one.key.id).collect()
    };
    let (checks, tally) = kept(&world, Metered::StatusCheck).await;
    assert_eq!((checks.len(), tally.operations), (1, 1));
    assert_eq!(ids(checks), [handle.uuid()].into());

    let erase = format!("/v1/subjects/{subject}");
    world.app.delete(&erase, &world.token).await.expect(204);
    assert_eq!(kept(&world, Metered::StatusCheck).await.1, tally);
    assert_eq!(kept(&world, Metered::Verification).await.1.operations, 1);
}
