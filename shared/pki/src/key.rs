//! Public keys, and the one function by which a signature is verified.
//!
//! The arithmetic is aws-lc's. What this module adds is everything that must happen *before* the arithmetic: the
//! key is read strictly, its size and exponent are held against limits (a modulus of 65,536 bits is refused in
//! microseconds, not exponentiated), the algorithm must fit the key, and a digest must have the length of its
//! algorithm. aws-lc builds the expected encoded message (RFC 8017 9.2) and compares it octet for octet, so padding
//! that merely *parses*, or a DigestInfo whose NULL is missing, does not verify.

use std::{fmt, sync::OnceLock};

use aws_lc_rs::{digest::Digest, signature as lc};

use crate::{
    algorithm::{AlgorithmRefused, DigestAlgorithm, SignatureAlgorithm, identifier},
    der::{self, BIT_STRING, DerError, INTEGER, NULL, OID, Reader, SEQUENCE, Tlv},
    oid,
};

/// Smallest RSA modulus in bits.
pub const RSA_MIN_BITS: u32 = 2048;
/// Largest RSA modulus in bits; no CA this system meets uses more than 4096.
pub const RSA_MAX_BITS: u32 = 8192;
/// Smallest RSA exponent (FIPS 186-5 A.1.1: above 2^16).
pub const RSA_MIN_EXPONENT: u32 = 65_537;

/// What kind of key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// RSA with so many bits in the modulus.
    Rsa {
        /// Length of the modulus.
        bits: u32,
    },
    /// Curve P-256 (secp256r1).
    P256,
    /// Curve P-384 (secp384r1).
    P384,
    /// Curve P-521 (secp521r1).
    P521,
    /// Ed25519.
    Ed25519,
}

/// Why a SubjectPublicKeyInfo gave no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the DER of a key of its algorithm.
    #[error("the public key is malformed")]
    Malformed,
    /// Another algorithm, a size or an exponent outside the limits.
    #[error("a public key that policy refuses")]
    Refused,
}
impl From<DerError> for KeyError {
    fn from(_: DerError) -> Self {
        Self::Malformed
    }
}

/// Why a signature did not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The algorithm is not for this kind of key, or not for this input.
    #[error("the algorithm does not fit the key")]
    Refused,
    /// The signature is not one over this by this key.
    #[error("the signature does not verify")]
    Mismatch,
}
impl From<AlgorithmRefused> for SignatureError {
    fn from(_: AlgorithmRefused) -> Self {
        Self::Refused
    }
}

