//! TLS to RabbitMQ and Redis: private servers that speak nothing else, and certificates of the test's own. That to PostgreSQL is in
//! `postgres/tls.rs`.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::path::{Path, PathBuf};

use support::{
    certificates::{authority_in, certificate},
    servers::{RabbitMq, Redis, Server},
    until,
};
use warikan_messaging::{RabbitMqConfig, inspect_broker};
use warikan_runtime::RedisConfig;

/// A folder with a server's certificate by the authority `right`, and an authority `wrong` that has made none.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for authority in ["right", "wrong"] {
        authority_in(folder.path(), authority);
    }
    certificate(folder.path(), "right", "server");
    folder
}

fn authority(folder: &Path, name: &str) -> Option<PathBuf> {
    Some(folder.join(format!("{name}.pem")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rediss_verifies_name_and_authority() {
    let Some(redis) = Redis::find() else { return };
    let folder = certificates();
    let redis = redis.over_tls(folder.path());
    let port = redis.port();
    let mut server = Server::Redis(redis);
    server.start().await;
    let answers = async |url: &str, ca_file: Option<PathBuf>| {
        let config = RedisConfig {
            ca_file,
            ..RedisConfig::at(format!("{url}:{port}"))
        };
        config.server().unwrap().unwrap().answers().await
    };
    let right = || authority(folder.path(), "right");
    until("Redis to answer", async || {
        answers("rediss://localhost", right()).await.then_some(())
    })
    .await;
    for (url, ca_file, what) in [
        (
            "rediss://localhost",
            authority(folder.path(), "wrong"),
            "another authority",
        ),
        ("rediss://127.0.0.1", right(), "another name"),
        ("rediss://localhost", None, "the machine's authorities"),
        ("redis://localhost", None, "no TLS"),
    ] {
        assert!(!answers(url, ca_file).await, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn amqps_verifies_name_and_authority() {
    let Some(broker) = RabbitMq::find() else {
        return;
    };
    let folder = certificates();
    let broker = broker.over_tls(folder.path());
    let port = broker.port();
    let mut server = Server::RabbitMq(broker);
    server.start().await;
    let entered = async |scheme: &str, host: &str, ca_file: Option<PathBuf>| {
        let config = RabbitMqConfig {
            ca_file,
            ..RabbitMqConfig::new(format!("{scheme}://guest:guest@{host}:{port}/%2f"))
        };
        inspect_broker(config).await
    };
    let right = || authority(folder.path(), "right");
    until("the broker to answer", async || {
        entered("amqps", "localhost", right()).await.ok()
    })
    .await;
    for (scheme, host, ca_file, what) in [
        (
            "amqps",
            "localhost",
            authority(folder.path(), "wrong"),
            "another authority",
        ),
        ("amqps", "127.0.0.1", right(), "another name"),
        ("amqps", "localhost", None, "the machine's authorities"),
        ("amqp", "localhost", None, "no TLS"),
    ] {
        assert!(entered(scheme, host, ca_file).await.is_err(), "{what}");
    }
}
