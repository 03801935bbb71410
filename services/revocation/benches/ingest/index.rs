//! The table beside a compressed bitmap of the same serials: octets an entry, and time a look-up.

use std::{fs, hint::black_box, time::Instant};

use roaring::RoaringTreemap;
use warikan_revocation::measured::Version;

use crate::{
    hundredths, row,
    single::{self, SERIES, place},
    write,
};

const ASKED: u64 = 2_000_000;

pub fn measure() {
    single::write();
    row(&["".into(), "octets an entry".into(), "a look-up".into()]);
    row(&["---".into(), "---".into(), "---".into()]);
    let stored = fs::read(place("yesterday.version")).unwrap();
    beside(&[Version::from_octets(&stored).unwrap()]);
    let whole = Version::from_octets(&stored).unwrap();
    let serials: Vec<u64> = whole.serials().collect();
    drop(whole);
    let lists: Vec<Version> = (0..1_900_u64)
        .map(|list| {
            let own = serials.iter().copied();
            Version::of(own.filter(|serial| dealt(*serial) == list)).unwrap()
        })
        .collect();
    beside(&lists);
}

/// Which of the 1,900 lists names it.
fn dealt(serial: u64) -> u64 {
    (serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 1_900
}

fn beside(lists: &[Version]) {
    let entries: u64 = lists.iter().map(|list| list.serials().count() as u64).sum();
    let octets: u64 = lists.iter().map(|list| list.to_octets().len() as u64).sum();
    let list_of = |serial: u64| {
        if lists.len() == 1 {
            0
        } else {
            dealt(serial) as usize
        }
    };
    let asked: Vec<u64> = (0..ASKED)
        .map(|number| SERIES.first + write::spread(number) % (entries * SERIES.stride))
        .collect();
    let began = Instant::now();
    let found = asked
        .iter()
        .filter(|serial| lists[list_of(**serial)].names(black_box(**serial)))
        .count();
    say(
        lists,
        "table: serial, reason, date, since when, until when",
        octets,
        entries,
        began,
    );
    let bitmaps: Vec<RoaringTreemap> = lists
        .iter()
        .map(|list| {
            let mut bitmap = list.serials().collect::<RoaringTreemap>();
            bitmap.optimize();
            bitmap
        })
        .collect();
    let octets: u64 = bitmaps.iter().map(|one| one.serialized_size() as u64).sum();
    let began = Instant::now();
    let again = asked
        .iter()
        .filter(|serial| bitmaps[list_of(**serial)].contains(black_box(**serial)))
        .count();
    say(lists, "RoaringTreemap: serial", octets, entries, began);
    assert_eq!(found, again, "both know the same");
    let began = Instant::now();
    let ranks: u64 = asked
        .iter()
        .filter_map(|serial| {
            let bitmap = &bitmaps[list_of(*serial)];
            bitmap
                .contains(black_box(*serial))
                .then(|| bitmap.rank(*serial))
        })
        .sum();
    black_box(ranks);
    // The other columns would stand beside it as they do in the table.
    say(
        lists,
        "RoaringTreemap and its rank, to find the row of reason, date, since when, until when",
        octets + entries * 9,
        entries,
        began,
    );
}

fn say(lists: &[Version], name: &str, octets: u64, entries: u64, began: Instant) {
    let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap();
    row(&[
        format!("{} list(s): {name}", lists.len()),
        hundredths(octets * 100 / entries),
        format!("{} ns", nanos / ASKED),
    ]);
}
