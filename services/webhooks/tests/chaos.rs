//! Receivers that do everything wrong, and a dispatcher that is killed again and again: nothing is missing, and the feed, the
//! deliveries and what the receivers saw tell one story.
//!
//! The killed process is this test binary, run once more with [`CHILD`] set: it takes events into the feed and delivers them,
//! by the machine's clock with a short ladder, until `kill -9`. Fifteen seconds by default; `WARIKAN_CHAOS_SECONDS` makes it longer.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{RawReceiver, Scene};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use warikan_runtime::{Clocks, Keys, RunningTasks};
use warikan_testkit::{App, TestHouse};
use warikan_types::{Clock, Entropy, Environment, TenantScope};
use warikan_webhooks::{Config, Webhooks};

/// The directory that the child works in.
const CHILD: &str = "WARIKAN_CHAOS_CHILD";

fn config() -> Config {
    Config {
        timeout_seconds: 1,
        lease_seconds: 2,
        // Long enough that no delivery gives up while its receiver misbehaves.
        retry_seconds: vec![1; 1_000],
        retry_after_cap_seconds: 1,
        ..common::config()
    }
}

/// A house over a directory that outlives the process.
async fn scene(directory: &Path) -> (Scene, Webhooks) {
    let mut house = TestHouse::on_sqlite();
    let entropy = Entropy::system();
    house.platform.clocks = Clocks {
        production: Clock::system(),
        sandbox: Clock::system(),
    };
    house.platform.keys = Keys::load_or_create(&directory.join("keys.json"), &entropy).unwrap();
    house.platform.entropy = entropy;
    house.platform.databases = warikan_runtime::Databases::SqliteDirectory(directory.to_owned());
    let service = Webhooks::open(config(), &house.platform).await.unwrap();
    let app = App::serve(&house.platform, vec![service.module()]).await;
    (Scene { house, app }, service)
}

fn tenant() -> TenantScope {
    let id = "ten_0192f3c4000070008000000000000001".parse().unwrap();
    TenantScope::of_event(id, Environment::Production)
}

/// The part that is killed. As a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(directory) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let (scene, service) = scene(&directory).await;
    let _tasks = RunningTasks::spawn(service.module().tasks);
    loop {
        // In batches, as a relay hands them over. Said only after the commit: whoever reads the line may rely on the event.
        for id in scene.happen_together(&[tenant(); 3]).await {
            println!("\ncommitted {id}");
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// What a receiver saw, by event id: how often it came, and how often it was answered 2xx.
type Ledger = Arc<Mutex<BTreeMap<String, (usize, usize)>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Well,
    FailsFirst,
    Hangs,
    Resets,
    Drips,
    Overloaded,
    Huge,
    Redirects,
    Gone,
}

const MANNERS: [Manner; 9] = [
    Manner::Well,
    Manner::FailsFirst,
    Manner::Hangs,
    Manner::Resets,
    Manner::Drips,
    Manner::Overloaded,
    Manner::Huge,
    Manner::Redirects,
    Manner::Gone,
];

/// Reads one request's head and body; gives its `webhook-id`.
async fn event_of(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .starts_with(name)
                    .then(|| line[name.len()..].trim().to_owned())
            })
        };
        let length: usize = header("content-length:")?.parse().unwrap();
        if body.len() >= length {
            return header("webhook-id:");
        }
    }
}

/// Misbehaves for the first two attempts of every event (or for ever), then answers 204.
async fn receive(mut stream: TcpStream, manner: Manner, ledger: Ledger) {
    let Some(event) = event_of(&mut stream).await else {
        return;
    };
    let came = {
        let mut ledger = ledger.lock().unwrap();
        let (came, _) = ledger.entry(event.clone()).or_default();
        *came += 1;
        *came
    };
    let accepted = || ledger.lock().unwrap().get_mut(&event).unwrap().1 += 1;
    let answer = |status: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    };
    // Only some events meet the slow manners, so that the others' turn comes too.
    let slow = came == 1 && event.ends_with('0');
    let text = match manner {
        Manner::FailsFirst if came <= 2 => answer("500 No"),
        Manner::Hangs if slow => {
            tokio::time::sleep(Duration::from_secs(3)).await;
            return;
        }
        Manner::Resets if came == 1 => return,
        Manner::Drips if slow => {
            for octet in answer("204 No Content").bytes() {
                if stream.write_all(&[octet]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            return;
        }
        Manner::Overloaded if slow => "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Manner::Redirects => "HTTP/1.1 307 Away\r\nLocation: http://169.254.169.254/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Manner::Gone => answer("410 Gone"),
        Manner::Huge => {
            accepted();
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n";
            let chunk = "x".repeat(64 * 1024);
            let mut open = stream.write_all(head.as_bytes()).await.is_ok();
            while open {
                open = stream.write_all(chunk.as_bytes()).await.is_ok();
            }
            return;
        }
        _ => {
            accepted();
            answer("204 No Content")
        }
    };
    // The other side may have been killed.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Runs the child for a while and kills it. Gives the events whose commit it told.
fn run_and_kill(directory: &Path, life: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        lines
            .filter_map(|line| line.strip_prefix("committed ").map(str::to_owned))
            .collect::<Vec<_>>()
    });
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    // Waits for the time and for nothing else: the sender lives.
    assert!(never.recv_timeout(life).is_err());
    // SIGKILL on Unix: no farewell of any kind.
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

async fn everything(scene: &Scene, token: &str, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = scene.app.get(&format!("{path}{cursor}"), token).await;
        let page = page.expect(200);
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match (page["next_cursor"].as_str(), page["has_more"].as_bool()) {
            (Some(next), Some(true)) => cursor = format!("&after={next}"),
            (Some(next), None) => cursor = format!("&cursor={next}"),
            _ => return rows,
        }
    }
}

