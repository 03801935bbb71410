//! Reproducibility, storing and restoring, defects, populations.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::{collections::BTreeSet, time::Instant};

use common::{now, simulator};
use der::Decode;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use warikan_simulator::{
    CardError, CertificateChoice, Content, Defect, Genesis, HashAlgorithm, Hierarchy, KeyError,
    KeySource, LifeEvent, Municipality, Person, Records, Simulator, SimulatorError, fixtures,
};

fn lived() -> Simulator {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    simulator
        .issue_population(10, &mut rng, &mut keys, now())
        .unwrap();
    let id = simulator
        .enroll(Person::of_the_test_card(), &mut keys, now())
        .unwrap();
    simulator
        .apply(id, &LifeEvent::Renew, &mut keys, now())
        .unwrap();
    simulator.publish(now()).unwrap();
    simulator
}

fn as_text(records: &Records) -> String {
    serde_json::to_string(records).unwrap()
}

#[test]
fn fixed_keys_make_everything_reproducible() {
    let (mut a, mut b) = (lived(), lived());
    assert_eq!(as_text(&a.export()), as_text(&b.export()));
    assert_eq!(a.publish(now()), b.publish(now()));
}

#[test]
fn a_restored_simulator_goes_on_where_the_stored_one_stopped() {
    let mut original = lived();
    let text = as_text(&original.export());
    let mut restored = Simulator::restore(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(as_text(&restored.export()), text);
    assert_eq!(restored.publish(now()), original.publish(now()));
    let [mut keys, mut more] = [fixtures::key_source(), fixtures::key_source()];
    let [a, b] = [(&mut original, &mut keys), (&mut restored, &mut more)]
        .map(|(one, keys)| one.enroll(Person::of_the_test_card(), keys, now()).unwrap());
    assert_eq!(a, b);
    assert_eq!(as_text(&original.export()), as_text(&restored.export()));
    let card = restored.card(b).unwrap();
    let choice = CertificateChoice::Signature;
    assert!(
        card.sign(choice, Content::Message(b"x"), HashAlgorithm::Sha256)
            .is_ok()
    );
}

/// A store as a service would have it: rows by key.
#[derive(Default)]
struct Rows(Records);

impl Rows {
    fn put(&mut self, changes: Records) {
        let Records {
            state,
            generations,
            keys,
            persons,
            certificates,
        } = changes;
        self.0.state = state.or(self.0.state.take());
        self.0.generations.retain(|old| {
            !generations
                .iter()
                .any(|new| (new.choice, new.generation) == (old.choice, old.generation))
        });
        self.0.generations.extend(generations);
        self.0
            .keys
            .retain(|old| !keys.iter().any(|new| new.id == old.id));
        self.0.keys.extend(keys);
        self.0
            .persons
            .retain(|old| !persons.iter().any(|new| new.id == old.id));
        self.0.persons.extend(persons);
        self.0.certificates.retain(|old| {
            !certificates
                .iter()
                .any(|new| (new.choice, new.serial) == (old.choice, old.serial))
        });
        self.0.certificates.extend(certificates);
    }
}

#[test]
fn change_sets_add_up_to_the_whole_and_name_only_what_changed() {
    let mut keys = fixtures::key_source();
    let mut simulator = simulator();
    let mut rows = Rows::default();
    rows.put(simulator.take_changes());
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let many = simulator
        .issue_population(20, &mut rng, &mut keys, now())
        .unwrap();
    rows.put(simulator.take_changes());
    simulator
        .apply(
            many[3],
            &LifeEvent::Rename {
                name: "両儀　式".to_owned(),
            },
            &mut keys,
            now(),
        )
        .unwrap();
    let changes = simulator.take_changes();
    assert_eq!((changes.persons.len(), changes.certificates.len()), (1, 2));
    rows.put(changes);
    simulator.publish(now()).unwrap();
    let changes = simulator.take_changes();
    assert_eq!(
        (changes.generations.len(), changes.certificates.len()),
        (4, 0)
    );
    rows.put(changes);
    let restored = Simulator::restore(rows.0).unwrap();
    assert_eq!(as_text(&restored.export()), as_text(&simulator.export()));
}

#[test]
fn inconsistent_records_are_refused() {
    let broken = |spoil: fn(&mut Records)| {
        let mut records = lived().export();
        spoil(&mut records);
        matches!(
            Simulator::restore(records),
            Err(SimulatorError::Inconsistent(_))
        )
    };
    assert!(broken(|records| records.state = None));
    assert!(broken(|records| records.persons.clear()));
    assert!(broken(|records| records.keys.clear()));
}

#[test]
fn a_population_is_quick_and_everyone_in_it_has_their_own_certificate() {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let start = Instant::now();
    let ids = simulator
        .issue_population(1_000, &mut rng, &mut keys, now())
        .unwrap();
    println!("1,000 persons in {:?}", start.elapsed());
    let cards: Vec<_> = ids.iter().map(|id| simulator.card(*id).unwrap()).collect();
    let distinct: BTreeSet<_> = cards
        .iter()
        .map(|card| card.certificate(CertificateChoice::Signature).unwrap())
        .collect();
    assert_eq!(distinct.len(), 1_000);
    assert!(cards.iter().all(|card| {
        card.certificate(CertificateChoice::Authentication)
            .is_none()
    }));
    let names: BTreeSet<_> = ids
        .iter()
        .map(|id| simulator.person(*id).unwrap().person.name.clone())
        .collect();
    assert!(
        names.len() > 300 && names.iter().all(|name| name.contains('　')),
        "{}",
        names.len()
    );
}

#[test]
fn generated_keys_differ_and_sign() {
    let mut keys = KeySource::fresh(7).unwrap();
    assert_eq!(KeySource::fresh(0).err(), Some(KeyError::PoolTooSmall));
    let mut genesis = Genesis::of(Hierarchy::Test);
    genesis.municipalities.truncate(1);
    let mut simulator = Simulator::genesis(genesis, &mut keys, now()).unwrap();
    let id = simulator
        .enroll(Person::of_the_test_card(), &mut keys, now())
        .unwrap();
    let distinct: BTreeSet<_> = simulator
        .export()
        .keys
        .into_iter()
        .map(|key| key.id)
        .collect();
    assert_eq!(
        distinct.len(),
        7,
        "four roots, one responder, two on the card"
    );
    let card = simulator.card(id).unwrap();
    assert_eq!(
        card.sign(
            CertificateChoice::Signature,
            Content::Digest(&[0; 32]),
            HashAlgorithm::Sha256
        )
        .unwrap()
        .len(),
        256
    );
}

#[test]
fn a_generated_key_is_made_when_it_is_drawn() {
    let mut simulator = simulator();
    let mut keys = KeySource::Generated;
    let id = simulator
        .enroll(Person::of_the_test_card(), &mut keys, now())
        .unwrap();
    let distinct: BTreeSet<_> = simulator
        .certificates_of(id)
        .map(|one| one.key.clone())
        .collect();
    assert_eq!(distinct.len(), 2);
}

#[test]
fn the_card_refuses_what_it_cannot_sign() {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    let id = simulator
        .enroll(Person::of_the_test_card(), &mut keys, now())
        .unwrap();
    let card = simulator.card(id).unwrap();
    let choice = CertificateChoice::Signature;
    let digest = Content::Digest(&[0; 32]);
    assert_eq!(
        card.sign(choice, digest, HashAlgorithm::Sha384),
        Err(CardError::DigestLength)
    );
    assert!(card.sign_bytes(choice, &[1; 245]).is_ok());
    assert_eq!(card.sign_bytes(choice, &[1; 246]), Err(CardError::TooLong));
    assert_eq!(format!("{card:?}"), "Card { .. }");
}

#[test]
fn f039_defects_are_what_they_say() {
    let (mut simulator, mut keys) = (simulator(), fixtures::key_source());
    for choice in CertificateChoice::ALL {
        for defect in Defect::ALL {
            let id = simulator
                .enroll_defective(Person::of_the_test_card(), choice, defect, &mut keys, now())
                .unwrap();
            let record = simulator
                .certificates_of(id)
                .find(|one| one.choice == choice)
                .unwrap();
            assert_eq!(record.defect, Some(defect));
            let card = simulator.card(id).unwrap();
            let bytes = card.certificate(choice).unwrap();
            let parses = x509_cert::Certificate::from_der(bytes).is_ok();
            assert_eq!(
                parses,
                !matches!(defect, Defect::TrailingData | Defect::Truncated),
                "{defect:?}"
            );
            assert!(
                card.sign(choice, Content::Message(b"x"), HashAlgorithm::Sha256)
                    .is_ok(),
                "{defect:?}"
            );
            let forged = matches!(
                defect,
                Defect::UnknownIssuer | Defect::ImpostorIssuer | Defect::Unrecorded
            );
            assert_eq!(record.generation == 0, forged);
            let name = "黒桐　幹也".as_bytes();
            let names = bytes
                .windows(name.len())
                .filter(|part| *part == name)
                .count();
            let expected = match (defect, choice) {
                (Defect::DuplicateName, _) => 2,
                (Defect::MissingName | Defect::MalformedUtf8, _)
                | (_, CertificateChoice::Authentication) => 0,
                _ => 1,
            };
            assert_eq!(names, expected, "{defect:?} {choice:?}");
        }
    }
}

#[test]
fn municipalities_have_one_list_each() {
    let mut simulator = simulator();
    let known = Municipality::defaults()[0].clone();
    assert_eq!(simulator.add_municipality(known.clone()), Ok(()));
    for bad in [
        Municipality {
            code: "99999".to_owned(),
            ..known.clone()
        },
        Municipality {
            name: "Kiyose/shi".to_owned(),
            ..known.clone()
        },
        Municipality {
            code: "132215".to_owned(),
            name: "Other-shi".to_owned(),
            ..known
        },
    ] {
        assert_eq!(
            simulator.add_municipality(bad),
            Err(SimulatorError::BadMunicipality)
        );
    }
    let new = Municipality::new("02202", "Aomori-ken", "Hirosaki-shi", "青森県", "弘前市");
    simulator.add_municipality(new).unwrap();
    let publication = simulator.publish(now()).unwrap();
    assert_eq!(
        publication
            .crls
            .iter()
            .filter(|one| one.partition == "aomori-ken_hirosaki-shi")
            .count(),
        4
    );
}
