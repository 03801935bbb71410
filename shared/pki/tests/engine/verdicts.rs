//! From evidence, policy and time to a report.

use std::time::Duration;

use warikan_pki::{
    AlgorithmPolicy, AlgorithmRule, AnchorSet, Check, CheckName, CheckResult, DigestAlgorithm,
    Evidence, KeyRule, Policy, Purpose, Report, Signed, StatusFact, StatusKnowledge, examine,
    validate, validate_certificate,
};
use warikan_types::{Environment, Reason, RevocationReason, Verdict};

use crate::{
    der::{bits, extension},
    keys::{CA, OTHER_CA},
    pki::{
        AUTHENTICATION_POLICY, NOON, Plan, anchors, application, at, authentication_leaf, good,
        policies, policy, root, signature_leaf, signature_over_application,
    },
};

fn judge(plan: &Plan, policy: &Policy, status: Option<&StatusKnowledge>, when: &str) -> Report {
    let found = examine(&plan.build(), &anchors());
    let signature = signature_over_application();
    let signed = application();
    let evidence = Evidence {
        examined: &found,
        signature: &signature,
        signed: &signed,
        status,
    };
    let report = validate(&evidence, policy, at(when));
    assert_eq!(
        report,
        validate(&evidence, policy, at(when)),
        "deterministic"
    );
    report
}

fn outcome(report: &Report) -> (Verdict, Option<Reason>) {
    (report.verdict, report.reason)
}

#[test]
fn everything_good_is_valid() {
    let report = judge(&signature_leaf(&CA), &policy(), Some(&good()), NOON);
    assert_eq!(outcome(&report), (Verdict::Valid, None));
    assert_eq!(report.checks.len(), 9);
    assert!(
        report
            .checks
            .iter()
            .all(|check| check.result == CheckResult::Passed)
    );
    let stored = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&stored).unwrap(), report);
}

#[test]
fn f024_each_purpose_has_its_certificates() {
    let leaves = [signature_leaf(&CA), authentication_leaf(&CA)];
    for (purpose, accepted) in [
        (Purpose::Signature, [true, false]),
        (Purpose::Authentication, [false, true]),
        (Purpose::Any, [true, true]),
    ] {
        let mut policy = policy();
        policy.purpose = purpose;
        for (leaf, accepted) in leaves.iter().zip(accepted) {
            let report = judge(leaf, &policy, Some(&good()), NOON);
            let expected = if accepted {
                (Verdict::Valid, None)
            } else {
                (Verdict::Invalid, Some(Reason::ProfileViolation))
            };
            assert_eq!(outcome(&report), expected, "{purpose:?}");
        }
    }
}

#[test]
fn f024_a_kind_is_more_than_its_policy() {
    let usage = |content: &[u8]| Some(extension("2.5.29.15", true, content));
    for (plan, why) in [
        (
            signature_leaf(&CA).extension("2.5.29.15", usage(&bits(7, &[0x80]))),
            "no nonRepudiation",
        ),
        (signature_leaf(&CA).extension("2.5.29.15", None), "no usage"),
        (
            signature_leaf(&CA).extension(
                "2.5.29.15",
                Some(extension("2.5.29.15", false, &bits(6, &[0xc0]))),
            ),
            "usage not critical",
        ),
        (
            signature_leaf(&CA).extension("2.5.29.35", None),
            "no key id of the issuer",
        ),
        (
            signature_leaf(&CA).extension("1.2.3", Some(extension("1.2.3", true, &[5, 0]))),
            "an unknown critical extension",
        ),
        (
            authentication_leaf(&CA).extension("2.5.29.37", None),
            "no clientAuth",
        ),
    ] {
        let report = judge(&plan, &policy(), Some(&good()), NOON);
        assert_eq!(
            outcome(&report),
            (Verdict::Invalid, Some(Reason::ProfileViolation)),
            "{why}"
        );
    }
    let unknown =
        signature_leaf(&CA).extension("2.5.29.32", Some(policies("1.2.392.200149.8.5.1.9.99")));
    let report = judge(&unknown, &policy(), Some(&good()), NOON);
    assert_eq!(report.reason, Some(Reason::CertificateUnsupported));
    let swapped = signature_leaf(&CA).extension("2.5.29.32", Some(policies(AUTHENTICATION_POLICY)));
    let report = judge(&swapped, &policy(), Some(&good()), NOON);
    assert_eq!(report.reason, Some(Reason::ProfileViolation));
}

