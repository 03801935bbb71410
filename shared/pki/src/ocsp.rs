//! OCSP (RFC 6960): from a response's bytes to a [`VerifiedOcsp`], the only form in which one may answer.
//!
//! The responder is the issuer itself or a certificate of the issuer for exactly this purpose (id-kp-OCSPSigning); it is
//! found by the ResponderID and proved by signature before any of the single responses counts. Anything critical
//! that is not understood, a producedAt outside the certificate's life, or two answers that contradict each other make
//! the response unusable, with one exception: where one of them says *revoked*, that is believed.
//!
//! CertIDs are compared under SHA-1 and SHA-256, whichever the responder used. SHA-1 is no weakness here: it picks the
//! certificate among those of one issuer, and the signature covers the serial number itself.

mod about;
mod request;
mod responder;
mod response;

use std::time::Duration;

use warikan_types::{Channel, RevocationReason, Timestamp};

use crate::{
    anchor::TrustAnchor,
    der::DerError,
    evidence::{StatusFact, StatusKnowledge},
    path::{PathAlgorithms, cert::Node},
};
use about::Asked;
pub use about::OcspSubject;
pub use request::{CertIdHash, ocsp_request};
use response::{CertStatus, Response, Single};

/// Why a response cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// The certificate or its issuer cannot be read, or the names do not chain.
    #[error("certificate_malformed")]
    Certificate,
    /// Not a response of type id-pkix-ocsp-basic in DER.
    #[error("ocsp_malformed")]
    Malformed,
    /// The responder answered with an error: 1 malformedRequest, 2 internalError, 3 tryLater, 5 sigRequired, 6
    /// unauthorized.
    #[error("ocsp_responder_error_{0}")]
    Responder(u8),
    /// Neither the issuer nor one whom it authorised signed it.
    #[error("ocsp_responder_unauthorised")]
    Unauthorised,
    /// The signature does not verify.
    #[error("ocsp_signature_invalid")]
    Signature,
    /// An algorithm or key that is refused.
    #[error("algorithm_refused")]
    Algorithm,
    /// A critical extension that is not understood.
    #[error("unknown_critical_extension")]
    UnknownCritical,
    /// It says nothing about this certificate.
    #[error("ocsp_other_certificate")]
    OtherCertificate,
    /// Two answers about this certificate that contradict each other.
    #[error("ocsp_contradiction")]
    Contradiction,
    /// Too old, ended, or of the future.
    #[error("status_stale")]
    NotCurrent,
    /// The nonce is missing or another.
    #[error("ocsp_nonce")]
    Nonce,
}
impl From<DerError> for OcspError {
    fn from(_: DerError) -> Self {
        Self::Malformed
    }
}

/// What is asked of the nonce (RFC 8954).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonce<'a> {
    /// None was sent; one in the response is ignored.
    NotSent,
    /// It was sent; if the response has one, it must be this.
    Optional(&'a [u8]),
    /// It was sent and must come back.
    Required(&'a [u8]),
}

/// What a caller accepts.
#[derive(Debug, Clone, Copy)]
pub struct OcspPolicy<'a> {
    /// Oldest thisUpdate that will do; without it the response must have a nextUpdate.
    pub max_age: Option<Duration>,
    /// How far clocks may differ.
    pub clock_skew: Duration,
    /// The nonce.
    pub nonce: Nonce<'a>,
    /// Accepted keys and algorithms of the responder.
    pub algorithms: PathAlgorithms,
}

/// A response that was proved to answer for one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedOcsp {
    fact: StatusFact,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    produced_at: Timestamp,
}

impl VerifiedOcsp {
    /// Checks a response about a certificate of `issuer` as of `at`.
    ///
    /// # Errors
    /// [`OcspError`].
    pub fn verify(
        response: &[u8],
        subject: OcspSubject<'_>,
        issuer: &TrustAnchor,
        policy: &OcspPolicy<'_>,
        at: Timestamp,
    ) -> Result<Self, OcspError> {
        let ca = issuer.certificate().der();
        match subject {
            OcspSubject::Certificate(certificate) => {
                Self::verify_der(response, certificate.der(), ca, policy, at)
            }
            OcspSubject::Serial(serial) => {
                let floor = policy.algorithms.rsa_min_bits();
                let issuer = Node::read(ca, floor).map_err(|_| OcspError::Certificate)?;
                let asked = Asked::of_serial(serial, &issuer);
                Self::check(response, &asked, &issuer, policy, at)
            }
        }
    }

