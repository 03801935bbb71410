//! What the tests of the binary share: the process itself, and callers that talk to it over HTTP as tenants and the
//! operator do. Nothing here reaches into a service.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary compiles this module and uses its own part of it"
)]

pub mod broker;
pub mod caller;
pub mod certificates;
pub mod jlis;
pub mod process;
pub mod servers;
pub mod split;
pub mod standing;
pub mod wire;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};

pub use caller::Caller;
pub use jlis::ProductionJlis;
pub use process::{Installation, Server, run, text};
pub use split::{Split, free};
pub use standing::Standing;

/// The longest that anything here is waited for. Reached only where something is broken.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks again until there is an answer.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(answer) => answer,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

pub fn b64(octets: impl AsRef<[u8]>) -> String {
    STANDARD.encode(octets)
}

/// A file of the real JPKI test material.
pub fn real(file: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/pki/testdata/jlis"
    );
    std::fs::read(format!("{folder}/{file}")).unwrap()
}
