//! What each operation does: bytes from the request, one call of the engine, an answer.

use std::time::Duration;

use warikan_pki::{
    CrlAnswer, CrlQuestion, DigestAlgorithm, Nonce, OcspPolicy, Oid, PathAlgorithms, PathInput,
    PathPolicy, PublicKey, Revocation, SignatureAlgorithm, SignatureError, StatusFact,
    TimestampError, TimestampRequest, TimestampTrust, VerifiedOcsp, VerifiedTimestamp,
    certificate_key, crl_status, parse_certificate, parse_crl, parse_ocsp, validate_path,
};
use warikan_types::{Base64Bytes, Reason, Verdict};

use super::{
    answer::Answer,
    policy::path_policy,
    request::{
        Crl, Kind, NonceValue, Ocsp, Parse, Path, Request, RevocationMode, Signature,
        TimestampToken,
    },
};

const DAY: u64 = 86_400;

pub(super) fn answer(request: &Request) -> Answer {
    match request {
        Request::Parse(parse) => parse_bytes(parse),
        Request::Signature(signature) => verify_signature(signature),
        Request::Path(path) => judge_path(path),
        Request::Crl(crl) => ask_crl(crl),
        Request::Ocsp(ocsp) => ask_ocsp(ocsp),
        Request::Timestamp(token) => verify_timestamp(token),
    }
}

fn parse_bytes(request: &Parse) -> Answer {
    let der = &request.der.0;
    let text = |error: &dyn std::error::Error| error.to_string();
    let certificate = || parse_certificate(der).map_err(|error| text(&error));
    let crl = || parse_crl(der).map_err(|error| text(&error));
    let ocsp = || parse_ocsp(der).map_err(|error| text(&error));
    let parsed = match request.kind {
        Kind::Certificate => certificate(),
        Kind::Crl => crl(),
        Kind::Ocsp => ocsp(),
        Kind::Any => certificate()
            .or_else(|_| crl())
            .or_else(|_| ocsp())
            .map_err(|_| "neither certificate nor list nor response".to_owned()),
    };
    match parsed {
        Ok(()) => Answer::verdict("parsed"),
        Err(reason) => Answer::refused(&reason),
    }
}

fn verify_signature(request: &Signature) -> Answer {
    let Some(algorithm) = SignatureAlgorithm::from_name(&request.algorithm) else {
        return Answer::invalid(Reason::AlgorithmRefused.as_str());
    };
    let Ok(spki) = certificate_key(&request.certificate.0) else {
        return Answer::invalid(Reason::CertificateMalformed.as_str());
    };
    let Ok(key) = PublicKey::from_spki_of_others(spki) else {
        return Answer::invalid(Reason::AlgorithmRefused.as_str());
    };
    match key.verify(algorithm, &request.message.0, &request.signature.0) {
        Ok(()) => Answer::valid(),
        Err(SignatureError::Refused) => Answer::invalid(Reason::AlgorithmRefused.as_str()),
        Err(SignatureError::Mismatch) => Answer::invalid(Reason::SignatureMismatch.as_str()),
    }
}

fn slices(bag: &[Base64Bytes]) -> Vec<&[u8]> {
    bag.iter().map(|der| der.0.as_slice()).collect()
}

fn judge_path(request: &Path) -> Answer {
    let policy = match path_policy(&request.policy, request.revocation) {
        Ok(policy) => policy,
        Err(reason) => return Answer::refused(reason),
    };
    let input = PathInput {
        target: &request.target.0,
        intermediates: &slices(&request.intermediates),
        trust_anchors: &slices(&request.trust_anchors),
        crls: &slices(&request.crls),
    };
    match validate_path(&input, &policy, request.at) {
        Ok(()) => Answer::valid(),
        Err(failure) => failed(failure.verdict(), failure.as_str()),
    }
}

fn failed(verdict: Verdict, reason: &str) -> Answer {
    Answer::Verdict {
        verdict: verdict.as_str(),
        reason: Some(reason.to_owned()),
    }
}

/// So many units of so many seconds.
fn age(count: Option<u64>, unit: u64) -> Option<Duration> {
    count.map(|count| Duration::from_secs(count.saturating_mul(unit)))
}

