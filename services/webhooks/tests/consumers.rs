//! What consumers verify with: the snippets of the documentation, and the libraries that Standard Webhooks publishes, each where
//! the language is there. One that is not there is named on standard output.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail the test, and what is skipped is said"
)]

mod common;
#[path = "../../../docs/webhooks/verify.rs"]
mod verify;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{Scene, config};
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use warikan_runtime::Clocks;
use warikan_testkit::{App, TestHouse, WebhookSink};
use warikan_types::Clock;
use warikan_webhooks::Webhooks;

/// A delivery during a rotation: two secrets, four signatures. By the machine's clock, since the libraries look at it.
struct Delivery {
    old: Value,
    new: Value,
    id: String,
    timestamp: i64,
    signature: String,
    body: Vec<u8>,
}

async fn delivery() -> Delivery {
    let mut house = TestHouse::new();
    house.platform.clocks = Clocks {
        production: Clock::system(),
        sandbox: Clock::system(),
    };
    let service = Webhooks::open(config(), &house.platform).await.unwrap();
    let app = App::serve(&house.platform, vec![service.module()]).await;
    let scene = Scene { house, app };
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    let old = scene.endpoint(&token, &sink.url).await;
    let path = format!(
        "/v1/webhook-endpoints/{}/rotate-secret",
        old["id"].as_str().unwrap()
    );
    let new = scene.app.post(&path, &token, &json!({})).await;
    let new = new.expect(200).clone();
    scene.happen(tenant, 1).await;
    scene.deliver().await;
    let one = sink.received().remove(0);
    let header = |name: &str| one.header(name).unwrap().to_owned();
    Delivery {
        old,
        new,
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap(),
        signature: header("webhook-signature"),
        body: one.body.clone(),
    }
}

/// One request and whether it must be accepted.
struct Case {
    what: String,
    key: String,
    id: String,
    timestamp: String,
    signature: String,
    body: Vec<u8>,
    now: i64,
    genuine: bool,
}

fn cases(delivery: &Delivery, asymmetric: bool) -> Vec<Case> {
    let member = if asymmetric { "public_key" } else { "secret" };
    let key = |of: &Value| of[member].as_str().unwrap().to_owned();
    let good = |what: &str| Case {
        what: what.to_owned(),
        key: key(&delivery.new),
        id: delivery.id.clone(),
        timestamp: delivery.timestamp.to_string(),
        signature: delivery.signature.clone(),
        body: delivery.body.clone(),
        now: delivery.timestamp,
        genuine: true,
    };
    let bad = |what: &str| Case {
        genuine: false,
        ..good(what)
    };
    let other_scheme = delivery.signature.split(' ');
    let other_scheme: Vec<&str> = other_scheme
        .filter(|one| one.starts_with("v1a,") != asymmetric)
        .collect();
    let mut longer = delivery.body.clone();
    longer.push(b' ');
    vec![
        good("as sent"),
        Case {
            key: key(&delivery.old),
            ..good("by the secret before the rotation")
        },
        Case {
            now: delivery.timestamp + 299,
            ..good("just fresh")
        },
        Case {
            now: delivery.timestamp + 301,
            ..bad("too old")
        },
        Case {
            now: delivery.timestamp - 301,
            ..bad("from the future")
        },
        Case {
            body: longer,
            ..bad("a changed body")
        },
        Case {
            id: "evt_other".to_owned(),
            ..bad("another id")
        },
        Case {
            timestamp: (delivery.timestamp + 1).to_string(),
            ..bad("another timestamp")
        },
        Case {
            timestamp: "soon".to_owned(),
            ..bad("a timestamp that is none")
        },
        Case {
            signature: other_scheme.join(" "),
            ..bad("only the other scheme's signatures")
        },
        Case {
            signature: "v1,AAAA v1a,AAAA nonsense v1".to_owned(),
            ..bad("broken signatures")
        },
    ]
}

/// Others' cases of what to accept and what to refuse by `v1`, from the conformance suite; none where it is not there. Each changes one
/// thing of a genuine request; the library's expectations, with the moment it is looked at passed in.
fn suite() -> Vec<Case> {
    let suites = std::env::var_os("WARIKAN_SUITES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites"),
        PathBuf::from,
    );
    let path = suites.join("webhooks/standard_webhooks.json");
    let Ok(text) = std::fs::read(&path) else {
        println!(
            "skipped: no Standard Webhooks vectors at {}",
            path.display()
        );
        return Vec::new();
    };
    let suite: Value = serde_json::from_slice(&text).unwrap();
    let read = |list: &str, genuine: bool| -> Vec<Case> {
        let cases = suite[list].as_array().unwrap().iter();
        cases
            .map(|case| changed(&suite["verify_base"], case, genuine))
            .collect()
    };
    let (accept, reject) = (read("verify_accept", true), read("verify_reject", false));
    assert!(accept.len() >= 5 && reject.len() >= 13);
    accept.into_iter().chain(reject).collect()
}

