//! Thirty million entries in 1,900 lists: yesterday's, then today's, and somebody who asks all the while.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use warikan_pki::AnchorSet;
use warikan_revocation::measured::{self, Store};
use warikan_simulator::Layout;
use warikan_types::{CertificateId, CrlPartition, Environment, Serial};

use crate::{
    folder, hundredths, memory, row, scaled, single,
    write::{self, Agency, Day, Series, Shape},
};

type Question = (CertificateId, Option<CrlPartition>);

pub const LISTS: usize = 1_900;
const ENTRIES: u64 = 30_000_000;

pub fn place(day: Day) -> PathBuf {
    folder().join(match day {
        Day::Yesterday => "national-yesterday",
        Day::Today => "national-today",
    })
}

/// The serials are dealt out among the lists, as they are among municipalities.
fn series(list: usize) -> Series {
    let lists = LISTS as u64;
    Series {
        first: 100_000_000 + list as u64 * 8,
        stride: 8 * lists,
    }
}

fn each() -> u64 {
    scaled(ENTRIES) / LISTS as u64
}

pub fn roots() -> AnchorSet {
    let roots: Vec<Vec<u8>> =
        serde_json::from_slice(&fs::read(place(Day::Today).join("roots.json")).unwrap()).unwrap();
    let roots = roots.into_iter();
    AnchorSet::new(roots.map(|root| (Environment::Production, root))).unwrap()
}

pub fn write() {
    if place(Day::Today).join("roots.json").exists() {
        return;
    }
    let mut agency = Agency::new(LISTS);
    let days = agency.days(Layout::Partitioned);
    for (lists, day) in [(&days.yesterday, Day::Yesterday), (&days.today, Day::Today)] {
        fs::create_dir_all(place(day)).unwrap();
        for (number, list) in lists.iter().enumerate() {
            let entries = write::entries(series(number), each(), day, Shape::Usual);
            let octets = agency.fill(list, &entries);
            fs::write(place(day).join(format!("{number}.crl")), octets).unwrap();
        }
    }
    let roots = agency.simulator.roots().into_iter();
    let roots: Vec<Vec<u8>> = roots.map(|root| root.der).collect();
    fs::write(
        place(Day::Today).join("roots.json"),
        serde_json::to_vec(&roots).unwrap(),
    )
    .unwrap();
}

/// Takes a list over; how many entries it has.
fn take_file(store: &Store, anchors: &AnchorSet, file: &Path) -> u64 {
    let octets = fs::read(file).unwrap();
    let read = measured::read(&octets, anchors, write::now()).unwrap();
    drop(octets);
    store.take_over(&read).unwrap();
    read.entries() as u64
}

/// Takes a day's lists over; how many entries they have.
fn take(store: &Store, anchors: &AnchorSet, day: Day) -> u64 {
    let files = (0..LISTS).map(|number| place(day).join(format!("{number}.crl")));
    files.map(|file| take_file(store, anchors, &file)).sum()
}

/// The certificates that somebody asks about, of every list, half of them revoked.
fn questions(anchors: &AnchorSet) -> Vec<Question> {
    let scopes: Vec<_> = (0..LISTS)
        .map(|number| {
            let octets = fs::read(place(Day::Today).join(format!("{number}.crl"))).unwrap();
            let read = measured::read(&octets, anchors, write::now()).unwrap();
            read.scope()
        })
        .collect();
    (0..200_000_u64)
        .map(|number| {
            let list = write::spread(number) as usize % LISTS;
            let serial = series(list).serial(write::spread(!number) % each());
            let serial = Serial::from_u64(serial + number % 2).unwrap();
            let (issuer, partition) = scopes[list];
            (CertificateId { issuer, serial }, partition)
        })
        .collect()
}

/// Look-ups timed at a time: reading the clock costs as much as a part of one.
const BATCH: usize = 64;

