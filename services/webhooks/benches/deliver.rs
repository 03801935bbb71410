//! How many events a second are taken and delivered, how late they are, and whether one that hangs holds up the others.
//!
//! `cargo bench -p warikan-webhooks` prints the whole table. An event is committed when the producing service's outbox holds it; a
//! relay carries it into the feed (as in the one binary, in batches); a delivery counts when its attempt is durably recorded.
//! SQLite with `synchronous = FULL`, or, with `WARIKAN_TEST_DATABASE=postgres`, PostgreSQL with `synchronous_commit = on`. Deliveries go over HTTP to a receiver that answers 204: nginx where it is installed, else a
//! small one of this bench's own. Beside the figures stands what `wrk`, where it is installed, gets out of the same receiver with
//! requests of the same size, and how much processor time this process used per delivery (producer, relay, feed and sender
//! together, without the receiver).
//!
//! `WARIKAN_BENCH_EVENTS` sets the number of events (20,000 by default), `WARIKAN_BENCH_HUNG` how many wait for the endpoint that
//! hangs (100,000), `WARIKAN_BENCH_ONLY` which lines are made: `one`, `ten`, `lag`, `hang`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops where something fails"
)]

mod house;
mod receiver;

use std::{collections::HashMap, time::Duration};

use house::House;
use receiver::{Hanging, Receiver};
use tokio::time::Instant;

/// The one binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn per_second(count: usize, took: Duration) -> u128 {
    count as u128 * 1_000_000 / took.as_micros().max(1)
}

/// Processor time of this process so far, user and system: `/proc/self/stat`, in ticks of 10 ms. Zero elsewhere than on Linux.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field may hold spaces; what counts comes behind its bracket.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

struct Measured {
    since: Instant,
    processor: Duration,
}

impl Measured {
    fn begin() -> Self {
        Self {
            since: Instant::now(),
            processor: processor(),
        }
    }

    /// Per second, and microseconds of processor time for each.
    fn end(&self, count: usize) -> (u128, u128) {
        let used = processor().saturating_sub(self.processor);
        let each = used.as_micros() / count.max(1) as u128;
        (per_second(count, self.since.elapsed()), each)
    }
}

/// From the outbox to the recorded 204, all at once; and then the two halves after each other.
async fn throughput(endpoints: usize, events: usize, url: &str) {
    let house = House::new().await;
    let tenant = house.tenant(endpoints, url).await;
    let facts = |house: &House| (0..events).map(|_| house.fact(tenant)).collect();
    house.commit(facts(&house)).await;
    let measured = Measured::begin();
    let tasks = vec![house.carry(), house.deliver()];
    house.arrived(events * endpoints).await;
    let (deliveries, each) = measured.end(events * endpoints);
    let rate = deliveries / endpoints as u128;
    println!(
        "| {endpoints} endpoint(s), committed to acknowledged | {rate} events/s | {deliveries} deliveries/s | {each} us |"
    );
    house.stop(tasks).await;

    let house = House::new().await;
    let tenant = house.tenant(endpoints, url).await;
    let facts = (0..events).map(|_| house.fact(tenant)).collect();
    house.commit(facts).await;
    let measured = Measured::begin();
    let mut tasks = vec![house.carry()];
    house.taken(events).await;
    let (rate, each) = measured.end(events);
    println!("| {endpoints} endpoint(s), taking alone | {rate} events/s | | {each} us |");
    let measured = Measured::begin();
    tasks.push(house.deliver());
    house.arrived(events * endpoints).await;
    let (deliveries, each) = measured.end(events * endpoints);
    println!(
        "| {endpoints} endpoint(s), delivering alone | | {deliveries} deliveries/s | {each} us |"
    );
    house.stop(tasks).await;
}

fn quantiles(mut lags: Vec<i64>) -> String {
    lags.sort_unstable();
    let quantile = |per_mille: usize| lags[(lags.len() - 1) * per_mille / 1_000];
    format!(
        "p50 {} ms, p95 {} ms, p99 {} ms, most {} ms",
        quantile(500),
        quantile(950),
        quantile(990),
        quantile(1_000)
    )
}

