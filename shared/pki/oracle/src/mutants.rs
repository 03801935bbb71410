//! Chains of root, middle and leaf with their lists, of which one object had octets changed *before* it was signed, so that
//! both engines must judge what it says and not merely that a signature is broken.
//!
//! Each mutant has a seed of its own: another number of mutants leaves those there are as they are.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::{
    cases::{Case, Inputs},
    chains::{ca, leaf, list},
    der::{bits, extension, oid, seq, tlv},
    keys::{CA, CAS, How},
    pki::{NOON, Plan, at, policies},
};

const EACH: u64 = 150;

/// Unchanged chains first, which both engines must accept, then the mutants of leaves, CAs and lists.
pub fn all() -> Vec<Case> {
    let mut cases = vec![
        case("unchanged", 0, target().build(), middle().build(), lists()),
        case(
            "unchanged",
            1,
            target().build(),
            middle().build(),
            Vec::new(),
        ),
    ];
    for number in 0..EACH {
        let mut random = ChaCha20Rng::seed_from_u64(number);
        let leaf = signed(&CAS[1], &mutated(target().tbs(), &mut random));
        cases.push(case(
            "mutant-leaf",
            number,
            leaf,
            middle().build(),
            Vec::new(),
        ));
        let authority = signed(&CA, &mutated(middle().tbs(), &mut random));
        cases.push(case(
            "mutant-ca",
            number,
            target().build(),
            authority,
            Vec::new(),
        ));
        let [root_list, middle_list] = lists().try_into().expect("two lists");
        let changed = signed(&CAS[1], &mutated(to_be_signed(&middle_list), &mut random));
        let both = vec![root_list, changed];
        cases.push(case(
            "mutant-crl",
            number,
            target().build(),
            middle().build(),
            both,
        ));
    }
    cases
}

fn case(
    kind: &'static str,
    number: u64,
    target: Vec<u8>,
    middle: Vec<u8>,
    crls: Vec<Vec<u8>>,
) -> Case {
    Case {
        id: format!("{kind}-{number}"),
        kind,
        target,
        anchors: vec![ca(("Root", &CA), ("Root", &CA)).build()],
        intermediates: vec![middle],
        revocation: !crls.is_empty(),
        crls,
        at: at(NOON),
        inputs: Inputs::any(),
        expected: None,
    }
}

fn middle() -> Plan {
    let mut plan = ca(("Root", &CA), ("Middle", &CAS[1]));
    plan.extensions.push(policies("1.2.3.4"));
    plan
}

/// A leaf with something in many extensions.
fn target() -> Plan {
    let mut plan = leaf(("Middle", &CAS[1]), 7);
    let names = seq(&[
        tlv(0x82, b"a.example"),
        tlv(0x81, b"a@b.example"),
        tlv(0x87, &[10, 0, 0, 1]),
    ]);
    plan.extensions.extend([
        policies("1.2.3.4"),
        extension("2.5.29.15", true, &bits(6, &[0xc0])),
        extension("2.5.29.17", false, &names),
        extension("2.5.29.37", false, &seq(&[oid("1.3.6.1.5.5.7.3.2")])),
        extension("2.5.29.19", true, &seq(&[])),
        extension("2.5.29.14", false, &tlv(4, &[1; 20])),
    ]);
    plan
}

/// The root's list and the middle's, which revokes others than the leaf.
fn lists() -> Vec<Vec<u8>> {
    vec![
        list(("Root", &CA), 1, 20, &[], &[]),
        list(("Middle", &CAS[1]), 1, 20, &[(5, 1), (9, 4)], &[]),
    ]
}

/// The first element of a signed structure, header and all.
fn to_be_signed(der: &[u8]) -> Vec<u8> {
    let header = |at: usize| {
        if der[at + 1] < 0x80 {
            2
        } else {
            2 + usize::from(der[at + 1] & 0x7f)
        }
    };
    let start = header(0);
    let head = header(start);
    let octets = &der[start + 1..start + head];
    let length = match octets {
        [short] => usize::from(*short),
        long => long[1..]
            .iter()
            .fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
    };
    der[start..start + head + length].to_vec()
}

/// Changes one to three octets.
fn mutated(mut tbs: Vec<u8>, random: &mut ChaCha20Rng) -> Vec<u8> {
    for _ in 0..=random.next_u32() % 3 {
        let place = random.next_u32() as usize % tbs.len();
        let [choice, bit, octet, _] = random.next_u32().to_be_bytes();
        tbs[place] = match choice % 4 {
            0 => tbs[place].wrapping_add(1),
            1 => tbs[place].wrapping_sub(1),
            2 => tbs[place] ^ (1 << (bit % 8)),
            _ => octet,
        };
    }
    tbs
}

fn signed(key: &rsa::RsaPrivateKey, tbs: &[u8]) -> Vec<u8> {
    let signature = How::Sha256.sign(key, tbs);
    seq(&[tbs.to_vec(), How::Sha256.algorithm(), bits(0, &signature)])
}
