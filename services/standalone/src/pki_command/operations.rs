//! What each operation does: bytes from the request, one call of the engine, an answer.

use warikan_pki::{
    AnchorSet, Certificate, KeyError, PublicKey, SignatureAlgorithm, SignatureError, examine,
};
use warikan_types::{Environment, Reason};

use super::{
    answer::Answer,
    request::{Kind, Parse, Path, Request, Signature},
};

pub(super) fn answer(request: &Request) -> Answer {
    match request {
        Request::Parse(parse) => parse_bytes(parse),
        Request::Signature(signature) => verify_signature(signature),
        Request::Path(path) => validate_path(path),
    }
}

fn parse_bytes(request: &Parse) -> Answer {
    let parsed = match request.kind {
        Kind::Certificate | Kind::Any => Certificate::parse(&request.der.0)
            .map(drop)
            .map_err(|error| error.to_string()),
        Kind::Crl | Kind::Ocsp => Err("a kind that is not read here".to_owned()),
    };
    match parsed {
        Ok(()) => Answer::Verdict {
            verdict: "parsed",
            reason: None,
        },
        Err(reason) => Answer::refused(&reason),
    }
}

fn verify_signature(request: &Signature) -> Answer {
    let Some(algorithm) = SignatureAlgorithm::from_name(&request.algorithm) else {
        return Answer::invalid(Reason::AlgorithmRefused.as_str());
    };
    let key = match Certificate::parse(&request.certificate.0) {
        Ok(certificate) => PublicKey::from_spki(certificate.spki_der()),
        Err(_) => Err(KeyError::Malformed),
    };
    let key = match key {
        Ok(key) => key,
        Err(KeyError::Malformed) => {
            return Answer::invalid(Reason::CertificateMalformed.as_str());
        }
        Err(KeyError::Refused) => return Answer::invalid(Reason::AlgorithmRefused.as_str()),
    };
    match key.verify(algorithm, &request.message.0, &request.signature.0) {
        Ok(()) => Answer::valid(),
        Err(SignatureError::Refused) => Answer::invalid(Reason::AlgorithmRefused.as_str()),
        Err(SignatureError::Mismatch) => Answer::invalid(Reason::SignatureMismatch.as_str()),
    }
}

/// Chains of one step: the anchors of a private hierarchy are neither of the two environments, so they count as test
/// anchors here.
fn validate_path(request: &Path) -> Answer {
    let anchors = request
        .trust_anchors
        .iter()
        .map(|der| (Environment::Sandbox, der.0.clone()));
    let Ok(anchors) = AnchorSet::new(anchors) else {
        return Answer::invalid(Reason::IssuerUnknown.as_str());
    };
    let examined = examine(&request.target.0, &anchors);
    let Some(certificate) = examined.certificate() else {
        return Answer::invalid(Reason::CertificateMalformed.as_str());
    };
    if let Some(error) = examined.path_error() {
        return Answer::invalid(error.reason().as_str());
    }
    if request.at < certificate.not_before() {
        Answer::invalid(Reason::CertificateNotYetValid.as_str())
    } else if request.at > certificate.not_after() {
        Answer::invalid(Reason::CertificateExpired.as_str())
    } else {
        Answer::valid()
    }
}
