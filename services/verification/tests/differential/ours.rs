//! The engine's own words: of its path validator, and of the platform's profile on top.

use std::time::Duration;

use warikan_pki::{
    AlgorithmPolicy, AnchorSet, Certificate, Channel, CheckResult, PathFailure, PathInput,
    PathPolicy, Policy, PublicKey, Purpose, StatusFact, StatusKnowledge, examine,
    parse_certificate, validate_certificate, validate_path,
};
use warikan_types::{Environment, Timestamp, Verdict};

/// Nothing if accepted, else every reason.
pub type Words = Vec<String>;

/// RFC 5280 6 alone, as far as a path without a policy of its own goes.
pub fn path(der: &[u8], roots: &[&[u8]], at: Timestamp) -> Words {
    let input = PathInput {
        target: der,
        intermediates: &[],
        trust_anchors: roots,
        crls: &[],
    };
    match validate_path(&input, &PathPolicy::any(), at) {
        Ok(()) => Vec::new(),
        Err(PathFailure::Malformed) => vec![parse_certificate(der).unwrap_err().to_string()],
        Err(failure) => vec![failure.as_str().to_owned()],
    }
}

pub fn policy() -> Policy {
    Policy {
        environment: Environment::Sandbox,
        purpose: Purpose::Any,
        max_age: Some(Duration::from_secs(86_400)),
        clock_skew: Duration::ZERO,
        algorithms: AlgorithmPolicy::jpki(),
    }
}

pub fn good(at: Timestamp) -> StatusKnowledge {
    StatusKnowledge {
        fact: StatusFact::Good,
        channel: Channel::Crl,
        this_update: at,
        next_update: Some(at.plus(Duration::from_secs(86_400))),
        version: "1".to_owned(),
    }
}

/// The platform's profile: what a tenant would hear if the status were good.
pub fn profile(der: &[u8], anchors: &AnchorSet, at: Timestamp) -> Words {
    let key = |certificate: &Certificate| PublicKey::from_spki(certificate.spki_der()).err();
    if let Some(error) = Certificate::parse(der).ok().as_ref().and_then(key) {
        // What `validate` says of the document's signature under such a key; none is at hand here.
        return vec![error.to_string()];
    }
    let report = validate_certificate(&examine(der, anchors), Some(&good(at)), &policy(), at);
    if report.verdict == Verdict::Valid {
        return Vec::new();
    }
    if let Err(error) = Certificate::parse(der) {
        return vec![error.to_string()];
    }
    let reasons: Words = report
        .checks
        .iter()
        .filter(|check| check.result != CheckResult::Passed)
        .filter_map(|check| check.reason)
        .map(|reason| reason.as_str().to_owned())
        .collect();
    assert!(!reasons.is_empty(), "a refusal has a reason");
    reasons
}
