//! F091: SIGTERM with a thousand requests in flight. Each is finished, or told to come again, or was not read yet and its connection is
//! closed without a word; no answer breaks off, and what was acknowledged is there.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and its figures are its result"
)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, get};
use serde_json::{Value, json};
use support::{Caller, Installation, Split, split::SERVICES, until};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_gateway::{Drain, Gateway};
use warikan_runtime::Module;
use warikan_testkit::TestHouse;

const REQUESTS: usize = 1_000;
/// The servers' grace, and what a process may take beside it.
const GRACE: Duration = Duration::from_secs(35);

/// What became of a request.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Fate {
    Answered,
    ToldToComeAgain,
    /// The process had not read it yet: refused, or closed before the first octet of an answer.
    NotRead,
}

/// A thousand connections, both ways through two processes at most, and what else is open.
fn files_suffice() -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    let suffice = soft.is_none_or(|soft| soft >= 4 * REQUESTS);
    if !suffice {
        eprintln!("left out: this shell lets a process open {soft:?} files (ulimit -n)");
    }
    suffice
}

async fn send(firm: &Caller, key: &str, body: &Value) -> (Fate, Option<Value>) {
    let Ok(response) = firm.keyed("/v1/verifications", key, body).send().await else {
        return (Fate::NotRead, None);
    };
    let status = response.status().as_u16();
    let told = response.headers().contains_key("retry-after");
    match (status, response.json::<Value>().await) {
        (201, Ok(answer)) => (Fate::Answered, Some(answer)),
        (503, Ok(_)) if told => (Fate::ToldToComeAgain, None),
        (status, answer) => panic!("{key}: {status} {answer:?}"),
    }
}

fn key(number: usize) -> String {
    format!("in-flight-{number}")
}

/// A thousand requests at once; `stop` comes when a tenth is answered, and gives how long the end took. Gives what was acknowledged.
async fn stopped_in_flight(
    shape: &str,
    firm: &Caller,
    body: &Value,
    stop: impl AsyncFnOnce() -> Duration,
) -> BTreeMap<usize, Value> {
    let (answered, mut count) = mpsc::unbounded_channel();
    let mut flights = JoinSet::new();
    for number in 0..REQUESTS {
        let (firm, body, answered) = (firm.clone(), body.clone(), answered.clone());
        flights.spawn(async move {
            let (fate, answer) = send(&firm, &key(number), &body).await;
            // Nobody counts any more once the signal is out.
            let _ = answered.send(());
            (number, fate, answer)
        });
    }
    for _ in 0..REQUESTS / 10 {
        count.recv().await.unwrap();
    }
    let took = stop().await;
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let mut acknowledged = BTreeMap::new();
    for (number, fate, answer) in flights.join_all().await {
        *fates.entry(fate).or_default() += 1;
        acknowledged.extend(answer.map(|answer| (number, answer)));
    }
    println!("{shape}: stopped in {took:.1?}, {fates:?}");
    assert!(took < GRACE, "within the grace limit: {took:?}");
    assert!(fates[&Fate::Answered] >= REQUESTS / 10, "{fates:?}");
    acknowledged
}

/// After a new start: the others are carried out under their keys, each key once, and nothing acknowledged is lost.
async fn nothing_is_lost(firm: &Caller, body: &Value, mut acknowledged: BTreeMap<usize, Value>) {
    let refused = (0..REQUESTS).filter(|number| !acknowledged.contains_key(number));
    for number in refused.collect::<Vec<_>>() {
        let answer = until("an answer of a platform that runs", async || {
            send(firm, &key(number), body).await.1
        })
        .await;
        acknowledged.insert(number, answer);
    }
    let stored = firm.all("/v1/verifications").await;
    let ids: BTreeSet<&str> = stored
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    let theirs = acknowledged.values().map(|one| one["id"].as_str().unwrap());
    let theirs: BTreeSet<&str> = theirs.collect();
    assert_eq!(theirs.len(), REQUESTS);
    assert!(theirs.is_subset(&ids), "lost");
}

async fn signed(anyone: &Caller, firm: &Caller) -> (Value, usize) {
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "注文書").await;
    until("a valid verdict", async || {
        (firm.verify(&body).await["verdict"] == "valid").then_some(())
    })
    .await;
    (body, firm.all("/v1/verifications").await.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f091_one_binary_with_a_thousand_requests_in_flight_is_told_to_stop() {
    if !files_suffice() {
        return;
    }
    let here = Installation::new();
    let server = here.serve().await;
    server.ready().await;
    let address = server.address().to_owned();
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let (body, before) = signed(&server.anyone(), &firm).await;
    let acknowledged = stopped_in_flight("one binary", &firm, &body, async || {
        server.terminate();
        let (status, took) = server.ended().await;
        assert_eq!(status.code(), Some(0), "{status}");
        took
    })
    .await;
    let server = here.serve_at(&address).await;
    nothing_is_lost(&firm, &body, acknowledged).await;
    let stored = firm.all("/v1/verifications").await.len();
    assert_eq!(stored, before + REQUESTS, "each key once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f091_separate_processes_with_a_thousand_requests_in_flight_are_told_to_stop() {
    if !files_suffice() {
        return;
    }
    let mut split = Split::new("[revocation]\nsync_period_seconds = 1\n");
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    split.ready().await;
    let firm = split.firm().await;
    let (body, before) = signed(&split.anyone(), &firm).await;
    // All at the same moment: whoever still has somebody's request finishes it, or says that it cannot be.
    let acknowledged = stopped_in_flight("separate processes", &firm, &body, async || {
        let begun = Instant::now();
        split.end_all().await;
        begun.elapsed()
    })
    .await;
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    nothing_is_lost(&firm, &body, acknowledged).await;
    let stored = firm.all("/v1/verifications").await.len();
    assert_eq!(stored, before + REQUESTS, "each key once");
    split.stop_all().await;
}

/// Somebody asked [`slow`].
static ASKED: Notify = Notify::const_new();

/// Never answers by itself.
#[utoipa::path(get, path = "/slow", security(()), responses((status = 200)))]
#[get("/slow")]
async fn slow() -> HttpResponse {
    ASKED.notify_one();
    std::future::pending().await
}

fn routes(config: &mut ServiceConfig<'_>) {
    config.service(slow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f091_a_request_that_would_outlast_the_grace_is_told_to_come_again() {
    let house = TestHouse::new();
    let module = Module {
        name: "slow",
        routes: std::sync::Arc::new(routes),
        consumers: Vec::new(),
        tasks: Vec::new(),
        ready: std::sync::Arc::new(|| Box::pin(async { Ok(None) })),
    };
    let drain = Drain::within(Duration::from_millis(200));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = Gateway::new(house.platform.clone(), vec![module], 1)
        .with_drain(drain.clone())
        .serve(listener)
        .unwrap();
    let handle = server.handle();
    tokio::spawn(server);
    let asked = tokio::spawn(async move { Caller::anyone(&base).get("/slow").await });
    ASKED.notified().await;
    drain.begin();
    let begun = Instant::now();
    handle.stop(true).await;
    let reply = asked.await.unwrap();
    reply.expect_problem(503, "unavailable");
    assert_eq!(reply.headers["retry-after"], "1");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "long before the grace"
    );
}
