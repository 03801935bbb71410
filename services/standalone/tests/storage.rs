//! F088: the one binary on a disk that is full, cannot be written, or has lost what was on it. It says so and loses nothing that it acknowledged.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use support::{Installation, free, run, text};
use warikan_runtime::Databases;

const KEPT: &str = "割勘証券株式会社";

/// A directory with a tenant in it, and no process.
async fn installation() -> Installation {
    let here = Installation::new();
    let server = here.serve().await;
    server.ready().await;
    server.operator().await.take_on(KEPT).await;
    server.stop().await;
    here
}

/// `serve` must end by itself; gives what it said.
fn refuses(here: &Installation) -> String {
    let listen = free();
    let output = run(
        &[
            "serve",
            "--data-dir",
            &here.data_text(),
            "--listen",
            &listen,
        ],
        &[],
    );
    let (_, complained) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{complained}");
    complained
}

async fn keeps_its_tenant(here: &Installation) {
    let server = here.serve().await;
    let operator = server.operator().await;
    let rows = operator.all("/v1/operator/tenants").await;
    assert!(rows.iter().any(|row| row["name"] == KEPT), "{rows:?}");
    operator.take_on("別の株式会社").await;
    server.stop().await;
}

fn spoil(file: &Path, how: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let whole = std::fs::read(file).unwrap();
    let mut spoilt = whole.clone();
    how(&mut spoilt);
    std::fs::write(file, spoilt).unwrap();
    whole
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f088_a_file_that_does_not_hold_together_is_refused_by_its_name() {
    let here = installation().await;
    let file = here.data().join("billing.sqlite");
    // The last to close a file takes what its log holds over into it.
    let databases = Databases::SqliteDirectory(here.data());
    let db = databases.existing("billing").await.unwrap().unwrap();
    db.close().await.unwrap();
    for how in [
        // A page in the middle was never written.
        (|octets: &mut Vec<u8>| octets[4_096..20_480].fill(0)) as fn(&mut Vec<u8>),
        // Another file's content.
        |octets: &mut Vec<u8>| octets[..4_096].fill(0x5A),
        // Cut off.
        |octets: &mut Vec<u8>| octets.truncate(octets.len() / 2),
    ] {
        let whole = spoil(&file, how);
        let said = refuses(&here);
        assert!(
            said.contains("billing.sqlite") && said.contains("damaged"),
            "{said}"
        );
        assert!(
            said.contains("restore the last backup"),
            "it says what to do: {said}"
        );
        std::fs::write(&file, whole).unwrap();
    }
    keeps_its_tenant(&here).await;
}

/// SQLite's log of what is not yet in the file carries a checksum for every frame: what was torn at the end was never acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f088_a_torn_write_at_the_end_of_the_wal_loses_nothing_acknowledged() {
    let here = Installation::new();
    let mut server = here.serve().await;
    server.ready().await;
    server.operator().await.take_on(KEPT).await;
    server.kill();
    let wal = here.data().join("onboarding.sqlite-wal");
    let mut octets = std::fs::read(&wal).unwrap();
    assert!(!octets.is_empty(), "killed before the checkpoint");
    octets.extend([0xA5; 3_000]);
    std::fs::write(&wal, octets).unwrap();
    keeps_its_tenant(&here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f088_a_directory_that_cannot_be_written_is_told() {
    let listen = free();
    // Nobody, not even root, makes files there.
    let output = run(
        &[
            "serve",
            "--data-dir",
            "/proc/self/task",
            "--listen",
            &listen,
        ],
        &[],
    );
    let (_, complained) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{complained}");
    assert!(
        complained.contains("/proc/self/task"),
        "it names the place: {complained}"
    );
}

/// A limit on a file's size stands for a disk that is full: `write` fails with EFBIG where it would fail with ENOSPC, and SQLite answers both
/// alike, by rolling back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f088_a_full_disk_refuses_what_it_cannot_keep_and_keeps_the_rest() {
    let here = installation().await;
    let wrapper = here.beside("full");
    // 512 octets a block; SIGXFSZ is ignored so that the write fails instead of the process.
    let script = format!(
        "#!/bin/sh\ntrap '' XFSZ\nulimit -f 900\nexec {} serve \"$@\"\n",
        env!("CARGO_BIN_EXE_warikan")
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    let arguments = ["--listen", "127.0.0.1:0"];
    let server = here
        .spawn_program(wrapper.to_str().unwrap(), "full.log", &arguments, &[])
        .await;
    let operator = server.operator().await;
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0..400 {
        let name = format!("{number}{}", "株式会社".repeat(40));
        let reply = operator
            .post("/v1/operator/tenants", &json!({ "name": name }))
            .await;
        match reply.status.as_u16() {
            201 => acknowledged.push(name),
            status => {
                assert!((500..=503).contains(&status), "{status}");
                refused += 1;
            }
        }
        if refused >= 2 {
            break;
        }
    }
    assert!(
        refused >= 2,
        "the disk was never full: {} were taken",
        acknowledged.len()
    );
    assert!(!acknowledged.is_empty());
    let live = server.anyone().get("/health/live").await;
    assert_eq!(live.status, 200);
    server.stop().await;
    // With room again, everything is there that was acknowledged.
    let server = here.serve().await;
    let operator = server.operator().await;
    let rows = operator.all("/v1/operator/tenants").await;
    for name in &acknowledged {
        assert!(
            rows.iter().any(|row| row["name"] == name.as_str()),
            "{name} was lost"
        );
    }
    assert_eq!(
        rows.len(),
        acknowledged.len() + 1,
        "and nothing that was refused"
    );
    server.stop().await;
}
