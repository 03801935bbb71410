//! Paths of several steps, and what a stranger may put into the bags.

use std::time::{Duration, Instant};

use rsa::RsaPrivateKey;
use warikan_pki::{
    AnchorConstraints, AnchorValidity, PathAlgorithms, PathFailure, PathInput, PathPolicy,
    Revocation, validate_path,
};

use crate::{
    der::{bits, extension, int, name, octets, printable, seq, time, tlv},
    keys::{CA, CAS, HOLDER, How, OTHER_CA},
    pki::{NOON, Plan, at, key_id, plan},
};

pub fn cn(text: &str) -> Vec<u8> {
    name(&[("2.5.4.3", printable(text))])
}

/// A CA certificate for `subject` with its key, by `issuer` with its.
pub fn ca(issuer: (&str, &RsaPrivateKey), subject: (&str, &RsaPrivateKey)) -> Plan {
    let mut plan = plan(issuer.1, cn(issuer.0), cn(subject.0), subject.1);
    plan.not_after = time("20340101000000Z");
    plan.extensions = vec![
        extension("2.5.29.15", true, &bits(1, &[0x06])),
        extension("2.5.29.19", true, &seq(&[tlv(1, &[0xff])])),
        extension("2.5.29.14", false, &octets(&key_id(subject.1))),
        extension("2.5.29.35", false, &seq(&[tlv(0x80, &key_id(issuer.1))])),
    ];
    plan
}

pub fn leaf(issuer: (&str, &RsaPrivateKey), serial: u8) -> Plan {
    let mut plan = plan(issuer.1, cn(issuer.0), cn("Holder"), &HOLDER);
    plan.serial = int(&[serial]);
    plan.extensions = vec![extension(
        "2.5.29.35",
        false,
        &seq(&[tlv(0x80, &key_id(issuer.1))]),
    )];
    plan
}

/// A revocation list: number, day of thisUpdate, revoked serial numbers with reasons, more extensions.
pub fn list(
    issuer: (&str, &RsaPrivateKey),
    number: u8,
    day: u8,
    revoked: &[(u8, u8)],
    more: &[Vec<u8>],
) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = revoked
        .iter()
        .map(|(serial, reason)| {
            let reason = extension("2.5.29.21", false, &tlv(0x0a, &[*reason]));
            seq(&[int(&[*serial]), time("20261101000000Z"), seq(&[reason])])
        })
        .collect();
    let mut parts = vec![
        int(&[1]),
        How::Sha256.algorithm(),
        cn(issuer.0),
        time(&format!("202611{day:02}000000Z")),
        time("20261201000000Z"),
    ];
    if !entries.is_empty() {
        parts.push(seq(&entries));
    }
    let mut extensions = vec![
        extension("2.5.29.35", false, &seq(&[tlv(0x80, &key_id(issuer.1))])),
        extension("2.5.29.20", false, &int(&[number])),
    ];
    extensions.extend_from_slice(more);
    parts.push(tlv(0xa0, &seq(&extensions)));
    let tbs = seq(&parts);
    let signature = How::Sha256.sign(issuer.1, &tbs);
    seq(&[tbs, How::Sha256.algorithm(), bits(0, &signature)])
}

pub fn slices(bag: &[Vec<u8>]) -> Vec<&[u8]> {
    bag.iter().map(Vec::as_slice).collect()
}

pub fn judge(
    target: &[u8],
    intermediates: &[Vec<u8>],
    anchors: &[Vec<u8>],
    crls: &[Vec<u8>],
    revocation: Revocation,
) -> Result<(), PathFailure> {
    let mut policy = PathPolicy::any();
    policy.revocation = revocation;
    let input = PathInput {
        target,
        intermediates: &slices(intermediates),
        trust_anchors: &slices(anchors),
        crls: &slices(crls),
    };
    validate_path(&input, &policy, at(NOON))
}

