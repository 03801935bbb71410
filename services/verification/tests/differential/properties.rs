//! What holds without a second judge.

use std::time::Duration;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use warikan_pki::{
    AnchorSet, Certificate, Channel, DigestAlgorithm, Evidence, Examined, Policy, Purpose, Report,
    Signed, StatusFact, StatusKnowledge, VerifiedCrl, examine, validate, validate_certificate,
};
use warikan_simulator::{CertificateChoice, Content, HashAlgorithm, Layout, PublicationOptions};
use warikan_types::{Environment, RevocationReason, Serial, Timestamp, Verdict};

use crate::{
    ours,
    rng::Rng,
    scene::{Scene, now},
};

const MESSAGE: &[u8] = b"application to open an account";

fn signed() -> Signed {
    Signed::Message {
        algorithm: DigestAlgorithm::Sha256,
        message: MESSAGE.to_vec(),
    }
}

fn signature(scene: &Scene) -> Vec<u8> {
    let content = Content::Message(MESSAGE);
    scene
        .card()
        .sign(CertificateChoice::Signature, content, HashAlgorithm::Sha256)
        .unwrap()
}

/// Any policy and time, near enough that each bound is met from both sides.
fn any_policy(rng: &mut Rng) -> (Policy, Timestamp) {
    let mut policy = ours::policy();
    policy.max_age = [
        None,
        Some(Duration::ZERO),
        Some(Duration::from_secs(3_600)),
        Some(Duration::MAX),
    ][rng.below(4)];
    policy.clock_skew = Duration::from_secs(rng.below(600) as u64);
    policy.purpose = [Purpose::Signature, Purpose::Any][rng.below(2)];
    (
        policy,
        now().plus(Duration::from_secs(rng.below(7_200) as u64)),
    )
}

fn knowledge(rng: &mut Rng, fact: StatusFact) -> StatusKnowledge {
    let this_update = now().plus(Duration::from_secs(rng.below(3_600) as u64));
    StatusKnowledge {
        fact,
        channel: [Channel::Crl, Channel::Ocsp][rng.below(2)],
        this_update,
        next_update: (rng.below(2) == 0).then(|| this_update.plus(Duration::from_secs(86_400))),
        version: "1".to_owned(),
    }
}

fn report(
    examined: &Examined,
    signature: &[u8],
    status: Option<&StatusKnowledge>,
    (policy, at): &(Policy, Timestamp),
) -> [Report; 2] {
    let evidence = Evidence {
        examined,
        signature,
        signed: &signed(),
        status,
    };
    [
        validate(&evidence, policy, *at),
        validate_certificate(examined, status, policy, *at),
    ]
}

#[test]
fn f051_only_good_makes_valid_whatever_else_is_so() {
    let scene = Scene::new();
    let leaf = scene.seeds().remove(0).der;
    let (examined, signature) = (examine(&leaf, &scene.anchors()), signature(&scene));
    let mut rng = Rng::new(51);
    let mut valid = 0;
    for _ in 0..3_000 {
        let policy = any_policy(&mut rng);
        let code = [0, 1, 2, 3, 4, 5, 6, 9, 10][rng.below(9)];
        let facts = [
            StatusFact::Revoked {
                reason: RevocationReason::from_code(code).unwrap(),
                revoked_at: now().minus(Duration::from_secs(rng.below(7_200) as u64)),
            },
            StatusFact::UnknownSerial,
        ];
        let mut words = vec![None];
        words.extend(facts.map(|fact| Some(knowledge(&mut rng, fact))));
        for word in &words {
            for report in report(&examined, &signature, word.as_ref(), &policy) {
                assert_ne!(report.verdict, Verdict::Valid, "{word:?} {policy:?}");
            }
        }
        let good = knowledge(&mut rng, StatusFact::Good);
        let [one, _] = report(&examined, &signature, Some(&good), &policy);
        valid += usize::from(one.verdict == Verdict::Valid);
    }
    assert!(
        valid > 300,
        "{valid}: the same circumstances do let good through"
    );
}

