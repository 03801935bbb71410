//! F055: a process whose clock is wrong leaves rotation and gives no verdict; the replica beside it does. And it comes back.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and what is left out is said"
)]

mod support;

use std::{net::TcpListener, time::Duration};

use serde_json::json;
use support::{Caller, Split, split::second, until};
use warikan::compose::{self, Role};
use warikan_runtime::Clocks;
use warikan_testkit::{TestDatabase, on_postgres};
use warikan_types::Clock;

fn configuration(database: &TestDatabase) -> String {
    format!(
        "[database]\nkind = \"postgres\"\nurl = \"{}\"\nowner_url = \"{}\"\nrole_prefix = \"warikan_test\"\npassword = \"warikan-test\"\npool_size = 4\nworker_pool_size = 2\n\
         [revocation]\nsync_period_seconds = 1\n",
        database.config().url.unwrap(),
        database.address()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f055_a_replica_whose_clock_is_wrong_leaves_rotation_and_gives_no_verdict() {
    if !on_postgres() {
        eprintln!(
            "left out: the clock is compared with PostgreSQL's (WARIKAN_TEST_DATABASE=postgres)"
        );
        return;
    }
    let database = TestDatabase::create();
    let mut split = Split::with_replicas(&configuration(&database), &["verification"]);
    split
        .start_all(&[
            "sandbox",
            "revocation",
            "onboarding",
            "verification",
            "gateway",
        ])
        .await;
    // The second replica is in this process, and its clock goes a day ahead when it is told.
    let clocks = Clocks {
        production: Clock::adjustable(Duration::ZERO),
        sandbox: Clock::adjustable(Duration::ZERO),
    };
    let clock = clocks.production.clone();
    let config = split.config();
    let address = split.address(&second("verification"));
    let listener = TcpListener::bind(&address).unwrap();
    let here = listener.local_addr().unwrap();
    let mut house = compose::open_role(&config, Role::Verification, clocks, here)
        .await
        .unwrap();
    house.learn().await;
    let ready = house.modules[0].ready.clone();
    let replica = house.serve(listener).unwrap();

    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    let whole = async || {
        until("both replicas to be ready", async || {
            // Services that are not needed here do not run.
            let reply = anyone.get("/health/ready").await;
            let services = reply.json["services"].as_array()?.clone();
            let mut services = services.into_iter();
            let one = services.find(|one| one["service"] == "verification")?;
            let partly = one.to_string().contains("replicas ready");
            (one["ready"] == true && !partly).then_some(())
        })
        .await;
    };
    whole().await;
    until("valid verdicts of both", async || {
        for _ in 0..4 {
            if firm.verify(&body).await["verdict"] != "valid" {
                return None;
            }
        }
        Some(())
    })
    .await;

    clock.advance(Duration::from_secs(86_400)).unwrap();
    // Not after a look, but from the first request on; and whatever is asked, the other replica answers.
    let why = ready().await.unwrap_err();
    assert!(why.contains("clock"), "{why}");
    let asked = Caller::anyone(&format!("http://{address}"));
    let refused = asked.get("/v1/verifications").await;
    refused.expect_problem(503, "unavailable");
    for _ in 0..20 {
        assert_eq!(firm.verify(&body).await["verdict"], "valid");
    }
    until("the comparison with the database", async || {
        let why = ready().await.unwrap_err();
        why.contains("ahead of that of the database").then_some(())
    })
    .await;
    let told = anyone.get("/health/ready").await;
    let told = String::from_utf8(told.body).unwrap();
    assert!(told.contains("1 of 2 replicas ready"), "{told}");
    replica.stop().await.unwrap();
    split.stop_all().await;
}

/// A gateway has no database: it compares itself with the services.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f055_a_gateway_whose_clock_is_wrong_is_not_ready_and_passes_nothing_on() {
    let mut split = Split::new("");
    split.start("onboarding").await;
    let clocks = Clocks {
        production: Clock::adjustable(Duration::ZERO),
        sandbox: Clock::adjustable(Duration::ZERO),
    };
    let clock = clocks.production.clone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let mut house = compose::open_role(&split.config(), Role::Gateway, clocks, here)
        .await
        .unwrap();
    house.learn().await;
    let gateway = house.serve(listener).unwrap();
    let anyone = Caller::anyone(&format!("http://{here}"));
    until("the service to be reached", async || {
        let reply = anyone.get("/.well-known/jwks.json").await;
        (reply.status == 200).then_some(())
    })
    .await;
    clock.advance(Duration::from_secs(86_400)).unwrap();
    let refused = anyone.get("/.well-known/jwks.json").await;
    refused.expect_problem(503, "unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    until("the comparison with the service", async || {
        let reply = anyone.get("/health/ready").await;
        let said = String::from_utf8(reply.body).unwrap();
        (reply.status == 503 && said.contains("ahead of that of onboarding")).then_some(())
    })
    .await;
    anyone.get("/health/live").await.expect(200);
    gateway.stop().await.unwrap();
    split.stop_all().await;
}
