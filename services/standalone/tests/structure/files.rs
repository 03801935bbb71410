//! Small rooms: what a file may be, and what must not be in one.

use std::path::Path;

use crate::{
    nothing_wrong,
    repository::{files, is_test, root, rust_files, toml_file},
};

/// Lines of a source file that one person reads in one sitting.
const SOURCE_LINES: usize = 450;
/// Tests are read a function at a time.
const TEST_LINES: usize = 700;
/// The map must stay a map.
const MAP_LINES: usize = 400;
/// Lines of a function, as clippy counts them.
const FUNCTION_LINES: i64 = 80;

/// Where a lint of ours is switched off, and why. The list only shrinks.
const SWITCHED_OFF: [(&str, &str, &str); 3] = [
    (
        "shared/types/src/clock.rs",
        "clippy::disallowed_methods",
        "the one place that reads the machine's clock",
    ),
    (
        "shared/types/src/entropy.rs",
        "clippy::disallowed_methods",
        "the one place that reads the machine's randomness",
    ),
    (
        "loadtests/src/naive/mod.rs",
        "clippy::disallowed_methods",
        "a baseline for the bench, written as one would write it first",
    ),
];
/// Lints that hold the house's rules and are not switched off in passing.
const GUARDED: [&str; 3] = [
    "clippy::disallowed_methods",
    "clippy::disallowed_types",
    "clippy::too_many_lines",
];

/// Words of unfinished work, in two halves so that this file does not hold them itself.
const UNFINISHED: [(&str, &str); 5] = [
    ("TO", "DO"),
    ("FIX", "ME"),
    ("to", "do!("),
    ("unimplem", "ented!("),
    ("db", "g!("),
];
/// Places of someone's machine, likewise.
const SOMEONES_MACHINE: [(&str, &str); 3] = [("/wo", "rk/"), ("/ro", "ot/"), ("/tmp/", "t-")];

#[test]
fn no_file_is_too_long_to_be_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let limit = if is_test(&path) {
            TEST_LINES
        } else {
            SOURCE_LINES
        };
        let lines = text.lines().count();
        if lines > limit {
            wrong.push(format!(
                "{}: {lines} lines, at most {limit}",
                path.display()
            ));
        }
    }
    let map = root().join("ARCHITECTURE.md");
    if map.exists() {
        let lines = std::fs::read_to_string(map).unwrap().lines().count();
        if lines > MAP_LINES {
            wrong.push(format!(
                "ARCHITECTURE.md: {lines} lines, at most {MAP_LINES}"
            ));
        }
    }
    nothing_wrong(
        "Split these by what they are about, not by number of lines:",
        &wrong,
    );
}

/// Clippy counts; here is only seen to it that it counts, and to what.
#[test]
fn no_function_is_longer_than_a_screen() {
    let threshold = toml_file("clippy.toml")
        .get("too-many-lines-threshold")
        .and_then(toml::Value::as_integer)
        .expect("clippy.toml sets too-many-lines-threshold");
    assert!(
        (1..=FUNCTION_LINES).contains(&threshold),
        "clippy.toml: too-many-lines-threshold is {threshold}; put it back to {FUNCTION_LINES} and split the function"
    );
    let manifest = toml_file("Cargo.toml");
    let level = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("lints")?.get("clippy")?.get("too_many_lines"));
    assert!(
        matches!(
            level.and_then(toml::Value::as_str),
            Some("warn" | "deny" | "forbid")
        ),
        "Cargo.toml: [workspace.lints.clippy] must keep too_many_lines"
    );
}

#[test]
fn the_rules_of_the_house_are_switched_off_only_where_it_is_written_why() {
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for (path, text) in rust_files() {
        if this_suite(&path) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for lint in GUARDED {
                if !line.contains(lint) {
                    continue;
                }
                let path = path.display().to_string();
                let known = SWITCHED_OFF
                    .iter()
                    .position(|(file, one, _)| *file == path && *one == lint);
                match known {
                    Some(index) => seen.push(index),
                    None => wrong.push(format!("{path}:{}: {lint}", number + 1)),
                }
            }
        }
    }
    for (index, (file, lint, why)) in SWITCHED_OFF.iter().enumerate() {
        if !seen.contains(&index) {
            wrong.push(format!(
                "{file} no longer switches off {lint} ({why}); remove it from SWITCHED_OFF"
            ));
        }
    }
    nothing_wrong(
        "Take a Clock or an Entropy as a parameter, or split the function, instead of switching the lint off. Where that truly \
         cannot be, add a row with the reason to SWITCHED_OFF:",
        &wrong,
    );
}

#[test]
fn nothing_is_left_unfinished_and_nothing_names_someones_machine() {
    let mut wrong = Vec::new();
    let mut read = 0;
    for path in files() {
        // Certificates, vectors and the like are no text.
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        read += 1;
        for (number, line) in text.lines().enumerate() {
            let place = || format!("{}:{}", path.display(), number + 1);
            if written_by_us(&path) {
                for (one, other) in UNFINISHED {
                    if line.contains(&format!("{one}{other}")) {
                        wrong.push(format!("{}: {one}{other}", place()));
                    }
                }
            }
            for (one, other) in SOMEONES_MACHINE {
                if line.contains(&format!("{one}{other}")) && !is_a_url(line, one, other) {
                    wrong.push(format!("{}: {one}{other}", place()));
                }
            }
        }
    }
    assert!(read > 100, "only {read} files were read");
    nothing_wrong(
        "Finish it or take it out; take paths from the environment or from the file's own place:",
        &wrong,
    );
}

/// Encoded data may spell any word by chance.
fn written_by_us(path: &Path) -> bool {
    path.extension().is_none_or(|extension| {
        ["rs", "toml", "md", "sh", "yaml", "yml", "py"]
            .iter()
            .any(|ours| extension == *ours)
    })
}

/// A path inside a URL is no path of a machine.
fn is_a_url(line: &str, one: &str, other: &str) -> bool {
    line.split(|c: char| c.is_whitespace() || c == '"')
        .filter(|word| word.contains(&format!("{one}{other}")))
        .all(|word| word.contains("https://") || word.contains("http://"))
}

fn this_suite(path: &Path) -> bool {
    path.starts_with("services/standalone/tests/structure")
}
