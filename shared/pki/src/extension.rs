//! The extensions of RFC 5280 4.2 that are read, each decoded from its own value and nothing else.

mod names;
mod policies;

pub(crate) use names::{GeneralName, alt_name, general_name, general_names};
pub(crate) use policies::{
    Mapping, Policies, PolicyConstraints, inhibit_any_policy, policies, policy_constraints,
    policy_mappings,
};

use crate::der::{
    self, BIT_STRING, BOOLEAN, DerError, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, constructed,
    context,
};

/// Bits of `KeyUsage` (RFC 5280 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyUsage(pub(crate) u16);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: Self = Self(1 << 0);
    /// nonRepudiation, also called contentCommitment.
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// keyCertSign.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// cRLSign.
    pub const CRL_SIGN: Self = Self(1 << 6);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

pub(crate) fn key_usage(value: &[u8]) -> Result<KeyUsage, DerError> {
    let mut reader = Reader::new(value);
    let bits = der::named_bits(
        reader
            .expect(BIT_STRING, "a key usage that is no bits")?
            .value,
    )?;
    reader.finish("octets after the key usage")?;
    if bits == 0 {
        return Err(DerError("a key usage without any"));
    }
    Ok(KeyUsage(bits))
}

/// `BasicConstraints` (RFC 5280 4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u32>,
}

/// A length without cA, which RFC 5280 forbids CAs to write, is read here and left to whoever asks: a path is no longer for it.
/// `cA FALSE` written out is no DER, but so many CAs write it that it is read.
pub(crate) fn basic_constraints(value: &[u8]) -> Result<BasicConstraints, DerError> {
    let mut inner = Reader::only(value, SEQUENCE, "basic constraints that are no SEQUENCE")?;
    let ca = match inner.optional(BOOLEAN)? {
        None => false,
        Some(flag) => der::boolean(flag.value)?,
    };
    let path_length = inner
        .optional(INTEGER)?
        .map(|number| der::small(number.value))
        .transpose()?;
    inner.finish("octets after the basic constraints")?;
    if path_length.is_some_and(|length| length > 255) {
        return Err(DerError("a path length beyond reason"));
    }
    Ok(BasicConstraints { ca, path_length })
}

/// `ExtKeyUsageSyntax` (RFC 5280 4.2.1.12).
pub(crate) fn ext_key_usage(value: &[u8]) -> Result<Vec<&[u8]>, DerError> {
    let mut list = Reader::only(value, SEQUENCE, "key purposes that are no SEQUENCE")?;
    let mut found = Vec::new();
    while !list.is_empty() {
        found.push(der::oid(
            list.expect(OID, "a key purpose that is no OID")?.value,
        )?);
    }
    if found.is_empty() {
        return Err(DerError("an empty list of key purposes"));
    }
    Ok(found)
}

/// `AuthorityKeyIdentifier` (RFC 5280 4.2.1.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuthorityKeyId<'a> {
    pub(crate) key_id: Option<&'a [u8]>,
}

/// Issuer and serial number in it are read for shape: they would name one certificate of the issuer, and what
/// counts is the key.
pub(crate) fn authority_key_id(value: &[u8]) -> Result<AuthorityKeyId<'_>, DerError> {
    let mut inner = Reader::only(value, SEQUENCE, "an authority key id that is no SEQUENCE")?;
    let key_id = inner.optional(context(0))?.map(|tlv| tlv.value);
    let issuer = inner.optional(constructed(1))?;
    let serial = inner.optional(context(2))?;
    inner.finish("octets after the authority key id")?;
    if issuer.is_some() != serial.is_some() || key_id.is_some_and(<[u8]>::is_empty) {
        return Err(DerError("an authority key id with half of a pair"));
    }
    if let (Some(issuer), Some(serial)) = (issuer, serial) {
        general_names(issuer.value)?;
        der::integer(serial.value)?;
    }
    Ok(AuthorityKeyId { key_id })
}