#[test]
fn f034_a_list_of_another_generation_does_not_vouch() {
    let (old, new) = (("Root", &*CA), ("Root", &*OTHER_CA));
    let anchors = [ca(old, old).build(), ca(new, new).build()];
    let target = leaf(new, 7).build();
    let good_of_old = list(old, 9, 20, &[], &[]);
    let revoked_of_new = list(new, 1, 19, &[(7, 1)], &[]);
    let check = |crls: &[Vec<u8>]| judge(&target, &[], &anchors, crls, Revocation::HardFail);
    assert_eq!(
        check(std::slice::from_ref(&good_of_old)),
        Err(PathFailure::StatusUnavailable)
    );
    assert_eq!(check(&[list(new, 2, 20, &[], &[])]), Ok(()));
    assert_eq!(
        check(&[good_of_old, revoked_of_new]),
        Err(PathFailure::Revoked)
    );
    // A list of the old key that revokes the serial number says nothing about the new key's certificate.
    let revoked_of_old = list(old, 9, 20, &[(7, 1)], &[]);
    let good_of_new = list(new, 1, 19, &[], &[]);
    assert_eq!(check(&[revoked_of_old, good_of_new]), Ok(()));
}

#[test]
fn f032_a_branch_that_takes_the_name_of_a_ca_gets_no_voice() {
    let root = ("Root", &CAS[0]);
    let (honest, rogue) = (("Registry", &CAS[1]), ("Registry", &CAS[3]));
    let other = ("Other", &CAS[2]);
    let anchors = [ca(root, root).build()];
    let bag = [
        ca(root, honest).build(),
        ca(root, other).build(),
        ca(other, rogue).build(),
    ];
    let target = leaf(honest, 7).build();
    let mut crls = vec![
        list(root, 1, 20, &[], &[]),
        list(other, 1, 20, &[], &[]),
        list(rogue, 99, 20, &[], &[]),
    ];
    let check = |crls: &[Vec<u8>]| judge(&target, &bag, &anchors, crls, Revocation::HardFail);
    assert_eq!(check(&crls), Err(PathFailure::StatusUnavailable));
    crls.push(list(honest, 1, 19, &[(7, 1)], &[]));
    assert_eq!(check(&crls), Err(PathFailure::Revoked));
}

#[test]
fn f042_the_newest_list_wins_and_a_delta_adds_to_it() {
    let root = ("Root", &*CA);
    let anchors = [ca(root, root).build()];
    let target = leaf(root, 7).build();
    let check = |crls: &[Vec<u8>]| judge(&target, &[], &anchors, crls, Revocation::HardFail);
    let delta = |number, base: u8, revoked: &[(u8, u8)]| {
        let base = extension("2.5.29.27", true, &int(&[base]));
        list(root, number, 20, revoked, &[base])
    };
    let old_good = list(root, 1, 10, &[], &[]);
    let new_revoked = list(root, 2, 20, &[(7, 1)], &[]);
    assert_eq!(check(std::slice::from_ref(&old_good)), Ok(()));
    assert_eq!(
        check(&[old_good.clone(), new_revoked.clone()]),
        Err(PathFailure::Revoked)
    );
    // A revocation for good does not go away; a hold may.
    let new_good = list(root, 3, 21, &[], &[]);
    assert_eq!(
        check(&[new_revoked, new_good.clone()]),
        Err(PathFailure::Revoked)
    );
    let held = list(root, 2, 20, &[(7, 6)], &[]);
    assert_eq!(
        check(std::slice::from_ref(&held)),
        Err(PathFailure::Revoked)
    );
    assert_eq!(check(&[held.clone(), new_good]), Ok(()));
    assert_eq!(check(&[held.clone(), delta(3, 2, &[(7, 8)])]), Ok(()));
    assert_eq!(
        check(&[old_good.clone(), delta(2, 1, &[(7, 1)])]),
        Err(PathFailure::Revoked)
    );
    assert_eq!(
        check(&[delta(2, 1, &[])]),
        Err(PathFailure::StatusUnavailable),
        "a delta alone"
    );
    assert_eq!(
        check(&[held, delta(4, 3, &[(7, 8)])]),
        Err(PathFailure::Revoked),
        "a delta on a later base"
    );
}

