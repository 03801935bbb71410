//! Everything apart, under a steady load, and everything killed in turn: seven processes and the three servers they need.
//!
//! `kill -9` at seeded moments. The clients do what any client must: a request whose good answer does not come is sent again with the
//! same Idempotency-Key. What was acknowledged must be there afterwards with the same verdict, billed once, in the feed once and
//! at the receiver at least once. The short form kills each once; `WARIKAN_CHAOS_SECONDS` (at most 200) goes on for that long, two
//! at a time now and then, and `WARIKAN_CHAOS_SEED` chooses other moments.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where it cannot go on, and its figures are its result"
)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use support::{
    Caller, PATIENCE, ProductionJlis, Split,
    caller::and,
    servers::{Postgres, RabbitMq, Redis, Server},
    split::SERVICES,
    until,
};
use tokio::task::JoinSet;
use warikan_testkit::WebhookSink;
use warikan_types::{BillingMonth, Clock, Entropy};

const SEED: u64 = 4;
/// One request each so often, whatever became of the ones before.
const PERIOD: Duration = Duration::from_millis(60);
/// Cards that sign.
const CARDS: usize = 12;

/// What the clients have seen.
struct Ledger {
    /// Answers by idempotency key.
    acknowledged: Mutex<BTreeMap<String, Value>>,
    /// Requests sent, repetitions included.
    sent: AtomicUsize,
    /// Requests that were told to come again, or whose answer did not come.
    refused: AtomicUsize,
    enough: AtomicBool,
    /// The last acknowledgement, and the longest time without one.
    pulse: Mutex<(Instant, Duration)>,
}

impl Ledger {
    fn new() -> Self {
        Self {
            acknowledged: Mutex::default(),
            sent: AtomicUsize::default(),
            refused: AtomicUsize::default(),
            enough: AtomicBool::default(),
            pulse: Mutex::new((Instant::now(), Duration::ZERO)),
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn acknowledge(&self, key: String, answer: Value) {
        let mut pulse = self.pulse.lock().unwrap();
        *pulse = (Instant::now(), pulse.1.max(pulse.0.elapsed()));
        self.acknowledged.lock().unwrap().insert(key, answer);
    }

    async fn goes_on(&self, by: usize) {
        let before = self.count();
        until("the load to go on", async || {
            (self.count() >= before + by).then_some(())
        })
        .await;
    }
}

/// New requests at a steady rate, until it is enough and all are answered.
async fn load(firm: Caller, bodies: Arc<Vec<Value>>, ledger: Arc<Ledger>) {
    let mut requests = JoinSet::new();
    let mut rhythm = tokio::time::interval(PERIOD);
    for number in 0.. {
        rhythm.tick().await;
        if ledger.enough.load(Ordering::Acquire) {
            break;
        }
        let body = bodies[number % bodies.len()].clone();
        let (firm, ledger) = (firm.clone(), Arc::clone(&ledger));
        requests.spawn(async move { insist(&firm, number, &body, &ledger).await });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }
}

/// Sends until there is an answer.
async fn insist(firm: &Caller, number: usize, body: &Value, ledger: &Ledger) {
    let key = format!("request-{number}");
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "no answer to {key}");
        ledger.sent.fetch_add(1, Ordering::Relaxed);
        let request = firm.keyed("/v1/verifications", &key, body);
        let mut pause = Duration::from_millis(100);
        if let Ok(response) = request.send().await {
            let status = response.status().as_u16();
            let after = response.headers().get("retry-after").cloned();
            match (status, response.json::<Value>().await) {
                (201, Ok(answer)) => return ledger.acknowledge(key, answer),
                // The head may have come without the whole body.
                (201, Err(_)) => {}
                (503 | 504, _) => {
                    let seconds = after.expect("it says when to come again");
                    pause = Duration::from_secs(seconds.to_str().unwrap().parse().unwrap());
                }
                (status, answer) => panic!("{status} is not to be tried again: {answer:?}"),
            }
        }
        ledger.refused.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
    }
}

/// The platform and what it stands on.
struct World {
    servers: BTreeMap<&'static str, Server>,
    split: Split,
    jlis: ProductionJlis,
    sink: WebhookSink,
}

