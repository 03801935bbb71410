//! The extensions of RFC 5280 4.2 that are read, each decoded from its own value and nothing else.

use crate::{
    der::{
        self, BIT_STRING, BOOLEAN, DerError, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE,
        constructed, context,
    },
    name::CanonicalName,
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

/// More policies than any CA asserts; a bound on the quadratic search for duplicates.
const MAX_POLICIES: usize = 1024;

/// `certificatePolicies` (RFC 5280 4.2.1.4): the OIDs; qualifiers are checked for shape.
pub(crate) struct Policies<'a> {
    pub(crate) oids: Vec<&'a [u8]>,
    /// Whether there is a qualifier other than the two of RFC 5280.
    pub(crate) foreign_qualifier: bool,
}

pub(crate) fn policies(value: &[u8]) -> Result<Policies<'_>, DerError> {
    let mut list = Reader::only(value, SEQUENCE, "policies that are no SEQUENCE")?;
    let mut found = Policies {
        oids: Vec::new(),
        foreign_qualifier: false,
    };
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "a policy that is no SEQUENCE")?;
        let oid = der::oid(one.expect(OID, "a policy without OID")?.value)?;
        if let Some(qualifiers) = one.optional(SEQUENCE)? {
            found.foreign_qualifier |= has_foreign_qualifier(qualifiers.value)?;
        }
        one.finish("octets after a policy")?;
        if found.oids.contains(&oid) {
            return Err(DerError("a policy that occurs twice"));
        }
        if found.oids.len() == MAX_POLICIES {
            return Err(DerError("too many policies"));
        }
        found.oids.push(oid);
    }
    if found.oids.is_empty() {
        return Err(DerError("an empty list of policies"));
    }
    Ok(found)
}

fn has_foreign_qualifier(content: &[u8]) -> Result<bool, DerError> {
    let mut qualifiers = Reader::new(content);
    if qualifiers.is_empty() {
        return Err(DerError("an empty list of qualifiers"));
    }
    let mut foreign = false;
    while !qualifiers.is_empty() {
        let mut one = qualifiers.open(SEQUENCE, "a qualifier that is no SEQUENCE")?;
        let kind = der::oid(one.expect(OID, "a qualifier without OID")?.value)?;
        foreign |= !crate::oid::KNOWN_QUALIFIERS.contains(&kind);
        one.any()?;
        one.finish("octets after a qualifier")?;
    }
    Ok(foreign)
}

/// `PolicyMappings` (RFC 5280 4.2.1.5): pairs of issuer and subject policy.
pub(crate) fn policy_mappings(value: &[u8]) -> Result<Vec<(&[u8], &[u8])>, DerError> {
    let mut list = Reader::only(value, SEQUENCE, "mappings that are no SEQUENCE")?;
    let mut found = Vec::new();
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "a mapping that is no SEQUENCE")?;
        let issuer = der::oid(one.expect(OID, "a mapping without issuer policy")?.value)?;
        let subject = der::oid(one.expect(OID, "a mapping without subject policy")?.value)?;
        one.finish("octets after a mapping")?;
        if found.len() == MAX_POLICIES {
            return Err(DerError("too many mappings"));
        }
        found.push((issuer, subject));
    }
    if found.is_empty() {
        return Err(DerError("an empty list of mappings"));
    }
    Ok(found)
}

/// `PolicyConstraints` (RFC 5280 4.2.1.11).
#[derive(Debug, Clone, Copy)]
pub(crate) struct PolicyConstraints {
    pub(crate) require_explicit: Option<u32>,
    pub(crate) inhibit_mapping: Option<u32>,
}

