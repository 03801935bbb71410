//! The edge on bad wires and before bad clients: deadlines, 504, replicas that help out, clients that send slowly.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{
    Caller, PATIENCE, Split,
    split::SERVICES,
    until,
    wire::{Cable, Wire},
};
use warikan_runtime::{INTERNAL_TOKEN_HEADER, InternalCall, Keys};
use warikan_testkit::App;
use warikan_types::{Clock, Entropy};

const CONFIG: &str = "[revocation]\nsync_period_seconds = 1\n[gateway]\ntimeout_seconds = 6\n";

async fn started(split: &mut Split) -> (Caller, Value) {
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    split.ready().await;
    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    until("a valid verdict", async || {
        let reply = firm.post("/v1/verifications", &body).await;
        (reply.json["verdict"] == "valid").then_some(())
    })
    .await;
    (firm, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f086_a_bad_wire_to_a_service_costs_its_own_requests_only_and_no_more_than_their_time() {
    let mut cable = None;
    let mut split = Split::with_topology(CONFIG, |service, address| {
        if service != "billing" {
            return vec![format!("http://{address}")];
        }
        let made = cable.insert(Cable::to(address));
        vec![format!("http://{}", made.address)]
    });
    let cable = cable.unwrap();
    let (firm, body) = started(&mut split).await;
    let usage = "/v1/usage?period=2026-11";
    firm.get(usage).await.expect(200);

    cable.make(Wire::Late(Duration::from_millis(300)));
    let asked = Instant::now();
    firm.get(usage).await.expect(200);
    assert!(asked.elapsed() > Duration::from_millis(300), "it is late");

    // Nothing comes back: over when its time is, and the others go on meanwhile.
    cable.make(Wire::HalfOpen);
    let asked = Instant::now();
    let (late, other) = tokio::join!(firm.get(usage), firm.verify(&body));
    let took = asked.elapsed();
    assert_eq!(
        late.expect_problem(504, "deadline_exceeded")["retryable"],
        true
    );
    assert_eq!(late.headers["retry-after"], "1");
    assert!(
        took > Duration::from_millis(5_900) && took < Duration::from_secs(12),
        "{took:?}"
    );
    assert_eq!(other["verdict"], "valid");

    cable.make(Wire::Reset);
    for _ in 0..3 {
        let asked = Instant::now();
        let reply = firm.get(usage).await;
        reply.expect_problem(503, "unavailable");
        assert!(asked.elapsed() < Duration::from_secs(5), "before its time");
    }
    cable.make(Wire::Good);
    firm.get(usage).await.expect(200);
    split.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f086_what_breaks_off_at_one_address_is_repeated_at_the_other_and_done_once() {
    let mut cable = None;
    let mut split = Split::with_topology(CONFIG, |service, address| {
        let direct = format!("http://{address}");
        if service != "verification" {
            return vec![direct];
        }
        let made = cable.insert(Cable::to(address));
        vec![format!("http://{}", made.address), direct]
    });
    let cable = cable.unwrap();
    let (firm, body) = started(&mut split).await;
    let before = firm.all("/v1/verifications").await.len();
    cable.make(Wire::Reset);
    for number in 0..8 {
        let request = firm.keyed("/v1/verifications", &format!("key-{number}"), &body);
        App::read(request).await.expect(201);
    }
    // Without a key nobody knows whether it was carried out, so it is not sent twice.
    let mut refused = 0;
    for _ in 0..4 {
        let reply = firm.post("/v1/verifications", &body).await;
        if reply.status == 503 {
            refused += 1;
        } else {
            reply.expect(201);
        }
    }
    assert_eq!(refused, 2, "every second begins at the bad address");
    let stored = firm.all("/v1/verifications").await.len();
    assert_eq!(stored, before + 8 + 2);
    split.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f086_a_service_gives_up_what_is_past_its_deadline() {
    let mut split = Split::new(CONFIG);
    started(&mut split).await;
    let keys = Keys::load(&split.data().join("keys.json"), &Entropy::system()).unwrap();
    let now = Clock::system().now();
    let call = InternalCall {
        from: "verification".to_owned(),
        to: "revocation".to_owned(),
        principal: None,
        request_id: "req_1".to_owned(),
        deadline: now.plus(Duration::from_millis(400)),
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let inner = split.inner("revocation");
    let first = http
        .get(format!("{inner}/inner/status"))
        .header(INTERNAL_TOKEN_HEADER, call.sign(&keys, now).unwrap());
    let first = first.send().await.unwrap();
    let header = |name: &str| first.headers()[name].to_str().unwrap().to_owned();
    let names: Vec<String> = first.headers().keys().map(ToString::to_string).collect();
    let epoch = names.iter().find(|name| name.ends_with("epoch")).unwrap();
    let change = names.iter().find(|name| name.ends_with("change")).unwrap();
    let path = format!(
        "{inner}/inner/status?epoch={}&after={}&wait=20",
        header(epoch),
        header(change)
    );
    // It would wait 20 seconds for a change; nobody waits for its answer so long.
    let now = Clock::system().now();
    let call = InternalCall {
        deadline: now.plus(Duration::from_millis(400)),
        ..call
    };
    let asked = Instant::now();
    let request = http
        .get(path)
        .header(INTERNAL_TOKEN_HEADER, call.sign(&keys, now).unwrap());
    let reply = App::read(request).await;
    reply.expect_problem(504, "deadline_exceeded");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    split.stop_all().await;
}

/// Sends these octets and nothing more; gives what came until the other side closed, and how long that took.
fn dribble(address: &str, octets: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(octets.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Closed without a word is as good as with one.
    let _ = stream.read_to_end(&mut answer);
    (
        String::from_utf8_lossy(&answer).into_owned(),
        begun.elapsed(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f058_clients_that_send_slowly_are_closed_and_others_do_not_notice() {
    let mut split = Split::new("[revocation]\nsync_period_seconds = 1\n");
    let (firm, body) = started(&mut split).await;
    let address = split.process("gateway").address().to_owned();
    let head = "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let slow = [
        "GET /v1/verifications HT".to_owned(),
        format!("{head}x-never-ending: "),
        format!("{head}content-length: 100\r\n\r\ngrant_"),
    ];
    let clients: Vec<_> = slow
        .into_iter()
        .cycle()
        .take(60)
        .map(|octets| {
            let address = address.clone();
            std::thread::spawn(move || dribble(&address, &octets))
        })
        .collect();
    for _ in 0..5 {
        let asked = Instant::now();
        assert_eq!(firm.verify(&body).await["verdict"], "valid");
        assert!(asked.elapsed() < Duration::from_secs(5), "others go on");
    }
    let ended = tokio::task::spawn_blocking(move || {
        let all = clients.into_iter().map(|one| one.join().unwrap());
        all.collect::<Vec<_>>()
    });
    for (answer, took) in ended.await.unwrap() {
        assert!(took < Duration::from_secs(25), "{took:?}: {answer}");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
    }
    split.stop_all().await;
}
