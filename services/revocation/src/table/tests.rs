use std::collections::BTreeMap;

use proptest::prelude::*;
use warikan_types::{RevocationReason, Serial, Timestamp};

use super::*;
use crate::diff::{Change, Kind, Listing, Revocation, delta, diff, narrow};

/// What a list names, the plain way.
type Plain = BTreeMap<Vec<u8>, Revocation>;

fn said(code: u8, seconds: i64) -> Revocation {
    Revocation {
        reason: RevocationReason::from_code(code).unwrap(),
        revoked_at: Timestamp::from_unix(seconds).unwrap(),
    }
}

fn listing(plain: &Plain) -> Listing {
    let (mut common, mut wide) = (Vec::new(), Vec::new());
    for (octets, said) in plain {
        let serial = Serial::from_octets(octets).unwrap();
        match narrow(&serial, *said) {
            Some(row) => common.push(row),
            None => wide.push((serial, *said)),
        }
    }
    Listing::new(common, wide)
}

/// A list of serials that lie near each other, far apart, and beyond 64 bits.
fn plain() -> impl Strategy<Value = Plain> {
    let serial = prop_oneof![
        (1_u64..60).prop_map(|one| one.to_be_bytes().to_vec()),
        (65_500_u64..65_560).prop_map(|one| one.to_be_bytes().to_vec()),
        (u64::MAX - 9..=u64::MAX).prop_map(|one| one.to_be_bytes().to_vec()),
        (1_u8..9).prop_map(|one| vec![one; 12]),
    ];
    let serial = serial.prop_map(|octets| Serial::from_octets(&octets).unwrap().octets().to_vec());
    let code = prop::sample::select(vec![0_u8, 1, 3, 4, 5, 6]);
    let row = (serial, code, 0_i64..4).prop_map(|(serial, code, at)| (serial, said(code, at)));
    prop::collection::btree_map(
        row.clone().prop_map(|row| row.0),
        row.prop_map(|row| row.1),
        0..60,
    )
}

fn serial(octets: &[u8]) -> Serial {
    Serial::from_octets(octets).unwrap()
}

/// What the versions up to `seq` say of a serial: whether it is listed, and what was said last.
fn naive(versions: &[Plain], seq: usize, octets: &[u8]) -> Option<(bool, Revocation)> {
    let mut known = None;
    for version in &versions[..seq] {
        match (version.get(octets), &mut known) {
            (Some(said), known) => *known = Some((true, *said)),
            (None, Some((listed, _))) => *listed = false,
            (None, None) => {}
        }
    }
    known
}

/// The tables of all versions, and the changes between them.
fn history(versions: &[Plain]) -> (Vec<Table>, Vec<(u32, Change)>) {
    let mut tables = vec![Table::first(&listing(&versions[0])).unwrap()];
    let mut changes = Vec::new();
    for (version, seq) in versions[1..].iter().zip(2..) {
        let last = tables.last().unwrap();
        let change = diff(last, &listing(version));
        tables.push(last.apply(&[(seq, &change)]).unwrap());
        changes.push((seq, change));
    }
    (tables, changes)
}

