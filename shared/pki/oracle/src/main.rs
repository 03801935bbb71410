//! The path engine beside certval, an independent implementation of RFC 5280 6.
//!
//! Both judge the same bags at the same time under the same policy: every case of NIST PKITS with its revocation lists,
//! every one again without them, and chains and lists of which a few octets were changed before they were signed. Where
//! the verdicts differ, one of two engines is wrong or has a rule of its own, and `disagreements.txt` says which and why.
//! The run fails on a difference that is not in that file, on a row of it that no longer differs, and whenever this
//! engine accepts what PKITS says must be refused, whatever certval makes of it.

mod cases;
mod explained;
mod mutants;
mod theirs;

// The same little CA that the engine's own tests use; of it, only the writers are needed here.
#[allow(dead_code, unused_imports)]
#[path = "../../tests/engine/chains.rs"]
mod chains;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/engine/der.rs"]
mod der;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/engine/keys.rs"]
mod keys;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/engine/pki.rs"]
mod pki;

use std::{collections::BTreeMap, fmt::Write, process::ExitCode};

use base64::{Engine, engine::general_purpose::STANDARD};
use cases::Case;
use explained::{Side, Table};

/// What came of the cases of one kind.
#[derive(Default)]
struct Row {
    both_accept: usize,
    both_refuse: usize,
    only_ours: usize,
    only_theirs: usize,
    /// Where the expected verdict is known: how often each engine missed it.
    misses: Option<(usize, usize)>,
}

fn count(row: &mut Row, case: &Case, ours: bool, theirs: bool) {
    match (ours, theirs) {
        (true, true) => row.both_accept += 1,
        (false, false) => row.both_refuse += 1,
        (true, false) => row.only_ours += 1,
        (false, true) => row.only_theirs += 1,
    }
    if let Some(expected) = case.expected {
        let misses = row.misses.get_or_insert_default();
        misses.0 += usize::from(ours != expected);
        misses.1 += usize::from(theirs != expected);
    }
}

fn table(rows: &BTreeMap<&str, Row>) -> String {
    let mut text = format!(
        "{:<26}{:>6}{:>7}{:>13}{:>13}{:>11}{:>13}   {}\n",
        "",
        "cases",
        "agree",
        "both-accept",
        "both-refuse",
        "only-ours",
        "only-theirs",
        "wrong: ours, theirs"
    );
    for (kind, row) in rows {
        let agree = row.both_accept + row.both_refuse;
        let _ = writeln!(
            text,
            "{kind:<26}{:>6}{agree:>7}{:>13}{:>13}{:>11}{:>13}   {}",
            agree + row.only_ours + row.only_theirs,
            row.both_accept,
            row.both_refuse,
            row.only_ours,
            row.only_theirs,
            row.misses
                .map_or("-".to_owned(), |(ours, theirs)| format!("{ours}, {theirs}")),
        );
    }
    text
}

/// One case's objects as base64, to be read with other tools.
fn show(cases: &[Case], id: &str) -> ExitCode {
    let Some(case) = cases.iter().find(|case| case.id == id) else {
        println!("no such case: {id}");
        return ExitCode::FAILURE;
    };
    let bags = [&case.anchors, &case.intermediates, &case.crls];
    for (name, bag) in ["anchor", "intermediate", "crl"].into_iter().zip(bags) {
        for der in bag {
            println!("{name} {}", STANDARD.encode(der));
        }
    }
    println!("target {}", STANDARD.encode(&case.target));
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let cases: Vec<Case> = cases::pkits().into_iter().chain(mutants::all()).collect();
    if let Some(id) = std::env::args().nth(1) {
        return show(&cases, &id);
    }
    let mut explanations = match Table::read(include_str!("../disagreements.txt")) {
        Ok(table) => table,
        Err(line) => {
            println!("disagreements.txt: {line}");
            return ExitCode::FAILURE;
        }
    };
    let (mut rows, mut failures) = (BTreeMap::<&str, Row>::new(), Vec::new());
    for case in &cases {
        let ours = case.ours();
        let theirs = theirs::judge(case);
        count(
            rows.entry(case.kind).or_default(),
            case,
            ours.is_ok(),
            theirs.is_ok(),
        );
        let our_word = ours.err().map_or("valid", |failure| failure.as_str());
        let their_word = theirs.as_ref().err().map_or("valid", String::as_str);
        if case.expected == Some(false) && our_word == "valid" {
            failures.push(format!("{}: accepted here, PKITS says invalid", case.id));
        }
        let Some(side) = Side::of(our_word == "valid", their_word == "valid") else {
            continue;
        };
        let words = format!(
            "{} {} here: {our_word}, certval: {their_word}",
            case.id,
            side.as_str()
        );
        match explanations.explain(case, side, our_word) {
            Some(reason) => println!("{words} [{reason}]"),
            None => failures.push(format!("unexplained: {words}")),
        }
    }
    failures.extend(
        explanations
            .unused()
            .map(|row| format!("no longer differs: {row}")),
    );
    println!("\n{}", table(&rows));
    for (class, count) in explanations.classes() {
        println!("{count:>4}  {class}");
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
