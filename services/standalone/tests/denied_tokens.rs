//! F018: tokens of revoked credentials and of suspended and closed tenants are refused long before they expire, whatever becomes of Redis.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where it cannot go on, and its figures are its result"
)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{
    Caller, Installation, Split, Standing,
    servers::{Redis, Server},
    until,
};
use warikan_contracts::api::DeniedTokens;
use warikan_gateway::{DenyList, stamp_denied_tokens};
use warikan_runtime::RedisConfig;
use warikan_types::{Clock, Entropy};

/// What docs/operations.md promises where onboarding answers.
const SOON: Duration = Duration::from_secs(2);

async fn to_state(operator: &Caller, tenant: &str, state: &str) {
    let path = format!("/v1/operator/tenants/{tenant}/state");
    let reply = operator.post(&path, &json!({ "to": state })).await;
    reply.expect(200);
}

/// A credential's id, and a caller with a token of it.
async fn credential(operator: &Caller, tenant: &str, environment: &str) -> (String, Caller) {
    let path = format!("/v1/operator/tenants/{tenant}/credentials");
    let wish = json!({ "environment": environment });
    let made = operator.post(&path, &wish).await.expect(201).clone();
    let id = made["client_id"].as_str().unwrap().to_owned();
    (id, operator.with(&made).await)
}

async fn revoke(operator: &Caller, tenant: &str, client: &str) {
    let path = format!("/v1/operator/tenants/{tenant}/credentials/{client}");
    let reply = operator
        .request(reqwest::Method::DELETE, &path)
        .send()
        .await;
    assert!(reply.unwrap().status().is_success());
}