#[test]
fn f032_an_attacker_with_the_issuers_name_and_key_id_is_refused() {
    let mut spoofed = signature_leaf(&CA);
    spoofed.signer = OTHER_CA.clone();
    let report = judge(&spoofed, &policy(), Some(&good()), NOON);
    assert_eq!(
        outcome(&report),
        (Verdict::Invalid, Some(Reason::IssuerSignatureInvalid))
    );
    assert_eq!(
        report.check(CheckName::Status).unwrap().result,
        CheckResult::NotRun,
        "a status means nothing without a path"
    );
    let report = judge(&signature_leaf(&OTHER_CA), &policy(), Some(&good()), NOON);
    assert_eq!(report.reason, Some(Reason::IssuerUnknown));
}

#[test]
fn f032_two_anchors_with_one_key_id_are_both_tried() {
    let mut impostor = root("JPKI-TEST", &OTHER_CA);
    impostor = impostor.extension(
        "2.5.29.14",
        Some(extension(
            "2.5.29.14",
            false,
            &crate::der::octets(&crate::pki::key_id(&CA)),
        )),
    );
    let mut pair = vec![
        (Environment::Sandbox, impostor.build()),
        (Environment::Sandbox, root("JPKI-TEST", &CA).build()),
    ];
    let leaf = signature_leaf(&CA).build();
    for _ in 0..2 {
        let found = examine(&leaf, &AnchorSet::new(pair.clone()).unwrap());
        assert_eq!(
            found.path().unwrap().anchor().certificate().der(),
            root("JPKI-TEST", &CA).build()
        );
        pair.reverse();
    }
}

#[test]
fn f033_neither_environment_accepts_the_other() {
    let mut production = policy();
    production.environment = Environment::Production;
    let report = judge(&signature_leaf(&CA), &production, Some(&good()), NOON);
    assert_eq!(
        outcome(&report),
        (Verdict::Invalid, Some(Reason::EnvironmentMismatch))
    );
    // A production policy OID under a sandbox anchor: the second mark alone is enough.
    let plan =
        signature_leaf(&CA).extension("2.5.29.32", Some(policies("1.2.392.200149.8.5.1.1.20")));
    let report = judge(&plan, &policy(), Some(&good()), NOON);
    assert_eq!(report.reason, Some(Reason::EnvironmentMismatch));
}

#[test]
fn f037_both_ends_of_the_validity_period_are_inside() {
    let mut policy = policy();
    policy.max_age = None;
    for (when, expected) in [
        (
            "2024-12-31T23:59:59.999999Z",
            Some(Reason::CertificateNotYetValid),
        ),
        ("2025-01-01T00:00:00Z", None),
        ("2030-02-17T14:59:59Z", None),
        ("2030-02-17T14:59:59.999999Z", None),
        ("2030-02-17T15:00:00Z", Some(Reason::CertificateExpired)),
    ] {
        let mut status = good();
        status.this_update = at("2024-12-31T00:00:00Z");
        status.next_update = Some(at("2031-01-01T00:00:00Z"));
        let report = judge(&signature_leaf(&CA), &policy, Some(&status), when);
        assert_eq!(report.reason, expected, "{when}");
    }
}