/// Asks until it is told to stop; how long an answer took in each batch, in nanoseconds, ascending. The questions of a batch are laid
/// ready first: whoever asks has just read them.
fn ask(store: &Store, questions: &[Question], end: &AtomicBool) -> Vec<u32> {
    let mut took = Vec::with_capacity(5_000_000);
    for batch in questions.chunks_exact(BATCH).cycle() {
        if end.load(Ordering::Relaxed) || took.len() == took.capacity() {
            break;
        }
        let batch = batch.to_vec();
        let began = Instant::now();
        for (certificate, partition) in &batch {
            assert!(black_box(store.ask(certificate, *partition)).is_some());
        }
        let nanos = began.elapsed().as_nanos() as usize;
        took.push((nanos / BATCH) as u32);
    }
    took.sort_unstable();
    took
}

fn quantiles(took: &[u32]) -> String {
    let at = |per_million: usize| took[(took.len() - 1) * per_million / 1_000_000];
    let sum: u64 = took.iter().map(|one| u64::from(*one)).sum();
    format!(
        "mean {} ns, p50 {} ns, p99 {} ns, p99.9 {} ns, most {} us, of {} times {BATCH}",
        sum / took.len() as u64,
        at(500_000),
        at(990_000),
        at(999_000),
        at(1_000_000) / 1_000,
        took.len()
    )
}

/// Somebody asks without pause while this is done.
fn asked<T>(store: &Store, questions: &[Question], done: impl FnOnce() -> T) -> (T, Vec<u32>) {
    let end = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let asker = threads.spawn(|| ask(store, questions, &end));
        let outcome = done();
        end.store(true, Ordering::Relaxed);
        (outcome, asker.join().unwrap())
    })
}

/// The one list of 5 million through the same functions, to hold the many against.
fn one_list() {
    single::write();
    let (store, anchors) = (Store::default(), single::anchors());
    for (name, day) in [
        ("one list: the first version", "yesterday.crl"),
        ("one list: the day's version", "today.crl"),
    ] {
        let file = single::place(day);
        drop(fs::read(&file).unwrap());
        let began = Instant::now();
        let entries = take_file(&store, &anchors, &file);
        say(name, entries, began, String::new());
    }
}

/// Brings a day's files into the page cache.
fn warm(day: Day) {
    for number in 0..LISTS {
        drop(fs::read(place(day).join(format!("{number}.crl"))).unwrap());
    }
}

pub fn measure() {
    write();
    let cells = ["", "entries", "time", "an entry", "look-ups meanwhile"];
    row(&cells.map(str::to_owned));
    row(&["---", "---", "---", "---", "---"].map(str::to_owned));
    one_list();
    let anchors = roots();
    let questions = questions(&anchors);
    warm(Day::Yesterday);
    warm(Day::Today);
    let both = |store: &Store| {
        let began = Instant::now();
        let entries = take(store, &anchors, Day::Yesterday);
        say(
            "1,900 lists: the first version of each",
            entries,
            began,
            String::new(),
        );
    };
    let store = Store::default();
    both(&store);
    let began = Instant::now();
    let entries = take(&store, &anchors, Day::Today);
    say(
        "1,900 lists: the day's version of each",
        entries,
        began,
        String::new(),
    );
    let began = Instant::now();
    let ((), took) = asked(&store, &questions, || {
        let (_never, pause) = mpsc::channel::<()>();
        let _ = pause.recv_timeout(Duration::from_secs(3));
    });
    say("nothing is taken over", 0, began, quantiles(&took));
    println!(
        "\nresident with all of it in memory: {} MB, {} octets an entry\n",
        memory::resident() / 1_000_000,
        hundredths(memory::resident() * 100 / entries)
    );
    drop(store);
    let store = Store::default();
    both(&store);
    let began = Instant::now();
    let (entries, took) = asked(&store, &questions, || take(&store, &anchors, Day::Today));
    say(
        "1,900 lists: the day's version of each, asked about all the while",
        entries,
        began,
        quantiles(&took),
    );
}

fn say(name: &str, entries: u64, began: Instant, last: String) {
    let micros = memory::micros(began);
    row(&[
        name.into(),
        entries.to_string(),
        format!("{} ms", micros / 1_000),
        format!("{} ns", micros * 1_000 / entries.max(1)),
        last,
    ]);
}
