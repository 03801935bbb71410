//! What holds for every bag: shuffling, doubling and adding strangers change nothing; what is revoked stays revoked
//! whatever is added; what is unknown does not become good by taking away.

use std::sync::LazyLock;

use proptest::prelude::*;
use warikan_pki::{CrlNumber, Oid, PathFailure, Revocation};

use crate::{
    chains::{ca, judge, leaf, list},
    der::{extension, seq, tlv},
    keys::CAS,
};

const ROOT: &str = "Root";
const MIDDLE: &str = "Middle";

/// A chain of two steps under an anchor, a rollover of the middle CA, strangers.
static BAG: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (root, middle) = ((ROOT, &CAS[0]), (MIDDLE, &CAS[1]));
    vec![
        ca(root, middle).build(),
        ca(root, (MIDDLE, &CAS[2])).build(),
        ca((MIDDLE, &CAS[2]), (MIDDLE, &CAS[1])).build(),
        ca(("Stranger", &CAS[3]), middle).build(),
        ca((ROOT, &CAS[4]), middle).build(),
    ]
});
static ANCHORS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    vec![
        ca((ROOT, &CAS[0]), (ROOT, &CAS[0])).build(),
        ca((ROOT, &CAS[5]), (ROOT, &CAS[5])).build(),
    ]
});
static TARGET: LazyLock<Vec<u8>> = LazyLock::new(|| leaf((MIDDLE, &CAS[1]), 7).build());

/// Lists of every sort. None of them lifts a hold, which is the one way in which *revoked* may end.
static LISTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (root, middle) = ((ROOT, &CAS[0]), (MIDDLE, &CAS[1]));
    let scope = |flag| extension("2.5.29.28", true, &seq(&[tlv(flag, &[0xff])]));
    let some = extension("2.5.29.28", true, &seq(&[tlv(0x83, &[6, 0x40])]));
    let base = extension("2.5.29.27", true, &crate::der::int(&[1]));
    vec![
        list(root, 1, 10, &[], &[]),
        list(middle, 1, 10, &[], &[]),
        list(middle, 2, 15, &[(7, 1)], &[]),
        list(middle, 3, 20, &[], &[]),
        list(middle, 4, 20, &[(9, 4)], &[scope(0x81)]),
        list(middle, 5, 20, &[(7, 4)], &[scope(0x82)]),
        list(middle, 6, 20, &[(7, 1)], std::slice::from_ref(&some)),
        list(middle, 7, 20, &[], &[some]),
        list(middle, 8, 21, &[(7, 3)], &[base]),
        list((MIDDLE, &CAS[2]), 9, 20, &[], &[]),
        list((ROOT, &CAS[5]), 9, 20, &[], &[]),
        list((MIDDLE, &CAS[4]), 9, 20, &[(7, 1)], &[]),
    ]
});

fn pick(bag: &[Vec<u8>], order: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    order
        .iter()
        .map(|index| bag[index.index(bag.len())].clone())
        .collect()
}

fn some_of(most: usize) -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..most)
}

fn status(lists: &[Vec<u8>]) -> Result<(), PathFailure> {
    judge(&TARGET, &BAG, &ANCHORS, lists, Revocation::HardFail)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f031_order_duplicates_and_strangers_change_nothing(
        order in some_of(10), anchors in some_of(4), lists in some_of(8),
    ) {
        let bag = pick(&BAG, &order);
        let (anchors, lists) = (pick(&ANCHORS, &anchors), pick(&LISTS, &lists));
        let once = judge(&TARGET, &bag, &anchors, &lists, Revocation::HardFail);
        let turned = |bag: &[Vec<u8>]| {
            let mut bag = bag.to_vec();
            bag.reverse();
            bag.extend(bag.clone());
            bag
        };
        let again = judge(
            &TARGET, &turned(&bag), &turned(&anchors), &turned(&lists), Revocation::HardFail,
        );
        prop_assert_eq!(once, again);
    }

    #[test]
    fn f051_revoked_stays_revoked_whatever_is_added(some in some_of(6), more in some_of(8)) {
        let some = pick(&LISTS, &some);
        let mut all = some.clone();
        all.extend(pick(&LISTS, &more));
        if status(&some) == Err(PathFailure::Revoked) {
            prop_assert_eq!(status(&all), Err(PathFailure::Revoked));
        }
        // Good without some lists and not with them can only be because one of them revokes.
        if status(&some).is_ok() && status(&all).is_err() {
            prop_assert_eq!(status(&all), Err(PathFailure::Revoked));
        }
    }

    #[test]
    fn f056_octets_of_any_kind_are_answered(der in prop::collection::vec(any::<u8>(), 0..300)) {
        let wrapped = seq(std::slice::from_ref(&der));
        for bytes in [&der, &wrapped] {
            let _ = warikan_pki::parse_certificate(bytes);
            let _ = warikan_pki::parse_crl(bytes);
            let _ = warikan_pki::parse_ocsp(bytes);
            prop_assert!(warikan_pki::Certificate::parse(bytes).is_err());
        }
    }

    #[test]
    fn f056_a_changed_octet_never_makes_another_path(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut changed = TARGET.clone();
        let index = place.index(changed.len());
        changed[index] ^= 1 << bit;
        prop_assert!(judge(&changed, &BAG, &ANCHORS, &[], Revocation::None).is_err());
    }

    #[test]
    fn object_identifiers_and_numbers_round_trip(
        root in 0..3_u64, second in 0..40_u64, arcs in prop::collection::vec(any::<u64>(), 0..6),
        octets in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let text = [root, second].iter().chain(&arcs).map(u64::to_string).collect::<Vec<_>>().join(".");
        prop_assert_eq!(text.parse::<Oid>().unwrap().to_string(), text);
        let number = CrlNumber::from_octets(&octets).unwrap();
        prop_assert_eq!(CrlNumber::from_octets(number.octets()).unwrap(), number);
    }
}