#[test]
fn f043_good_is_good_only_while_it_is_fresh() {
    let leaf = signature_leaf(&CA);
    let with = |change: fn(&mut StatusKnowledge), policy: &Policy, when: &str| {
        let mut status = good();
        change(&mut status);
        outcome(&judge(&leaf, policy, Some(&status), when))
    };
    let stale = (Verdict::Indeterminate, Some(Reason::StatusStale));
    let unavailable = (Verdict::Indeterminate, Some(Reason::StatusUnavailable));
    let valid = (Verdict::Valid, None);
    let policy = policy();
    assert_eq!(with(|_| {}, &policy, "2026-11-22T00:00:00Z"), valid);
    assert_eq!(with(|_| {}, &policy, "2026-11-22T00:00:01Z"), stale);
    assert_eq!(with(|_| {}, &policy, "2026-11-20T23:59:00Z"), valid);
    assert_eq!(with(|_| {}, &policy, "2026-11-20T23:58:59Z"), unavailable);
    assert_eq!(
        with(|status| status.next_update = None, &policy, NOON),
        valid
    );
    let mut hour = policy.clone();
    hour.max_age = Some(Duration::from_secs(3_600));
    assert_eq!(with(|_| {}, &hour, "2026-11-21T01:00:00Z"), valid);
    assert_eq!(with(|_| {}, &hour, "2026-11-21T01:00:01Z"), stale);
    let mut any_age = policy.clone();
    any_age.max_age = None;
    assert_eq!(
        with(|status| status.next_update = None, &any_age, NOON),
        stale,
        "nothing bounds its age"
    );
    assert_eq!(outcome(&judge(&leaf, &policy, None, NOON)), unavailable);
    assert_eq!(
        with(
            |status| status.fact = StatusFact::UnknownSerial,
            &policy,
            NOON
        ),
        (Verdict::Indeterminate, Some(Reason::StatusUnknownSerial))
    );
}

#[test]
fn f051_revoked_is_revoked_however_old_the_news() {
    let mut status = good();
    status.fact = StatusFact::Revoked {
        reason: RevocationReason::AffiliationChanged,
        revoked_at: at("2026-11-20T00:00:00Z"),
    };
    let revoked = (Verdict::Invalid, Some(Reason::CertificateRevoked));
    for when in [NOON, "2029-01-01T00:00:00Z", "2026-11-20T00:00:00Z"] {
        let report = judge(&signature_leaf(&CA), &policy(), Some(&status), when);
        assert_eq!(outcome(&report), revoked, "{when}");
    }
    // What was learned later says nothing about a time before the revocation, except that it cannot say good.
    let report = judge(
        &signature_leaf(&CA),
        &policy(),
        Some(&status),
        "2026-11-19T00:00:00Z",
    );
    assert_eq!(report.reason, Some(Reason::StatusUnavailable));
}

#[test]
fn f025_the_signature_is_over_this_and_nothing_else() {
    let found = examine(&signature_leaf(&CA).build(), &anchors());
    let signature = signature_over_application();
    let status = good();
    let judge = |signed: Signed, signature: &[u8]| {
        let evidence = Evidence {
            examined: &found,
            signature,
            signed: &signed,
            status: Some(&status),
        };
        outcome(&validate(&evidence, &policy(), at(NOON)))
    };
    let digest = application().digest();
    let as_digest = |algorithm, digest: &[u8]| Signed::Digest {
        algorithm,
        digest: digest.to_vec(),
    };
    let sha256 = DigestAlgorithm::Sha256;
    assert_eq!(
        judge(as_digest(sha256, &digest), &signature),
        (Verdict::Valid, None)
    );
    let mismatch = (Verdict::Invalid, Some(Reason::SignatureMismatch));
    let mut other = digest.clone();
    other[31] ^= 1;
    assert_eq!(judge(as_digest(sha256, &other), &signature), mismatch);
    for bad in [
        &[][..],
        &signature[1..],
        &[0; 256],
        &[0xff; 256],
        &[signature.clone(), vec![0]].concat(),
    ] {
        assert_eq!(judge(application(), bad), mismatch);
    }
    let refused = (Verdict::Invalid, Some(Reason::AlgorithmRefused));
    assert_eq!(judge(as_digest(sha256, &digest[..20]), &signature), refused);
    assert_eq!(
        judge(as_digest(DigestAlgorithm::Sha384, &digest), &signature),
        refused
    );
}

