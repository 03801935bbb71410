//! `warikan demo` as a newcomer runs it, and that it says so when something is not as it should be.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::process::Command;

use support::{run, text};

const STEPS: [&str; 11] = [
    "A securities firm is onboarded and goes live.",
    "A citizen gets a card and signs an account application.",
    "The firm verifies it and reads the four attributes.",
    "A tampered copy is refused.",
    "The same request again: the same answer, no second charge.",
    "The firm has a thousand customers watched.",
    "The citizen moves; the day's revocation list is published.",
    "Exactly that customer is flagged.",
    "The signed webhook arrives, though the receiver failed twice.",
    "A second firm never sees anything of the first.",
    "The month is closed and the invoice adds up.",
];

#[test]
fn the_demo_walks_eleven_steps_and_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&["demo"], &[("TMPDIR", directory.path().to_str().unwrap())]);
    let (said, complained) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}\n{complained}");
    let titles: Vec<&str> = said
        .lines()
        .filter_map(|line| line.trim_start().split_once(". "))
        .filter(|(number, _)| number.parse::<u8>().is_ok())
        .map(|(_, title)| title)
        .collect();
    assert_eq!(titles, STEPS);
    for words in [
        "黒桐　幹也 has a card",
        "name 黒桐　幹也, address 東京都清瀬市観布子南１２－７－２０２, born 1980-02-17",
        "割勘証券株式会社 is active",
        "invalid, signature_mismatch",
        "of 1000 watched customers exactly one: C-0001, affiliation_changed",
        "answered 500, 500 and 204",
        "隣町銀行株式会社 tried",
        "Every step was as it should be.",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert_eq!(
        said.lines()
            .filter(|line| line.trim_end().ends_with(" ms)"))
            .count(),
        STEPS.len(),
        "each step says how long it took"
    );
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_demo_that_cannot_set_its_stage_fails() {
    let output = run(&["demo"], &[("TMPDIR", "/nonexistent/nowhere")]);
    let (said, complained) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        complained.contains("cannot make a temporary directory"),
        "{complained}"
    );
}

/// A disk that is full at 2 MB a file: the walk begins, and a step in the middle of it fails.
#[test]
fn f088_a_demo_whose_disk_fills_up_says_which_step_failed() {
    let script = format!(
        "trap '' XFSZ; ulimit -f 4000; exec '{}' demo",
        env!("CARGO_BIN_EXE_warikan")
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let (said, complained) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}\n{complained}");
    assert!(!said.contains("Every step was as it should be."), "{said}");
    assert!(
        said.contains("NOT as it should be: "),
        "{said}\n{complained}"
    );
    assert!(
        STEPS
            .iter()
            .any(|title| said.contains(&format!("NOT as it should be: {title}"))),
        "the step is named: {said}"
    );
}
