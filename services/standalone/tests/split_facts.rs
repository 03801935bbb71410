//! Facts between separate processes, over RabbitMQ: what one service tells the others arrives, whoever is down meanwhile.
//!
//! On SQLite files, or on PostgreSQL where `WARIKAN_TEST_DATABASE` says so. The broker is the one that `WARIKAN_TEST_AMQP` names, or the
//! machine's; every test has names of its own there.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{
    Caller, PATIENCE, Split,
    broker::{Broker, configuration},
    caller::and,
    split::SERVICES,
    until,
};
use warikan_types::{BillingMonth, Clock};

/// Operations counted of a meter this month.
async fn used(firm: &Caller, meter: &str) -> i64 {
    let month = BillingMonth::of(Clock::system().now());
    let reply = firm.get(&format!("/v1/usage?period={month}")).await;
    let rows = reply.expect(200)["usage"].as_array().unwrap().clone();
    rows.iter()
        .filter(|row| row["meter"] == meter)
        .map(|row| row["quantity"].as_i64().unwrap())
        .sum()
}

async fn events(firm: &Caller, kind: &str) -> Vec<Value> {
    let feed = firm.feed().await;
    feed.into_iter()
        .filter(|event| event["type"] == kind)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f082_facts_wait_for_services_that_have_not_started_yet() {
    let Some(broker) = Broker::find("facts").await else {
        return;
    };
    let (more, database) = configuration(&broker);
    let mut split = Split::new(&more);
    split
        .start_all(&[
            "onboarding",
            "sandbox",
            "verification",
            "revocation",
            "gateway",
        ])
        .await;
    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    let answer = until("a valid verdict", async || {
        let reply = firm
            .post("/v1/verifications", &and(&body, json!({ "watch": true })))
            .await;
        (reply.status == 201 && reply.json["verdict"] == "valid").then(|| reply.json.clone())
    })
    .await;
    let verified = firm.all("/v1/verifications").await.len();

    // The listeners come later, and hear it all the same.
    split.start_all(&["webhooks", "billing"]).await;
    split.ready().await;
    let told = until("the verifications in the feed", async || {
        let told = events(&firm, "verification.completed").await;
        (told.len() == verified).then_some(told)
    })
    .await;
    assert!(
        told.iter()
            .any(|event| event["data"]["verification_id"] == answer["id"])
    );
    until("the verifications in the usage", async || {
        (used(&firm, "verification").await == i64::try_from(verified).unwrap()).then_some(())
    })
    .await;

    // A revocation: sandbox -> revocation -> webhooks, each a process.
    until("the watch", async || {
        let watches = firm.all("/v1/watches").await;
        (!watches.is_empty()).then_some(())
    })
    .await;
    let path = format!("/sandbox/persons/{person}/events");
    anyone
        .post(&path, &json!({ "event": "lose" }))
        .await
        .expect(200);
    anyone
        .post("/sandbox/publish-crl", &json!({}))
        .await
        .expect(200);
    let revoked = until("the revocation in the feed", async || {
        let revoked = events(&firm, "certificate.revoked").await;
        (!revoked.is_empty()).then_some(revoked)
    })
    .await;
    assert_eq!(
        revoked[0]["data"]["certificate_handle"],
        answer["certificate"]["handle"]
    );
    split.stop_all().await;
    broker.clear().await;
    drop(database);
}

/// What the clients have seen.
#[derive(Default)]
struct Ledger {
    /// Answers by idempotency key.
    acknowledged: Mutex<BTreeMap<String, Value>>,
    sent: AtomicUsize,
    refused: AtomicUsize,
    enough: AtomicBool,
    longest: Mutex<Duration>,
}

/// Sends with new keys until it is enough; one that got no good answer is sent again with the same key.
async fn load(lane: usize, firm: Caller, body: Value, ledger: Arc<Ledger>) {
    for number in 0.. {
        if ledger.enough.load(Ordering::Acquire) {
            return;
        }
        let key = format!("{lane}-{number}");
        let began = Instant::now();
        let answer = loop {
            assert!(began.elapsed() < PATIENCE, "no answer to {key}");
            ledger.sent.fetch_add(1, Ordering::Relaxed);
            if let Ok(response) = firm.keyed("/v1/verifications", &key, &body).send().await {
                let status = response.status().as_u16();
                // The head may have come without the whole body.
                match (status, response.json::<Value>().await) {
                    (201, Ok(answer)) => break answer,
                    (201 | 503, _) => {}
                    (status, answer) => panic!("{status} is not to be tried again: {answer:?}"),
                }
            }
            ledger.refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let mut longest = ledger.longest.lock().unwrap();
        *longest = longest.max(began.elapsed());
        ledger.acknowledged.lock().unwrap().insert(key, answer);
    }
}

/// So many verifications: each one event in a feed without gaps, and one use.
async fn told_and_counted_once(firm: &Caller, verifications: usize) {
    let told = until("every verification in the feed", async || {
        let told = events(firm, "verification.completed").await;
        (told.len() >= verifications).then_some(told)
    })
    .await;
    let once: BTreeSet<&str> = told
        .iter()
        .map(|event| event["data"]["verification_id"].as_str().unwrap())
        .collect();
    assert_eq!((once.len(), told.len()), (verifications, verifications));
    let feed = firm.feed().await;
    let sequences: Vec<u64> = feed
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, (1..=feed.len() as u64).collect::<Vec<_>>());
    let wanted = i64::try_from(verifications).unwrap();
    until("every verification counted", async || {
        let counted = used(firm, "verification").await;
        assert!(counted <= wanted, "counted {counted} of {wanted}");
        (counted == wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f078_each_process_is_killed_in_turn_and_nothing_is_lost_or_doubled() {
    let Some(broker) = Broker::find("chaos").await else {
        return;
    };
    let (more, database) = configuration(&broker);
    let mut split = Split::new(&more);
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    split.ready().await;
    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;

    let ledger = Arc::new(Ledger::default());
    let lanes: Vec<_> = (0..3)
        .map(|lane| tokio::spawn(load(lane, firm.clone(), body.clone(), Arc::clone(&ledger))))
        .collect();
    let acknowledged = |ledger: &Ledger| ledger.acknowledged.lock().unwrap().len();
    for role in [
        "verification",
        "webhooks",
        "billing",
        "revocation",
        "gateway",
        "verification",
    ] {
        let before = acknowledged(&ledger);
        until("some answers", async || {
            (acknowledged(&ledger) > before + 5).then_some(())
        })
        .await;
        split.kill(role);
        split.start(role).await;
    }
    let before = acknowledged(&ledger);
    until("some answers", async || {
        (acknowledged(&ledger) > before + 5).then_some(())
    })
    .await;
    ledger.enough.store(true, Ordering::Release);
    for lane in lanes {
        lane.await.unwrap();
    }
    split.ready().await;

    let answers = ledger.acknowledged.lock().unwrap().clone();
    let verdicts: BTreeMap<&str, &Value> = answers
        .values()
        .map(|answer| (answer["id"].as_str().unwrap(), &answer["verdict"]))
        .collect();
    assert_eq!(verdicts.len(), answers.len(), "an id under two keys");
    let stored = firm.all("/v1/verifications").await;
    let kept = |id: &str| stored.iter().find(|one| one["id"] == id);
    let lost = verdicts
        .iter()
        .filter(|(id, verdict)| kept(id).is_none_or(|one| one["verdict"] != ***verdict))
        .count();
    let doubled = stored.len() - (verdicts.len() - lost);
    println!(
        "sent {}, acknowledged {}, refused or cut {}, lost {lost}, doubled {doubled}, longest gap {:.1?}",
        ledger.sent.load(Ordering::Relaxed),
        answers.len(),
        ledger.refused.load(Ordering::Relaxed),
        ledger.longest.lock().unwrap(),
    );
    assert_eq!((lost, doubled), (0, 0));
    assert!(
        ledger.refused.load(Ordering::Relaxed) > 0,
        "no kill hit anything"
    );

    told_and_counted_once(&firm, stored.len()).await;
    split.stop_all().await;
    broker.clear().await;
    drop(database);
}
