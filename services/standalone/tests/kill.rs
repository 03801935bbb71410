//! `kill -9`, at moments that nobody chose, while tenants work. What was acknowledged is there afterwards, once.
//!
//! The platform is the binary as a child process with its files on disk. J-LIS, the webhook receiver and the clients live in
//! the test's process and go on. A client whose answer does not come sends the same request with the same
//! Idempotency-Key again until it has one, as any client must; that is all it takes.

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
use support::{Caller, Installation, ProductionJlis, Server, caller::and, until};
use tokio::{sync::watch, task::JoinSet};
use warikan_testkit::WebhookSink;
use warikan_types::{BillingMonth, Clock, Entropy};

/// Decides when to kill, unless `KILL_SEED` (decimal) does: to look at other moments, or at the same ones again.
const SEED: u64 = 9;
const KILLS: usize = 6;
const VERIFIERS: usize = 5;
const WATCHERS: usize = 2;
/// Cards that sign; several verifications each.
const CARDS: usize = 40;
/// Certificates that are watched without a verification; once each.
const WATCHED: usize = 600;

/// What the clients have seen.
#[derive(Default)]
struct Ledger {
    /// Key and answer of each acknowledged verification.
    verified: Mutex<BTreeMap<String, Value>>,
    /// Key and answer of each acknowledged watch.
    watched: Mutex<BTreeMap<String, Value>>,
    /// Requests sent, repetitions included.
    sent: AtomicUsize,
    acknowledged: AtomicUsize,
    /// Requests whose answer did not come.
    cut: AtomicUsize,
    /// Repetitions of those that turned out to have been carried out: the answer was lost after the commit.
    committed_unanswered: AtomicUsize,
    /// Requests repeated although their answer had come.
    repeated: AtomicUsize,
    enough: AtomicBool,
}

/// A client and what it needs to know.
#[derive(Clone)]
struct Client {
    caller: Caller,
    /// Where the platform is; `None` while it is dead.
    place: watch::Receiver<Option<String>>,
    ledger: Arc<Ledger>,
}

impl Client {
    /// Sends until there is an answer.
    async fn insist(&mut self, path: &str, key: &str, body: &Value) -> Value {
        let mut first = true;
        loop {
            let base = self.place.wait_for(Option::is_some).await.unwrap().clone();
            let caller = self.caller.at(&base.unwrap());
            self.ledger.sent.fetch_add(1, Ordering::Relaxed);
            let Ok(response) = caller.keyed(path, key, body).send().await else {
                self.ledger.cut.fetch_add(1, Ordering::Relaxed);
                first = false;
                continue;
            };
            let status = response.status().as_u16();
            let replayed = response.headers().contains_key("idempotency-replayed");
            // The head may have come without the whole body.
            let Ok(answer) = response.json::<Value>().await else {
                self.ledger.cut.fetch_add(1, Ordering::Relaxed);
                first = false;
                continue;
            };
            assert_eq!(status, 201, "{key}: {answer}");
            if replayed {
                assert!(!first, "{key} was never sent before");
                self.ledger
                    .committed_unanswered
                    .fetch_add(1, Ordering::Relaxed);
            }
            return answer;
        }
    }

    /// Verifications until it is enough; every seventh is sent again although it was answered.
    async fn verify(mut self, lane: usize, bodies: Arc<Vec<Value>>) {
        for number in 0.. {
            if self.ledger.enough.load(Ordering::Acquire) {
                return;
            }
            let key = format!("verification-{lane}-{number}");
            let body = &bodies[(lane + number * VERIFIERS) % bodies.len()];
            let answer = self.insist("/v1/verifications", &key, body).await;
            self.ledger
                .verified
                .lock()
                .unwrap()
                .insert(key.clone(), answer.clone());
            self.ledger.acknowledged.fetch_add(1, Ordering::Release);
            if number % 7 == 0 {
                self.repeat("/v1/verifications", &key, body, &answer).await;
            }
        }
    }

