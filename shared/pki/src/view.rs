//! The outer shape of a certificate (RFC 5280 4.1), as slices of the input.
//!
//! What is read here is what every user of a certificate needs: the strict [`crate::Certificate`] of the platform's
//! own profile and the general path validator both start from it. Everything is checked that concerns DER and the
//! syntax of RFC 5280; what only concerns a profile is not.

use warikan_types::Timestamp;

use crate::{
    der::{
        self, BIT_STRING, BOOLEAN, DerError, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE,
        constructed, context,
    },
    time,
};

/// More extensions than any certificate has; a bound on the quadratic search for duplicates.
const MAX_EXTENSIONS: usize = 64;

/// One extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    pub(crate) value: &'a [u8],
}

/// A certificate as slices.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    pub(crate) der: &'a [u8],
    /// The octets that were signed.
    pub(crate) tbs: &'a [u8],
    /// 1, 2 or 3.
    pub(crate) version: u8,
    /// Content of the INTEGER.
    pub(crate) serial: &'a [u8],
    pub(crate) signature_algorithm: &'a [u8],
    pub(crate) issuer: &'a [u8],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) subject: &'a [u8],
    pub(crate) spki: &'a [u8],
    pub(crate) extensions: Vec<Extension<'a>>,
    pub(crate) signature: &'a [u8],
}

/// `Certificate`, `CertificateList`, `BasicOCSPResponse`: what is signed, how, and the signature.
pub(crate) struct SignedParts<'a> {
    pub(crate) tbs: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> SignedParts<'a> {
    /// Opens the SIGNED{} shape of X.509 without looking into what is signed.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Reader::only(der, SEQUENCE, "not one SEQUENCE")?;
        let parts = Self::read_from(&mut outer)?;
        outer.finish("octets after the signature")?;
        Ok(parts)
    }

    /// Reads the three parts and leaves what follows (OCSP puts certificates there).
    pub(crate) fn read_from(outer: &mut Reader<'a>) -> Result<Self, DerError> {
        Ok(Self {
            tbs: outer.expect(SEQUENCE, "nothing to be signed")?.raw,
            algorithm: outer.expect(SEQUENCE, "no signature algorithm")?.raw,
            signature: der::octet_bits(outer.expect(BIT_STRING, "no signature")?.value)?,
        })
    }
}

impl<'a> View<'a> {
    /// Reads the whole input as one certificate.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, DerError> {
        let parts = SignedParts::read(der)?;
        let mut tbs = Reader::only(parts.tbs, SEQUENCE, "no TBSCertificate")?;
        let version = version(&mut tbs)?;
        let serial = der::integer(tbs.expect(INTEGER, "no serial number")?.value)?;
        let algorithm = tbs.expect(SEQUENCE, "no inner signature algorithm")?.raw;
        if algorithm != parts.algorithm {
            // RFC 5280 4.1.1.2: the two must be the same.
            return Err(DerError("two different signature algorithms"));
        }
        crate::algorithm::identifier(algorithm)?;
        let issuer = tbs.expect(SEQUENCE, "no issuer")?.raw;
        let mut validity = tbs.open(SEQUENCE, "no validity")?;
        let not_before = time::read(&mut validity)?;
        let not_after = time::read(&mut validity)?;
        validity.finish("a validity with more than two times")?;
        let subject = tbs.expect(SEQUENCE, "no subject")?.raw;
        let spki = tbs.expect(SEQUENCE, "no public key")?.raw;
        for number in [1, 2] {
            // issuerUniqueID, subjectUniqueID: versions 2 and 3 only, and of no use to anyone.
            if let Some(unique) = tbs.optional(context(number))?
                && (version == 1 || unique.value.is_empty())
            {
                return Err(DerError("a unique identifier that may not be there"));
            }
        }
        let extensions = match tbs.optional(constructed(3))? {
            Some(_) if version != 3 => return Err(DerError("extensions before version 3")),
            Some(wrapped) => extensions(wrapped.value)?,
            None => Vec::new(),
        };
        tbs.finish("octets after the extensions")?;
        Ok(Self {
            der,
            tbs: parts.tbs,
            version,
            serial,
            signature_algorithm: algorithm,
            issuer,
            not_before,
            not_after,
            subject,
            spki,
            extensions,
            signature: parts.signature,
        })
    }

    /// The extension of this type.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|one| one.oid == oid)
    }
}

/// `[0] EXPLICIT INTEGER DEFAULT v1`: DER does not write the default.
fn version(tbs: &mut Reader<'_>) -> Result<u8, DerError> {
    let Some(wrapped) = tbs.optional(constructed(0))? else {
        return Ok(1);
    };
    let mut inner = Reader::new(wrapped.value);
    let number = inner.expect(INTEGER, "a version that is no INTEGER")?;
    inner.finish("a version with more than a number")?;
    match number.value {
        [1] => Ok(2),
        [2] => Ok(3),
        _ => Err(DerError("a version that does not exist")),
    }
}

/// `Extensions`, whole: at least one, none twice.
pub(crate) fn extensions(raw: &[u8]) -> Result<Vec<Extension<'_>>, DerError> {
    let mut list = Reader::only(raw, SEQUENCE, "extensions that are no SEQUENCE")?;
    let mut found: Vec<Extension<'_>> = Vec::with_capacity(12);
    while !list.is_empty() {
        let extension = extension(&mut list)?;
        if found.iter().any(|other| other.oid == extension.oid) {
            return Err(DerError("an extension that occurs twice"));
        }
        if found.len() == MAX_EXTENSIONS {
            return Err(DerError("too many extensions"));
        }
        found.push(extension);
    }
    if found.is_empty() {
        return Err(DerError("an empty list of extensions"));
    }
    Ok(found)
}

/// One `Extension`.
pub(crate) fn extension<'a>(list: &mut Reader<'a>) -> Result<Extension<'a>, DerError> {
    let mut one = list.open(SEQUENCE, "an extension that is no SEQUENCE")?;
    let oid = der::oid(one.expect(OID, "an extension without OID")?.value)?;
    let critical = match one.optional(BOOLEAN)? {
        None => false,
        Some(flag) if der::boolean(flag.value)? => true,
        Some(_) => return Err(DerError("a default that DER does not write")),
    };
    let value = one
        .expect(OCTET_STRING, "an extension without value")?
        .value;
    one.finish("an extension with more than its value")?;
    Ok(Extension {
        oid,
        critical,
        value,
    })
}