/// A receiver with its manner, what it saw, and its endpoint.
type Watched = (Manner, Ledger, Value, RawReceiver);

/// Waits until every delivery that can arrive has arrived: what fails at first comes one at a time, so that it takes as long again.
async fn settle(scene: &Scene, token: &str, endpoints: &[Watched], seconds: u64) {
    let patience = Instant::now() + Duration::from_secs(40 + 2 * seconds);
    for (manner, _, made, _) in endpoints {
        if matches!(manner, Manner::Redirects | Manner::Gone) {
            continue;
        }
        let path = format!(
            "/v1/webhook-endpoints/{}/deliveries?limit=500",
            made["id"].as_str().unwrap()
        );
        loop {
            let all = everything(scene, token, &path).await;
            if all.iter().all(|one| one["state"] == "delivered") {
                break;
            }
            assert!(
                Instant::now() < patience,
                "{manner:?} is not done: {}",
                json!(all.iter().find(|one| one["state"] != "delivered"))
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The feed, an endpoint's deliveries and what its receiver saw tell one story.
async fn agree(scene: &Scene, token: &str, ids: &BTreeSet<String>, endpoints: &[Watched]) {
    for (manner, ledger, made, _) in endpoints {
        let path = format!(
            "/v1/webhook-endpoints/{}/deliveries?limit=500",
            made["id"].as_str().unwrap()
        );
        let deliveries = everything(scene, token, &path).await;
        let ledger = ledger.lock().unwrap().clone();
        for (event, (came, _)) in ledger.iter() {
            assert!(
                ids.contains(event),
                "{manner:?} got an event that is in no feed ({came} times)"
            );
        }
        match manner {
            Manner::Gone => {
                let read = scene
                    .app
                    .get(
                        &format!("/v1/webhook-endpoints/{}", made["id"].as_str().unwrap()),
                        token,
                    )
                    .await;
                assert_eq!(read.expect(200)["disabled"]["cause"], "gone");
            }
            Manner::Redirects => {
                assert!(deliveries.iter().all(|one| one["state"] == "pending"));
            }
            _ => {
                // Events said before the 410 reach all; `endpoint.disabled` too.
                let covered: BTreeSet<String> = deliveries
                    .iter()
                    .map(|one| one["event_id"].as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(&covered, ids, "{manner:?}: feed and deliveries");
                for one in &deliveries {
                    let event = one["event_id"].as_str().unwrap();
                    let (_, accepted) = ledger.get(event).copied().unwrap_or_default();
                    assert!(
                        accepted >= 1,
                        "{manner:?}: {event} counts as delivered and was never accepted"
                    );
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f066_f068_nothing_is_missing_after_chaos_and_kills() {
    let seconds = std::env::var("WARIKAN_CHAOS_SECONDS").ok();
    let seconds: u64 = seconds.map_or(15, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut endpoints = Vec::new();
    {
        let (scene, _) = scene(directory.path()).await;
        let token = scene.token(tenant());
        for manner in MANNERS {
            let ledger = Ledger::default();
            let seen = Arc::clone(&ledger);
            let receiver =
                RawReceiver::start(move |stream| receive(stream, manner, Arc::clone(&seen))).await;
            let made = scene.endpoint(&token, &receiver.url).await;
            endpoints.push((manner, ledger, made, receiver));
        }
        scene.app.stop().await;
    }

    let mut told = Vec::new();
    let mut kills = 0;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        // Lives of different lengths, so that deaths come at different places.
        let life = Duration::from_millis(1_500 + 370 * (kills % 5));
        let path = directory.path().to_owned();
        let more = tokio::task::spawn_blocking(move || run_and_kill(&path, life)).await;
        told.extend(more.unwrap());
        kills += 1;
    }
    assert!(kills >= 4 && told.len() >= 40, "{kills} {}", told.len());

    // Now everything has time to arrive.
    let (scene, service) = scene(directory.path()).await;
    let token = scene.token(tenant());
    let tasks = RunningTasks::spawn(service.module().tasks);
    settle(&scene, &token, &endpoints, seconds).await;
    tasks.stop().await;

    let feed = everything(&scene, &token, "/v1/events?limit=500").await;
    let sequences: Vec<i64> = feed
        .iter()
        .map(|one| one["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(
        sequences,
        (1..=feed.len() as i64).collect::<Vec<_>>(),
        "no gap"
    );
    let ids: BTreeSet<String> = feed
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), feed.len(), "no event twice");
    for id in &told {
        assert!(ids.contains(id), "{id} was committed and is gone");
    }
    agree(&scene, &token, &ids, &endpoints).await;
    println!("{} events, {kills} kills", feed.len());
}