/// A public key within the limits, ready to verify.
pub struct PublicKey {
    kind: KeyKind,
    /// RSAPublicKey, uncompressed point or raw Ed25519 key.
    bytes: Box<[u8]>,
    /// Parsed per digest, on first use: a leaf's key verifies once, an anchor's a million times.
    parsed: [OnceLock<Option<lc::ParsedPublicKey>>; 3],
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// From a whole SubjectPublicKeyInfo (RFC 5280 4.1.2.7), within the published limits.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] or [`KeyError::Refused`]; no arithmetic on the key has happened by then.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        Self::read(spki, RSA_MIN_BITS, RSA_MIN_EXPONENT)
    }

    /// As [`Self::from_spki`], with any odd RSA exponent from 3. A small exponent is no weakness of a verification that compares the
    /// whole encoded message, so a tool that answers for others' keys may take it; no service calls this.
    ///
    /// # Errors
    /// As [`Self::from_spki`].
    pub fn from_spki_of_others(spki: &[u8]) -> Result<Self, KeyError> {
        Self::read(spki, RSA_MIN_BITS, 3)
    }

    /// As [`Self::from_spki`] with another smallest RSA modulus, 1024 bits at least: for paths of the past.
    pub(crate) fn from_spki_with_floor(spki: &[u8], rsa_min_bits: u32) -> Result<Self, KeyError> {
        Self::read(spki, rsa_min_bits.max(1024), RSA_MIN_EXPONENT)
    }

    fn read(spki: &[u8], rsa_min_bits: u32, rsa_min_exponent: u32) -> Result<Self, KeyError> {
        let mut outer = Reader::only(spki, SEQUENCE, "a key that is no SEQUENCE")?;
        let algorithm = outer.expect(SEQUENCE, "a key without algorithm")?;
        let bits = outer.expect(BIT_STRING, "a key without BIT STRING")?.value;
        outer.finish("a key with more than two parts")?;
        let bytes = der::octet_bits(bits)?;
        let (oid, parameters) = identifier(algorithm.raw)?;
        let kind = match oid {
            oid::RSA if parameters == Some(&[NULL, 0]) => {
                rsa(bytes, rsa_min_bits, rsa_min_exponent)?
            }
            oid::RSA => return Err(KeyError::Malformed),
            oid::EC_PUBLIC_KEY => curve(parameters, bytes)?,
            oid::ED25519 if parameters.is_none() && bytes.len() == 32 => KeyKind::Ed25519,
            oid::ED25519 => return Err(KeyError::Malformed),
            _ => return Err(KeyError::Refused),
        };
        Ok(Self {
            kind,
            bytes: bytes.into(),
            parsed: Default::default(),
        })
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Verifies a signature over a message.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        self.parsed(algorithm)?
            .verify_sig(message, signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    /// Verifies a signature over a message of which only the digest is known.
    ///
    /// # Errors
    /// [`SignatureError::Refused`] where the digest has not the length of the algorithm (a bare or truncated
    /// hash) or the algorithm takes no digest.
    pub fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let library = algorithm
            .digest()
            .map(DigestAlgorithm::library)
            .ok_or(SignatureError::Refused)?;
        let digest =
            Digest::import_less_safe(digest, library).map_err(|_| SignatureError::Refused)?;
        self.parsed(algorithm)?
            .verify_digest_sig(&digest, signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    /// Verifies an RSA or P-256 signature over SHA-1. The path validator judges chains of others for whom the caller
    /// has said that SHA-1 will do; nothing of the platform's own reaches this.
    pub(crate) fn verify_sha1(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let library: &'static dyn lc::VerificationAlgorithm = match self.kind {
            KeyKind::Rsa { .. } => &lc::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            KeyKind::P256 => &lc::ECDSA_P256_SHA1_ASN1,
            _ => return Err(SignatureError::Refused),
        };
        lc::UnparsedPublicKey::new(library, &self.bytes)
            .verify(message, signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    /// The algorithm with which a holder of this key signs a digest of this kind.
    #[must_use]
    pub const fn algorithm_for(&self, digest: DigestAlgorithm) -> Option<SignatureAlgorithm> {
        match self.kind {
            KeyKind::Rsa { .. } => Some(SignatureAlgorithm::RsaPkcs1(digest)),
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
                Some(SignatureAlgorithm::Ecdsa(digest))
            }
            KeyKind::Ed25519 => None,
        }
    }

    fn parsed(
        &self,
        algorithm: SignatureAlgorithm,
    ) -> Result<&lc::ParsedPublicKey, SignatureError> {
        let library = self.library(algorithm).ok_or(SignatureError::Refused)?;
        let slot = algorithm.digest().map_or(0, |digest| digest as usize);
        self.parsed[slot]
            .get_or_init(|| lc::ParsedPublicKey::new(library, &self.bytes).ok())
            .as_ref()
            .ok_or(SignatureError::Refused)
    }

    fn library(
        &self,
        algorithm: SignatureAlgorithm,
    ) -> Option<&'static dyn lc::VerificationAlgorithm> {
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        use SignatureAlgorithm::{Ecdsa, Ed25519, RsaPkcs1};
        let short = matches!(self.kind, KeyKind::Rsa { bits } if bits < RSA_MIN_BITS);
        Some(match (self.kind, algorithm) {
            (KeyKind::Rsa { .. }, RsaPkcs1(Sha256)) if short => {
                &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
            }
            (KeyKind::Rsa { .. }, RsaPkcs1(Sha512)) if short => {
                &lc::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
            }
            (KeyKind::Rsa { .. }, RsaPkcs1(Sha256)) => &lc::RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa { .. }, RsaPkcs1(Sha384)) => &lc::RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa { .. }, RsaPkcs1(Sha512)) => &lc::RSA_PKCS1_2048_8192_SHA512,
            (KeyKind::P256, Ecdsa(Sha256)) => &lc::ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, Ecdsa(Sha384)) => &lc::ECDSA_P256_SHA384_ASN1,
            (KeyKind::P256, Ecdsa(Sha512)) => &lc::ECDSA_P256_SHA512_ASN1,
            (KeyKind::P384, Ecdsa(Sha256)) => &lc::ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, Ecdsa(Sha384)) => &lc::ECDSA_P384_SHA384_ASN1,
            (KeyKind::P384, Ecdsa(Sha512)) => &lc::ECDSA_P384_SHA512_ASN1,
            (KeyKind::P521, Ecdsa(Sha256)) => &lc::ECDSA_P521_SHA256_ASN1,
            (KeyKind::P521, Ecdsa(Sha384)) => &lc::ECDSA_P521_SHA384_ASN1,
            (KeyKind::P521, Ecdsa(Sha512)) => &lc::ECDSA_P521_SHA512_ASN1,
            (KeyKind::Ed25519, Ed25519) => &lc::ED25519,
            _ => return None,
        })
    }
}