/// Whether the edge takes the caller's token. What stands behind it need not run.
async fn taken(caller: &Caller) -> bool {
    let reply = caller.get("/v1/verifications?limit=1").await;
    if reply.status == 401 {
        let problem = reply.expect_problem(401, "invalid_token");
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains("no longer accepted"), "{said}");
    }
    reply.status != 401
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_in_one_process_nobody_is_served_two_seconds_after_being_denied() {
    let here = Standing::at("2026-11-21T00:00:00Z").await;
    let bootstrap = here.house.bootstrap.clone().unwrap();
    let first: Value = serde_json::from_slice(&std::fs::read(bootstrap.path).unwrap()).unwrap();
    let operator = here.anyone().with(&first).await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    operator.activate(&tenant).await;
    let (_, production) = credential(&operator, &tenant, "production").await;
    let (lost, sandbox) = credential(&operator, &tenant, "sandbox").await;
    let (_, other) = credential(&operator, &tenant, "sandbox").await;
    let list = here.house.denied.clone().unwrap();
    list.look().await.unwrap();
    let later = async || {
        here.advance(SOON);
        list.look().await.unwrap();
    };
    let all = async || {
        let callers = [&production, &sandbox, &other];
        let mut all = [false; 3];
        for (one, caller) in all.iter_mut().zip(callers) {
            *one = taken(caller).await;
        }
        all
    };
    assert_eq!(all().await, [true; 3]);
    to_state(&operator, &tenant, "suspended").await;
    later().await;
    assert_eq!(all().await, [false, true, true], "production alone");
    to_state(&operator, &tenant, "active").await;
    later().await;
    assert_eq!(all().await, [true; 3]);
    revoke(&operator, &tenant, &lost).await;
    later().await;
    assert_eq!(all().await, [true, false, true]);
    to_state(&operator, &tenant, "closed").await;
    later().await;
    assert_eq!(all().await, [false; 3]);
    here.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_the_one_binary_refuses_at_once() {
    let here = Installation::new();
    let server = here.serve().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let (lost, firm) = credential(&operator, &tenant, "sandbox").await;
    assert!(taken(&firm).await);
    revoke(&operator, &tenant, &lost).await;
    until("the token to be refused", async || {
        (!taken(&firm).await).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_the_stamp_saves_questions_and_decides_nothing() {
    let Some(redis) = Redis::find() else { return };
    let url = redis.url();
    let mut redis = Server::Redis(redis);
    redis.start().await;
    let (clock, entropy) = (
        Clock::manual("2026-11-21T00:00:00Z".parse().unwrap()),
        Entropy::seeded(18),
    );
    let server = RedisConfig::at(&url).server().unwrap().unwrap();
    until("Redis to answer", async || {
        server.answers().await.then_some(())
    })
    .await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let list = DenyList::new(
        move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(DeniedTokens::default()) })
        },
        Some(server.clone()),
        clock.clone(),
        entropy.clone(),
    );
    // Questions that the next so many seconds cost, one look each.
    let questions = async |seconds: u64| {
        let before = asked.load(Ordering::SeqCst);
        for _ in 0..seconds {
            clock.advance(Duration::from_secs(1)).unwrap();
            list.look().await.unwrap();
        }
        asked.load(Ordering::SeqCst) - before
    };
    list.look().await.unwrap();
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "and it left a stamp itself"
    );
    assert_eq!(questions(14).await, 0, "the stamp has not moved");
    assert_eq!(questions(1).await, 1, "asked all the same now and then");
    assert!(stamp_denied_tokens(&server, &entropy, clock.now()).await);
    assert_eq!(questions(1).await, 1, "the stamp has moved");
    assert_eq!(questions(10).await, 0);
    // Flushed: asked within two seconds, and there is a stamp again.
    support::servers::flush(&url).await;
    assert_eq!(questions(2).await, 1);
    assert_eq!(questions(10).await, 0);
    // Gone: asked every two seconds.
    redis.kill();
    assert_eq!(questions(10).await, 5);
    // Back, and empty.
    redis.start().await;
    until("Redis to answer", async || {
        server.answers().await.then_some(())
    })
    .await;
    assert!(questions(4).await >= 1);
    assert_eq!(questions(10).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_two_gateways_refuse_with_redis_up_flushed_down_and_back() {
    let Some(redis) = Redis::find() else { return };
    let url = redis.url();
    let mut redis = Server::Redis(redis);
    redis.start().await;
    let mut split = Split::new(&format!("[redis]\nurl = \"{url}\"\n"));
    split
        .start_all(&["onboarding", "gateway", "gateway#2"])
        .await;
    let operator = split.operator().await;
    let gateways = ["gateway", "gateway#2"].map(|one| split.process(one).base.clone());
    let tenant = operator.take_on("割勘証券株式会社").await;
    operator.activate(&tenant).await;
    let (_, production) = credential(&operator, &tenant, "production").await;
    let both = async |caller: &Caller, should: bool| {
        for base in &gateways {
            let here = caller.at(base);
            until("a gateway to hear of it", async || {
                (taken(&here).await == should).then_some(())
            })
            .await;
        }
    };
    both(&production, true).await;
    for redis_is in ["up", "flushed", "down", "back and empty"] {
        match redis_is {
            "flushed" => support::servers::flush(&url).await,
            "down" => redis.kill(),
            "back and empty" => redis.start().await,
            _ => {}
        }
        let (lost, sandbox) = credential(&operator, &tenant, "sandbox").await;
        both(&sandbox, true).await;
        let begun = Instant::now();
        to_state(&operator, &tenant, "suspended").await;
        both(&production, false).await;
        let suspended = begun.elapsed();
        let begun = Instant::now();
        revoke(&operator, &tenant, &lost).await;
        both(&sandbox, false).await;
        println!(
            "Redis {redis_is}: suspended tenant refused by both gateways after {suspended:.1?}, revoked credential after {:.1?}",
            begun.elapsed()
        );
        to_state(&operator, &tenant, "active").await;
        both(&production, true).await;
    }
    // Onboarding is away: whom the gateways know to be denied stays denied.
    let (lost, sandbox) = credential(&operator, &tenant, "sandbox").await;
    revoke(&operator, &tenant, &lost).await;
    both(&sandbox, false).await;
    split.kill("onboarding");
    for base in &gateways {
        assert!(!taken(&sandbox.at(base)).await);
        assert!(taken(&production.at(base)).await);
    }
    split.stop_all().await;
}
