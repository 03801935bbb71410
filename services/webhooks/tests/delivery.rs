//! Deliveries: signatures, retries, rotation, and a death on the way.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::time::Duration;

use common::{Scene, expected_signature, verifies_v1a};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use warikan_testkit::{Received, WebhookSink};
use warikan_types::RevocationReason;

fn ids(received: &[Received]) -> Vec<&str> {
    received
        .iter()
        .map(|one| one.header("webhook-id").unwrap())
        .collect()
}

fn path(endpoint: &Value, rest: &str) -> String {
    format!(
        "/v1/webhook-endpoints/{}{rest}",
        endpoint["id"].as_str().unwrap()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_headers_body_and_signature_are_those_of_standard_webhooks() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    let told = scene.happen(tenant, 1).await;
    scene.deliver().await;
    let received = sink.received();
    assert_eq!(ids(&received), told);
    let one = &received[0];
    let now = scene.house.clock().now().unix().to_string();
    assert_eq!(one.header("webhook-timestamp"), Some(now.as_str()));
    assert_eq!(one.header("content-type"), Some("application/json"));
    let signature = expected_signature(endpoint["secret"].as_str().unwrap(), one);
    let sent: Vec<&str> = one
        .header("webhook-signature")
        .unwrap()
        .split(' ')
        .collect();
    assert_eq!(sent[0], signature);
    // Beside it stands Ed25519, for whoever holds the public key alone.
    assert_eq!(sent.len(), 2);
    assert!(verifies_v1a(
        endpoint["public_key"].as_str().unwrap(),
        sent[1],
        one
    ));

    let body: Value = serde_json::from_slice(&one.body).unwrap();
    let event = &scene.feed(&token, "").await["data"][0];
    for member in ["id", "type", "version", "sequence", "data"] {
        assert_eq!(body[member], event[member], "{member}");
    }
    assert_eq!(body["timestamp"], event["occurred_at"]);
    assert_eq!(body["type"], "verification.completed");
    assert!(one.body.len() < 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_f066_the_first_two_fail_then_it_arrives_with_the_same_id_and_body() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    sink.answer(&[500, 503]);
    let told = scene.happen(tenant, 1).await;
    scene.deliver().await;
    scene.later(4);
    scene.deliver().await;
    assert_eq!(sink.received().len(), 1, "5 s have not passed");
    scene.later(1);
    scene.deliver().await;
    scene.later(299);
    scene.deliver().await;
    assert_eq!(sink.received().len(), 2, "5 min have not passed");
    scene.later(1);
    scene.deliver().await;

    let received = sink.received();
    assert_eq!(
        ids(&received),
        vec![told[0].as_str(); 3],
        "the id is stable"
    );
    assert!(
        received.iter().all(|one| one.body == received[0].body),
        "so is the body"
    );
    let stamps: Vec<i64> = received
        .iter()
        .map(|one| one.header("webhook-timestamp").unwrap().parse().unwrap())
        .collect();
    assert_eq!(
        (stamps[1] - stamps[0], stamps[2] - stamps[1]),
        (5, 300),
        "the timestamp is fresh"
    );
    for one in &received {
        let signature = expected_signature(endpoint["secret"].as_str().unwrap(), one);
        let sent: Vec<&str> = one
            .header("webhook-signature")
            .unwrap()
            .split(' ')
            .collect();
        assert_eq!(sent[0], signature);
        // Beside it stands Ed25519, for whoever holds the public key alone.
        assert_eq!(sent.len(), 2);
        assert!(verifies_v1a(
            endpoint["public_key"].as_str().unwrap(),
            sent[1],
            one
        ));
    }

    let delivery = &scene.deliveries(&token, &endpoint).await[0];
    assert_eq!(delivery["state"], "delivered");
    let statuses: Vec<i64> = delivery["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].as_i64().unwrap())
        .collect();
    assert_eq!(statuses, [500, 503, 204]);
    let read = scene.app.get(&path(&endpoint, ""), &token).await;
    assert_eq!(read.expect(200)["failing_since"], Value::Null);
    scene.later(100_000);
    scene.deliver().await;
    assert_eq!(sink.received().len(), 3, "what arrived is not sent again");
}

/// What the documentation tells a consumer to do: drop what it has had, hold what comes too early until its predecessors are there.
#[derive(Default)]
struct Consumer {
    early: std::collections::BTreeMap<i64, Value>,
    taken: Vec<Value>,
}

impl Consumer {
    fn take(&mut self, message: Value) {
        let sequence = message["sequence"].as_i64().unwrap();
        if sequence > self.taken.len() as i64 {
            self.early.insert(sequence, message);
        }
        while let Some(next) = self.early.remove(&(self.taken.len() as i64 + 1)) {
            self.taken.push(next);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f069_no_order_is_promised_and_a_consumer_restores_it_by_sequence() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    // What followed from one verification: its answer, and a day later the certificate's revocation. The first is refused and comes
    // again after the second.
    sink.answer(&[500]);
    let mut told = scene.happen(tenant, 1).await;
    scene.deliver().await;
    scene.later(4);
    let revoked = scene.revocation(tenant, RevocationReason::AffiliationChanged);
    scene.publish(&revoked).await;
    told.push(revoked.id.to_string());
    scene.deliver().await;
    scene.later(1);
    scene.deliver().await;
    // And once more, as after a crash of the platform.
    let second = &scene.deliveries(&token, &endpoint).await[1];
    let resend = format!("/v1/deliveries/{}/resend", second["id"].as_str().unwrap());
    scene
        .app
        .post(&resend, &token, &json!({}))
        .await
        .expect(202);
    scene.deliver().await;

    let received = sink.received();
    let order: Vec<&str> = ids(&received);
    assert_eq!(order, [&*told[0], &*told[1], &*told[0], &*told[1]]);
    let mut consumer = Consumer::default();
    for one in &received[1..] {
        consumer.take(serde_json::from_slice(&one.body).unwrap());
    }
    assert!(consumer.early.is_empty());
    let feed = scene.feed(&token, "").await;
    let feed = feed["data"].as_array().unwrap();
    assert_eq!(consumer.taken.len(), feed.len());
    for (message, event) in consumer.taken.iter().zip(feed) {
        assert_eq!(message["id"], event["id"]);
        assert_eq!(message["sequence"], event["sequence"]);
        assert_eq!(message["timestamp"], event["occurred_at"]);
    }
    assert!(feed[0]["occurred_at"].as_str() < feed[1]["occurred_at"].as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_after_the_last_retry_the_delivery_has_failed() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    sink.answer(&[500; 9]);
    scene.happen(tenant, 1).await;
    for wait in [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000] {
        scene.later(wait);
        scene.deliver().await;
    }
    assert_eq!(sink.received().len(), 8);
    let token = scene.token(tenant);
    let delivery = &scene.deliveries(&token, &endpoint).await[0];
    assert_eq!(
        (&delivery["state"], &delivery["next_attempt_at"]),
        (&"failed".into(), &Value::Null)
    );
    scene.later(1_000_000);
    scene.deliver().await;
    assert_eq!(sink.received().len(), 8);
    let token = scene.token(tenant);

    // Asked for, it starts anew, with retries again.
    let resend = format!("/v1/deliveries/{}/resend", delivery["id"].as_str().unwrap());
    let again = scene.app.post(&resend, &token, &json!({})).await;
    assert_eq!(again.expect(202)["state"], "pending");
    scene.deliver().await;
    scene.later(5);
    scene.deliver().await;
    assert_eq!(sink.received().len(), 10);
    let delivery = &scene.deliveries(&token, &endpoint).await[0];
    assert_eq!(delivery["state"], "delivered");
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f065_both_secrets_sign_for_a_day_then_only_the_new_one() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let made = scene.endpoint(&token, &sink.url).await;
    let rotated = scene
        .app
        .post(&path(&made, "/rotate-secret"), &token, &json!({}))
        .await;
    let rotated = rotated.expect(200);
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(rotated["previous_secret_until"], "2026-11-22T00:00:00Z");
    assert_ne!(rotated["public_key"], made["public_key"]);
    assert_eq!(rotated["previous_public_key"], made["public_key"]);
    let (old, new) = (
        made["secret"].as_str().unwrap(),
        rotated["secret"].as_str().unwrap(),
    );

    for (wait, overlap) in [(0, true), (86_399, true), (1, false)] {
        scene.later(wait);
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        let received = sink.received();
        let last = received.last().unwrap();
        let signatures = last.header("webhook-signature").unwrap().split(' ');
        let (v1a, v1): (Vec<&str>, Vec<&str>) = signatures.partition(|one| one.starts_with("v1a,"));
        let mut expected = vec![expected_signature(new, last)];
        let mut keys = vec![&rotated["public_key"]];
        if overlap {
            expected.push(expected_signature(old, last));
            keys.push(&made["public_key"]);
        }
        assert_eq!(v1, expected);
        assert_eq!(v1a.len(), keys.len());
        for (key, signature) in keys.into_iter().zip(v1a) {
            assert!(verifies_v1a(key.as_str().unwrap(), signature, last));
        }
    }
    let token = scene.token(tenant);
    let read = scene.app.get(&path(&made, ""), &token).await;
    assert_eq!(read.expect(200)["previous_secret_until"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f065_the_overlap_is_as_long_as_the_operator_says() {
    let scene = Scene::with(warikan_webhooks::Config {
        secret_overlap_seconds: 60,
        ..common::config()
    })
    .await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    let rotate = path(&endpoint, "/rotate-secret");
    let rotated = scene.app.post(&rotate, &token, &json!({})).await;
    let until = &rotated.expect(200)["previous_secret_until"];
    assert_eq!(until, "2026-11-21T00:01:00Z");
    for (seconds, signatures) in [(59, 4), (1, 2)] {
        scene.later(seconds);
        scene.happen(tenant, 1).await;
        scene.deliver().await;
        let received = sink.received();
        let header = received.last().unwrap().header("webhook-signature");
        assert_eq!(header.unwrap().split(' ').count(), signatures);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f068_a_death_between_the_answer_and_the_record_sends_again_with_the_same_id() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    let told = scene.happen(tenant, 1).await;
    scene.deliver().await;
    // What a process leaves behind that died after the 2xx: the claim was committed, the outcome was not.
    let db = scene.house.database("webhooks").await;
    db.execute_unprepared("DELETE FROM delivery_attempt")
        .await
        .unwrap();
    let lease = scene
        .house
        .clock()
        .now()
        .plus(Duration::from_secs(60))
        .utc();
    let claimed = Statement::from_sql_and_values(
        db.get_database_backend(),
        "UPDATE delivery SET state = 'pending', finished_at = NULL, lease_until = $1",
        [lease.into()],
    );
    assert_eq!(db.execute_raw(claimed).await.unwrap().rows_affected(), 1);
    scene.later(60);
    scene.deliver().await;
    assert_eq!(
        sink.received().len(),
        1,
        "while the lease lasts no one else sends"
    );
    scene.later(1);
    scene.deliver().await;
    let received = sink.received();
    assert_eq!(ids(&received), [told[0].as_str(), told[0].as_str()]);
    assert_eq!(received[0].body, received[1].body);
    let delivery = &scene.deliveries(&token, &endpoint).await[0];
    assert_eq!(delivery["state"], "delivered");
    assert_eq!(
        delivery["attempts"][0]["number"], 2,
        "the lost attempt leaves its number free"
    );
}
