//! The naive baseline: the same two requests as one would write them first. A benchmark and nothing else.
//!
//! It answers `POST /v1/challenges` and `POST /v1/verifications` for the load test's own bodies, and keeps what the platform keeps: challenge,
//! subject, sealed evidence, idempotent answer, fact for the outbox; the answer comes after a durable commit. But each request is a
//! transaction with a statement for each thing, the certificate goes through general-purpose parsers and is encoded again for its signature
//! to be checked, the issuer's key is read anew each time, and the status is a row. It has no feed, no billing, no tenants' walls, no limits
//! and no metrics, so what it is compared with does more.

#![allow(
    clippy::disallowed_methods,
    reason = "it is written as one would write it first"
)]

mod server;
mod store;
mod verify;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

pub(crate) use server::serve;

use crate::caller::Caller;

/// The secret of its access tokens; it trusts whoever has it.
const SECRET: &[u8] = b"a secret of the load test, and of nothing else";

/// The baseline as a process, on a database of its own.
pub(crate) struct Naive {
    child: Child,
    pub(crate) caller: Caller,
}

impl Naive {
    /// Starts this program once more, as the baseline.
    pub(crate) fn start(database: &str, roots: &[Vec<u8>], folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("roots.json");
        let roots: Vec<String> = roots.iter().map(|root| STANDARD.encode(root)).collect();
        std::fs::write(&file, json!(roots).to_string())?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["naive", "--database", database, "--roots"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim();
        let caller = Caller::anyone(&format!("http://{address}"));
        let caller = caller?.holding(server::token("a tenant")?);
        let naive = Self { child, caller };
        ensure!(!address.is_empty(), "the baseline did not start");
        Ok(naive)
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        // Both fail where it has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
