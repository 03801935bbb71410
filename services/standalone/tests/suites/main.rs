//! Conformance vectors that no one on this project wrote, asked as anyone would ask them: each case as it stands is a line of
//! `warikan pki`, with nothing added to what its file has. Only for names and for keys without a certificate is there no operation;
//! those ask the engine.
//!
//! NIST PKITS lies in `shared/pki/testdata/pkits` and always runs. The others are read from the folder that `WARIKAN_SUITES` names
//! (default: `../shared/suites` beside the project) and are not part of it; where the folder is absent this says so in one
//! line and leaves them out. Every divergence stands in
//! `exceptions.txt` with its reason; a case listed there that passes after all fails the run, so the list only shrinks.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test code: a panic is how a test fails, and the table is its output"
)]

mod ask;
mod objects;
mod paths;
mod tally;
mod wycheproof;

use std::{path::PathBuf, process::ExitCode};

use tally::{Exceptions, Tally};

/// The folder of vectors.
struct Suites(PathBuf);

impl Suites {
    fn find() -> Option<Self> {
        let folder = std::env::var_os("WARIKAN_SUITES").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites"),
            PathBuf::from,
        );
        folder.is_dir().then_some(Self(folder))
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn text(&self, file: &str) -> String {
        String::from_utf8(self.bytes(file)).unwrap()
    }

    fn read(&self, file: &str) -> serde_json::Value {
        serde_json::from_slice(&self.bytes(file)).unwrap()
    }
}

fn main() -> ExitCode {
    // What cargo-nextest asks of a test binary: its tests by name.
    if std::env::args().any(|argument| argument == "--list") {
        if !std::env::args().any(|argument| argument == "--ignored") {
            println!("suites: test");
        }
        return ExitCode::SUCCESS;
    }
    let mut tallies = vec![paths::pkits()];
    let exceptions = Exceptions::read(include_str!("exceptions.txt"));
    let Some(suites) = Suites::find() else {
        println!("suites: all but PKITS skipped, no folder of vectors (set WARIKAN_SUITES)");
        return tally::report(&tallies, &exceptions, false);
    };
    let runs: [fn(&Suites) -> Vec<Tally>; 3] = [paths::run, objects::run, wycheproof::run];
    tallies.extend(runs.iter().flat_map(|run| run(&suites)));
    tally::report(&tallies, &exceptions, true)
}