#[test]
fn f031_anchors_in_any_order_and_any_number_of_times_judge_alike() {
    let scene = Scene::new();
    let roots = scene.roots();
    let reference = scene.anchors();
    let mut leaves: Vec<Vec<u8>> = scene.seeds().into_iter().map(|seed| seed.der).collect();
    let mut changed = leaves[0].clone();
    *changed.last_mut().unwrap() ^= 1;
    leaves.push(changed);
    let policy = (ours::policy(), now());
    let good = ours::good(now());
    let judge = |anchors: &AnchorSet| -> Vec<[Report; 2]> {
        leaves
            .iter()
            .map(|leaf| report(&examine(leaf, anchors), &[0; 256], Some(&good), &policy))
            .collect()
    };
    let expected = judge(&reference);
    let verdicts: Vec<Verdict> = expected.iter().map(|pair| pair[1].verdict).collect();
    assert_eq!(verdicts[..4], [Verdict::Valid; 4]);
    assert_eq!(verdicts[4], Verdict::Invalid);
    let mut rng = Rng::new(31);
    for _ in 0..40 {
        let mut bag: Vec<_> = roots.iter().map(|root| root.der.clone()).collect();
        for _ in 0..rng.below(6) {
            bag.push(roots[rng.below(roots.len())].der.clone());
        }
        rng.shuffle(&mut bag);
        let bag = bag.into_iter().map(|der| (Environment::Sandbox, der));
        let anchors = AnchorSet::new(bag).unwrap();
        assert_eq!(anchors.version(), reference.version());
        assert_eq!(judge(&anchors), expected);
    }
}

#[test]
fn f036_what_the_simulator_writes_is_what_is_read() {
    let mut scene = Scene::new();
    let mut random = ChaCha20Rng::from_seed([36; 32]);
    let people = scene
        .simulator
        .issue_population(300, &mut random, &mut scene.keys, now().utc())
        .unwrap();
    for id in people {
        let person = scene.simulator.person(id).unwrap().person.clone();
        let record = scene.simulator.certificates_of(id).next().unwrap();
        let read = Certificate::parse(&record.der).unwrap();
        assert_eq!(read.der(), record.der);
        assert_eq!(read.serial(), &Serial::from_u64(record.serial).unwrap());
        assert_eq!(read.not_before().utc(), record.not_before);
        assert_eq!(read.not_after().utc(), record.not_after);
        let attributes = read.attributes().unwrap();
        assert!(attributes.is_complete());
        assert_eq!(*attributes.name.as_ref().unwrap().expose(), person.name);
        assert_eq!(
            *attributes.address.as_ref().unwrap().expose(),
            person.address
        );
        let born = attributes.birth_date.as_ref().unwrap().expose();
        assert_eq!(born.raw, person.birth_date.encoded());
    }
}

#[test]
fn f035_every_entry_that_the_simulator_writes_is_read() {
    let mut scene = Scene::new();
    let anchors = scene.anchors();
    let options = PublicationOptions {
        layout: Layout::Complete,
        ..PublicationOptions::default()
    };
    let lists = scene.simulator.publish_with(now().utc(), options).unwrap();
    let mut entries = 0;
    for list in &lists.crls {
        let of_it = |anchor: &&warikan_pki::TrustAnchor| {
            VerifiedCrl::verify(&list.der, anchor, now()).is_ok()
        };
        let anchor = anchors.iter().find(of_it).unwrap();
        assert_eq!(anchors.iter().filter(of_it).count(), 1, "one key vouches");
        let read = VerifiedCrl::verify(&list.der, anchor, now()).unwrap();
        assert_eq!(read.len(), list.entries);
        assert_eq!(read.next_update().utc(), list.next_update);
        for entry in read.entries() {
            let serial = entry.serial.as_u64().unwrap();
            let record = scene.simulator.certificate(list.choice, serial).unwrap();
            let revocation = record.revocation.unwrap();
            assert_eq!(entry.revoked_at.utc(), revocation.at);
            assert_eq!(entry.reason.code(), revocation.reason.code());
            entries += 1;
        }
    }
    assert!(entries >= 2);
}
