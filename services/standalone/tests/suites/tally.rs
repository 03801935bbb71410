//! Counting, comparing with the exceptions, and the table.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Cases of one suite and how they came out.
pub struct Tally {
    pub suite: &'static str,
    began: Instant,
    took: Duration,
    slowest: (Duration, String),
    cases: usize,
    /// Case and what was wrong.
    wrong: Vec<(String, String)>,
}

impl Tally {
    pub fn new(suite: &'static str) -> Self {
        Self {
            suite,
            began: Instant::now(),
            took: Duration::ZERO,
            slowest: (Duration::ZERO, String::new()),
            cases: 0,
            wrong: Vec::new(),
        }
    }

    /// How many cases.
    pub fn count(&self) -> usize {
        self.cases
    }

    /// Runs one case: `check` says what is wrong.
    pub fn case(&mut self, id: &str, check: impl FnOnce() -> Result<(), String>) {
        let began = Instant::now();
        let outcome = check();
        let took = began.elapsed();
        if took > self.slowest.0 {
            self.slowest = (took, id.to_owned());
        }
        self.cases += 1;
        if let Err(wrong) = outcome {
            self.wrong.push((id.to_owned(), wrong));
        }
        self.took = self.began.elapsed();
    }
}

/// Divergences with their reasons: `id: reason`, one a line.
pub struct Exceptions(BTreeMap<String, String>);

impl Exceptions {
    pub fn read(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let entries = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(
            entries
                .map(|line| {
                    let (id, reason) = line.split_once(": ").expect("a line is `id: reason`");
                    assert!(reason.len() > 10, "{id}: a reason says why");
                    (id.to_owned(), reason.to_owned())
                })
                .collect(),
        )
    }
}

/// Prints the table; fails on any divergence that is not listed and, if all suites were run, on any listed one that does
/// not diverge.
pub fn report(tallies: &[Tally], exceptions: &Exceptions, complete: bool) -> ExitCode {
    println!(
        "\n{:<28} {:>6} {:>7} {:>9} {:>7} {:>9}  slowest",
        "suite", "cases", "as told", "exceptions", "wrong", "time"
    );
    let mut used = BTreeSet::new();
    let mut unexpected = Vec::new();
    for tally in tallies {
        let (listed, wrong): (Vec<_>, Vec<_>) = tally
            .wrong
            .iter()
            .partition(|(id, _)| exceptions.0.contains_key(id));
        used.extend(listed.iter().map(|(id, _)| id.clone()));
        println!(
            "{:<28} {:>6} {:>7} {:>9} {:>7} {:>7} ms  {} ms {}",
            tally.suite,
            tally.cases,
            tally.cases - tally.wrong.len(),
            listed.len(),
            wrong.len(),
            tally.took.as_millis(),
            tally.slowest.0.as_millis(),
            tally.slowest.1,
        );
        unexpected.extend(wrong);
    }
    for (id, wrong) in &unexpected {
        println!("wrong: {id}: {wrong}");
    }
    let idle: Vec<_> = exceptions
        .0
        .keys()
        .filter(|id| complete && !used.contains(*id))
        .collect();
    for id in &idle {
        println!("listed as an exception, but as told: {id}");
    }
    println!();
    if unexpected.is_empty() && idle.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