pub(crate) fn policy_constraints(value: &[u8]) -> Result<PolicyConstraints, DerError> {
    let mut inner = Reader::only(value, SEQUENCE, "policy constraints that are no SEQUENCE")?;
    let mut skip = |number| {
        inner
            .optional(context(number))?
            .map(|tlv| der::small(tlv.value))
            .transpose()
    };
    let found = PolicyConstraints {
        require_explicit: skip(0)?,
        inhibit_mapping: skip(1)?,
    };
    inner.finish("octets after the policy constraints")?;
    if found.require_explicit.is_none() && found.inhibit_mapping.is_none() {
        return Err(DerError("empty policy constraints"));
    }
    Ok(found)
}

/// `InhibitAnyPolicy` (RFC 5280 4.2.1.14).
pub(crate) fn inhibit_any_policy(value: &[u8]) -> Result<u32, DerError> {
    let mut reader = Reader::new(value);
    let skip = der::small(
        reader
            .expect(INTEGER, "an inhibitAnyPolicy that is no INTEGER")?
            .value,
    )?;
    reader.finish("octets after inhibitAnyPolicy")?;
    Ok(skip)
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

/// `GeneralName` (RFC 5280 4.2.1.6).
#[derive(Debug, Clone, Copy)]
pub(crate) enum GeneralName<'a> {
    /// type-id and the whole value inside `[0]`.
    Other {
        oid: &'a [u8],
        value: &'a [u8],
    },
    Email(&'a [u8]),
    Dns(&'a [u8]),
    /// The whole `Name`.
    Directory(&'a [u8]),
    Uri(&'a [u8]),
    Ip(&'a [u8]),
    /// x400Address, ediPartyName, registeredID by tag number: nothing here compares them.
    Unread(u8),
}

/// The elements of a list of `GeneralName`.
pub(crate) fn general_names(content: &[u8]) -> Result<Vec<GeneralName<'_>>, DerError> {
    let mut list = Reader::new(content);
    let mut found = Vec::new();
    while !list.is_empty() {
        found.push(general_name(&mut list)?);
    }
    if found.is_empty() {
        return Err(DerError("an empty list of names"));
    }
    Ok(found)
}

/// One `GeneralName`.
pub(crate) fn general_name<'a>(list: &mut Reader<'a>) -> Result<GeneralName<'a>, DerError> {
    let one = list.any()?;
    Ok(match one.tag {
        0xa0 => {
            let mut inner = Reader::new(one.value);
            let oid = der::oid(inner.expect(OID, "an otherName without type")?.value)?;
            let value = inner.expect(constructed(0), "an otherName without value")?;
            inner.finish("octets after an otherName")?;
            GeneralName::Other {
                oid,
                value: value.value,
            }
        }
        0x81 | 0x82 | 0x86 if !one.value.is_ascii() => {
            return Err(DerError("an IA5String with other characters"));
        }
        0x81 => GeneralName::Email(one.value),
        0x82 => GeneralName::Dns(one.value),
        0x86 => GeneralName::Uri(one.value),
        0xa4 => {
            // A CHOICE is tagged explicitly: the Name is inside.
            CanonicalName::read(one.value)?;
            GeneralName::Directory(one.value)
        }
        0x87 => GeneralName::Ip(one.value),
        0xa3 => GeneralName::Unread(3),
        0xa5 => GeneralName::Unread(5),
        0x88 => {
            der::oid(one.value)?;
            GeneralName::Unread(8)
        }
        _ => return Err(DerError("a name of a kind that does not exist")),
    })
}

/// `SubjectAltName` or `IssuerAltName`, whole.
pub(crate) fn alt_name(value: &[u8]) -> Result<Vec<GeneralName<'_>>, DerError> {
    let mut outer = Reader::new(value);
    let list = outer.expect(SEQUENCE, "names that are no SEQUENCE")?;
    outer.finish("octets after the names")?;
    let names = general_names(list.value)?;
    let is_address = |octets: &[u8]| matches!(octets.len(), 4 | 16);
    if names
        .iter()
        .any(|name| matches!(name, GeneralName::Ip(octets) if !is_address(octets)))
    {
        return Err(DerError("an address that is neither IPv4 nor IPv6"));
    }
    Ok(names)
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
            crate::name::rdn(one.value)?;
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
