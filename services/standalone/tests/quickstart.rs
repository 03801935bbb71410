//! `docs/quickstart.md`, run as it stands: every shell block, in one shell, against the program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and says what it left out"
)]

mod support;

use std::process::{Command, Stdio};

use support::{Installation, PATIENCE};

const PAGE: &str = include_str!("../../../docs/quickstart.md");

/// The blocks that are marked as shell.
fn blocks() -> Vec<&'static str> {
    PAGE.split("\n```sh\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

fn there(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quick_start_runs_as_it_is_written() {
    let blocks = blocks();
    assert!(blocks.len() >= 7, "{} blocks", blocks.len());
    let missing: Vec<&str> = ["bash", "curl", "jq", "timeout"]
        .into_iter()
        .filter(|one| !there(one))
        .collect();
    if !missing.is_empty() {
        assert!(
            std::env::var_os("CI").is_none(),
            "the quick start needs {missing:?}"
        );
        eprintln!("quick start: not run, {missing:?} is not installed here");
        return;
    }
    let here = Installation::new();
    let server = here.serve().await;
    let script = format!("set -euo pipefail\n{}\n", blocks.join("\n"));
    // Coreutils' `timeout`: a block that waits for what never comes must not hold the tests.
    let mut command = Command::new("timeout");
    command
        .args([&PATIENCE.as_secs().to_string(), "bash", "-c", &script])
        .env("WARIKAN_URL", &server.base)
        .env("WARIKAN_DATA", here.data())
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    let (said, complained) = support::text(&output);
    assert!(
        output.status.success(),
        "{}\n{said}\n{complained}",
        output.status
    );
    for word in [
        "\"verdict\": \"valid\"",
        "\"attributes\": {",
        "signature_mismatch",
        "\"remedy\": ",
    ] {
        assert!(said.contains(word), "no {word} in\n{said}");
    }
    server.stop().await;
}
