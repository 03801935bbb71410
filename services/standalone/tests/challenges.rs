//! F020 between processes: one signed challenge from fifty connections, through two gateways to two replicas over one PostgreSQL, with a
//! Redis that is there, flushed, and killed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and its figures are its result"
)]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use support::{
    Caller, Split,
    caller::and,
    servers::{Redis, Server, flush},
    split::second,
    until,
};
use tokio::{sync::Barrier, task::JoinSet};
use warikan_testkit::{TestDatabase, on_postgres};

const CONNECTIONS: usize = 50;

fn configuration(database: &TestDatabase, redis: &str) -> String {
    format!(
        "[database]\nkind = \"postgres\"\nurl = \"{}\"\nowner_url = \"{}\"\nrole_prefix = \"warikan_test\"\npassword = \"warikan-test\"\npool_size = 4\nworker_pool_size = 2\n\
         [redis]\nurl = \"{redis}\"\n[revocation]\nsync_period_seconds = 1\n",
        database.config().url.unwrap(),
        database.address()
    )
}

/// Each from a connection of its own, all at the same moment, by turns at both gateways. Gives the verdicts and reasons.
async fn at_once(firm: &Caller, gateways: &[String; 2], body: &Value) -> BTreeMap<String, usize> {
    let ready = Arc::new(Barrier::new(CONNECTIONS));
    let mut requests = JoinSet::new();
    for number in 0..CONNECTIONS {
        let caller = firm.alone().at(&gateways[number % 2]);
        let (body, ready) = (body.clone(), Arc::clone(&ready));
        requests.spawn(async move {
            // Connects before all begin.
            caller.get("/health/live").await.expect(200);
            ready.wait().await;
            caller.verify(&body).await
        });
    }
    let mut outcomes = BTreeMap::new();
    for answer in requests.join_all().await {
        let outcome = format!("{} {}", answer["verdict"], answer["reason"]);
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f020_one_challenge_from_fifty_connections_to_two_replicas_succeeds_once_whatever_redis_does()
 {
    if !on_postgres() {
        eprintln!("left out: replicas share a PostgreSQL (WARIKAN_TEST_DATABASE=postgres)");
        return;
    }
    let Some(redis) = Redis::find() else { return };
    let url = redis.url();
    let mut redis = Server::Redis(redis);
    redis.start().await;
    let database = TestDatabase::create();
    let mut split = Split::with_replicas(&configuration(&database, &url), &["verification"]);
    split
        .start_all(&["sandbox", "revocation", "onboarding", "verification"])
        .await;
    split.start(&second("verification")).await;
    split.start_all(&["gateway", "gateway#2"]).await;
    let gateways = ["gateway", "gateway#2"].map(|one| split.process(one).base.clone());
    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    until(
        "valid verdicts of both replicas through both gateways",
        async || {
            for number in 0..8 {
                if firm.at(&gateways[number % 2]).verify(&body).await["verdict"] != "valid" {
                    return None;
                }
            }
            Some(())
        },
    )
    .await;
    let before = firm.all("/v1/verifications").await.len();

    let states = ["up", "flushed", "killed", "back and empty"];
    for redis_is in states {
        let wish = json!({ "purpose": "signature", "signed": body["signed"] });
        let challenge = firm.post("/v1/challenges", &wish).await.expect(201).clone();
        match redis_is {
            "flushed" => flush(&url).await,
            "killed" => redis.kill(),
            "back and empty" => redis.start().await,
            _ => {}
        }
        let signed = and(&body, json!({ "challenge_id": challenge["id"] }));
        let outcomes = at_once(&firm, &gateways, &signed).await;
        println!("Redis {redis_is}: {outcomes:?}");
        let expected = [
            ("\"invalid\" \"challenge_used\"".to_owned(), CONNECTIONS - 1),
            ("\"valid\" null".to_owned(), 1),
        ];
        assert_eq!(outcomes, BTreeMap::from(expected), "Redis {redis_is}");
    }
    let after = firm.all("/v1/verifications").await.len();
    assert_eq!(
        after,
        before + states.len() * CONNECTIONS,
        "all are on record"
    );
    split.stop_all().await;
}
