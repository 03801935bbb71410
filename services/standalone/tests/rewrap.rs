//! Keys (F096): `warikan rewrap` rotates those that wrap data keys beside a server that runs, and no crash lays any on a disk.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and says what it leaves out"
)]

mod support;

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus, Stdio},
};

use serde_json::{Value, json};
use support::{Installation, process::program, run, text, until};

fn rewrap(here: &Installation, new_key: bool) -> String {
    let data = here.data_text();
    let mut arguments = vec!["rewrap", "--data-dir", &data];
    if new_key {
        arguments.push("--new-key");
    }
    let output = run(&arguments, &[]);
    let (said, complained) = text(&output);
    assert!(output.status.success(), "{said}{complained}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f096_wrapping_keys_are_rotated_and_older_and_newer_data_keys_are_read() {
    let here = Installation::new();
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let anyone = server.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    let verified = firm.verify(&body).await;
    let path = format!("/v1/verifications/{}", verified["id"].as_str().unwrap());

    let said = rewrap(&here, true);
    assert!(said.contains("is the wrapping key in force"), "{said}");
    assert!(
        said.contains("verification: 1 data keys, 1 wrapped anew under wrapping-"),
        "{said}"
    );
    // The server runs on; a tenant whose key is made now is served too, under whichever wrapping key the server has.
    firm.get(&path).await.expect(200);
    let second = operator.take_on("隣町銀行株式会社").await;
    let neighbour = operator.credential(&second, "sandbox").await;
    neighbour.verify(&body).await;
    let said = rewrap(&here, false);
    assert!(said.contains("verification: 2 data keys, "), "{said}");
    let said = rewrap(&here, false);
    assert!(
        said.contains("verification: 2 data keys, 0 wrapped anew"),
        "{said}"
    );
    let address = server.base.trim_start_matches("http://").to_owned();
    server.stop().await;

    // Keys of yesterday over the data of today: refused, and it comes back with the key.
    let file = here.data().join("keys.json");
    let keys = std::fs::read(&file).unwrap();
    let mut older: Value = serde_json::from_slice(&keys).unwrap();
    older.as_object_mut().unwrap().remove("wrapping");
    std::fs::write(&file, older.to_string()).unwrap();
    let server = here.serve_at(&address).await;
    server.ready().await;
    firm.get(&path).await.expect_problem(500, "internal");
    std::fs::write(&file, keys).unwrap();
    until("the key is found again", async || {
        let reply = firm.get(&path).await;
        (reply.status == 200).then_some(())
    })
    .await;
    server.stop().await;
}

/// Runs a program that may leave a core as large as it likes, and aborts it when it has said something.
fn aborted(what: &[&str], folder: &std::path::Path) -> ExitStatus {
    let mut child = program("sh")
        .args(["-c", "ulimit -c unlimited 2>/dev/null; exec \"$@\"", "sh"])
        .args(what)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    // `serve` says where its data lies when it is ready to work.
    let ready = said
        .lines()
        .map_while(Result::ok)
        .any(|line| line.starts_with("  data "));
    assert!(ready, "it did not start");
    let script = format!("kill -ABRT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");
    status
}

#[test]
fn f096_no_crash_writes_the_keys_into_a_core() {
    let folder = tempfile::tempdir().unwrap();
    let control = aborted(
        &["sh", "-c", "echo '  data '; exec sleep 1000"],
        folder.path(),
    );
    if !control.core_dumped() {
        eprintln!("left out: this machine dumps no core of anybody");
        return;
    }
    let data = folder.path().join("data");
    let serve = [
        env!("CARGO_BIN_EXE_warikan"),
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    assert!(!aborted(&serve, folder.path()).core_dumped());
}
