//! The parts as programs of their own: one binary each, over the network alone. `cargo test -p warikan --features processes`.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{Split, until};

/// The programs, with the part that each is.
const PROGRAMS: [(&str, &str); 7] = [
    ("gateway", env!("CARGO_BIN_EXE_warikan-gateway")),
    ("onboarding", env!("CARGO_BIN_EXE_warikan-onboarding")),
    ("verification", env!("CARGO_BIN_EXE_warikan-verification")),
    ("revocation", env!("CARGO_BIN_EXE_warikan-revocation")),
    ("webhooks", env!("CARGO_BIN_EXE_warikan-webhooks")),
    ("billing", env!("CARGO_BIN_EXE_warikan-billing")),
    ("sandbox", env!("CARGO_BIN_EXE_warikan-sandbox")),
];

/// A broker that nobody is: whatever a service has to tell waits in its outbox, and it starts and serves all the same.
const NO_BROKER: &str = "[rabbitmq]\nurl = \"amqp://guest:guest@127.0.0.1:9/%2f\"\ntimeout_ms = 200\n[revocation]\nsync_period_seconds = 1\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f082_each_program_starts_in_the_wrong_order_with_the_bus_down_and_keeps_its_facts() {
    let ops = support::free();
    let mut split = Split::new(&format!("{NO_BROKER}[ops]\nlisten = \"{ops}\"\n"));
    // Those who ask before those who answer. The operator's listener is the first one's: the others have no such variable.
    let order = [
        "verification",
        "gateway",
        "webhooks",
        "billing",
        "revocation",
        "onboarding",
        "sandbox",
    ];
    for role in order {
        let program = PROGRAMS.iter().find(|(part, _)| *part == role).unwrap().1;
        let listen = if role == "verification" {
            ops.clone()
        } else {
            support::free()
        };
        split
            .start_program(role, program, &[("WARIKAN_OPS__LISTEN", &listen)])
            .await;
    }
    split.ready().await;
    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    let before = waiting(&ops).await;
    let answer: Value = until("a valid verdict", async || {
        let answer = firm.verify(&body).await;
        (answer["verdict"] == "valid").then_some(answer)
    })
    .await;
    let id = answer["id"].as_str().unwrap();
    firm.get(&format!("/v1/verifications/{id}"))
        .await
        .expect(200);
    // The fact is where it is safe, and counted as waiting.
    until("the fact to wait in the outbox", async || {
        (waiting(&ops).await > before).then_some(())
    })
    .await;
    split.stop_all().await;
}

/// `warikan_outbox_waiting` of a process.
async fn waiting(ops: &str) -> i64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = client.get(format!("http://{ops}/metrics")).send().await;
    let text = text.unwrap().text().await.unwrap();
    text.lines()
        .filter(|line| line.starts_with("warikan_outbox_waiting"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok())
        .sum()
}

#[test]
fn a_part_is_told_nothing_but_its_settings_and_names_itself() {
    for (part, program) in PROGRAMS {
        let run = |argument: &str| {
            let output = Command::new(program).arg(argument).output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8(text).unwrap())
        };
        let (good, version) = run("--version");
        let wanted = format!("warikan-{part} {}\n", env!("CARGO_PKG_VERSION"));
        assert!(good && version == wanted, "{version}");
        let (good, said) = run("demo");
        assert!(!good && said.contains("unexpected argument"), "{said}");
        let (good, said) = run("--role=billing");
        assert!(!good && said.contains("unexpected argument"), "{said}");
    }
}
