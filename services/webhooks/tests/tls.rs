//! TLS to receivers: the certificate must come from a known authority, for this name, and be in its time.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{net::TcpListener, path::PathBuf, sync::Arc};

use actix_web::{App as Server, HttpResponse, HttpServer, web};
use common::{Scene, config};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use warikan_webhooks::Config;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

/// A receiver with this certificate; answers 204. Gives its port.
fn receiver(name: &str) -> u16 {
    let chain = CertificateDer::pem_file_iter(file(name)).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file(name)).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = HttpServer::new(|| {
        Server::new().default_service(web::to(|| async { HttpResponse::NoContent().finish() }))
    })
    .workers(1)
    .disable_signals()
    .listen_rustls_0_23(listener, tls)
    .unwrap()
    .run();
    tokio::spawn(server);
    port
}

async fn attempt(extra_roots: Option<PathBuf>, certificate: &str) -> Value {
    let scene = Scene::with(Config {
        extra_roots,
        ..config()
    })
    .await;
    let port = receiver(certificate);
    let (tenant, token) = scene.tenant();
    let url = format!("https://localhost:{port}/hook");
    let endpoint = scene.endpoint(&token, &url).await;
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    scene.deliveries(&token, &endpoint).await[0]["attempts"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_tls_is_verified_against_name_authority_and_time() {
    let trusted = || Some(file("ca.pem"));
    let good = attempt(trusted(), "localhost.pem").await;
    assert_eq!(good["status"], 204, "{good}");
    for (roots, certificate) in [
        (None, "localhost.pem"),
        (trusted(), "other.pem"),
        (trusted(), "expired.pem"),
    ] {
        let refused = attempt(roots, certificate).await;
        assert_eq!(refused["status"], Value::Null, "{certificate}");
        assert_eq!(refused["error"], "connection_failed", "{certificate}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_that_cannot_be_read_stop_the_start() {
    let house = warikan_testkit::TestHouse::new();
    let config = Config {
        extra_roots: Some(house.directory().join("nothing.pem")),
        ..config()
    };
    let error = warikan_webhooks::Webhooks::open(config, &house.platform).await;
    let error = error.err().unwrap().to_string();
    assert!(error.contains("nothing.pem"), "{error}");
}