impl World {
    /// `None`, said aloud, where a server is not installed.
    async fn start(clock: &Clock) -> Option<Self> {
        let (postgres, broker, redis) = (Postgres::find()?, RabbitMq::find()?, Redis::find()?);
        let jlis = ProductionJlis::start(clock).await;
        let config = format!(
            "[database]\nkind = \"postgres\"\nurl = \"postgres://{}\"\nowner_url = \"{}\"\npassword = \"chaos\"\n\
             [rabbitmq]\nurl = \"{}\"\n\
             [redis]\nurl = \"{}\"\n[limits]\ntenant_requests_per_minute = 1000000\n\
             [production]\nanchors = {:?}\n\
             [revocation]\nsync_period_seconds = 1\n\
             [[revocation.sources]]\nenvironment = \"production\"\nindex_url = {:?}\n\
             [webhooks]\nallow_loopback_http = true\ntimeout_seconds = 2\nlease_seconds = 3\n",
            postgres.place(),
            postgres.owner(),
            broker.url(),
            redis.url(),
            jlis.anchors(),
            jlis.index_url(),
        );
        let mut servers = BTreeMap::from([
            ("PostgreSQL", Server::Postgres(postgres)),
            ("RabbitMQ", Server::RabbitMq(broker)),
            ("Redis", Server::Redis(redis)),
        ]);
        // RabbitMQ takes longest, and nobody waits for it: services boot with the bus down.
        for server in servers.values_mut() {
            server.start().await;
        }
        let mut split = Split::new(&config);
        split.start_all(&SERVICES).await;
        split.start("gateway").await;
        split.ready().await;
        let sink = WebhookSink::start().await;
        Some(Self {
            servers,
            split,
            jlis,
            sink,
        })
    }

    /// A production tenant with a webhook.
    async fn firm(&self) -> (String, Caller) {
        let operator = self.split.operator().await;
        let tenant = operator.take_on("割勘証券株式会社").await;
        operator.activate(&tenant).await;
        let firm = operator.credential(&tenant, "production").await;
        let endpoint = json!({ "url": self.sink.url, "types": ["verification.completed"] });
        firm.post("/v1/webhook-endpoints", &endpoint)
            .await
            .expect(201);
        (tenant, firm)
    }

    /// What citizens have signed; every third is tampered with, every second to be watched.
    async fn bodies(&self) -> Vec<Value> {
        let citizens = self.jlis.caller();
        let mut bodies = Vec::new();
        for (number, (person, _)) in citizens.population(CARDS).await.into_iter().enumerate() {
            let mut body = citizens.sign(&person, "口座開設申込書").await;
            if number % 3 == 2 {
                body["signed"]["message"] = json!(STANDARD.encode("別の文書"));
            }
            bodies.push(and(&body, json!({ "watch": number % 2 == 0 })));
        }
        bodies
    }

    fn kill(&mut self, victim: &str) {
        match self.servers.get_mut(victim) {
            Some(server) => server.kill(),
            None => self.split.kill(victim),
        }
    }

    async fn restart(&mut self, victim: &str) {
        match self.servers.get_mut(victim) {
            Some(server) => server.start().await,
            None => self.split.start(victim).await,
        }
    }

    fn everyone(&self) -> Vec<&'static str> {
        let servers = self.servers.keys().copied();
        SERVICES
            .into_iter()
            .chain(["gateway"])
            .chain(servers)
            .collect()
    }
}

/// A number below `limit`.
fn random(entropy: &Entropy, limit: usize) -> usize {
    usize::try_from(u64::from_le_bytes(entropy.bytes()) % u64::try_from(limit).unwrap()).unwrap()
}

fn shuffled<T>(mut all: Vec<T>, entropy: &Entropy) -> Vec<T> {
    for place in (1..all.len()).rev() {
        all.swap(place, random(entropy, place + 1));
    }
    all
}

/// Kills everyone once, and goes on until the time is over. Gives how many kills there were.
async fn havoc(
    world: &mut World,
    ledger: &Ledger,
    seconds: Option<u64>,
    entropy: &Entropy,
) -> usize {
    let begun = Instant::now();
    let mut kills = 0;
    loop {
        for victim in shuffled(world.everyone(), entropy) {
            ledger.goes_on(3 + random(entropy, 6)).await;
            // Where exactly in the following milliseconds is what the seed decides; nothing is waited for.
            tokio::time::sleep(Duration::from_micros(random(entropy, 50_000) as u64)).await;
            let mut victims = vec![victim];
            if seconds.is_some() && random(entropy, 3) == 0 {
                let second = shuffled(world.everyone(), entropy)[0];
                // Nothing starts without its database, which comes back first then.
                let place = usize::from(second != "PostgreSQL");
                victims.insert(place, second);
                victims.dedup();
            }
            let fell = Instant::now();
            for one in &victims {
                world.kill(one);
            }
            // Long enough to be missed.
            tokio::time::sleep(Duration::from_millis(random(entropy, 1_500) as u64)).await;
            for one in &victims {
                world.restart(one).await;
            }
            ledger.goes_on(1).await;
            println!(
                "killed {}: answers again after {:.1?}",
                victims.join(" and "),
                fell.elapsed()
            );
            kills += victims.len();
            let over = seconds.is_some_and(|limit| begun.elapsed().as_secs() >= limit);
            if over {
                return kills;
            }
        }
        if seconds.is_none() {
            return kills;
        }
    }
}