#[test]
fn f048_a_list_with_an_entry_that_is_not_understood_says_nothing() {
    let root = ("Root", &*CA);
    let anchors = [ca(root, root).build()];
    let target = leaf(root, 7).build();
    let unknown = extension("2.5.29.28", true, &seq(&[tlv(0x85, &[0xff])]));
    let check = |list: Vec<u8>| judge(&target, &[], &anchors, &[list], Revocation::HardFail);
    let other_scope = list(root, 1, 20, &[], &[unknown]);
    assert_eq!(check(other_scope), Err(PathFailure::StatusUnavailable));
    let critical = extension("1.2.3", true, &[5, 0]);
    let foreign = list(root, 1, 20, &[], &[critical]);
    assert_eq!(check(foreign), Err(PathFailure::StatusUnavailable));
    let removed = list(root, 1, 20, &[(9, 8)], &[]);
    assert_eq!(check(removed), Err(PathFailure::StatusUnavailable));
}

#[test]
fn f040_addresses_in_a_certificate_are_not_where_anything_is_fetched() {
    let root = ("Root", &*CA);
    let anchors = [ca(root, root).build()];
    let point = tlv(
        0xa0,
        &tlv(0xa0, &tlv(0x86, b"http://169.254.169.254/latest")),
    );
    let points = extension("2.5.29.31", false, &seq(&[seq(&[point])]));
    let mut plan = leaf(root, 7);
    plan.extensions.push(points);
    let began = Instant::now();
    assert_eq!(
        judge(&plan.build(), &[], &anchors, &[], Revocation::HardFail),
        Err(PathFailure::StatusUnavailable)
    );
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn f037_what_an_anchor_says_of_itself_counts_as_the_policy_says() {
    let root = ("Root", &*CA);
    let ca_below = ca(root, ("Sub", &OTHER_CA)).build();
    let leaf = leaf(("Sub", &OTHER_CA), 7).build();
    let anchor = |change: fn(&mut Plan)| {
        let mut plan = ca(root, root);
        change(&mut plan);
        plan.build()
    };
    type Case = (fn(&mut Plan), [Result<(), PathFailure>; 4]);
    let cases: [Case; 5] = [
        (|_| {}, [Ok(()); 4]),
        (
            |plan| plan.not_after = time("20261101000000Z"),
            [Ok(()), Err(PathFailure::Expired), Ok(()), Ok(())],
        ),
        (
            |plan| plan.extensions[0] = extension("2.5.29.15", true, &bits(1, &[0x02])),
            [
                Ok(()),
                Ok(()),
                Err(PathFailure::KeyUsage),
                Err(PathFailure::KeyUsage),
            ],
        ),
        (
            |plan| {
                let limited = seq(&[tlv(1, &[0xff]), int(&[0])]);
                plan.extensions[1] = extension("2.5.29.19", true, &limited);
            },
            [
                Ok(()),
                Ok(()),
                Err(PathFailure::TooLong),
                Err(PathFailure::TooLong),
            ],
        ),
        (
            |plan| {
                // requireExplicitPolicy 0, and no certificate below has a policy.
                let constraints = seq(&[tlv(0x80, &[0])]);
                plan.extensions
                    .push(extension("2.5.29.36", true, &constraints));
            },
            [Ok(()), Ok(()), Ok(()), Err(PathFailure::Policy)],
        ),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let found = [
            (AnchorValidity::Ignored, AnchorConstraints::Names),
            (AnchorValidity::Enforced, AnchorConstraints::Names),
            (AnchorValidity::Ignored, AnchorConstraints::Issuing),
            (AnchorValidity::Ignored, AnchorConstraints::All),
        ]
        .map(|(validity, constraints)| {
            let mut policy = PathPolicy::any();
            policy.anchor_validity = validity;
            policy.anchor_constraints = constraints;
            let input = PathInput {
                target: &leaf,
                intermediates: &[&ca_below],
                trust_anchors: &[&anchor(change)],
                crls: &[],
            };
            validate_path(&input, &policy, at(NOON))
        });
        assert_eq!(found, expected, "anchor {number}");
    }
}

#[test]
fn f038_a_path_through_an_algorithm_of_the_past_needs_leave() {
    let root = ("Root", &*CA);
    let anchors = [ca(root, root).build()];
    let target = leaf(root, 7).signed_by(&CA, How::Sha1).build();
    let mut policy = PathPolicy::any();
    let input = PathInput {
        target: &target,
        intermediates: &[],
        trust_anchors: &slices(&anchors),
        crls: &[],
    };
    let refused = validate_path(&input, &policy, at(NOON));
    assert_eq!(refused, Err(PathFailure::AlgorithmRefused));
    policy.algorithms = PathAlgorithms::Legacy;
    assert_eq!(validate_path(&input, &policy, at(NOON)), Ok(()));
}

/// Every CA certifies every other; the anchor stands aside or certifies the last.
fn mesh(copies: u8) -> Vec<Vec<u8>> {
    const NAMES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
    let mut bag = Vec::new();
    for (i, issuer) in NAMES.iter().enumerate() {
        for (j, subject) in NAMES.iter().enumerate().filter(|(j, _)| *j != i) {
            for copy in 0..copies {
                let mut plan = ca((issuer, &CAS[i]), (subject, &CAS[j]));
                plan.serial = int(&[copy + 1]);
                bag.push(plan.build());
            }
        }
    }
    bag
}

#[test]
fn f057_a_mesh_of_six_cas_ends() {
    let bag = mesh(2);
    assert_eq!(bag.len(), 60);
    let target = leaf(("A", &CAS[0]), 7).build();
    let aside = ca(("Aside", &CA), ("Aside", &CA)).build();
    let began = Instant::now();
    let lost = judge(&target, &bag, &[aside], &[], Revocation::None);
    assert!(lost.is_err());
    let anchor = ca(("F", &CAS[5]), ("F", &CAS[5])).build();
    let found = judge(&target, &bag, &[anchor], &[], Revocation::None);
    assert_eq!(found, Ok(()));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn f057_sixty_certificates_with_one_name_end() {
    let bag: Vec<Vec<u8>> = (0..60)
        .map(|number| {
            let (issuer, subject) = (&CAS[number % 6], &CAS[(number / 6) % 6]);
            let mut plan = ca(("Same", issuer), ("Same", subject));
            plan.serial = int(&[u8::try_from(number).unwrap() + 1]);
            plan.build()
        })
        .collect();
    let target = leaf(("Same", &CAS[0]), 7).build();
    let began = Instant::now();
    let lost = judge(&target, &bag, &[], &[], Revocation::None);
    assert!(lost.is_err());
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn f057_three_thousand_names_under_three_thousand_constraints_end() {
    let root = ("Root", &CAS[0]);
    let names = |prefix: &str| -> Vec<Vec<u8>> {
        (0..3_000)
            .map(|number| tlv(0x82, format!("{prefix}{number}.example").as_bytes()))
            .collect()
    };
    let trees: Vec<Vec<u8>> = names("x").into_iter().map(|base| seq(&[base])).collect();
    let constraints = extension("2.5.29.30", true, &seq(&[tlv(0xa1, &trees.concat())]));
    let mut middle = ca(root, ("Middle", &CAS[1]));
    middle.extensions.push(constraints);
    let mut target = leaf(("Middle", &CAS[1]), 7);
    target
        .extensions
        .push(extension("2.5.29.17", false, &seq(&names("t"))));
    let began = Instant::now();
    let outcome = judge(
        &target.build(),
        &[middle.build()],
        &[ca(root, root).build()],
        &[],
        Revocation::None,
    );
    assert_eq!(outcome, Err(PathFailure::BudgetExhausted));
    assert!(began.elapsed() < Duration::from_secs(3));
}