pub(crate) fn subject_key_id(value: &[u8]) -> Result<&[u8], DerError> {
    let mut reader = Reader::new(value);
    let id = reader.expect(OCTET_STRING, "a subject key id that is no OCTET STRING")?;
    reader.finish("octets after the subject key id")?;
    if id.value.is_empty() {
        return Err(DerError("an empty subject key id"));
    }
    Ok(id.value)
}

/// Set of revocation reasons (RFC 5280 4.2.1.13 `ReasonFlags`): bit 1 keyCompromise to bit 8 aACompromise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReasonFlags(pub(crate) u16);

impl ReasonFlags {
    /// Every reason there is.
    pub const ALL: Self = Self(0x1fe);

    /// Whether both sets have a reason in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// `DistributionPointName` (RFC 5280 4.2.1.13).
#[derive(Debug, Clone)]
pub(crate) enum PointName<'a> {
    /// fullName.
    Full(Vec<GeneralName<'a>>),
    /// nameRelativeToCRLIssuer: content of one RDN.
    Relative(&'a [u8]),
}

/// The content of `distributionPoint [0]`.
pub(crate) fn point_name(content: &[u8]) -> Result<PointName<'_>, DerError> {
    let mut inner = Reader::new(content);
    let one = inner.any()?;
    inner.finish("a distribution point with two names")?;
    match one.tag {
        0xa0 => general_names(one.value).map(PointName::Full),
        0xa1 => {
            crate::name::check_rdn(one.value)?;
            Ok(PointName::Relative(one.value))
        }
        _ => Err(DerError("a distribution point name of no known kind")),
    }
}

/// `DistributionPoint` (RFC 5280 4.2.1.13).
#[derive(Debug, Clone)]
pub(crate) struct DistributionPoint<'a> {
    pub(crate) name: Option<PointName<'a>>,
    pub(crate) reasons: Option<ReasonFlags>,
    pub(crate) crl_issuer: Option<Vec<GeneralName<'a>>>,
}

pub(crate) fn distribution_points(value: &[u8]) -> Result<Vec<DistributionPoint<'_>>, DerError> {
    let mut list = Reader::only(value, SEQUENCE, "distribution points that are no SEQUENCE")?;
    let mut found = Vec::new();
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "a distribution point that is no SEQUENCE")?;
        let name = one
            .optional(constructed(0))?
            .map(|tlv| point_name(tlv.value))
            .transpose()?;
        let reasons = one
            .optional(context(1))?
            .map(|tlv| der::named_bits(tlv.value).map(ReasonFlags))
            .transpose()?;
        let crl_issuer = one
            .optional(constructed(2))?
            .map(|tlv| general_names(tlv.value))
            .transpose()?;
        one.finish("octets after a distribution point")?;
        if name.is_none() && crl_issuer.is_none() {
            return Err(DerError("a distribution point without name and issuer"));
        }
        found.push(DistributionPoint {
            name,
            reasons,
            crl_issuer,
        });
    }
    if found.is_empty() {
        return Err(DerError("an empty list of distribution points"));
    }
    Ok(found)
}

/// The first `id-ad-ocsp` URI of `AuthorityInfoAccess` (RFC 5280 4.2.2.1). Nothing here ever connects to it.
pub(crate) fn ocsp_url(value: &[u8]) -> Result<Option<&str>, DerError> {
    let mut list = Reader::only(value, SEQUENCE, "an access list that is no SEQUENCE")?;
    if list.is_empty() {
        return Err(DerError("an empty access list"));
    }
    let mut url = None;
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "an access description that is no SEQUENCE")?;
        let method = der::oid(one.expect(OID, "an access without method")?.value)?;
        let location = general_name(&mut one)?;
        one.finish("octets after an access description")?;
        if let GeneralName::Uri(text) = location
            && method == crate::oid::AD_OCSP
            && url.is_none()
        {
            url = std::str::from_utf8(text).ok();
        }
    }
    Ok(url)
}