/// Operations counted of verifications: all, and those that cost.
async fn used(firm: &Caller, months: &BTreeSet<BillingMonth>) -> (usize, usize) {
    let mut sum = (0, 0);
    for month in months {
        let reply = firm.get(&format!("/v1/usage?period={month}")).await;
        let rows = reply.expect(200)["usage"].as_array().unwrap().clone();
        for row in rows.iter().filter(|row| row["meter"] == "verification") {
            let count = |field: &str| usize::try_from(row[field].as_u64().unwrap()).unwrap();
            sum.0 += count("quantity");
            sum.1 += count("billable_quantity");
        }
    }
    sum
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// What was acknowledged and is not there with the same verdict, and what is there more than once.
async fn lost_and_doubled(firm: &Caller, acknowledged: &BTreeMap<String, Value>) -> (usize, usize) {
    let stored = firm.all("/v1/verifications").await;
    let by_id: BTreeMap<&str, &Value> = stored.iter().map(|one| (text(one, "id"), one)).collect();
    let lost = acknowledged.values().filter(|answer| {
        by_id.get(text(answer, "id")).is_none_or(|kept| {
            ["verdict", "reason", "checks", "receipt", "watch"]
                .iter()
                .any(|field| kept[field] != answer[field])
        })
    });
    let lost = lost.count();
    (lost, stored.len() - (acknowledged.len() - lost))
}

/// Each verification is counted once, told once in a feed without gaps, and has arrived.
async fn told_and_billed_once(
    world: &World,
    firm: &Caller,
    months: &BTreeSet<BillingMonth>,
    answers: &BTreeMap<String, Value>,
) {
    let ids: BTreeSet<&str> = answers.values().map(|one| text(one, "id")).collect();
    assert_eq!(ids.len(), answers.len(), "an id under two keys");
    let feed = until("every verification in the feed", async || {
        let feed = firm.feed().await;
        (feed.len() >= ids.len()).then_some(feed)
    })
    .await;
    let completed = feed
        .iter()
        .filter(|one| one["type"] == "verification.completed");
    let mut told: Vec<&str> = completed
        .clone()
        .map(|one| text(&one["data"], "verification_id"))
        .collect();
    told.sort_unstable();
    assert!(told.iter().eq(&ids), "each exactly once in the feed");
    let sequence = feed.iter().map(|one| one["sequence"].as_u64().unwrap());
    assert!(sequence.eq(1..=feed.len() as u64), "no gap in the feed");

    let valid = answers.values().filter(|one| one["verdict"] == "valid");
    let wanted = (ids.len(), valid.count());
    until("every verification billed", async || {
        let counted = used(firm, months).await;
        assert!(counted.0 <= wanted.0, "counted {counted:?} of {wanted:?}");
        (counted == wanted).then_some(())
    })
    .await;
    let events: BTreeSet<&str> = completed.map(|one| text(one, "id")).collect();
    until("every webhook", async || {
        let received = world.sink.received();
        let arrived = received.iter().map(|one| one.header("webhook-id").unwrap());
        let arrived: BTreeSet<&str> = arrived.collect();
        assert!(arrived.is_subset(&events), "a hint of what is not true");
        (arrived.len() == events.len()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f068_f072_f078_f079_f081_f082_f085_everything_is_killed_in_turn_under_load() {
    let clock = Clock::system();
    let Some(mut world) = World::start(&clock).await else {
        return;
    };
    let variable = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seconds = variable("WARIKAN_CHAOS_SECONDS").map(|seconds: u64| seconds.min(200));
    let seed = variable("WARIKAN_CHAOS_SEED").unwrap_or(SEED);
    let mut months = BTreeSet::from([BillingMonth::of(clock.now())]);
    let (tenant, firm) = world.firm().await;
    let bodies = Arc::new(world.bodies().await);

    let ledger = Arc::new(Ledger::new());
    let loading = tokio::spawn(load(firm.clone(), bodies, Arc::clone(&ledger)));
    let entropy = Entropy::seeded(seed);
    let kills = havoc(&mut world, &ledger, seconds, &entropy).await;
    ledger.goes_on(10).await;
    ledger.enough.store(true, Ordering::Release);
    loading.await.unwrap();
    months.insert(BillingMonth::of(clock.now()));
    world.split.ready().await;

    // The first token's five minutes may be over.
    let operator = world.split.operator().await;
    let firm = operator.credential(&tenant, "production").await;
    let answers = ledger.acknowledged.lock().unwrap().clone();
    let (lost, doubled) = lost_and_doubled(&firm, &answers).await;
    println!(
        "seed {seed}, kills {kills}: sent {}, acknowledged {}, told to come again {}, lost {lost}, doubled {doubled}, longest gap {:.1?}",
        ledger.sent.load(Ordering::Relaxed),
        answers.len(),
        ledger.refused.load(Ordering::Relaxed),
        ledger.pulse.lock().unwrap().1,
    );
    assert_eq!((lost, doubled), (0, 0));
    assert!(
        ledger.refused.load(Ordering::Relaxed) > 0,
        "no kill hit anything"
    );
    for verdict in ["valid", "invalid"] {
        assert!(answers.values().any(|one| one["verdict"] == verdict));
    }
    told_and_billed_once(&world, &firm, &months, &answers).await;
    world.split.stop_all().await;
    world.sink.stop().await;
    world.jlis.stop().await;
}