    async fn repeat(&mut self, path: &str, key: &str, body: &Value, answer: &Value) {
        let base = self.place.wait_for(Option::is_some).await.unwrap().clone();
        let caller = self.caller.at(&base.unwrap());
        self.ledger.sent.fetch_add(1, Ordering::Relaxed);
        if let Ok(response) = caller.keyed(path, key, body).send().await
            && let Ok(again) = response.json::<Value>().await
        {
            assert_eq!(&again, answer, "{key} got another answer");
            self.ledger.repeated.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Watches of certificates of its own.
    async fn watch(mut self, lane: usize, certificates: Vec<Value>) {
        for (number, certificate) in certificates.into_iter().enumerate() {
            if self.ledger.enough.load(Ordering::Acquire) {
                return;
            }
            let key = format!("watch-{lane}-{number}");
            let body = json!({ "certificate": certificate, "ref": key });
            let answer = self.insist("/v1/watches", &key, &body).await;
            self.ledger.watched.lock().unwrap().insert(key, answer);
            self.ledger.acknowledged.fetch_add(1, Ordering::Release);
        }
    }
}

fn configuration(jlis: &ProductionJlis) -> String {
    format!(
        "[production]\nanchors = {:?}\n\
         [sandbox]\nenabled = false\n\
         [revocation]\nsync_period_seconds = 1\n\
         [[revocation.sources]]\nenvironment = \"production\"\nindex_url = {:?}\n\
         [webhooks]\nallow_loopback_http = true\ntimeout_seconds = 2\nlease_seconds = 3\n",
        jlis.anchors(),
        jlis.index_url()
    )
}

fn seed() -> u64 {
    std::env::var("KILL_SEED").map_or(SEED, |text| text.parse().unwrap())
}

/// A number below `limit`.
fn random(entropy: &Entropy, limit: u64) -> u64 {
    u64::from_le_bytes(entropy.bytes()) % limit
}

/// What is found when everything has come to rest.
struct Found {
    verifications: Vec<Value>,
    watches: Vec<Value>,
    feed: Vec<Value>,
}

impl Found {
    async fn of(firm: &Caller) -> Self {
        Self {
            verifications: firm.all("/v1/verifications").await,
            watches: firm.all("/v1/watches").await,
            feed: firm.feed().await,
        }
    }

    /// Acknowledged and not there, or there with another content.
    fn lost(&self, ledger: &Ledger) -> usize {
        let stored: BTreeMap<&str, &Value> = self
            .verifications
            .iter()
            .map(|one| (id(one), one))
            .collect();
        let verified = ledger.verified.lock().unwrap();
        let changed = verified.values().filter(|answer| {
            let Some(stored) = stored.get(id(answer)) else {
                return true;
            };
            ["verdict", "reason", "checks", "receipt", "watch", "subject"]
                .iter()
                .any(|field| stored[field] != answer[field])
        });
        let watches: BTreeSet<&str> = self.watches.iter().map(id).collect();
        let watched = ledger.watched.lock().unwrap();
        changed.count()
            + watched
                .values()
                .filter(|answer| !watches.contains(id(answer)))
                .count()
    }

    /// There without a key of its own.
    fn doubled(&self, ledger: &Ledger) -> usize {
        let keys = ledger.verified.lock().unwrap().len();
        let watches = keys + ledger.watched.lock().unwrap().len();
        self.verifications.len().saturating_sub(keys) + self.watches.len().saturating_sub(watches)
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

/// Sum over the usage rows of a meter, as `(quantity, billable)`. Two months where the test ran into a new one.
async fn used(firm: &Caller, months: &BTreeSet<BillingMonth>, meter: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for month in months {
        let reply = firm.get(&format!("/v1/usage?period={month}")).await;
        let rows = reply.expect(200)["usage"].as_array().unwrap().clone();
        for row in rows.iter().filter(|row| row["meter"] == meter) {
            sum.0 += row["quantity"].as_u64().unwrap();
            sum.1 += row["billable_quantity"].as_u64().unwrap();
        }
    }
    sum
}

/// The scene: a production tenant with a webhook, citizens who have signed, and certificates to watch.
async fn clients(
    here: &Installation,
    jlis: &ProductionJlis,
    sink: &WebhookSink,
) -> (Server, Caller, Arc<Vec<Value>>, Vec<Value>) {
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    operator.activate(&tenant).await;
    let firm = operator.credential(&tenant, "production").await;
    let endpoint = json!({ "url": sink.url, "types": ["verification.completed"] });
    firm.post("/v1/webhook-endpoints", &endpoint)
        .await
        .expect(201);
    let citizens = jlis.caller();
    let mut people = citizens.population(CARDS + WATCHED).await;
    let watched = people
        .split_off(CARDS)
        .into_iter()
        .map(|one| one.1)
        .collect();
    let mut bodies = Vec::new();
    for (person, _) in people {
        let signed = citizens.sign(&person, "口座開設申込書").await;
        bodies.push(and(&signed, json!({ "watch": true })));
    }
    (server, firm, Arc::new(bodies), watched)
}

/// Kills and restarts the platform in the middle of the load; gives the longest time from a kill to readiness.
async fn kill_again_and_again(
    here: &Installation,
    server: &mut Server,
    whereabouts: &watch::Sender<Option<String>>,
    ledger: &Ledger,
) -> Duration {
    let address = server.address().to_owned();
    let entropy = Entropy::seeded(seed());
    let mut slowest = Duration::ZERO;
    for kill in 0..KILLS {
        let before = ledger.acknowledged.load(Ordering::Acquire);
        let more = 30 + usize::try_from(random(&entropy, 40)).unwrap();
        until("the load to go on", async || {
            (ledger.acknowledged.load(Ordering::Acquire) >= before + more).then_some(())
        })
        .await;
        // Where exactly in the following milliseconds is what the seed decides; nothing is waited for.
        tokio::time::sleep(Duration::from_micros(random(&entropy, 30_000))).await;
        whereabouts.send_replace(None);
        server.kill();
        let begun = Instant::now();
        *server = here.serve_at(&address).await;
        if kill % 3 == 2 {
            // Once more while it is still picking up what the last one left.
            server.kill();
            *server = here.serve_at(&address).await;
        }
        server.ready().await;
        slowest = slowest.max(begun.elapsed());
        whereabouts.send_replace(Some(server.base.clone()));
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f068_f072_f078_killed_again_and_again_it_loses_and_doubles_nothing() {
    let clock = Clock::system();
    let jlis = ProductionJlis::start(&clock).await;
    let sink = WebhookSink::start().await;
    let here = Installation::configured(&configuration(&jlis));
    let mut months = BTreeSet::from([BillingMonth::of(clock.now())]);
    let (mut server, firm, bodies, watched) = clients(&here, &jlis, &sink).await;

    let (whereabouts, place) = watch::channel(Some(server.base.clone()));
    let ledger = Arc::new(Ledger::default());
    let client = Client {
        caller: firm.clone(),
        place,
        ledger: Arc::clone(&ledger),
    };
    let mut lanes = JoinSet::new();
    for lane in 0..VERIFIERS {
        lanes.spawn(client.clone().verify(lane, Arc::clone(&bodies)));
    }
    for (lane, part) in watched.chunks(WATCHED / WATCHERS).enumerate() {
        lanes.spawn(client.clone().watch(lane, part.to_vec()));
    }

    let slowest = kill_again_and_again(&here, &mut server, &whereabouts, &ledger).await;
    let before = ledger.acknowledged.load(Ordering::Acquire);
    until("the last platform to serve", async || {
        (ledger.acknowledged.load(Ordering::Acquire) >= before + 30).then_some(())
    })
    .await;
    ledger.enough.store(true, Ordering::Release);
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
    months.insert(BillingMonth::of(clock.now()));

    let keys = ledger.verified.lock().unwrap().len();
    let resting = Instant::now();
    until("every fact to have travelled", async || {
        let told = firm.feed().await.len();
        let billed = used(&firm, &months, "verification").await.0;
        let watches = firm.all("/v1/watches").await.len();
        let wanted = keys + ledger.watched.lock().unwrap().len();
        (told >= keys && billed >= keys as u64 && watches >= wanted).then_some(())
    })
    .await;
    let rested = resting.elapsed();
    let delivered = arrived(&sink, keys).await;

    let found = Found::of(&firm).await;
    let (lost, doubled) = (found.lost(&ledger), found.doubled(&ledger));
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "sent {}, acknowledged {}, kills {}, cut off {}, of those already committed {}, repeated {}, lost {lost}, doubled {doubled}; \
         slowest recovery {slowest:.1?}, at rest after {rested:.1?}, webhooks {} for {} events",
        count(&ledger.sent),
        count(&ledger.acknowledged),
        KILLS + KILLS / 3,
        count(&ledger.cut),
        count(&ledger.committed_unanswered),
        count(&ledger.repeated),
        delivered.len(),
        keys,
    );
    assert_eq!((lost, doubled), (0, 0));
    assert!(count(&ledger.cut) > 0, "no kill hit anything");
    assert!(slowest < Duration::from_secs(30), "{slowest:?}");
    verified_once(&ledger, &found, &delivered);
    billed_once(&firm, &months, &ledger, &found).await;
    server.stop().await;
    sink.stop().await;
    jlis.stop().await;
}

/// The ids of the webhooks that arrived, repetitions included, once there are enough different ones.
async fn arrived(sink: &WebhookSink, wanted: usize) -> Vec<String> {
    until("every webhook to arrive", async || {
        let ids: Vec<String> = sink
            .received()
            .iter()
            .map(|one| one.header("webhook-id").unwrap().to_owned())
            .collect();
        let different: BTreeSet<&String> = ids.iter().collect();
        (different.len() >= wanted).then_some(ids)
    })
    .await
}

/// Each key one verification, one event in a feed without gaps, at least one webhook with that event's id.
fn verified_once(ledger: &Ledger, found: &Found, delivered: &[String]) {
    let verified = ledger.verified.lock().unwrap();
    let acknowledged: BTreeSet<&str> = verified.values().map(id).collect();
    assert_eq!(acknowledged.len(), verified.len(), "an id under two keys");
    assert!(verified.values().all(|one| one["verdict"] == "valid"));
    let stored: BTreeSet<&str> = found.verifications.iter().map(id).collect();
    assert_eq!(stored, acknowledged);

    let sequence: Vec<u64> = found
        .feed
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect();
    let gapless: Vec<u64> = (1..=found.feed.len() as u64).collect();
    assert_eq!(sequence, gapless);
    let mut told: Vec<&str> = found
        .feed
        .iter()
        .filter(|event| event["type"] == "verification.completed")
        .map(|event| event["data"]["verification_id"].as_str().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(told, acknowledged.iter().copied().collect::<Vec<_>>());

    let events: BTreeSet<&str> = found.feed.iter().map(id).collect();
    let webhooks: BTreeSet<&str> = delivered.iter().map(String::as_str).collect();
    assert_eq!(webhooks, events, "hints and truth have the same ids");

    let watched = ledger.watched.lock().unwrap();
    let ordered: BTreeSet<&str> = verified.values().map(|one| id(&one["watch"])).collect();
    let wanted: BTreeSet<&str> = watched.values().map(id).chain(ordered).collect();
    let watches: BTreeSet<&str> = found.watches.iter().map(id).collect();
    assert_eq!(watches, wanted);
    assert_eq!(found.watches.len(), watches.len());
}

/// Each verification is billed once, and each watched certificate's month once.
async fn billed_once(
    firm: &Caller,
    months: &BTreeSet<BillingMonth>,
    ledger: &Ledger,
    found: &Found,
) {
    let keys = ledger.verified.lock().unwrap().len() as u64;
    assert_eq!(used(firm, months, "verification").await, (keys, keys));
    let certificates: BTreeSet<&str> = found
        .watches
        .iter()
        .map(|one| one["certificate_handle"].as_str().unwrap())
        .collect();
    let certificates = certificates.len() as u64;
    let checks = until("the month's status checks", async || {
        let checks = used(firm, months, "status_check").await;
        (checks.0 >= certificates).then_some(checks)
    })
    .await;
    assert_eq!(checks, (certificates, certificates));
}

/// A first start makes keys, databases, citizens and the operator's credential. Whatever it was doing when it died, the next
/// start comes through and the operator gets in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f088_a_first_start_can_be_killed_at_any_moment() {
    let whole = Installation::new();
    let begun = Instant::now();
    whole.serve().await.stop().await;
    let usual = begun.elapsed();
    let entropy = Entropy::seeded(seed() + 1);
    for attempt in 0..6 {
        let here = Installation::new();
        let spread = u64::try_from(usual.as_micros()).unwrap();
        let moment = Duration::from_micros(random(&entropy, spread));
        // Dropping a server that is still starting kills it.
        let finished = tokio::time::timeout(moment, here.serve()).await.is_ok();
        let mut server = here.serve().await;
        server.ready().await;
        let operator = server.operator().await;
        operator.get("/v1/operator/tenants").await.expect(200);
        let named = server.anyone().get("/sandbox/persons").await;
        assert_eq!(
            named.expect(200)["data"].as_array().unwrap().len(),
            19,
            "attempt {attempt} at {moment:?}, finished: {finished}"
        );
        server.kill();
    }
}
