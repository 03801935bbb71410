//! Repeated requests over a Redis that is there, empty, slow or gone: each gets its own answer, and always the same one.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{
    Caller, Split,
    caller::and,
    servers::{Redis, Server, flush, redis_says},
    until,
    wire::{Cable, Wire},
};
use warikan_testkit::{App, Reply};

const KEY: &str = "the-firms-own-key";
const SERVICES: [&str; 4] = ["sandbox", "revocation", "onboarding", "verification"];

async fn send(firm: &Caller, body: &Value) -> Reply {
    App::read(firm.keyed("/v1/verifications", KEY, body)).await
}

fn replayed(reply: &Reply) -> bool {
    reply.headers.contains_key("idempotency-replayed")
}

/// Two tenants, of which the first has two credentials, before a gateway whose Redis is behind a cable.
struct Scene {
    url: String,
    redis: Server,
    cable: Cable,
    split: Split,
    a: Caller,
    colleague: Caller,
    b: Caller,
    person: String,
    body: Value,
    /// Another body.
    other: Value,
}

impl Scene {
    async fn start() -> Option<Self> {
        let redis = Redis::find()?;
        let url = redis.url();
        let mut redis = Server::Redis(redis);
        redis.start().await;
        let cable = Cable::to(url.trim_start_matches("redis://"));
        let mut split = Split::new(&format!(
            "[redis]\nurl = \"redis://{}\"\n[revocation]\nsync_period_seconds = 1\n",
            cable.address
        ));
        split.start_all(&SERVICES).await;
        split.start("gateway").await;
        let operator = split.operator().await;
        let ours = operator.take_on("割勘証券株式会社").await;
        let theirs = operator.take_on("割勘銀行株式会社").await;
        let a = operator.credential(&ours, "sandbox").await;
        let anyone = split.anyone();
        let person = anyone.person(&json!({})).await;
        let body = anyone.sign(&person, "口座開設申込書").await;
        until("a valid verdict", async || {
            (a.verify(&body).await["verdict"] == "valid").then_some(())
        })
        .await;
        Some(Self {
            url,
            redis,
            cable,
            a,
            colleague: operator.credential(&ours, "sandbox").await,
            b: operator.credential(&theirs, "sandbox").await,
            person,
            other: and(&body, json!({ "watch": true })),
            body,
            split,
        })
    }

    /// The first tenant asks again until it is answered, and is answered as before.
    async fn same(&self, first: &Reply, what: &str) {
        let again = until(what, async || {
            let reply = send(&self.a, &self.body).await;
            (reply.status == 201).then_some(reply)
        })
        .await;
        assert_eq!(again.body, first.body, "{what}");
        assert!(replayed(&again), "{what}");
        assert_eq!(again.headers["cache-control"], "no-store", "{what}");
    }

    /// Nobody is behind the gateway: Redis alone answers, the one who asked, and what was asked.
    async fn redis_alone(&self, first: &Reply) {
        self.same(first, "an answer without the service").await;
        for (caller, body, what) in [
            (&self.b, &self.body, "another tenant"),
            (&self.colleague, &self.body, "another credential"),
            (&self.a, &self.other, "another body"),
        ] {
            let reply = send(caller, body).await;
            assert_eq!(reply.status, 503, "{what}: it goes to the service");
        }
        let elsewhere = self.a.keyed("/v1/challenges", KEY, &self.body);
        assert_eq!(App::read(elsewhere).await.status, 503, "another operation");
    }

    /// What lies in Redis is sealed, and goes by itself.
    async fn sealed(&self) {
        let names = redis_says(&self.url, "KEYS warikan:answer:*").await;
        let mut names = names.lines();
        let name = names.find(|line| line.starts_with("warikan:answer:"));
        let name = name.unwrap();
        let lies = redis_says(&self.url, &format!("GET {name}")).await;
        for open in ["verdict", "valid", "ver_", self.person.as_str()] {
            assert!(!lies.contains(open), "{open}");
        }
        let lifetime = redis_says(&self.url, &format!("PTTL {name}")).await;
        let lifetime: i64 = lifetime.trim().trim_start_matches(':').parse().unwrap();
        assert!((1..=300_000).contains(&lifetime), "{lifetime}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f003_f081_a_repetition_gets_its_own_answer_whatever_becomes_of_redis() {
    let Some(mut here) = Scene::start().await else {
        return;
    };
    let first = send(&here.a, &here.body).await;
    first.expect(201);
    assert!(!replayed(&first) && !first.headers.contains_key("x-warikan-kept"));
    here.same(&first, "a first repetition").await;
    here.split.stop("verification").await;
    here.redis_alone(&first).await;
    here.sealed().await;

    here.split.start("verification").await;
    until("the service to answer", async || {
        (here.b.get("/v1/verifications").await.status == 200).then_some(())
    })
    .await;
    let of_b = send(&here.b, &here.body).await;
    assert_ne!(of_b.expect(201)["id"], first.json["id"], "F003");
    assert!(!replayed(&of_b));
    let refused = send(&here.a, &here.other).await;
    refused.expect_problem(409, "idempotency_key_reused");

    // Empty, slow, gone, and back: the service's database answers.
    flush(&here.url).await;
    here.same(&first, "an answer after a flush").await;
    here.cable.make(Wire::Late(Duration::from_secs(2)));
    let begun = Instant::now();
    for _ in 0..10 {
        here.same(&first, "an answer beside a slow Redis").await;
    }
    let took = begun.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "ten questions to a Redis that takes 2 s each way cost {took:?}"
    );
    here.cable.make(Wire::Good);
    here.redis.kill();
    for _ in 0..3 {
        here.same(&first, "an answer without Redis").await;
    }
    let refused = send(&here.a, &here.other).await;
    refused.expect_problem(409, "idempotency_key_reused");
    here.redis.start().await;
    until("the copy to be kept again", async || {
        here.same(&first, "an answer beside an empty Redis").await;
        let names = redis_says(&here.url, "KEYS warikan:answer:*").await;
        names.contains("warikan:answer:").then_some(())
    })
    .await;
    let all = here.a.all("/v1/verifications").await;
    let with_id = all.iter().filter(|one| one["id"] == first.json["id"]);
    assert_eq!(with_id.count(), 1);
    here.split.stop_all().await;
}
