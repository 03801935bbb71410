//! The two life stories: what the client does, and what must be true in the end.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use warikan_types::{BillingMonth, Clock};

use super::support::{Caller, until};

pub struct Story {
    pub title: &'static str,
    /// Every step, by name. Written down to be looked at; the walks find them by themselves.
    pub steps: &'static [&'static str],
    /// What the client does, repeated until there is an answer.
    pub act: for<'a> fn(&'a Caller, &'a Before) -> BoxFuture<'a, Option<Value>>,
    /// What must be true when everything is at rest; given the answer and the webhooks' ids.
    pub judge: for<'a> fn(
        &'a Caller,
        &'a Before,
        &'a Value,
        BTreeSet<String>,
        &'a str,
    ) -> BoxFuture<'a, ()>,
}

/// How things stood before the story.
#[derive(Default)]
pub struct Before {
    pub credential: Value,
    /// The newcomer's verification.
    body: Value,
    /// The customer who will lose a card.
    revoked: String,
    verifications: usize,
    watches: usize,
    feed: usize,
    verified: i64,
    checked: i64,
}

impl Before {
    pub async fn of(firm: &Caller, credential: Value, body: Value, revoked: String) -> Self {
        let watches = firm.all("/v1/watches").await.len();
        // Counted when it was told, which the outbox does not show.
        let wanted = i64::try_from(watches).unwrap();
        until("the month's checks to be counted", async || {
            (used(firm, "status_check").await == wanted).then_some(())
        })
        .await;
        Self {
            credential,
            body,
            revoked,
            verifications: firm.all("/v1/verifications").await.len(),
            watches,
            feed: firm.feed().await.len(),
            verified: used(firm, "verification").await,
            checked: wanted,
        }
    }
}

async fn used(firm: &Caller, meter: &str) -> i64 {
    let month = BillingMonth::of(Clock::system().now());
    let reply = firm.get(&format!("/v1/usage?period={month}")).await;
    let rows = reply.expect(200)["usage"].as_array().unwrap().clone();
    rows.iter()
        .filter(|row| row["meter"] == meter)
        .map(|row| row["quantity"].as_i64().unwrap())
        .sum()
}

/// A `POST` whose good answer may not come.
async fn post(who: &Caller, path: &str, key: &str, body: &Value) -> Option<Value> {
    let response = who.keyed(path, key, body).send().await.ok()?;
    let status = response.status().as_u16();
    let answer = response.json().await.ok()?;
    match status {
        200 | 201 => Some(answer),
        503 => None,
        other => panic!("{path}: {other} {answer}"),
    }
}

/// A feed without gaps, and of these types since the story began.
async fn told(firm: &Caller, before: &Before, what: &str) -> Vec<Value> {
    let feed = firm.feed().await;
    let sequence = feed.iter().map(|one| one["sequence"].as_u64().unwrap());
    assert!(
        sequence.eq(1..=feed.len() as u64),
        "{what}: a gap in the feed"
    );
    feed[before.feed..].to_vec()
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

pub const VERIFICATION: Story = Story {
    title: "a verification",
    steps: &[
        "a client's request arrives",
        "verification commits idempotent_answer, metered_operation, outbox, subject, subject_certificate, verification",
        "the answer leaves for the client",
        // The relay claims, and marks as sent.
        "verification commits outbox",
        "revocation commits inbox, watch",
        "billing commits usage_record",
        "webhooks commits delivery, feed_event, feed_head",
        "webhooks commits delivery",
        "a webhook leaves",
        "its receiver's answer arrives",
        "webhooks commits delivery, delivery_attempt",
        // The month's check of the new watch.
        "revocation commits metered_operation, outbox, watch",
        "revocation commits outbox",
    ],
    act: |firm, before| {
        Box::pin(async move { post(firm, "/v1/verifications", "once", &before.body).await })
    },
    judge: |firm, before, answer, hooks, what| {
        Box::pin(async move {
            assert_eq!(answer["verdict"], "valid", "{what}: {answer}");
            let stored = firm.all("/v1/verifications").await;
            assert_eq!(
                stored.len(),
                before.verifications + 1,
                "{what}: verifications"
            );
            let kept = stored.iter().find(|one| one["id"] == answer["id"]);
            let kept = kept.unwrap_or_else(|| panic!("{what}: what was acknowledged is lost"));
            for field in ["verdict", "checks", "receipt", "watch"] {
                assert_eq!(kept[field], answer[field], "{what}");
            }
            let watches = firm.all("/v1/watches").await;
            assert_eq!(watches.len(), before.watches + 1, "{what}: watches");
            assert!(
                watches.iter().any(|one| one["id"] == answer["watch"]["id"]),
                "{what}: its watch"
            );
            let told = told(firm, before, what).await;
            assert_eq!(told.len(), 1, "{what}: {told:?}");
            assert_eq!(told[0]["type"], "verification.completed", "{what}");
            assert_eq!(told[0]["data"]["verification_id"], answer["id"], "{what}");
            assert_eq!(hooks, BTreeSet::from([id(&told[0])]), "{what}: webhooks");
            let counted = (
                used(firm, "verification").await,
                used(firm, "status_check").await,
            );
            assert_eq!(
                counted,
                (before.verified + 1, before.checked + 1),
                "{what}: usage"
            );
        })
    },
};

pub const REVOCATION: Story = Story {
    title: "a revocation",
    steps: &[
        "a client's request arrives",
        "sandbox commits idempotent_answer, setting, simulator_record",
        "the answer leaves for the client",
        "sandbox commits outbox, published_list, setting, simulator_record",
        "sandbox commits outbox",
        "revocation commits inbox",
        "revocation commits crl_change, crl_partition, crl_snapshot, crl_snapshot_part, crl_version, source_list",
        // Joined with the watches; confirmed for the month.
        "revocation commits crl_partition",
        "revocation commits outbox, watch",
        "revocation commits outbox",
        "webhooks commits delivery, feed_event, feed_head",
        "webhooks commits delivery",
        "a webhook leaves",
        "its receiver's answer arrives",
        "webhooks commits delivery, delivery_attempt",
    ],
    act: |anyone, before| {
        Box::pin(async move {
            let path = format!("/sandbox/persons/{}/events", before.revoked);
            let lost = post(anyone, &path, "once", &json!({ "event": "lose" })).await?;
            let published = anyone
                .request(reqwest::Method::POST, "/sandbox/publish-crl")
                .json(&json!({}))
                .send()
                .await
                .ok()?;
            (published.status() == 200).then_some(lost)
        })
    },
    judge: |firm, before, _, hooks, what| {
        Box::pin(async move {
            let watches = firm.all("/v1/watches").await;
            assert_eq!(watches.len(), before.watches, "{what}: watches");
            let flagged: Vec<&Value> = watches
                .iter()
                .filter(|one| one["state"] == "flagged")
                .collect();
            assert_eq!(flagged.len(), 1, "{what}: flags");
            assert_eq!(flagged[0]["ref"], json!(before.revoked), "{what}");
            let told = told(firm, before, what).await;
            assert_eq!(told.len(), 1, "{what}: {told:?}");
            assert_eq!(told[0]["type"], "certificate.revoked", "{what}");
            assert_eq!(told[0]["data"]["watch_id"], flagged[0]["id"], "{what}");
            assert_eq!(hooks, BTreeSet::from([id(&told[0])]), "{what}: webhooks");
            let counted = (
                used(firm, "verification").await,
                used(firm, "status_check").await,
            );
            assert_eq!(counted, (before.verified, before.checked), "{what}: usage");
        })
    },
};