/// Reads `RSAPublicKey` (RFC 8017 A.1.1) and holds it against the limits.
fn rsa(bytes: &[u8], min_bits: u32, min_exponent: u32) -> Result<KeyKind, KeyError> {
    let mut key = Reader::only(bytes, SEQUENCE, "an RSA key that is no SEQUENCE")?;
    let modulus = positive(&key.expect(INTEGER, "an RSA key without modulus")?)?;
    let exponent = positive(&key.expect(INTEGER, "an RSA key without exponent")?)?;
    key.finish("an RSA key with more than two parts")?;
    // The first octet is not zero, so what it lacks of eight bits the modulus lacks.
    let bits = modulus.len().saturating_mul(8) - modulus[0].leading_zeros() as usize;
    let bits = u32::try_from(bits).map_err(|_| KeyError::Refused)?;
    if !(min_bits..=RSA_MAX_BITS).contains(&bits) || exponent.len() > 4 {
        return Err(KeyError::Refused);
    }
    let exponent = exponent
        .iter()
        .fold(0_u32, |sum, octet| (sum << 8) | u32::from(*octet));
    let even = |octets: &[u8]| octets.last().is_none_or(|last| last & 1 == 0);
    if exponent < min_exponent || exponent & 1 == 0 || even(modulus) {
        return Err(KeyError::Refused);
    }
    Ok(KeyKind::Rsa { bits })
}

fn positive<'a>(integer: &Tlv<'a>) -> Result<&'a [u8], KeyError> {
    match der::unsigned(integer.value)? {
        [] => Err(KeyError::Malformed),
        octets => Ok(octets),
    }
}

/// Named curves only, uncompressed points only (RFC 5480 2.1.1, 2.2). Whether the point lies on the curve is
/// checked by the library when the key is used.
fn curve(parameters: Option<&[u8]>, point: &[u8]) -> Result<KeyKind, KeyError> {
    let parameters = parameters.ok_or(KeyError::Malformed)?;
    if parameters.first() != Some(&OID) {
        return Err(KeyError::Refused);
    }
    let mut reader = Reader::new(parameters);
    let (kind, length) = match reader.any()?.value {
        oid::P256 => (KeyKind::P256, 32),
        oid::P384 => (KeyKind::P384, 48),
        oid::P521 => (KeyKind::P521, 66),
        _ => return Err(KeyError::Refused),
    };
    match point.first() {
        Some(4) if point.len() == 1 + 2 * length => Ok(kind),
        Some(2 | 3) => Err(KeyError::Refused),
        _ => Err(KeyError::Malformed),
    }
}
