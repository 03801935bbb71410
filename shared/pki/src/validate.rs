//! The verdict: a pure, total function of evidence, policy and time.
//!
//! Same evidence, same policy, same `at`: same report, today and in ten years, which is how a stored verification is
//! replayed. Every check is made that can be made, so that the report shows all that is wrong and not merely what
//! was met first; one exception is the status, which means something only under a key that is proved.

use warikan_types::{Reason, Timestamp};

use crate::{
    evidence::{Evidence, StatusKnowledge},
    examine::Examined,
    judge::{AgeBounds, Judged},
    key::{KeyError, PublicKey, SignatureError},
    policy::Policy,
    profile::ProfileMatch,
    report::{Check, CheckName, Report},
};

/// Decides.
#[must_use]
pub fn validate(evidence: &Evidence<'_>, policy: &Policy, at: Timestamp) -> Report {
    let examined = evidence.examined;
    if examined.certificate().is_none() {
        return Report::from_checks(malformed());
    }
    let (algorithm, signature) = document_signature(evidence, policy, at);
    Report::from_checks(vec![
        Check::passed(CheckName::CertificateStructure),
        kind(examined),
        issuer(examined),
        environment(examined, policy),
        validity_period(examined, at),
        profile(examined, policy),
        algorithm,
        signature,
        status(evidence, policy, at),
    ])
}

/// The checks that concern the certificate and its status alone, for a later look at a certificate that was verified
/// before (現況確認): no document signature is at hand then.
#[must_use]
pub fn validate_certificate(
    examined: &Examined,
    status_known: Option<&StatusKnowledge>,
    policy: &Policy,
    at: Timestamp,
) -> Report {
    if examined.certificate().is_none() {
        return Report::from_checks(malformed());
    }
    let algorithm = if accepts_issuer_algorithm(examined, policy, at) {
        Check::passed(CheckName::Algorithm)
    } else {
        Check::failed(CheckName::Algorithm, Reason::AlgorithmRefused)
    };
    Report::from_checks(vec![
        Check::passed(CheckName::CertificateStructure),
        kind(examined),
        issuer(examined),
        environment(examined, policy),
        validity_period(examined, at),
        profile(examined, policy),
        algorithm,
        Check::not_run(CheckName::Signature),
        status_of(examined, status_known, policy, at),
    ])
}

fn malformed() -> Vec<Check> {
    let mut checks = vec![Check::failed(
        CheckName::CertificateStructure,
        Reason::CertificateMalformed,
    )];
    checks.extend(
        [
            CheckName::CertificateKind,
            CheckName::Issuer,
            CheckName::Environment,
            CheckName::ValidityPeriod,
            CheckName::Profile,
            CheckName::Algorithm,
            CheckName::Signature,
            CheckName::Status,
        ]
        .map(Check::not_run),
    );
    checks
}

fn kind(examined: &Examined) -> Check {
    match examined.profile() {
        ProfileMatch::Found { .. } => Check::passed(CheckName::CertificateKind),
        ProfileMatch::Unsupported => {
            Check::failed(CheckName::CertificateKind, Reason::CertificateUnsupported)
        }
    }
}

fn issuer(examined: &Examined) -> Check {
    examined
        .path_error()
        .map_or(Check::passed(CheckName::Issuer), |error| {
            Check::failed(CheckName::Issuer, error.reason())
        })
}

/// Both the anchor and the policy OID must be of the environment: two independent marks.
fn environment(examined: &Examined, policy: &Policy) -> Check {
    let by_profile = match examined.profile() {
        ProfileMatch::Found { environment, .. } => Some(environment),
        ProfileMatch::Unsupported => None,
    };
    let marks = [examined.environment(), by_profile];
    if marks
        .iter()
        .flatten()
        .any(|mark| *mark != policy.environment)
    {
        Check::failed(CheckName::Environment, Reason::EnvironmentMismatch)
    } else if marks[0].is_none() {
        Check::not_run(CheckName::Environment)
    } else {
        Check::passed(CheckName::Environment)
    }
}

