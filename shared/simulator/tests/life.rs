//! Life events: who is revoked why, what is issued anew, and what the lists say.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use chrono::Duration;
use common::{at, now, simulator};
use std::collections::BTreeSet;
use warikan_simulator::{
    CertificateChoice, KeySource, Layout, LifeEvent, Person, PersonId, PublicationOptions,
    RevocationReason, Simulator, SimulatorError, fixtures,
};

const SIGNATURE: CertificateChoice = CertificateChoice::Signature;
const AUTHENTICATION: CertificateChoice = CertificateChoice::Authentication;

fn with_one_person() -> (Simulator, PersonId, KeySource) {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    let id = simulator
        .enroll(Person::of_the_test_card(), &mut keys, now())
        .unwrap();
    (simulator, id, keys)
}

fn to(address: &str) -> LifeEvent {
    LifeEvent::Move {
        address: address.to_owned(),
        municipality: None,
    }
}

#[test]
fn every_event_revokes_with_its_own_reason() {
    use RevocationReason::{
        AffiliationChanged, CertificateHold, CessationOfOperation, KeyCompromise, Superseded,
        Unspecified,
    };
    let both = [SIGNATURE, AUTHENTICATION].as_slice();
    let signature = [SIGNATURE].as_slice();
    let name = "両儀　幹也".to_owned();
    for (event, reason, revoked, issued) in [
        (
            to("東京都新宿区本町１－１－１"),
            AffiliationChanged,
            signature,
            signature,
        ),
        (
            LifeEvent::Rename { name },
            AffiliationChanged,
            signature,
            signature,
        ),
        (LifeEvent::Renew, Superseded, both, both),
        (LifeEvent::Lose, KeyCompromise, both, &[]),
        (LifeEvent::Hold, CertificateHold, both, &[]),
        (LifeEvent::Die, CessationOfOperation, both, &[]),
        (LifeEvent::Cancel, CessationOfOperation, both, &[]),
        (LifeEvent::Discard, Unspecified, both, &[]),
        (LifeEvent::Reissue, Superseded, both, both),
    ] {
        let (mut simulator, id, mut keys) = with_one_person();
        let before = simulator.person(id).unwrap().clone();
        let later = now() + Duration::days(3);
        let outcome = simulator.apply(id, &event, &mut keys, later).unwrap();
        assert_eq!(
            outcome
                .revoked
                .iter()
                .map(|one| one.choice)
                .collect::<Vec<_>>(),
            revoked,
            "{event:?}"
        );
        assert_eq!(
            outcome
                .issued
                .iter()
                .map(|one| one.choice)
                .collect::<Vec<_>>(),
            issued,
            "{event:?}"
        );
        for one in &outcome.revoked {
            assert_eq!(
                (one.revocation.reason, one.revocation.at),
                (reason, later),
                "{event:?}"
            );
            assert_eq!(Some(one.serial), before.serial(one.choice));
        }
        for one in &outcome.issued {
            assert_eq!(one.replaces, before.serial(one.choice), "{event:?}");
            let linked = simulator
                .successor(one.choice, one.replaces.unwrap())
                .unwrap();
            assert_eq!((linked.serial, linked.replaces), (one.serial, one.replaces));
            let card = simulator.card(id).unwrap();
            assert_eq!(
                card.certificate(one.choice),
                Some(one.certificate.as_slice())
            );
        }
    }
}

#[test]
fn moving_changes_attributes_and_partition() {
    let (mut simulator, id, mut keys) = with_one_person();
    simulator
        .apply(id, &to("沖縄県那覇市松山１－２－３"), &mut keys, now())
        .unwrap();
    let signatures: Vec<_> = simulator
        .certificates_of(id)
        .filter(|one| one.choice == SIGNATURE)
        .collect();
    assert_eq!(signatures[0].partition, "tokyo-to_kiyose-shi");
    assert_eq!(signatures[1].partition, "okinawa-ken_naha-shi");
    let contains =
        |der: &[u8], text: &str| der.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(contains(&signatures[1].der, "沖縄県那覇市松山１－２－３"));
    assert!(contains(&signatures[1].der, "Naha-shi CRLDP"));
    // The address lies in no known municipality: the register is the old one, the attribute the new one.
    simulator
        .apply(id, &to("青森県弘前市元町１"), &mut keys, now())
        .unwrap();
    let person = &simulator.person(id).unwrap().person;
    assert_eq!(
        (person.address.as_str(), person.municipality.name.as_str()),
        ("青森県弘前市元町１", "Naha-shi")
    );
    assert_eq!(person.address_substitutions, "000000000");
}

#[test]
fn f054_a_hold_is_never_lifted_but_may_become_a_loss() {
    let (mut simulator, id, mut keys) = with_one_person();
    simulator
        .apply(id, &LifeEvent::Hold, &mut keys, now())
        .unwrap();
    let later = now() + Duration::days(1);
    for event in [
        LifeEvent::Hold,
        LifeEvent::Renew,
        LifeEvent::Cancel,
        LifeEvent::Discard,
    ] {
        assert_eq!(
            simulator.apply(id, &event, &mut keys, later),
            Err(SimulatorError::NoLiveCertificate)
        );
    }
    let moved = simulator
        .apply(id, &to("東京都新宿区本町１－１－１"), &mut keys, later)
        .unwrap();
    assert_eq!(
        (moved.revoked.len(), moved.issued.len()),
        (0, 0),
        "a held certificate does not come back by moving"
    );
    let lost = simulator
        .apply(id, &LifeEvent::Lose, &mut keys, later)
        .unwrap();
    assert_eq!(
        lost.revoked[0].revocation.reason,
        RevocationReason::KeyCompromise
    );
    assert_eq!(
        lost.revoked[0].revocation.at,
        now(),
        "it keeps the day of the hold"
    );
    assert_eq!(
        simulator.apply(id, &LifeEvent::Lose, &mut keys, later),
        Err(SimulatorError::NoLiveCertificate)
    );
    let new = simulator
        .apply(id, &LifeEvent::Reissue, &mut keys, later)
        .unwrap();
    assert_eq!((new.revoked.len(), new.issued.len()), (0, 2));
}

