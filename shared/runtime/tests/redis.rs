//! Buckets in Redis, and Redis at its worst: a server of the test's own, started and killed here.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener as Listener, TcpStream},
};
use warikan_runtime::{Cache, Quota, RedisConfig, RedisServer};
use warikan_types::{Clock, Timestamp};

const QUOTA: Quota = Quota {
    requests: 10,
    window: Duration::from_secs(3600),
};

/// A Redis without persistence; killed with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// `None` where this machine has no Redis.
    async fn start(port: u16) -> Option<Self> {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { child, port };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not listen")
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn start() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

/// Takes `times` requests; gives how many were allowed and the longest wait.
async fn take(cache: &Cache, times: usize, at: Timestamp) -> (usize, Duration) {
    let (mut allowed, mut longest) = (0, Duration::ZERO);
    for _ in 0..times {
        let begun = Instant::now();
        let decision = cache.take(&["tenant", "a"], QUOTA, at).await;
        longest = longest.max(begun.elapsed());
        allowed += usize::from(decision.allowed);
    }
    (allowed, longest)
}

fn at(url: &str) -> RedisServer {
    RedisConfig::at(url).server().unwrap().unwrap()
}

/// Waits until the server answers.
async fn answering(server: &RedisServer) {
    for _ in 0..200 {
        if server.answers().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("Redis does not answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f081_replicas_count_together_and_each_for_itself_without_redis() {
    let port = free();
    let Some(server) = Server::start(port).await else {
        println!("skipped: there is no redis-server");
        return;
    };
    let clock = Clock::manual(start());
    let (first, second) = (at(&server.url()), at(&server.url()));
    answering(&first).await;
    answering(&second).await;
    let (one, two) = (Cache::redis(first.clone()), Cache::redis(second));
    // Together they have one bucket.
    let (of_one, _) = take(&one, 6, clock.now()).await;
    let (of_two, _) = take(&two, 6, clock.now()).await;
    assert_eq!((of_one, of_two), (6, 4));

    // Flushed: the bucket is full again, and never more than that.
    let mut connection = redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    redis::cmd("FLUSHALL")
        .exec_async(&mut connection)
        .await
        .unwrap();
    let (after_flush, _) = take(&one, 15, clock.now()).await;
    assert_eq!(after_flush, 10);

    // Killed: each counts for itself, still refuses, and waits for nothing.
    drop(server);
    let (down, _) = take(&one, 15, clock.now()).await;
    assert_eq!(down, 10, "its own bucket");
    let (down, longest) = take(&two, 15, clock.now()).await;
    assert_eq!(down, 10);
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    let (resting, longest) = take(&two, 100, clock.now()).await;
    assert_eq!(resting, 0);
    assert!(
        longest < Duration::from_millis(40),
        "it is left alone: {longest:?}"
    );

    // Back, and empty: asked again after its rest.
    let server = Server::start(port).await.unwrap();
    answering(&first).await;
    clock.advance(Duration::from_secs(2)).unwrap();
    let (back, _) = take(&one, 15, clock.now()).await;
    assert_eq!(back, 10);
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f081_two_seconds_of_latency_cost_nobody_two_seconds() {
    let Some(server) = Server::start(free()).await else {
        println!("skipped: there is no redis-server");
        return;
    };
    // Everything through this port comes two seconds late.
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let slow = listener.local_addr().unwrap().port();
    let behind = server.port;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let mut far = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    let cache = Cache::redis(at(&format!("redis://127.0.0.1:{slow}")));
    let (allowed, longest) = take(&cache, 30, start()).await;
    assert_eq!(allowed, 10, "the process's own bucket");
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}