fn validity_period(examined: &Examined, at: Timestamp) -> Check {
    let name = CheckName::ValidityPeriod;
    let Some(certificate) = examined.certificate() else {
        return Check::not_run(name);
    };
    // The end is a second that is still inside (RFC 5280 4.1.2.5), fractions and all.
    if at < certificate.not_before() {
        Check::failed(name, Reason::CertificateNotYetValid)
    } else if at.unix() > certificate.not_after().unix() {
        Check::failed(name, Reason::CertificateExpired)
    } else {
        Check::passed(name)
    }
}

fn profile(examined: &Examined, policy: &Policy) -> Check {
    match examined.profile() {
        ProfileMatch::Unsupported => Check::not_run(CheckName::Profile),
        ProfileMatch::Found { kind, kept, .. } if kept && policy.purpose.accepts(kind) => {
            Check::passed(CheckName::Profile)
        }
        ProfileMatch::Found { .. } => Check::failed(CheckName::Profile, Reason::ProfileViolation),
    }
}

fn accepts_issuer_algorithm(examined: &Examined, policy: &Policy, at: Timestamp) -> bool {
    examined.path().is_none_or(|path| {
        let key = path.anchor().public_key().kind();
        policy.algorithms.permits(key, path.algorithm(), at)
    })
}

/// The checks `algorithm` and `signature`.
fn document_signature(evidence: &Evidence<'_>, policy: &Policy, at: Timestamp) -> (Check, Check) {
    let refused = (
        Check::failed(CheckName::Algorithm, Reason::AlgorithmRefused),
        Check::not_run(CheckName::Signature),
    );
    let key = match evidence.examined.key() {
        Some(Ok(key)) => key,
        Some(Err(KeyError::Malformed)) => {
            // The octets inside the BIT STRING are part of the certificate's structure.
            return (
                Check::failed(CheckName::Algorithm, Reason::CertificateMalformed),
                Check::not_run(CheckName::Signature),
            );
        }
        Some(Err(KeyError::Refused)) | None => return refused,
    };
    let Some(algorithm) = key
        .algorithm_for(evidence.signed.algorithm())
        .filter(|algorithm| policy.algorithms.permits(key.kind(), *algorithm, at))
    else {
        return refused;
    };
    let verified = verify(evidence, key, algorithm);
    if verified == Err(SignatureError::Refused)
        || !accepts_issuer_algorithm(evidence.examined, policy, at)
    {
        return refused;
    }
    let signature = if verified.is_ok() {
        Check::passed(CheckName::Signature)
    } else {
        Check::failed(CheckName::Signature, Reason::SignatureMismatch)
    };
    (Check::passed(CheckName::Algorithm), signature)
}

fn verify(
    evidence: &Evidence<'_>,
    key: &PublicKey,
    algorithm: crate::SignatureAlgorithm,
) -> Result<(), SignatureError> {
    key.verify_digest(algorithm, &evidence.signed.digest(), evidence.signature)
}

fn status(evidence: &Evidence<'_>, policy: &Policy, at: Timestamp) -> Check {
    status_of(evidence.examined, evidence.status, policy, at)
}

fn status_of(
    examined: &Examined,
    known: Option<&StatusKnowledge>,
    policy: &Policy,
    at: Timestamp,
) -> Check {
    let name = CheckName::Status;
    if examined.path().is_none() {
        return Check::not_run(name);
    }
    let bounds = AgeBounds {
        max_age: policy.max_age,
        clock_skew: policy.clock_skew,
    };
    match Judged::of(known, bounds, at) {
        Judged::Good => Check::passed(name),
        Judged::Revoked { .. } => Check::failed(name, Reason::CertificateRevoked),
        Judged::Unknown(why) => Check::unknown(name, why),
    }
}