#[test]
fn the_dead_have_no_events_and_the_unknown_neither() {
    let (mut simulator, id, mut keys) = with_one_person();
    simulator
        .apply(id, &LifeEvent::Die, &mut keys, now())
        .unwrap();
    assert_eq!(
        simulator.apply(id, &LifeEvent::Renew, &mut keys, now()),
        Err(SimulatorError::Deceased)
    );
    let nobody = simulator.apply(PersonId(99), &LifeEvent::Renew, &mut keys, now());
    assert_eq!(nobody, Err(SimulatorError::UnknownPerson));
}

#[test]
fn children_have_no_signature_certificate_until_fifteen() {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    let mut child = Person::of_the_test_card();
    child.birth_date = "2012-01-10".parse::<chrono::NaiveDate>().unwrap().into();
    let id = simulator.enroll(child, &mut keys, now()).unwrap();
    assert_eq!(simulator.person(id).unwrap().signature, None);
    let moved = simulator
        .apply(id, &to("東京都新宿区本町１－１－１"), &mut keys, now())
        .unwrap();
    assert_eq!((moved.revoked.len(), moved.issued.len()), (0, 0));
    let grown = simulator
        .apply(id, &LifeEvent::Renew, &mut keys, at("2027-01-10T00:00:00Z"))
        .unwrap();
    let choices: Vec<_> = grown.issued.iter().map(|one| one.choice).collect();
    assert_eq!(choices, [SIGNATURE, AUTHENTICATION]);
}

#[test]
fn f035_serial_numbers_are_sequential_per_name_across_generations() {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    let mut seen = BTreeSet::new();
    let mut generations = BTreeSet::new();
    for day in [
        "2022-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
        "2022-02-01T00:00:00Z",
    ] {
        let id = simulator
            .enroll(Person::of_the_test_card(), &mut keys, at(day))
            .unwrap();
        for one in simulator.certificates_of(id) {
            assert!(seen.insert((one.choice, one.serial)));
            generations.insert(one.generation);
        }
    }
    assert_eq!(generations, BTreeSet::from([1, 2]));
    // Two roots and two responders came first.
    let signatures: Vec<_> = seen
        .iter()
        .filter(|one| one.0 == SIGNATURE)
        .map(|one| one.1)
        .collect();
    assert_eq!(signatures, [5, 6, 7]);
    assert_eq!(simulator.roll_over(SIGNATURE, &mut keys, now()), Ok(3));
    let id = simulator
        .enroll(Person::of_the_test_card(), &mut keys, now())
        .unwrap();
    let newest = simulator.certificates_of(id).next().unwrap();
    assert_eq!((newest.generation, newest.serial), (3, 10));
}

#[test]
fn lists_number_upwards_and_drop_what_has_expired() {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    let id = simulator
        .enroll(
            Person::of_the_test_card(),
            &mut keys,
            at("2022-03-01T00:00:00Z"),
        )
        .unwrap();
    simulator
        .apply(id, &LifeEvent::Lose, &mut keys, now())
        .unwrap();
    let entries = |simulator: &mut Simulator, day: &str| {
        let publication = simulator.publish(at(day)).unwrap();
        let list = publication.crls.into_iter().find(|one| {
            one.choice == SIGNATURE && one.generation == 1 && one.partition == "tokyo-to_kiyose-shi"
        });
        let list = list.unwrap();
        assert_eq!(list.next_update - list.this_update, Duration::days(2));
        (list.number, list.entries)
    };
    assert_eq!(
        entries(&mut simulator, "2026-11-20T00:00:00Z"),
        (1, 0),
        "not yet revoked"
    );
    assert_eq!(entries(&mut simulator, "2026-11-22T00:00:00Z"), (2, 1));
    // The certificate ends on its fifth birthday, 2027-02-17 in Japan.
    assert_eq!(entries(&mut simulator, "2027-02-17T14:59:59Z"), (3, 1));
    assert_eq!(
        entries(&mut simulator, "2027-02-18T00:00:00Z"),
        (4, 1),
        "once more after its end (RFC 5280 3.3)"
    );
    assert_eq!(entries(&mut simulator, "2027-02-19T00:00:00Z"), (5, 0));
}

#[test]
fn a_complete_list_has_everything_of_a_generation() {
    let (mut simulator, id, mut keys) = with_one_person();
    simulator
        .apply(id, &to("沖縄県那覇市松山１－２－３"), &mut keys, now())
        .unwrap();
    simulator
        .apply(id, &LifeEvent::Lose, &mut keys, now())
        .unwrap();
    let options = PublicationOptions {
        layout: Layout::Complete,
        ..PublicationOptions::default()
    };
    let publication = simulator.publish_with(now(), options).unwrap();
    let entries: Vec<_> = publication
        .crls
        .iter()
        .map(|one| {
            (
                one.choice,
                one.generation,
                one.partition.as_str(),
                one.entries,
            )
        })
        .collect();
    let all = "all";
    assert_eq!(
        entries,
        [
            (SIGNATURE, 1, all, 0),
            (SIGNATURE, 2, all, 2),
            (AUTHENTICATION, 1, all, 0),
            (AUTHENTICATION, 2, all, 1)
        ]
    );
}
