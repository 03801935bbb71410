//! F091: SIGTERM with a thousand requests written, on a thousand connections. Each of them is answered: carried out, or told to come again, or that there was no time. No
//! connection is closed without a word, no answer breaks off, and what was acknowledged is there.

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
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinSet,
};
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_gateway::{Drain, Gateway};
use warikan_runtime::Module;
use warikan_testkit::TestHouse;

const REQUESTS: usize = 1_000;
/// What a process is given (`terminationGracePeriodSeconds`).
const GRACE: Duration = Duration::from_secs(60);

/// What became of a request.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Fate {
    Answered,
    ToldToComeAgain,
    /// 408: on a machine this busy its head was not read in the time that a head may take. Nothing was begun.
    NotReadInTime,
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

/// The request as it stands on the wire.
fn written(firm: &Caller, address: &str, number: usize, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST /v1/verifications HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nIdempotency-Key: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        firm.token().unwrap(),
        key(number),
        body.len(),
    )
    .into_bytes()
}

/// Reads one answer, which must be whole.
async fn answer(number: usize, mut connection: TcpStream) -> (Fate, Option<Value>) {
    let mut said = Vec::new();
    let (head, length) = loop {
        let octets = connection.read_buf(&mut said).await;
        let octets = octets.unwrap_or_else(|error| panic!("{number}: {error}"));
        assert!(
            octets > 0,
            "{number}: closed without a word after {} octets",
            said.len()
        );
        let text = String::from_utf8_lossy(&said).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").trim().parse().unwrap();
            break (head.clone(), head.len() + 4 + length);
        }
    };
    while said.len() < length {
        let octets = connection.read_buf(&mut said).await.unwrap();
        assert!(octets > 0, "{number}: broken off");
    }
    let body = serde_json::from_slice::<Value>(&said[head.len() + 4..]);
    match (head.split(' ').nth(1), body) {
        (Some("201"), Ok(body)) => (Fate::Answered, Some(body)),
        (Some("503"), Ok(_)) if head.contains("\r\nretry-after:") => (Fate::ToldToComeAgain, None),
        (Some("408"), _) => (Fate::NotReadInTime, None),
        (_, body) => panic!("{number}: {head} {body:?}"),
    }
}

fn key(number: usize) -> String {
    format!("in-flight-{number}")
}

/// Waits until no connection to the server has octets that the server's system has not taken: all that was written has arrived there, whether
/// anybody has read it or not.
async fn arrived(address: &str) {
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let there = format!("0100007F:{port:04X}");
    until("what was written to arrive", async || {
        // Local and remote address, state, and in hexadecimal how much is not acknowledged.
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        let unsent =
            rows.any(|row| row.get(2) == Some(&there.as_str()) && !row[4].starts_with("00000000:"));
        (!unsent).then_some(())
    })
    .await;
}

/// A thousand requests, written; then comes `stop`, which gives how long the end took. Gives what was acknowledged.
async fn stopped_in_flight(
    shape: &str,
    firm: &Caller,
    address: &str,
    body: &Value,
    stop: impl AsyncFnOnce() -> Duration,
) -> BTreeMap<usize, Value> {
    let mut connections = Vec::new();
    for _ in 0..REQUESTS {
        connections.push(TcpStream::connect(address).await.unwrap());
    }
    let mut flights = JoinSet::new();
    for (number, mut connection) in connections.into_iter().enumerate() {
        let request = written(firm, address, number, body);
        connection.write_all(&request).await.unwrap();
        flights.spawn(async move { (number, answer(number, connection).await) });
    }
    arrived(address).await;
    let took = stop().await;
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let mut acknowledged = BTreeMap::new();
    for (number, (fate, answer)) in flights.join_all().await {
        *fates.entry(fate).or_default() += 1;
        acknowledged.extend(answer.map(|answer| (number, answer)));
    }
    println!("{shape}: stopped in {took:.1?}, {fates:?}");
    assert!(took < GRACE, "within the grace limit: {took:?}");
    assert_eq!(fates.values().sum::<usize>(), REQUESTS);
    acknowledged
}

/// Again, by a usual client.
async fn send(firm: &Caller, key: &str, body: &Value) -> Option<Value> {
    let response = firm
        .keyed("/v1/verifications", key, body)
        .send()
        .await
        .ok()?;
    let status = response.status();
    let answer = response.json::<Value>().await.ok()?;
    (status == 201).then_some(answer)
}

/// After a new start: the others are carried out under their keys, each key once, and nothing acknowledged is lost.
async fn nothing_is_lost(firm: &Caller, body: &Value, mut acknowledged: BTreeMap<usize, Value>) {
    let refused = (0..REQUESTS).filter(|number| !acknowledged.contains_key(number));
    for number in refused.collect::<Vec<_>>() {
        let answer = until("an answer of a platform that runs", async || {
            send(firm, &key(number), body).await
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
    let acknowledged = stopped_in_flight("one binary", &firm, &address, &body, async || {
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
    let address = split.process("gateway").address().to_owned();
    // All at the same moment: whoever still has somebody's request finishes it, or says that it cannot be.
    let acknowledged =
        stopped_in_flight("separate processes", &firm, &address, &body, async || {
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
