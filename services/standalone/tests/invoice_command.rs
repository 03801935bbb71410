//! `warikan invoice verify` as an operator or a tenant runs it: a file, what it says, and the exit code.
#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use warikan_billing::{Billing, Config};
use warikan_contracts::{
    Envelope, Fact,
    facts::{Channel, TenantChanged, TenantState, VerificationCompleted},
};
use warikan_testkit::{App, TestHouse};
use warikan_types::{CertificateKind, Environment, TenantScope, Verdict};

async fn tell<F: Fact>(house: &TestHouse, scope: TenantScope, fact: &F) {
    let now = house.clock().now();
    let id = house.platform.entropy.id(now);
    let envelope = Envelope::of(id, Some(scope), now, "test", fact);
    house.platform.bus.publish(&envelope, 1).await.unwrap();
}

/// A month's export with one tenant and three verifications.
async fn export(house: &TestHouse) -> String {
    let billing = Billing::open(Config::default(), &house.platform, Vec::new())
        .await
        .unwrap();
    let app = App::serve(&house.platform, vec![billing.module()]).await;
    let scope = house.tenant(Environment::Production);
    let tenant = TenantChanged {
        tenant: scope.tenant(),
        name: "青空証券株式会社".to_owned(),
        plan: "standard".to_owned(),
        state: TenantState::Active,
        revision: 1,
    };
    tell(house, scope, &tenant).await;
    let now = house.clock().now();
    for _ in 0..3 {
        let fact = VerificationCompleted {
            verification: house.platform.entropy.id(now),
            client: house.platform.entropy.id(now),
            kind: Some(CertificateKind::CardSignature),
            channel: Some(Channel::Crl),
            verdict: Verdict::Valid,
            reason: None,
            subject: None,
            handle: None,
            accepted_at: now,
            watch: None,
        };
        tell(house, scope, &fact).await;
    }
    let month_end = "2026-12-01T00:00:00Z".parse().unwrap();
    let until: warikan_types::Timestamp = month_end;
    house.clock().advance(until.since(now)).unwrap();
    let token = house.operator_token();
    // The facts have no service behind them here.
    let close = "/v1/operator/months/2026-11/close?accept_differences=true";
    app.post(close, &token, &json!({})).await.expect(200);
    let path = "/v1/operator/months/2026-11/export";
    let request = app.request(reqwest::Method::GET, path).bearer_auth(&token);
    String::from_utf8(App::read(request).await.body).unwrap()
}

fn warikan(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warikan"));
    command.args(["invoice", "verify"]).arg(file);
    command
}

fn written(house: &TestHouse, name: &str, text: &str) -> PathBuf {
    let file = house.directory().join(name);
    std::fs::write(&file, text).unwrap();
    file
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The export with one member of one line changed.
fn changed(export: &str, kind: &str, change: impl Fn(&mut Value)) -> String {
    let mut done = false;
    let lines = export.lines().map(|line| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        if value["type"] == kind && !done {
            change(&mut value);
            done = true;
        }
        value.to_string() + "\n"
    });
    let text = lines.collect();
    assert!(done, "no line of type {kind}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_export_is_verified_and_a_changed_one_is_named() {
    let house = TestHouse::new();
    let export = export(&house).await;

    let good = written(&house, "good.ndjson", &export);
    let (code, out, err) = said(&warikan(&good).output().unwrap());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(
        out,
        "1 invoices, 3 lines, 3 records: all recomputed, no difference\n"
    );

    // From standard input too.
    let mut piped = warikan(Path::new("-"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = piped.stdin.take().unwrap();
    input.write_all(export.as_bytes()).unwrap();
    drop(input);
    let output = piped.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));

    let record = changed(&export, "record", |line| {
        line["accepted_at"] = json!("2026-10-31T00:00:00Z");
    });
    let (code, out, _) = said(
        &warikan(&written(&house, "record.ndjson", &record))
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("invoice 2026-11-00001: record use_"),
        "it names the record: {out}"
    );
    assert!(out.contains("its digest differs"), "{out}");
    assert!(out.contains("it was accepted in another month"), "{out}");

    let dearer = changed(&export, "invoice", |line| {
        line["invoice"]["lines"][1]["unit_price"] = json!(101);
        line["invoice"]["lines"][1]["amount"] = json!(303);
    });
    let (code, out, _) = said(
        &warikan(&written(&house, "dearer.ndjson", &dearer))
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("line 2: unit price: the export says 101, recomputed 100"),
        "{out}"
    );
    assert!(out.trim_end().ends_with("differences"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_export_is_an_error_that_says_where() {
    let house = TestHouse::new();
    let export = export(&house).await;
    let cut: String = export
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    let none = "{\"type\":\"nothing\"}\n".to_owned();
    for (name, text, says) in [
        ("cut", cut, "its last line is missing"),
        ("none", none, "line 1"),
        ("empty", String::new(), "its last line is missing"),
    ] {
        let file = written(&house, &format!("{name}.ndjson"), &text);
        let (code, out, err) = said(&warikan(&file).output().unwrap());
        assert_eq!(code, Some(1), "{name}: {out}{err}");
        assert!(err.contains(says), "{name}: {err}");
    }
    let absent = house.directory().join("absent.ndjson");
    let (code, _, err) = said(&warikan(&absent).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.contains("absent.ndjson"), "{err}");
}
