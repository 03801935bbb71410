//! Rotating the keys that sign access tokens.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use warikan_onboarding::{Config, Onboarding};
use warikan_runtime::{AccessToken, Keys, Platform};
use warikan_testkit::App;
use warikan_types::Entropy;

use crate::world::World;

const ROTATE: &str = "/v1/operator/token-keys/rotate";
const READ: &str = "/v1/operator/tenants";

/// The key file's keys once more, as another process loads them.
fn same_keys() -> Keys {
    Keys::ephemeral(&Entropy::seeded(0x5741_5249))
}

/// Another process of the service, with keys of its own memory.
struct Replica {
    platform: Platform,
    app: App,
}

async fn replica(world: &World) -> Replica {
    let platform = Platform {
        keys: same_keys(),
        bus: warikan_messaging::Bus::in_process(),
        ..world.house.platform.clone()
    };
    let file = world.house.directory().join("operator-credential.json");
    let opened = Onboarding::open(Config::default(), file, &platform)
        .await
        .unwrap();
    let app = App::serve(&platform, vec![opened.module()]).await;
    Replica { platform, app }
}

async fn token(world: &World) -> String {
    let first = world.first_credential();
    let reply = world
        .token(&first["client_id"], &first["client_secret"], &[])
        .await;
    reply.expect(200)["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn kid(token: &str) -> String {
    let header = B64.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn published(app: &App) -> Vec<String> {
    let reply = App::read(app.request(reqwest::Method::GET, "/.well-known/jwks.json")).await;
    let keys = reply.expect(200)["keys"].as_array().unwrap().clone();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn later(world: &World, seconds: u64) {
    world
        .house
        .clock()
        .advance(Duration::from_secs(seconds))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f017_a_rotation_refuses_no_token_and_reaches_every_process_before_it_signs() {
    let world = World::new().await;
    let other = replica(&world).await;
    // An edge elsewhere knows what onboarding tells, and nothing of its database.
    let edge = same_keys();
    let follow = async || {
        other.app.run("onboarding.token_keys").await;
        world.app.run("onboarding.token_keys").await;
        edge.hear_token_keys(&world.onboarding.denied_tokens().await.unwrap().token_keys);
    };
    let good = async |token: &str| {
        world.app.get(READ, token).await.expect(200);
        other.app.get(READ, token).await.expect(200);
        let read = AccessToken::read(token, &edge, world.house.clock().now(), None);
        assert!(read.is_ok(), "at the edge: {read:?}");
    };
    let before = token(&world).await;
    assert_eq!(
        published(&world.app).await.len(),
        2,
        "one for tokens, one for receipts"
    );
    let rotated = world.app.post(ROTATE, &before, &json!({})).await;
    let rotated = rotated.expect(200)["data"].clone();
    assert_eq!(rotated[0]["kid"], kid(&before));
    assert_eq!(rotated[1]["signs_from"], "2026-11-21T00:01:00Z");
    assert_eq!(rotated[1]["accepted_until"], Value::Null);
    let new = rotated[1]["kid"].as_str().unwrap().to_owned();
    assert!(published(&world.app).await.contains(&new), "known at once");
    let early = world.app.post(ROTATE, &before, &json!({})).await;
    early.expect_problem(409, "conflict");
    let still = token(&world).await;
    assert_eq!(kid(&still), kid(&before), "and signs a minute later");
    later(&world, 15);
    follow().await;
    assert!(published(&other.app).await.contains(&new));
    later(&world, 45);
    let after = token(&world).await;
    assert_eq!(kid(&after), new);
    for one in [&before, &still, &after] {
        good(one).await;
    }
    later(&world, 240);
    good(&still).await;
    let last = token(&world).await;
    // What the old key signed is over; then the old key is.
    later(&world, 181);
    follow().await;
    assert_eq!(published(&other.app).await.len(), 2);
    assert!(!published(&world.app).await.contains(&kid(&before)));
    good(&last).await;
    let list = world.app.get("/v1/operator/token-keys", &last).await;
    assert_eq!(list.expect(200)["data"].as_array().unwrap().len(), 1);
    // A process that starts now signs by the new key too, and nothing of the old one is left.
    let third = replica(&world).await;
    let made = AccessToken::issue(
        &warikan_types::Principal {
            client: third.platform.entropy.id(world.house.clock().now()),
            tenant: None,
            scopes: [warikan_types::ClientScope::Operator].into(),
        },
        &third.platform.keys,
        third.platform.clock(),
        &third.platform.entropy,
    )
    .unwrap();
    assert_eq!(kid(&made), new);
    good(&made).await;
    // And again.
    let again = world.app.post(ROTATE, &last, &json!({})).await;
    assert_eq!(again.expect(200)["data"].as_array().unwrap().len(), 2);
    let trail = world.app.get("/v1/operator/audit?of=operator", &last).await;
    let acts = trail.expect(200)["data"].to_string();
    assert_eq!(acts.matches("token_keys.rotated").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f017_what_a_betrayed_key_signed_is_refused_at_once() {
    let world = World::new().await;
    let other = replica(&world).await;
    let before = token(&world).await;
    world.app.get(READ, &before).await.expect(200);
    other.app.get(READ, &before).await.expect(200);
    let rotated = world
        .app
        .post(ROTATE, &before, &json!({ "compromised": true }))
        .await;
    assert_eq!(rotated.expect(200)["data"].as_array().unwrap().len(), 1);
    world
        .app
        .get(READ, &before)
        .await
        .expect_problem(401, "invalid_token");
    let after = token(&world).await;
    assert_ne!(kid(&after), kid(&before));
    world.app.get(READ, &after).await.expect(200);
    assert!(!published(&world.app).await.contains(&kid(&before)));
    other.app.run("onboarding.token_keys").await;
    other
        .app
        .get(READ, &before)
        .await
        .expect_problem(401, "invalid_token");
    other.app.get(READ, &after).await.expect(200);
    let edge = same_keys();
    edge.hear_token_keys(&world.onboarding.denied_tokens().await.unwrap().token_keys);
    let now = world.house.clock().now();
    assert!(AccessToken::read(&before, &edge, now, None).is_err());
    assert!(AccessToken::read(&after, &edge, now, None).is_ok());
}
