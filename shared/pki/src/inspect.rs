//! Small questions about single objects, for `warikan pki`, conformance vectors and fuzzing: is this one at all, are
//! these two names the same, does this signature verify.

use crate::{
    certificate::ParseError,
    der::{self, BIT_STRING, DerError, Reader},
    key::{KeyError, PublicKey, SignatureError},
    name::CanonicalName,
    path::{
        PathAlgorithms,
        bag::List,
        cert::{Node, Scheme},
    },
};

/// Whether the bytes are a certificate of RFC 5280 whose every extension of section 4.2 can be read. Less strict than
/// [`crate::Certificate::parse`]: versions 1 and 2 and any serial number will do.
///
/// # Errors
/// [`ParseError`].
pub fn parse_certificate(der: &[u8]) -> Result<(), ParseError> {
    Node::read(der, crate::key::RSA_MIN_BITS).map(drop)
}

/// The whole SubjectPublicKeyInfo of a certificate as [`parse_certificate`] reads it.
///
/// # Errors
/// [`ParseError`].
pub fn certificate_key(der: &[u8]) -> Result<&[u8], ParseError> {
    Node::read(der, crate::key::RSA_MIN_BITS).map(|node| node.view.spki)
}

/// Whether the bytes are a revocation list of RFC 5280 that could be used.
///
/// # Errors
/// [`crate::CrlError`].
pub fn parse_crl(der: &[u8]) -> Result<(), crate::CrlError> {
    if List::read(der)?.entries_usable() {
        Ok(())
    } else {
        Err(crate::CrlError::Malformed("an entry that cannot be used"))
    }
}

/// Whether two distinguished names (each a whole `Name`) are the same under RFC 5280 7.1.
///
/// # Errors
/// [`ParseError`] if one of them is no name.
pub fn names_match(one: &[u8], other: &[u8]) -> Result<bool, ParseError> {
    Ok(CanonicalName::read(one)? == CanonicalName::read(other)?)
}

/// Verifies a signature as certificates and lists of others carry it: whole SubjectPublicKeyInfo, whole AlgorithmIdentifier,
/// whole BIT STRING, under the algorithms of a path.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_signed(
    spki: &[u8],
    algorithm: &[u8],
    data: &[u8],
    signature: &[u8],
    algorithms: PathAlgorithms,
) -> Result<(), SignatureError> {
    let scheme = Scheme::read(algorithm);
    if !scheme.is_among(algorithms) {
        return Err(SignatureError::Refused);
    }
    let key = PublicKey::from_spki_with_floor(spki, algorithms.rsa_min_bits())
        .map_err(|_: KeyError| SignatureError::Refused)?;
    let signature = bits(signature).map_err(|_| SignatureError::Mismatch)?;
    if scheme.verifies(&key, data, signature) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

fn bits(raw: &[u8]) -> Result<&[u8], DerError> {
    let mut reader = Reader::new(raw);
    let bits = reader.expect(BIT_STRING, "a signature that is no BIT STRING")?;
    reader.finish("octets after the signature")?;
    der::octet_bits(bits.value)
}
