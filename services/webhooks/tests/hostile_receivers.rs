//! Receivers that hang, redirect, drip, flood and break off.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{RawReceiver, Scene, config, read_request};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use warikan_testkit::WebhookSink;
use warikan_webhooks::Config;

fn quick() -> Config {
    Config {
        timeout_seconds: 1,
        ..config()
    }
}

/// Sends one event to this URL and gives the delivery with its single attempt.
async fn one_attempt(scene: &Scene, url: &str) -> (Value, Value) {
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, url).await;
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    let delivery = scene.deliveries(&token, &endpoint).await.remove(0);
    let attempt = delivery["attempts"][0].clone();
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);
    (delivery, attempt)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f067_a_hanging_endpoint_delays_no_other_and_holds_few_connections() {
    let scene = Scene::with(Config {
        concurrency: 8,
        ..config()
    })
    .await;
    let hanging = RawReceiver::hanging().await;
    let sink = WebhookSink::start().await;
    let (slow, slow_token) = scene.tenant();
    let (quick, quick_token) = scene.tenant();
    let stuck = scene.endpoint(&slow_token, &hanging.url).await;
    scene.endpoint(&quick_token, &sink.url).await;
    scene.happen(slow, 30).await;
    let told = scene.happen(quick, 30).await;

    let others = async {
        let begun = tokio::time::Instant::now();
        while sink.received().len() < told.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
        let waiting = scene.deliveries(&slow_token, &stuck).await;
        assert!(waiting.iter().all(|one| one["state"] == "pending"));
    };
    tokio::join!(scene.deliver(), others);
    assert_eq!(sink.received().len(), 30);
    // What was claimed for the hanging one and not begun was given back uncounted.
    let db = scene.house.database("webhooks").await;
    let begun = "SELECT COUNT(*) AS n FROM delivery WHERE state = 'pending' AND attempts > 0";
    let begun = Statement::from_string(db.get_database_backend(), begun);
    let begun = db.query_one_raw(begun).await.unwrap().unwrap();
    assert_eq!(begun.try_get::<i64>("", "n").unwrap(), 4);
    assert!(hanging.connections.load(Ordering::SeqCst) >= 1);
    assert!(hanging.most_at_once.load(Ordering::SeqCst) <= 4);

    // A later event of the other tenant does not wait for the hanging ones either.
    scene.happen(quick, 1).await;
    scene.deliver().await;
    assert_eq!(sink.received().len(), 31);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f067_an_endpoint_gets_few_connections_at_once_and_they_are_kept() {
    let scene = Scene::with(Config {
        endpoint_concurrency: 6,
        ..config()
    })
    .await;
    let (receiver, answered) = RawReceiver::lasting().await;
    let (tenant, token) = scene.tenant();
    scene.endpoint(&token, &receiver.url).await;
    for _ in 0..5 {
        scene.happen_together(&[tenant; 60]).await;
        scene.deliver().await;
    }
    assert_eq!(answered.load(Ordering::SeqCst), 300);
    // A connection that was begun when another came free is kept in reserve; each of the six places can have begun one.
    let (open, all) = (&receiver.most_at_once, &receiver.connections);
    let (open, all) = (open.load(Ordering::SeqCst), all.load(Ordering::SeqCst));
    assert!(open <= 12 && all <= 18, "{open} at once, {all} in all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_a_timeout_is_a_failed_attempt_and_a_failing_endpoint_gets_one_at_a_time() {
    let scene = Scene::with(quick()).await;
    let hanging = RawReceiver::hanging().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &hanging.url).await;
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    let delivery = &scene.deliveries(&token, &endpoint).await[0];
    let attempt = &delivery["attempts"][0];
    assert_eq!(
        (&attempt["error"], &attempt["status"]),
        (&"timeout".into(), &Value::Null)
    );
    assert!(attempt["duration_ms"].as_i64().unwrap() >= 1_000);
    assert_eq!(delivery["state"], "pending");
    assert_eq!(delivery["next_attempt_at"], "2026-11-21T00:00:05Z");

    scene.happen(tenant, 2).await;
    scene.deliver().await;
    assert_eq!(hanging.connections.load(Ordering::SeqCst), 3);
    assert_eq!(hanging.most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_f066_redirects_are_not_followed() {
    let scene = Scene::with(quick()).await;
    let target = WebhookSink::start().await;
    let trap = RawReceiver::hanging().await;
    let statuses = [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ];
    let (here, there) = (target.url.clone(), trap.url.clone());
    let port = target.url.rsplit(':').next().unwrap().to_owned();
    let targets = [
        here,
        there,
        "/elsewhere".to_owned(),
        "?again=1".to_owned(),
        format!("//127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://2130706433:{port}"),
        format!("http://0x7f.1:{port}"),
        format!("http://user@127.0.0.1:{port}"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "http://100.100.100.200/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://0.0.0.0:6379/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1:6379/_FLUSHALL".to_owned(),
        "javascript:alert(1)".to_owned(),
        "https://hooks.example.com/".to_owned(),
    ];
    for (index, location) in targets.iter().enumerate() {
        let status = statuses[index % statuses.len()];
        let answer =
            format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let receiver = RawReceiver::answering(answer).await;
        let (delivery, attempt) = one_attempt(&scene, &receiver.url).await;
        assert_eq!(
            attempt["status"],
            status[..3].parse::<i64>().unwrap(),
            "{location}"
        );
        assert_eq!(delivery["state"], "pending", "a redirect is no success");
        assert_eq!(receiver.connections.load(Ordering::SeqCst), 1);
    }
    assert_eq!(trap.connections.load(Ordering::SeqCst), 0);
    assert!(target.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_a_huge_answer_is_left_unread() {
    let scene = Scene::new().await;
    let written = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(tokio::sync::Notify::new());
    let (count, end) = (Arc::clone(&written), Arc::clone(&ended));
    let receiver = RawReceiver::start(move |mut stream| {
        let (count, end) = (Arc::clone(&count), Arc::clone(&end));
        async move {
            read_request(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n";
            stream.write_all(head).await.unwrap();
            let chunk = vec![b'x'; 64 * 1024];
            // Until the other side hangs up.
            while stream.write_all(&chunk).await.is_ok() {
                count.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            }
            end.notify_one();
        }
    })
    .await;
    let (delivery, attempt) = one_attempt(&scene, &receiver.url).await;
    assert_eq!(
        (&delivery["state"], &attempt["status"]),
        (&"delivered".into(), &200.into())
    );
    ended.notified().await;
    let written = written.load(Ordering::SeqCst);
    assert!(
        written < 32 << 20,
        "{written} octets: no more than fits the sockets' buffers"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_a_body_that_drips_ends_with_the_attempts_time() {
    let scene = Scene::with(quick()).await;
    let receiver = RawReceiver::start(|mut stream| async move {
        read_request(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (delivery, attempt) = one_attempt(&scene, &receiver.url).await;
    assert_eq!(delivery["state"], "delivered", "the status had come");
    let took = attempt["duration_ms"].as_i64().unwrap();
    assert!((1_000..5_000).contains(&took), "{took}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_no_answer_or_half_an_answer_is_retried() {
    let scene = Scene::with(quick()).await;
    let closed = RawReceiver::start(|stream| async move { drop(stream) }).await;
    let garbage = RawReceiver::answering("SSH-2.0-OpenSSH_9.2\r\n".to_owned()).await;
    let half = RawReceiver::answering("HTTP/1.1 200 O".to_owned()).await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = format!("http://{}/", unused.local_addr().unwrap());
    drop(unused);
    for (url, words) in [
        (&closed.url, &["protocol_error"][..]),
        (&garbage.url, &["protocol_error"]),
        (&half.url, &["protocol_error"]),
        (&refusing, &["connection_failed"]),
    ] {
        let (delivery, attempt) = one_attempt(&scene, url).await;
        assert_eq!(delivery["state"], "pending");
        let word = attempt["error"].as_str().unwrap();
        assert!(words.contains(&word), "{url}: {word}");
    }
    // A body shorter than it says comes after a complete head: the status decides.
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_owned();
    let short = RawReceiver::answering(short).await;
    let (delivery, _) = one_attempt(&scene, &short.url).await;
    assert_eq!(delivery["state"], "delivered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f066_retry_after_is_honoured_up_to_a_day() {
    let scene = Scene::with(quick()).await;
    for (retry_after, next) in [
        ("3600", "2026-11-21T01:00:00Z"),
        ("Sat, 21 Nov 2026 02:00:00 GMT", "2026-11-21T02:00:00Z"),
        ("99999999", "2026-11-22T00:00:00Z"),
        ("never", "2026-11-21T00:00:05Z"),
    ] {
        let receiver = RawReceiver::answering(format!(
            "HTTP/1.1 429 Too Many\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
        let (delivery, _) = one_attempt(&scene, &receiver.url).await;
        assert_eq!(delivery["next_attempt_at"], next, "{retry_after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_what_was_allowed_at_registration_is_judged_again_at_delivery() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    scene.happen(tenant, 1).await;
    // The same database under a stricter configuration, as after a restart.
    let platform = &scene.house.platform;
    let strict = warikan_webhooks::Webhooks::open(Config::default(), platform)
        .await
        .unwrap();
    let module = strict.module();
    let deliver = module
        .tasks
        .iter()
        .find(|task| task.name() == "webhooks.deliver");
    deliver.unwrap().run_once().await.unwrap();
    let delivery = &scene.deliveries(&token, &endpoint).await[0];
    assert_eq!(delivery["attempts"][0]["error"], "url_refused");
    assert!(sink.received().is_empty());
}