proptest! {
    #[test]
    fn f053_every_version_can_be_asked_for_after_its_entries_have_left(
        versions in prop::collection::vec(plain(), 1..6),
    ) {
        let (tables, changes) = history(&versions);
        let newest = tables.last().unwrap();
        let named: std::collections::BTreeSet<Vec<u8>> = versions.iter().flat_map(|one| one.keys().cloned()).collect();
        for octets in &named {
            let serial = serial(octets);
            for seq in 1..=versions.len() {
                let expected = naive(&versions, seq, octets);
                let here = tables[seq - 1].find(&serial);
                prop_assert_eq!(here.map(|row| (row.gone.is_none(), row.said)), expected);
                prop_assert_eq!(tables[seq - 1].said(&serial), expected.map(|one| one.1), "once revoked stays revoked");
                // The same, asked of the newest table and the changes since.
                let later = || changes.iter().filter(|(number, _)| *number as usize > seq);
                let asked = match newest.past(&serial, u32::try_from(seq).unwrap()) {
                    Past::Unnamed => None,
                    Past::Named(said) => Some((true, said)),
                    Past::Left(said) => Some((false, said)),
                    Past::Changed(row) => Some(
                        later()
                            .find_map(|(_, change)| change.before(&serial))
                            .map_or((row.gone.is_none(), row.said), |(said, listed)| (listed, said)),
                    ),
                };
                prop_assert_eq!(asked, expected);
            }
        }
    }

    #[test]
    fn many_changes_at_once_are_the_same_as_one_after_the_other(
        versions in prop::collection::vec(plain(), 1..6),
    ) {
        let (tables, changes) = history(&versions);
        let all: Vec<(u32, &Change)> = changes.iter().map(|(seq, one)| (*seq, one)).collect();
        let at_once = tables[0].apply(&all).unwrap();
        prop_assert_eq!(&at_once, tables.last().unwrap());
        let listed = versions.last().unwrap().len();
        prop_assert_eq!(at_once.narrow().filter(|(_, row)| row.gone.is_none()).count()
            + at_once.wide.values().filter(|row| row.gone.is_none()).count(), listed);
    }

    #[test]
    fn a_change_tells_what_came_went_and_returned(old in plain(), between in plain(), new in plain()) {
        let (tables, _) = history(&[old.clone(), between.clone()]);
        let change = diff(tables.last().unwrap(), &listing(&new));
        let count = |kind| change.count(kind);
        let known = |octets: &Vec<u8>| old.contains_key(octets) || between.contains_key(octets);
        prop_assert_eq!(count(Kind::Added), new.keys().filter(|one| !known(one)).count());
        prop_assert_eq!(count(Kind::Left), between.keys().filter(|one| !new.contains_key(*one)).count());
        prop_assert_eq!(count(Kind::Returned), new.keys().filter(|one| old.contains_key(*one) && !between.contains_key(*one)).count());
        let changed = new.iter().filter(|(one, said)| between.get(*one).is_some_and(|was| was != *said));
        prop_assert_eq!(count(Kind::Changed), changed.count());
        let left: Vec<Vec<u8>> = change.left().map(|(serial, _)| serial.octets().to_vec()).collect();
        prop_assert_eq!(left.len(), count(Kind::Left));
    }

    #[test]
    fn a_delta_over_its_base_is_the_full_list(
        base in plain(), between in plain(), new in plain(), unchanged in any::<bool>(),
    ) {
        // RFC 5280 5.2.4: a delta names what is different from its base, and may be laid over any list from there on.
        let (tables, _) = history(&[base.clone(), between.clone()]);
        let held = if unchanged { &tables[0] } else { &tables[1] };
        let now_held = if unchanged { &base } else { &between };
        // What a delta from `base` to `new` has to say, for whoever holds anything in between: every entry that is not as
        // it was in the base, or not as it was at some time since.
        let differs = |one: &Vec<u8>| base.get(one) != new.get(one) || between.get(one) != new.get(one);
        let named: Plain = new.iter().filter(|(one, _)| differs(one)).map(|(one, said)| (one.clone(), *said)).collect();
        let removed: Vec<Serial> = base.keys().chain(between.keys()).filter(|one| !new.contains_key(*one)).map(|one| serial(one)).collect();
        let by_delta = delta(held, &listing(&named), &removed);
        let by_list = diff(held, &listing(&new));
        prop_assert_eq!(&by_delta, &by_list);
        let table = held.apply(&[(9, &by_delta)]).unwrap();
        for one in now_held.keys().chain(new.keys()) {
            let row = table.find(&serial(one)).unwrap();
            prop_assert_eq!(row.gone.is_none(), new.contains_key(one));
        }
    }

    #[test]
    fn octets_come_back_as_they_went(versions in prop::collection::vec(plain(), 1..4)) {
        let (tables, changes) = history(&versions);
        for table in &tables {
            prop_assert_eq!(&table_from_blob(&table_to_blob(table)).unwrap(), table);
        }
        for (_, change) in &changes {
            prop_assert_eq!(&change_from_blob(&change_to_blob(change)).unwrap(), change);
        }
    }

    #[test]
    fn f046_torn_octets_are_refused_or_harmless(version in plain(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let table = Table::first(&listing(&version)).unwrap();
        let octets = table_to_blob(&table);
        let cut = at.index(octets.len());
        prop_assert!(table_from_blob(&octets[..cut]).is_err());
        let mut turned = octets.clone();
        turned[cut] = value;
        // The checksum finds it; without one, whatever is still a table can be asked without harm.
        if let Ok(read) = table_from_blob(&turned) {
            for octets in version.keys() {
                let _ = read.find(&serial(octets));
            }
            let _ = read.narrow().count();
        }
    }

    #[test]
    fn a_version_whose_snapshots_are_lost_is_rebuilt_from_its_list_and_the_changes(
        versions in prop::collection::vec(plain(), 2..5),
    ) {
        let (tables, changes) = history(&versions);
        let newest = versions.last().unwrap();
        let rebuilt = Table::rebuilt(&listing(newest), &changes).unwrap();
        for octets in versions.iter().flat_map(|one| one.keys()) {
            let serial = serial(octets);
            prop_assert_eq!(rebuilt.said(&serial), tables.last().unwrap().said(&serial));
        }
    }
}

#[test]
fn f047_a_serial_named_twice_counts_once_from_its_earliest_date() {
    let serial = Serial::from_u64(9).unwrap();
    let row = |seconds| narrow(&serial, said(4, seconds)).unwrap();
    let table = Table::first(&Listing::new(vec![row(20), row(10)], Vec::new())).unwrap();
    assert_eq!(table.len(), 1);
    assert_eq!(table.said(&serial), Some(said(4, 10)));
    let long = Serial::from_octets(&[9; 20]).unwrap();
    let wide = vec![(long.clone(), said(4, 20)), (long.clone(), said(4, 10))];
    let table = Table::first(&Listing::new(Vec::new(), wide)).unwrap();
    assert_eq!((table.len(), table.said(&long)), (1, Some(said(4, 10))));
}

#[test]
fn what_a_join_asks_for_is_what_versions_named_first() {
    let plain = |serials: &[u64]| -> Plain {
        serials
            .iter()
            .map(|one| (serial(&one.to_be_bytes()).octets().to_vec(), said(1, 5)))
            .collect()
    };
    let (tables, _) = history(&[
        plain(&[1, 2]),
        plain(&[2, 70_000]),
        plain(&[1, 2, 3, 70_000]),
    ]);
    let newest = tables.last().unwrap();
    let named = |after, through| -> Vec<u64> {
        let found = newest.named_since((after, through));
        found.filter_map(|(serial, _)| serial.as_u64()).collect()
    };
    assert_eq!(named(0, 3), [1, 2, 3, 70_000]);
    assert_eq!(named(0, 1), [1, 2]);
    assert_eq!(named(1, 2), [70_000]);
    assert_eq!(named(2, 3), [3], "what returned was named before");
}
