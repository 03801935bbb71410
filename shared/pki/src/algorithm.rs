//! Which signature algorithms exist for this crate.
//!
//! The list is closed: RSASSA-PKCS1-v1_5 and ECDSA with SHA-2, and Ed25519. Everything else (SHA-1, MD5, PSS, DSA,
//! explicit curves) is *refused*, which is not the same as malformed: a certificate that uses it is read and
//! the verdict says `algorithm_refused`. Until when an algorithm may be used is no property of the code but
//! policy data, see [`crate::AlgorithmPolicy`].

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::der::{self, DerError, NULL, OID, Reader, SEQUENCE};

/// The hash that was signed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DigestAlgorithm {
    /// SHA-256, 32 octets.
    Sha256,
    /// SHA-384, 48 octets.
    Sha384,
    /// SHA-512, 64 octets.
    Sha512,
}

impl DigestAlgorithm {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Length of the digest in octets.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// From the wire word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// The digest of a message.
    #[must_use]
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        digest::digest(self.library(), message).as_ref().to_vec()
    }

    pub(crate) const fn library(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// How a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 8.2).
    RsaPkcs1(DigestAlgorithm),
    /// ECDSA with a DER `Ecdsa-Sig-Value` (RFC 5758 3.2).
    Ecdsa(DigestAlgorithm),
    /// Ed25519 (RFC 8410); it hashes for itself.
    Ed25519,
}

/// An algorithm that is not in the closed list, or written with parameters it must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an algorithm that is refused here")]
pub struct AlgorithmRefused;

/// Content octets of the identifiers, the names of RFC 5280 and OpenSSL, and what they mean.
const KNOWN: [(&[u8], &str, SignatureAlgorithm); 7] = [
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11],
        "sha256WithRSAEncryption",
        SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12],
        "sha384WithRSAEncryption",
        SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha384),
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13],
        "sha512WithRSAEncryption",
        SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha512),
    ),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        "ecdsa-with-SHA256",
        SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256),
    ),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
        "ecdsa-with-SHA384",
        SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha384),
    ),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
        "ecdsa-with-SHA512",
        SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha512),
    ),
    (crate::oid::ED25519, "Ed25519", SignatureAlgorithm::Ed25519),
];

impl SignatureAlgorithm {
    /// From the whole DER of an `AlgorithmIdentifier`.
    ///
    /// # Errors
    /// [`AlgorithmRefused`] for anything that is not in the closed list; also for broken DER, so that callers
    /// who must tell the two apart call [`identifier`] first.
    pub(crate) fn from_der(raw: &[u8]) -> Result<Self, AlgorithmRefused> {
        let (oid, parameters) = identifier(raw).map_err(|_| AlgorithmRefused)?;
        let (_, _, algorithm) = KNOWN
            .into_iter()
            .find(|(known, ..)| *known == oid)
            .ok_or(AlgorithmRefused)?;
        // RFC 4055 5: parameters NULL, and absent ones are to be accepted; RFC 5758 3.2, RFC 8410 3: absent.
        let fits = match algorithm {
            Self::RsaPkcs1(_) => parameters.is_none_or(|raw| raw == [NULL, 0]),
            Self::Ecdsa(_) | Self::Ed25519 => parameters.is_none(),
        };
        if fits {
            Ok(algorithm)
        } else {
            Err(AlgorithmRefused)
        }
    }

    /// From the name that RFC 5280 and OpenSSL use, such as `sha256WithRSAEncryption`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        KNOWN
            .into_iter()
            .find(|(_, known, _)| known.eq_ignore_ascii_case(name))
            .map(|(.., algorithm)| algorithm)
    }

    /// The digest it is computed over; `None` where the algorithm takes the message itself.
    #[must_use]
    pub const fn digest(self) -> Option<DigestAlgorithm> {
        match self {
            Self::RsaPkcs1(digest) | Self::Ecdsa(digest) => Some(digest),
            Self::Ed25519 => None,
        }
    }
}

/// The parts of an `AlgorithmIdentifier`: content of the OID, whole parameters.
pub(crate) fn identifier(raw: &[u8]) -> Result<(&[u8], Option<&[u8]>), DerError> {
    let mut inner = Reader::only(raw, SEQUENCE, "an algorithm that is no SEQUENCE")?;
    let oid = der::oid(inner.expect(OID, "an algorithm without OID")?.value)?;
    let parameters = if inner.is_empty() {
        None
    } else {
        Some(inner.any()?.raw)
    };
    inner.finish("an algorithm with more than its parameters")?;
    Ok((oid, parameters))
}