/// How late a delivery is acknowledged after its event's commit, at a steady rate. The producing service commits so many events
/// together: one, as a service does that knows no better, or those of 10 ms, as one with group commit.
async fn lag(rate: u32, seconds: u32, together: u32, url: &str) {
    let house = std::sync::Arc::new(House::new().await);
    let tenant = house.tenant(1, url).await;
    let tasks = vec![house.carry(), house.deliver()];
    let step = Duration::from_secs(1) * together / rate;
    let begun = Instant::now();
    let mut commits = tokio::task::JoinSet::new();
    for turn in 0..rate * seconds / together {
        tokio::time::sleep_until(begun + step * turn).await;
        let house = std::sync::Arc::clone(&house);
        commits.spawn(async move {
            let facts: Vec<_> = (0..together).map(|_| house.fact(tenant)).collect();
            let events: Vec<_> = facts.iter().map(|fact| fact.id.uuid()).collect();
            let begun = Instant::now();
            house.commit(facts).await;
            let took = begun.elapsed().as_millis() as i64;
            (events, house.platform.clock().now().unix_millis(), took)
        });
    }
    let (mut committed, mut waits) = (HashMap::new(), Vec::new());
    while let Some(done) = commits.join_next().await {
        let (events, at, took) = done.unwrap();
        waits.push(took);
        committed.extend(events.into_iter().map(|event| (event, at)));
    }
    house.arrived(committed.len()).await;
    let acknowledged = house.acknowledged().await;
    let lags = committed
        .iter()
        .map(|(event, at)| acknowledged[event] - at)
        .collect();
    println!(
        "| lag at {rate} events/s over {seconds} s, committed {together} at a time | {} | | |\n| its producer's own commits, waiting for the connection included | {} | | |",
        quantiles(lags),
        quantiles(waits)
    );
    let house = std::sync::Arc::into_inner(house).unwrap();
    house.stop(tasks).await;
}

/// F067: one tenant's endpoint takes every connection and never answers, with very many events waiting for it; ten other
/// tenants go on as if nothing were.
async fn hang(waiting: usize, url: &str) {
    const OTHERS: usize = 10;
    const TURNS: usize = 60;
    let house = House::new().await;
    let hanging = Hanging::start();
    let hung = house.tenant(1, &hanging.url).await;
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        others.push(house.tenant(1, url).await);
    }
    let tasks = vec![house.carry(), house.deliver()];
    let mut left = waiting;
    let mut committed = HashMap::new();
    let begun = Instant::now();
    for turn in 0..TURNS {
        tokio::time::sleep_until(begun + Duration::from_millis(500) * turn as u32).await;
        // The flood comes in thirds of a minute, and the others' events in the midst of it.
        let part = left.div_ceil(TURNS / 3).min(left);
        left -= part;
        let facts: Vec<_> = others.iter().map(|one| house.fact(*one)).collect();
        let flood = (0..part).map(|_| house.fact(hung)).collect();
        let events: Vec<_> = facts.iter().map(|fact| fact.id.uuid()).collect();
        house.commit(flood).await;
        house.commit(facts).await;
        let now = house.platform.clock().now().unix_millis();
        committed.extend(events.into_iter().map(|event| (event, now)));
    }
    house
        .commit((0..left).map(|_| house.fact(hung)).collect())
        .await;
    house.taken(waiting + committed.len()).await;
    let pending = "SELECT COUNT(*) AS n FROM delivery WHERE state = 'pending'";
    while house.count(pending).await > waiting as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let acknowledged = house.acknowledged().await;
    let lags = committed
        .iter()
        .map(|(event, at)| acknowledged[event] - at)
        .collect();
    println!(
        "| {OTHERS} others while {waiting} wait for one that hangs | {} | {} connections at once to the one that hangs | |",
        quantiles(lags),
        hanging.most()
    );
    house.stop(tasks).await;
}

fn number(name: &str, otherwise: usize) -> usize {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    let events = number("WARIKAN_BENCH_EVENTS", 20_000);
    let waiting = number("WARIKAN_BENCH_HUNG", 100_000);
    let only = std::env::var("WARIKAN_BENCH_ONLY").unwrap_or_default();
    let wanted = |line: &str| only.is_empty() || only.split(',').any(|one| one == line);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let receiver = Receiver::start();
        println!("receiver: {}", receiver.name);
        println!("| | events | deliveries | processor time each |\n|---|---|---|---|");
        receiver.ceiling();
        if wanted("one") {
            throughput(1, events, &receiver.url).await;
        }
        if wanted("ten") {
            throughput(10, events / 4, &receiver.url).await;
        }
        if wanted("lag") {
            lag(250, 20, 1, &receiver.url).await;
            lag(1_000, 20, 10, &receiver.url).await;
            lag(1_000, 20, 1, &receiver.url).await;
        }
        if wanted("hang") {
            hang(waiting, &receiver.url).await;
        }
        receiver.ceiling();
    });
}