fn ask_crl(request: &Crl) -> Answer {
    let issuers: Vec<&[u8]> = std::iter::once(&request.issuer)
        .chain(&request.issuer2)
        .map(|der| der.0.as_slice())
        .collect();
    let question = CrlQuestion {
        certificate: &request.certificate.0,
        issuers: &issuers,
        crl: &request.crl.0,
        max_age: age(request.max_age_days, DAY),
        algorithms: PathAlgorithms::Legacy,
    };
    match crl_status(&question, request.at) {
        Ok(CrlAnswer::Good) => Answer::status("good", None),
        Ok(CrlAnswer::Revoked) => Answer::status("revoked", None),
        Err(silence) => Answer::status("unknown", Some(silence.to_string())),
    }
}

fn ask_ocsp(request: &Ocsp) -> Answer {
    let policy = OcspPolicy {
        max_age: [
            age(request.max_age_hours, 3_600),
            age(request.max_age_days, DAY),
        ]
        .into_iter()
        .flatten()
        .min(),
        clock_skew: Duration::ZERO,
        nonce: request
            .nonce
            .as_ref()
            .map_or(Nonce::NotSent, |nonce| Nonce::Required(&nonce.0)),
        algorithms: PathAlgorithms::Legacy,
    };
    let verified = VerifiedOcsp::verify_der(
        &request.response.0,
        &request.certificate.0,
        &request.issuer.0,
        &policy,
        request.at,
    );
    match verified.as_ref().map(VerifiedOcsp::fact) {
        Ok(StatusFact::Good) => Answer::status("good", None),
        Ok(StatusFact::Revoked { reason, .. }) => {
            Answer::status("revoked", Some(reason.as_str().to_owned()))
        }
        Ok(StatusFact::UnknownSerial) => {
            Answer::status("unknown", Some(Reason::StatusUnknownSerial.as_str().into()))
        }
        Err(error) => Answer::status("unknown", Some(error.to_string())),
    }
}

fn verify_timestamp(request: &TimestampToken) -> Answer {
    let Some((algorithm, digest)) = imprint(request) else {
        return Answer::refused("neither the name of a hash nor a digest of the data");
    };
    let policy_asked = match request.policy.as_deref().map(str::parse::<Oid>).transpose() {
        Ok(policy) => policy,
        Err(error) => return Answer::refused(&error.to_string()),
    };
    let nonce = request.nonce.as_ref().map(|nonce| match nonce {
        NonceValue::Number(number) => number.to_be_bytes().to_vec(),
        NonceValue::Octets(octets) => octets.0.clone(),
    });
    let mut policy = PathPolicy::any();
    let by_lists = if request.crls.is_empty() {
        RevocationMode::None
    } else {
        RevocationMode::HardFail
    };
    policy.revocation = match request.revocation.unwrap_or(by_lists) {
        RevocationMode::HardFail => Revocation::HardFail,
        RevocationMode::None => Revocation::None,
    };
    let trust = TimestampTrust {
        trust_anchors: &slices(&request.trust_anchors),
        intermediates: &slices(&request.intermediates),
        crls: &slices(&request.crls),
        policy: &policy,
    };
    let asked = TimestampRequest {
        algorithm,
        digest: &digest,
        nonce: nonce.as_deref(),
        policy: policy_asked.as_ref(),
    };
    match VerifiedTimestamp::verify_response(&request.response.0, &asked, &trust, request.at) {
        Ok(_) => Answer::valid(),
        Err(TimestampError::Path(failure)) => failed(failure.verdict(), failure.as_str()),
        Err(error) => Answer::invalid(error),
    }
}

/// The hash and the digest that must be in the token. A digest that is handed in beside the data must be theirs.
fn imprint(request: &TimestampToken) -> Option<(DigestAlgorithm, Vec<u8>)> {
    let name = request.hash.to_ascii_lowercase().replace('-', "");
    if let Some(algorithm) = DigestAlgorithm::from_word(&name) {
        return Some((algorithm, algorithm.digest(&request.data.as_ref()?.0)));
    }
    let digest = hex::decode(&request.hash).ok().or_else(|| {
        serde_json::from_value::<Base64Bytes>(request.hash.clone().into())
            .ok()
            .map(|one| one.0)
    })?;
    let algorithm = DigestAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.length() == digest.len())?;
    let fits = request
        .data
        .as_ref()
        .is_none_or(|data| data.0 == digest || algorithm.digest(&data.0) == digest);
    fits.then_some((algorithm, digest))
}
