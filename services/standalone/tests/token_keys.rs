//! F017: the key of access tokens is rotated where onboarding and the gateways are processes of their own.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use serde_json::{Value, json};
use support::{Caller, Split, until};

const ROTATE: &str = "/v1/operator/token-keys/rotate";

/// Whether the gateway takes the caller's token.
async fn taken(caller: &Caller) -> bool {
    caller.get("/v1/operator/tenants?limit=1").await.status != 401
}

/// The names of the keys in a rotation's answer.
fn names(reply: &Value) -> Vec<String> {
    let keys = reply["data"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f017_gateways_elsewhere_hear_of_new_keys_and_of_betrayed_ones() {
    let mut split = Split::new("");
    split
        .start_all(&["onboarding", "gateway", "gateway#2"])
        .await;
    let before = split.operator().await;
    let gateways = ["gateway", "gateway#2"].map(|one| split.process(one).base.clone());
    let both = async |caller: &Caller, should: bool| {
        for base in &gateways {
            let here = caller.at(base);
            until("a gateway to hear of it", async || {
                (taken(&here).await == should).then_some(())
            })
            .await;
        }
    };
    let published = async |kid: &str| {
        let keys = before.get("/.well-known/jwks.json").await;
        keys.expect(200).to_string().contains(kid)
    };
    let rotated = before.post(ROTATE, &json!({})).await;
    let planned = names(rotated.expect(200));
    assert_eq!(planned.len(), 2);
    assert!(published(&planned[0]).await && published(&planned[1]).await);
    both(&before, true).await;
    both(&split.operator().await, true).await;

    let rotated = before.post(ROTATE, &json!({ "compromised": true })).await;
    let now = names(rotated.expect(200));
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(!planned.contains(&now[0]));
    both(&before, false).await;
    let after = split.operator().await;
    both(&after, true).await;
    assert!(!published(&planned[0]).await);

    // Processes that start now know nothing but what onboarding's database and its word say.
    for role in ["gateway", "onboarding"] {
        split.kill(role);
        split.start(role).await;
    }
    until("the gateway to hear from onboarding", async || {
        taken(&after).await.then_some(())
    })
    .await;
    both(&after, true).await;
    both(&before, false).await;
    both(&split.operator().await, true).await;
    split.stop_all().await;
}
