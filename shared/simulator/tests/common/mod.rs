//! A simulator with fixed keys, the real certificates, and the `openssl` program.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use chrono::{DateTime, Utc};
use warikan_simulator::{Genesis, Hierarchy, Simulator, fixtures};

pub const NOW: &str = "2026-11-21T00:00:00Z";

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub fn now() -> DateTime<Utc> {
    at(NOW)
}

pub fn simulator() -> Simulator {
    simulator_of(Hierarchy::Test)
}

pub fn simulator_of(hierarchy: Hierarchy) -> Simulator {
    Simulator::genesis(Genesis::of(hierarchy), &mut fixtures::key_source(), now()).unwrap()
}

pub fn real(file: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("testdata/jlis")
            .join(file),
    )
    .unwrap()
}

/// A directory to show things to `openssl` in.
pub struct Bench(tempfile::TempDir);

impl Bench {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Writes DER and gives the name of a PEM file.
    pub fn pem(&self, kind: &str, name: &str, der: &[u8]) -> String {
        let from = self.write(&format!("{name}.der"), der);
        let to = self
            .path(&format!("{name}.pem"))
            .to_str()
            .unwrap()
            .to_owned();
        let (ok, output) = openssl(&[kind, "-inform", "DER", "-in", &from, "-out", &to]);
        assert!(ok, "{output}");
        to
    }
}

/// Runs `openssl`; whether it succeeded, and all it said.
pub fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("the openssl program is installed");
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), said.concat())
}