fn changed(base: &Value, case: &Value, genuine: bool) -> Case {
    let change = case["change"].as_object().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in base["headers"].as_object().unwrap() {
        // HTTP's own rule (RFC 9110 5.1): names in any case are one name. The servers that consumers run on give them in lower case.
        let renamed = change.get("header-case").and_then(Value::as_str);
        let renamed = renamed.filter(|other| other.eq_ignore_ascii_case(name));
        let value = change.get(name).unwrap_or(value);
        if let Some(text) = value.as_str() {
            let name: HeaderName = renamed.unwrap_or(name).parse().unwrap();
            headers.insert(name, text.parse().unwrap());
        }
    }
    let header = |name: &str| {
        let value = headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let or_base = |name: &str| change.get(name).unwrap_or(&base[name]);
    for name in change.keys() {
        let known = ["secret", "payload", "now", "header-case"].contains(&name.as_str());
        assert!(known || name.starts_with("webhook-"), "{name} is not read");
    }
    Case {
        what: case["id"].as_str().unwrap().to_owned(),
        key: or_base("secret").as_str().unwrap().to_owned(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: or_base("payload").as_str().unwrap().as_bytes().to_vec(),
        now: or_base("now").as_i64().unwrap(),
        genuine,
    }
}

fn run(command: &mut Command, case: &Case) -> bool {
    let mut child = command
        .args([&case.key, &case.id, &case.timestamp, &case.signature])
        .arg(case.now.to_string())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&case.body).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => true,
        // A crash is no refusal.
        Some(1) if said.is_empty() => false,
        other => panic!("{}: {other:?} {said}", case.what),
    }
}

fn there(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").output();
    let there = tried.is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: {program} is not there");
    }
    there
}

fn documentation(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/webhooks")
        .join(name)
}

fn check(cases: &[Case], mut verify: impl FnMut(&Case) -> bool) {
    for case in cases {
        assert_eq!(verify(case), case.genuine, "{}", case.what);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_f065_the_snippet_in_rust_verifies() {
    let delivery = delivery().await;
    let verify = |case: &Case| {
        let headers = verify::Headers {
            id: &case.id,
            timestamp: &case.timestamp,
            signature: &case.signature,
        };
        verify::verify(&case.key, &headers, &case.body, case.now)
    };
    for asymmetric in [false, true] {
        check(&cases(&delivery, asymmetric), verify);
    }
    check(&suite(), verify);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_f065_the_snippet_in_python_verifies() {
    if !there("python3") {
        return;
    }
    let mut cases = cases(&delivery().await, false);
    cases.extend(suite());
    check(&cases, |case| {
        run(
            Command::new("python3").arg(documentation("verify.py")),
            case,
        )
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_f065_the_snippet_in_typescript_verifies() {
    if !there("node") {
        return;
    }
    // Node 20 cannot erase types. The snippet keeps them in one declaration and one annotation, which is all that is erased here.
    let text = std::fs::read_to_string(documentation("verify.ts")).unwrap();
    let (declarations, lines): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("type "));
    assert_eq!(declarations.len(), 1);
    let script = lines.join("\n").replace("verify: Verify =", "verify =");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("verify.mjs");
    std::fs::write(&path, script).unwrap();
    let delivery = delivery().await;
    for asymmetric in [false, true] {
        let cases = cases(&delivery, asymmetric);
        check(&cases, |case| run(Command::new("node").arg(&path), case));
    }
    check(&suite(), |case| run(Command::new("node").arg(&path), case));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_f065_the_snippet_in_java_verifies() {
    if !there("javac") || !there("java") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let compiled = Command::new("javac")
        .arg("-d")
        .arg(directory.path())
        .arg(documentation("Verify.java"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let verify = |case: &Case| {
        let mut command = Command::new("java");
        command.arg("-Xshare:auto").arg("-cp").arg(directory.path());
        run(command.arg("Verify"), case)
    };
    let delivery = delivery().await;
    for asymmetric in [false, true] {
        check(&cases(&delivery, asymmetric), verify);
    }
    check(&suite(), verify);
}

const PYTHON: &str = "
import sys
from standardwebhooks import Webhook
names = ('webhook-id', 'webhook-timestamp', 'webhook-signature')
try:
    Webhook(sys.argv[1]).verify(sys.stdin.buffer.read(), dict(zip(names, sys.argv[2:5])))
except Exception:
    sys.exit(1)
";

const JAVASCRIPT: &str = "
const { Webhook } = require('standardwebhooks');
const [secret, id, timestamp, signature] = process.argv.slice(1);
const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
try {
  new Webhook(secret).verify(require('fs').readFileSync(0), headers);
} catch (error) {
  process.exit(1);
}
";

/// The libraries look at the machine's clock, so that cases of age are not theirs to judge here.
fn at_present(delivery: &Delivery) -> Vec<Case> {
    let all = cases(delivery, false).into_iter();
    all.filter(|case| case.now == delivery.timestamp).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_f065_the_official_python_library_verifies() {
    let python = std::env::var_os("WARIKAN_PYTHON").unwrap_or_else(|| "python3".into());
    let tried = Command::new(&python)
        .args(["-c", "import standardwebhooks"])
        .output();
    if !tried.is_ok_and(|output| output.status.success()) {
        println!(
            "skipped: the Python library is not there; docs/webhooks/check-libraries installs it"
        );
        return;
    }
    check(&at_present(&delivery().await), |case| {
        run(Command::new(&python).args(["-c", PYTHON]), case)
    });
    println!("the official Python library agrees");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f064_f065_the_official_javascript_library_verifies() {
    let Some(libraries) = std::env::var_os("WARIKAN_JS_LIBS") else {
        println!("skipped: no WARIKAN_JS_LIBS; docs/webhooks/check-libraries sets it");
        return;
    };
    check(&at_present(&delivery().await), |case| {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &libraries);
        run(command.args(["-e", JAVASCRIPT]), case)
    });
    println!("the official JavaScript library agrees");
}
