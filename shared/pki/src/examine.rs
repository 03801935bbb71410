//! Everything about a certificate that does not depend on time, status or what was signed.
//!
//! Parsing and the issuer's signature cost more than all the rest of a verification, and their outcome is
//! fixed by the certificate's bytes and the set of anchors. So they are a value of their own, which a caller may keep
//! under (SHA-256 of the bytes, [`AnchorSet::version`]).
//!
//! The path is one step: the issuer is an anchor with the name and key id that the certificate gives, and
//! *proved* by the signature. Several anchors may fit (same-name generations, or a key id that two keys share); each is
//! tried, so the verdict depends on none of their order.

use std::sync::Arc;

use warikan_types::{CertificateId, CertificateKind, Environment, Reason};

use crate::{
    algorithm::SignatureAlgorithm,
    anchor::{AnchorSet, TrustAnchor},
    certificate::{Certificate, ParseError},
    hash,
    key::{KeyError, PublicKey},
    profile::ProfileMatch,
};

/// Proof that an anchor signed the certificate; made by [`examine`] alone.
#[derive(Debug, Clone)]
pub struct VerifiedPath {
    id: CertificateId,
    anchor: Arc<TrustAnchor>,
    algorithm: SignatureAlgorithm,
}

impl VerifiedPath {
    /// The key that signed it and its serial number under that key.
    #[must_use]
    pub const fn certificate_id(&self) -> &CertificateId {
        &self.id
    }

    /// The anchor that signed it.
    #[must_use]
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// How the anchor signed it.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// Why there is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No anchor has the issuer's name and key id.
    #[error("no trust anchor has the issuer's key")]
    IssuerUnknown,
    /// Anchors have them, and none signed it.
    #[error("the issuer's key did not sign it")]
    SignatureInvalid,
    /// It was signed by an algorithm that is refused.
    #[error("it was signed by an algorithm that is refused")]
    AlgorithmRefused,
}

impl PathError {
    /// The word of the closed list.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::IssuerUnknown => Reason::IssuerUnknown,
            Self::SignatureInvalid => Reason::IssuerSignatureInvalid,
            Self::AlgorithmRefused => Reason::AlgorithmRefused,
        }
    }
}

/// A certificate's bytes, examined.
#[derive(Debug)]
pub struct Examined {
    sha256: [u8; 32],
    outcome: Result<Parsed, ParseError>,
}

#[derive(Debug)]
struct Parsed {
    certificate: Certificate,
    path: Result<VerifiedPath, PathError>,
    profile: ProfileMatch,
    key: Result<PublicKey, KeyError>,
}

impl Examined {
    /// SHA-256 over what was examined.
    #[must_use]
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The certificate, if the bytes are one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.parsed().map(|parsed| &parsed.certificate)
    }

    /// Why the bytes are no certificate.
    #[must_use]
    pub fn parse_error(&self) -> Option<ParseError> {
        self.outcome.as_ref().err().copied()
    }

    /// The proved path, in whichever environment it is.
    #[must_use]
    pub fn path(&self) -> Option<&VerifiedPath> {
        self.parsed()?.path.as_ref().ok()
    }

    /// Why there is no path.
    #[must_use]
    pub fn path_error(&self) -> Option<PathError> {
        self.parsed()?.path.as_ref().err().copied()
    }

    /// The kind its policy stands for, whether or not it keeps that kind's profile.
    #[must_use]
    pub fn kind(&self) -> Option<CertificateKind> {
        match self.parsed()?.profile {
            ProfileMatch::Found { kind, .. } => Some(kind),
            ProfileMatch::Unsupported => None,
        }
    }

    /// The environment of the anchor that signed it.
    #[must_use]
    pub fn environment(&self) -> Option<Environment> {
        self.path().map(|path| path.anchor().environment())
    }

    /// The holder's key, if within the limits.
    pub(crate) fn key(&self) -> Option<&Result<PublicKey, KeyError>> {
        self.parsed().map(|parsed| &parsed.key)
    }

    pub(crate) fn profile(&self) -> ProfileMatch {
        self.parsed()
            .map_or(ProfileMatch::Unsupported, |parsed| parsed.profile)
    }

    fn parsed(&self) -> Option<&Parsed> {
        self.outcome.as_ref().ok()
    }
}

/// Examines a certificate. Total: whatever the bytes are, there is an outcome.
#[must_use]
pub fn examine(der: &[u8], anchors: &AnchorSet) -> Examined {
    match Certificate::parse(der) {
        Err(error) => Examined {
            sha256: hash::sha256(der),
            outcome: Err(error),
        },
        Ok(certificate) => Examined {
            sha256: certificate.sha256(),
            outcome: Ok(Parsed {
                path: find_path(&certificate, anchors),
                profile: anchors.profiles().find(&certificate),
                key: PublicKey::from_spki(certificate.spki_der()),
                certificate,
            }),
        },
    }
}

fn find_path(certificate: &Certificate, anchors: &AnchorSet) -> Result<VerifiedPath, PathError> {
    let mut candidates = anchors
        .shared()
        .iter()
        .filter(|anchor| may_have_issued(anchor, certificate))
        .peekable();
    if candidates.peek().is_none() {
        return Err(PathError::IssuerUnknown);
    }
    let algorithm = certificate
        .signature_algorithm()
        .map_err(|_| PathError::AlgorithmRefused)?;
    candidates
        .find(|anchor| {
            anchor
                .public_key()
                .verify(algorithm, certificate.tbs(), certificate.signature())
                .is_ok()
        })
        .map(|anchor| VerifiedPath {
            id: CertificateId {
                issuer: anchor.key(),
                serial: certificate.serial().clone(),
            },
            anchor: Arc::clone(anchor),
            algorithm,
        })
        .ok_or(PathError::SignatureInvalid)
}

/// Name chaining (RFC 5280 6.1.3 (a)(4)) and key ids where both sides have one.
fn may_have_issued(anchor: &TrustAnchor, certificate: &Certificate) -> bool {
    let ids = (
        certificate.authority_key_id(),
        anchor.certificate().subject_key_id(),
    );
    let by_key = match ids {
        (Some(wanted), Some(has)) => wanted == has,
        _ => true,
    };
    by_key && anchor.is_named(certificate.issuer())
}
