//! `warikan demo --against`: the same walk against a platform that runs, in both shapes, and that it fails where a step does.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::path::PathBuf;

use support::{
    Installation, Split,
    broker::{Broker, configuration},
    run,
    split::SERVICES,
    text,
};

const STEPS: [&str; 11] = [
    "A securities firm is onboarded and goes live.",
    "A citizen gets a card and signs an account application.",
    "The firm verifies it and reads the four attributes.",
    "A tampered copy is refused.",
    "The same request again: the same answer, no second charge.",
    "The firm has a thousand customers watched.",
    "The citizen moves; the day's revocation list is published.",
    "Exactly that customer is flagged.",
    "The signed webhook arrives, though the receiver failed once.",
    "A second firm never sees anything of the first.",
    "The month cannot be closed before its end, and adds up so far.",
];

/// Exit code and what was said.
async fn walk(base: &str, credential: PathBuf) -> (Option<i32>, String) {
    let base = base.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let credential = credential.to_str().unwrap();
        run(
            &[
                "demo",
                "--against",
                &base,
                "--operator-credential",
                credential,
            ],
            &[],
        )
    });
    let output = output.await.unwrap();
    let (said, complained) = text(&output);
    (output.status.code(), format!("{said}\n{complained}"))
}

fn titles(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| line.trim_start().split_once(". "))
        .filter(|(number, _)| number.parse::<u8>().is_ok())
        .map(|(_, title)| title)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_walks_against_separate_processes_and_says_which_step_failed() {
    let Some(broker) = Broker::find("demo").await else {
        return;
    };
    let (more, database) = configuration(&broker);
    let mut split = Split::new(&format!(
        "{more}[webhooks]\nallow_loopback_http_in_sandbox = true\n"
    ));
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    split.ready().await;
    let base = split.process("gateway").base.clone();
    let credential = split.data().join("operator-credential.json");
    let (code, said) = walk(&base, credential.clone()).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(titles(&said), STEPS, "{said}");
    for words in [
        "of 1000 watched customers exactly one: C-0001, affiliation_changed",
        "answered 500 and 204",
        "left out: the close and the invoice",
        "1000 status checks",
        "Every step was as it should be.",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }

    // Once more on the same platform, which lacks a service now: it is not ready, and the walk says where it got to.
    split.kill("billing");
    let (code, said) = walk(&base, credential).await;
    assert_eq!(code, Some(1), "{said}");
    let wrong = format!("NOT as it should be: {}", STEPS[2]);
    assert!(said.contains(&wrong), "{said}");
    split.stop_all().await;
    broker.clear().await;
    drop(database);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_walks_against_one_binary_that_does_not_deliver_to_this_machine() {
    let here = Installation::configured("[revocation]\nsync_period_seconds = 1\n");
    let server = here.serve().await;
    server.ready().await;
    let credential = here.data().join("operator-credential.json");
    let (code, said) = walk(&server.base, credential).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("left out: the platform does not deliver to this machine"),
        "{said}"
    );
    assert_eq!(titles(&said), STEPS, "{said}");

    let (code, said) = walk(&server.base, here.beside("nowhere.json")).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("NOT as it should be: {}", STEPS[0])),
        "{said}"
    );
    server.stop().await;
}