    /// As [`Self::verify`], for certificates of any CA; the issuer's is trusted as it is handed in.
    ///
    /// # Errors
    /// [`OcspError`].
    pub fn verify_der(
        response: &[u8],
        certificate: &[u8],
        issuer: &[u8],
        policy: &OcspPolicy<'_>,
        at: Timestamp,
    ) -> Result<Self, OcspError> {
        let floor = policy.algorithms.rsa_min_bits();
        let read = |der| Node::read(der, floor).map_err(|_| OcspError::Certificate);
        let (subject, issuer) = (read(certificate)?, read(issuer)?);
        if subject.issuer != issuer.subject {
            return Err(OcspError::Certificate);
        }
        let asked = Asked::of_certificate(&subject);
        Self::check(response, &asked, &issuer, policy, at)
    }

    fn check(
        response: &[u8],
        asked: &Asked<'_>,
        issuer: &Node<'_>,
        policy: &OcspPolicy<'_>,
        at: Timestamp,
    ) -> Result<Self, OcspError> {
        let response = Response::read(response)?;
        responder::check(&response, issuer, policy.algorithms, at)?;
        response.check_nonce(policy.nonce)?;
        // Not compared with `at`: a response may be replayed for a moment that its thisUpdate already covers.
        if !asked.lived_at(response.produced_at) {
            return Err(OcspError::NotCurrent);
        }
        let mut matching = Vec::new();
        for single in &response.singles {
            if single.is_about(asked, issuer) {
                matching.push(single);
            }
        }
        Self::from_singles(&matching, response.produced_at, policy, at)
    }

    fn from_singles(
        singles: &[&Single<'_>],
        produced_at: Timestamp,
        policy: &OcspPolicy<'_>,
        at: Timestamp,
    ) -> Result<Self, OcspError> {
        let current: Vec<_> = singles
            .iter()
            .filter(|single| single.is_current(policy, at))
            .collect();
        let chosen = current
            .iter()
            .find(|single| matches!(single.status, CertStatus::Revoked { .. }))
            .or(current.first());
        let Some(single) = chosen else {
            return Err(if singles.is_empty() {
                OcspError::OtherCertificate
            } else {
                OcspError::NotCurrent
            });
        };
        let agreed = current.iter().all(|other| other.status == single.status);
        let fact = match single.status {
            CertStatus::Revoked { reason, revoked_at } => {
                StatusFact::Revoked { reason, revoked_at }
            }
            _ if !agreed => return Err(OcspError::Contradiction),
            CertStatus::Good => StatusFact::Good,
            CertStatus::Unknown => StatusFact::UnknownSerial,
        };
        Ok(Self {
            fact,
            this_update: single.this_update,
            next_update: single.next_update,
            produced_at,
        })
    }

    /// What it says.
    #[must_use]
    pub const fn fact(&self) -> &StatusFact {
        &self.fact
    }

    /// As of when.
    #[must_use]
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// Until when there will be something newer.
    #[must_use]
    pub const fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// When it was signed.
    #[must_use]
    pub const fn produced_at(&self) -> Timestamp {
        self.produced_at
    }

    /// As evidence; the version is the moment it was signed.
    #[must_use]
    pub fn knowledge(&self) -> StatusKnowledge {
        StatusKnowledge {
            fact: self.fact.clone(),
            channel: Channel::Ocsp,
            this_update: self.this_update,
            next_update: self.next_update,
            version: self.produced_at.to_string(),
        }
    }
}

/// Whether the bytes have the shape of a response, whatever it says.
///
/// # Errors
/// [`OcspError::Malformed`].
pub fn parse_ocsp(der: &[u8]) -> Result<(), OcspError> {
    match Response::read(der) {
        Ok(_) | Err(OcspError::Responder(_) | OcspError::UnknownCritical) => Ok(()),
        Err(error) => Err(error),
    }
}

/// removeFromCRL and codes without meaning are read as *unspecified*: revoked all the same.
fn reason_of(code: Option<u8>) -> RevocationReason {
    code.and_then(RevocationReason::from_code)
        .unwrap_or(RevocationReason::Unspecified)
}
