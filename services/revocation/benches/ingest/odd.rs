//! F047: lists that nobody should write, and what they cost.

use std::{fs, time::Instant};

use warikan_revocation::measured;
use warikan_simulator::Layout;

use crate::{
    hundredths, memory, row, scaled,
    single::{self, SERIES, place},
    write::{self, Agency, Day, Shape},
};

/// Peak memory that taking a list over may need, in hundredths of its size ..
const BOUND: u64 = 200;
/// .. and where its serials are longer than 64 bits, which J-LIS's are not.
const LONG_BOUND: u64 = 600;
/// ... beside what the process has in any case.
const GROUND: u64 = 32_000_000;

const LISTS: [(&str, Shape, u64); 6] = [
    ("30 million entries", Shape::Usual, 30_000_000),
    ("5 million, unsorted", Shape::Unsorted, 5_000_000),
    ("5 million, each twice", Shape::Twice, 5_000_000),
    (
        "200 thousand with 100 extensions each",
        Shape::ManyExtensions,
        200_000,
    ),
    (
        "5 million without extensions that are read",
        Shape::Bare,
        5_000_000,
    ),
    ("1 million serials of 20 octets", Shape::Long, 1_000_000),
];

pub fn write() {
    single::write();
    if place("odd-0.crl").exists() {
        return;
    }
    let mut agency = Agency::new(1);
    let days = agency.days(Layout::Complete);
    for (number, (_, shape, count)) in LISTS.into_iter().enumerate() {
        let entries = write::entries(SERIES, scaled(count), Day::Today, shape);
        let octets = agency.fill(&days.today[0], &entries);
        fs::write(place(&format!("odd-{number}.crl")), octets).unwrap();
    }
}

pub fn child(arguments: &[&str]) -> (u64, u64) {
    let anchors = single::anchors();
    memory::forget_peak();
    let began = Instant::now();
    let octets = fs::read(place(&format!("odd-{}.crl", arguments[0]))).unwrap();
    let read = measured::read(&octets, &anchors, write::now()).unwrap();
    drop(octets);
    let version = read.first().unwrap();
    let took = memory::micros(began);
    assert!(version.to_octets().len() > 1);
    (took, memory::peak())
}

pub fn measure() {
    write();
    println!("the first version of each, in a process of its own\n");
    row(&[
        "",
        "octets",
        "time",
        "entries/s",
        "peak memory",
        "of the file",
    ]
    .map(str::to_owned));
    row(&["---", "---", "---", "---", "---", "---"].map(str::to_owned));
    for (number, (name, shape, count)) in LISTS.into_iter().enumerate() {
        let octets = fs::metadata(place(&format!("odd-{number}.crl")))
            .unwrap()
            .len();
        let (took, peak) = memory::child(&["odd", &number.to_string()]);
        row(&[
            name.into(),
            octets.to_string(),
            format!("{} ms", took / 1_000),
            format!("{}", scaled(count) * 1_000_000 / took),
            format!("{} MB", peak / 1_000_000),
            hundredths(peak * 100 / octets),
        ]);
        let bound = if shape == Shape::Long {
            LONG_BOUND
        } else {
            BOUND
        };
        assert!(
            peak < octets * bound / 100 + GROUND,
            "{name}: {peak} octets of memory for {octets}"
        );
    }
}
