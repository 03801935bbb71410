//! Certificates of real test cards and the real roots (provenance in `testdata/jlis/README.md`).

use std::{fs, path::PathBuf};

use warikan_pki::{
    AnchorError, AnchorSet, Certificate, CheckName, CheckResult, DigestAlgorithm, Evidence,
    PathError, Purpose, Signed, examine, validate,
};
use warikan_types::{CertificateKind, Environment, Reason};

use crate::pki::{NOON, at, good, policy};

fn read(path: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/jlis")
        .join(path);
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

const PRODUCTION: [&str; 6] = [
    "roots/authca01.cer",
    "roots/authca02.cer",
    "roots/authca03.cer",
    "roots/signca01.cer",
    "roots/signca02.cer",
    "roots/signca03.cer",
];
const TEST: [&str; 4] = [
    "test-roots/authca-test-2019.cer",
    "test-roots/authca-test-2023.cer",
    "test-roots/signca-test-2019.cer",
    "test-roots/signca-test-2024.cer",
];

fn all_anchors() -> AnchorSet {
    let production = PRODUCTION.map(|path| (Environment::Production, read(path)));
    let test = TEST.map(|path| (Environment::Sandbox, read(path)));
    AnchorSet::new(production.into_iter().chain(test)).unwrap()
}

fn only(path: &str) -> AnchorSet {
    AnchorSet::new([(Environment::Sandbox, read(path))]).unwrap()
}

#[test]
fn f034_each_leaf_chains_to_one_generation_alone() {
    for (leaf, right, kind) in [
        (
            "test-leaf/jpki-sign-cert.der",
            "test-roots/signca-test-2024.cer",
            CertificateKind::CardSignature,
        ),
        (
            "test-leaf/jpki-auth-cert.der",
            "test-roots/authca-test-2023.cer",
            CertificateKind::CardAuthentication,
        ),
    ] {
        let der = read(leaf);
        let right_key = Certificate::parse(&read(right))
            .unwrap()
            .issuer_key_of_self();
        for root in TEST {
            let found = examine(&der, &only(root));
            assert_eq!(found.path().is_some(), root == right, "{leaf} under {root}");
            if root != right {
                assert_eq!(found.path_error(), Some(PathError::IssuerUnknown));
            }
        }
        let found = examine(&der, &all_anchors());
        assert_eq!(found.kind(), Some(kind));
        assert_eq!(found.environment(), Some(Environment::Sandbox));
        assert_eq!(found.path().unwrap().certificate_id().issuer, right_key);
    }
}

#[test]
fn f034_the_order_of_the_anchors_changes_nothing() {
    let mut handed: Vec<_> = TEST
        .iter()
        .map(|path| (Environment::Sandbox, read(path)))
        .collect();
    let one = AnchorSet::new(handed.clone()).unwrap();
    handed.reverse();
    handed.push(handed[0].clone());
    let other = AnchorSet::new(handed).unwrap();
    assert_eq!(one.version(), other.version());
    assert_eq!(one.iter().count(), 4);
    assert!(
        one.iter()
            .zip(other.iter())
            .all(|(a, b)| a.key() == b.key())
    );
}

#[test]
fn f036_the_attributes_are_read_exactly() {
    let certificate = Certificate::parse(&read("test-leaf/jpki-sign-cert.der")).unwrap();
    let attributes = certificate.attributes().unwrap();
    let text = |value: &Option<warikan_types::Personal<String>>| {
        value.as_ref().map(|value| value.expose().clone()).unwrap()
    };
    assert_eq!(text(&attributes.name), "黒桐　幹也");
    assert_eq!(
        text(&attributes.address),
        "東京都清瀬市観布子南１２－７－２０２"
    );
    let birth = attributes.birth_date.as_ref().unwrap().expose();
    assert_eq!(birth.raw, "319800217");
    assert_eq!(birth.date.unwrap().to_string(), "1980-02-17");
    assert_eq!(text(&attributes.sex), "1");
    assert_eq!(text(&attributes.name_substitutions), "00000");
    assert!(attributes.is_complete());
    assert!(attributes.unknown.is_empty());

    let other = Certificate::parse(&read("test-leaf/jpki-auth-cert.der")).unwrap();
    assert!(other.attributes().is_none());
    assert_eq!(
        other.ocsp_url(),
        Some("http://test-ocspauthnorm.jpki.go.jp")
    );
    assert!(certificate.ocsp_url().is_none());
    assert!(certificate.distribution_point().is_some());
    assert_ne!(certificate.distribution_point(), other.distribution_point());
    assert_eq!(certificate.not_after(), at("2030-02-17T14:59:59Z"));
    assert_eq!(certificate.serial().as_u64(), Some(0x1e_e607));
}

#[test]
fn f033_a_test_card_is_refused_in_production() {
    let found = examine(&read("test-leaf/jpki-sign-cert.der"), &all_anchors());
    let signed = Signed::Digest {
        algorithm: DigestAlgorithm::Sha256,
        digest: vec![0; 32],
    };
    let status = good();
    let evidence = Evidence {
        examined: &found,
        signature: &[0; 256],
        signed: &signed,
        status: Some(&status),
    };
    let mut production = policy();
    production.environment = Environment::Production;
    production.purpose = Purpose::Signature;
    let report = validate(&evidence, &production, at(NOON));
    let environment = report.check(CheckName::Environment).unwrap();
    assert_eq!(environment.reason, Some(Reason::EnvironmentMismatch));
    assert_eq!(
        report.check(CheckName::Issuer).unwrap().result,
        CheckResult::Passed,
        "the issuer is known, only elsewhere"
    );

    // In its own environment everything but the signature, which nobody here can make, is as it should be.
    let mut sandbox = policy();
    sandbox.purpose = Purpose::Signature;
    let report = validate(&evidence, &sandbox, at(NOON));
    let failed: Vec<_> = report
        .checks
        .iter()
        .filter(|check| check.result != CheckResult::Passed)
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(report.reason, Some(Reason::SignatureMismatch));
}

#[test]
fn f033_a_test_root_cannot_be_a_production_anchor() {
    for root in TEST {
        assert_eq!(
            AnchorSet::new([(Environment::Production, read(root))]).unwrap_err(),
            AnchorError::TestRootInProduction(0)
        );
    }
    let root = read(PRODUCTION[0]);
    assert_eq!(
        AnchorSet::new([
            (Environment::Production, root.clone()),
            (Environment::Sandbox, root)
        ])
        .unwrap_err(),
        AnchorError::BothEnvironments(1)
    );
}

#[test]
fn expired_roots_are_kept() {
    let set = all_anchors();
    assert_eq!(set.iter().count(), 10);
    assert!(
        set.iter()
            .any(|anchor| anchor.certificate().not_after() < at(NOON))
    );
    for anchor in set.iter() {
        assert_eq!(
            set.by_key(&anchor.key()).unwrap().certificate().sha256(),
            anchor.certificate().sha256()
        );
    }
}

#[test]
fn f056_no_truncation_and_no_flipped_octet_of_a_real_certificate_does_harm() {
    let der = read("test-leaf/jpki-sign-cert.der");
    let anchors = all_anchors();
    for length in 0..der.len() {
        assert!(Certificate::parse(&der[..length]).is_err(), "{length}");
    }
    let mut longer = der.clone();
    longer.push(0);
    assert!(Certificate::parse(&longer).is_err());
    for index in 0..der.len() {
        let mut changed = der.clone();
        changed[index] ^= 0x01;
        assert!(
            examine(&changed, &anchors).path().is_none(),
            "octet {index} is not covered by the issuer's signature"
        );
    }
}