#[test]
fn the_next_cards_key_is_p_384() {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
    };
    let holder = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let mut plan = signature_leaf(&CA);
    plan.spki = crate::der::seq(&[
        crate::der::seq(&[
            crate::der::oid("1.2.840.10045.2.1"),
            crate::der::oid("1.3.132.0.34"),
        ]),
        bits(0, holder.public_key().as_ref()),
    ]);
    let found = examine(&plan.build(), &anchors());
    let signature = holder.sign(&SystemRandom::new(), b"message").unwrap();
    let status = good();
    let judge = |message: &[u8], algorithm, signature: &[u8]| {
        let signed = Signed::Message {
            algorithm,
            message: message.to_vec(),
        };
        let evidence = Evidence {
            examined: &found,
            signature,
            signed: &signed,
            status: Some(&status),
        };
        outcome(&validate(&evidence, &policy(), at(NOON)))
    };
    let (sha384, sha256) = (DigestAlgorithm::Sha384, DigestAlgorithm::Sha256);
    assert_eq!(
        judge(b"message", sha384, signature.as_ref()),
        (Verdict::Valid, None)
    );
    let mismatch = (Verdict::Invalid, Some(Reason::SignatureMismatch));
    assert_eq!(judge(b"other", sha384, signature.as_ref()), mismatch);
    assert_eq!(judge(b"message", sha256, signature.as_ref()), mismatch);
    assert_eq!(
        judge(b"message", sha384, &[0x30, 6, 2, 1, 0, 2, 1, 0]),
        mismatch
    );
}

#[test]
fn an_algorithm_ends_when_policy_says() {
    let mut policy = policy();
    policy.max_age = None;
    policy.algorithms = AlgorithmPolicy::new(vec![AlgorithmRule {
        key: KeyRule::Rsa {
            min_bits: 2048,
            max_bits: 4096,
        },
        digest: DigestAlgorithm::Sha256,
        until: Some(at("2026-11-21T12:00:00Z")),
    }]);
    let leaf = signature_leaf(&CA);
    assert_eq!(
        judge(&leaf, &policy, Some(&good()), NOON).verdict,
        Verdict::Valid
    );
    let report = judge(&leaf, &policy, Some(&good()), "2026-11-21T12:00:01Z");
    assert_eq!(
        outcome(&report),
        (Verdict::Invalid, Some(Reason::AlgorithmRefused))
    );
}

#[test]
fn f056_garbage_has_a_verdict_too() {
    let found = examine(&[0x30, 0x00], &anchors());
    let signed = application();
    let evidence = Evidence {
        examined: &found,
        signature: &[],
        signed: &signed,
        status: None,
    };
    let report = validate(&evidence, &policy(), at(NOON));
    assert_eq!(
        outcome(&report),
        (Verdict::Invalid, Some(Reason::CertificateMalformed))
    );
    assert_eq!(
        report
            .checks
            .iter()
            .filter(|check| check.result == CheckResult::NotRun)
            .count(),
        8
    );
}

#[test]
fn a_status_check_needs_no_signature() {
    let found = examine(&signature_leaf(&CA).build(), &anchors());
    let status = good();
    let report = validate_certificate(&found, Some(&status), &policy(), at(NOON));
    assert_eq!(outcome(&report), (Verdict::Valid, None));
    let report = report.with([Check::failed(CheckName::Challenge, Reason::ChallengeUsed)]);
    assert_eq!(
        outcome(&report),
        (Verdict::Invalid, Some(Reason::ChallengeUsed))
    );
}
