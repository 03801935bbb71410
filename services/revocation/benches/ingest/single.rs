//! One list of five million entries: from the file to the version in force.

use std::{fs, path::PathBuf, time::Instant};

use warikan_pki::AnchorSet;
use warikan_revocation::measured::{self, Version};
use warikan_simulator::Layout;
use warikan_types::Environment;

use crate::{
    folder, hundredths, memory, row, scaled,
    write::{self, Agency, Day, Series, Shape},
};

pub const ENTRIES: u64 = 5_000_000;
pub const SERIES: Series = Series {
    first: 100_000_000,
    stride: 16,
};
const ROUNDS: usize = 5;

pub fn place(name: &str) -> PathBuf {
    folder().join(name)
}

/// The roots that have signed.
pub fn anchors() -> AnchorSet {
    let roots: Vec<Vec<u8>> =
        serde_json::from_slice(&fs::read(place("roots.json")).unwrap()).unwrap();
    AnchorSet::new(
        roots
            .into_iter()
            .map(|root| (Environment::Production, root)),
    )
    .unwrap()
}

pub fn keep_roots(agency: &Agency) {
    let roots: Vec<Vec<u8>> = agency
        .simulator
        .roots()
        .into_iter()
        .map(|root| root.der)
        .collect();
    fs::write(place("roots.json"), serde_json::to_vec(&roots).unwrap()).unwrap();
}

/// Writes the list of both days, and yesterday's version as it is stored.
pub fn write() {
    if place("today.crl").exists() {
        return;
    }
    let mut agency = Agency::new(1);
    keep_roots(&agency);
    let days = agency.days(Layout::Complete);
    for (name, list, day) in [
        ("yesterday", &days.yesterday[0], Day::Yesterday),
        ("today", &days.today[0], Day::Today),
    ] {
        let entries = write::entries(SERIES, scaled(ENTRIES), day, Shape::Usual);
        let octets = agency.fill(list, &entries);
        fs::write(place(&format!("{name}.crl")), octets).unwrap();
    }
    let octets = fs::read(place("yesterday.crl")).unwrap();
    let read = measured::read(&octets, &anchors(), write::now()).unwrap();
    let version = read.first().unwrap();
    fs::write(place("yesterday.version"), version.to_octets()).unwrap();
}

/// In a process of its own: the time, and the peak of memory with yesterday's version in it from the start.
pub fn child(_: &[&str]) -> (u64, u64) {
    let anchors = anchors();
    let stored = fs::read(place("yesterday.version")).unwrap();
    let before = Version::from_octets(&stored).unwrap();
    drop(stored);
    memory::forget_peak();
    let began = Instant::now();
    let octets = fs::read(place("today.crl")).unwrap();
    let read = measured::read(&octets, &anchors, write::now()).unwrap();
    drop(octets);
    let read_in = memory::micros(began);
    let (version, changes) = read.after(&before, 2).unwrap();
    let (took, peak) = (memory::micros(began), memory::peak());
    eprintln_parts(read_in, took, changes);
    check(&version, changes);
    (took, peak)
}

#[allow(clippy::print_stderr, reason = "the last line of stdout is the figure")]
fn eprintln_parts(read_in: u64, took: u64, changes: usize) {
    eprintln!(
        "  read and verified in {} ms, compared and built in {} ms: {changes} changes",
        read_in / 1_000,
        (took - read_in) / 1_000
    );
}

/// Against what the writer knows.
fn check(version: &Version, changes: usize) {
    let count = scaled(ENTRIES);
    let named = |number, day| SERIES.is_named(number, day);
    let ever =
        (0..count).filter(|number| named(*number, Day::Yesterday) || named(*number, Day::Today));
    assert!(
        version
            .serials()
            .eq(ever.map(|number| SERIES.serial(number)))
    );
    let moved = (0..count).filter(|one| named(*one, Day::Yesterday) != named(*one, Day::Today));
    let moved = moved.count();
    assert!(
        changes >= moved && changes < moved + moved / 10 + 9,
        "{changes}, {moved}"
    );
}

pub fn measure() {
    write();
    let list = place("today.crl");
    let size = fs::metadata(&list).unwrap().len();
    println!(
        "{} entries, {size} octets; yesterday's version in memory. Least of {ROUNDS}, in turns.\n",
        scaled(ENTRIES)
    );
    let (mut sums, mut ours) = (Vec::new(), Vec::new());
    let path = list.to_str().unwrap().to_owned();
    let mut library = Vec::new();
    for _ in 0..ROUNDS {
        sums.extend(memory::program("sha256sum", &[&path]));
        library.extend(memory::program("openssl", &["dgst", "-sha256", &path]));
        ours.push(memory::child(&["ours"]));
    }
    row(&[
        "".into(),
        "time".into(),
        "of sha256sum".into(),
        "peak memory".into(),
        "of the file".into(),
    ]);
    row(&[
        "---".into(),
        "---".into(),
        "---".into(),
        "---".into(),
        "---".into(),
    ]);
    let sum = sums.iter().min().unwrap().0;
    for (name, measured) in [
        ("`sha256sum`", &sums),
        ("`openssl dgst -sha256`", &library),
        ("parse, verify, index, compare", &ours),
    ] {
        let Some((took, _)) = measured.iter().min() else {
            continue;
        };
        let peak = measured.iter().map(|one| one.1).max().unwrap();
        row(&[
            name.into(),
            format!("{} ms", took / 1_000),
            hundredths(took * 100 / sum),
            format!("{} MB", peak / 1_000_000),
            hundredths(peak * 100 / size),
        ]);
    }
}
