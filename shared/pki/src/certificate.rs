//! A certificate, parsed once into a value that cannot be wrong about its own bytes.
//!
//! [`Certificate::parse`] is strict: the whole input is one DER SEQUENCE, version 3, a positive serial number of at
//! most twenty octets, both signature algorithms the same, no extension twice, every extension that is read in the
//! form RFC 5280 gives it. What it does not decide is whether the certificate is *good*: that is the business of
//! [`crate::examine`] and [`crate::validate`]. An algorithm that policy refuses is still parsed, so that the
//! answer can say which of the two it was.
//!
//! Serial, names and attributes are confidential or personal: `Debug` shows none of them.

use std::{fmt, ops::Range};

use warikan_types::{CrlPartition, IssuerKey, Serial, Timestamp};

use crate::{
    algorithm::{AlgorithmRefused, SignatureAlgorithm},
    attributes::Attributes,
    der::{DerError, range_in},
    extension::{self, GeneralName, KeyUsage, PointName},
    hash,
    name::{self, CanonicalName},
    oid::{self, Oid, ce},
    path::constraints::NameConstraints,
    view::View,
};

/// The octets are no certificate of the strict profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate: {0}")]
pub struct ParseError(&'static str);

impl From<DerError> for ParseError {
    fn from(error: DerError) -> Self {
        Self(error.0)
    }
}

/// A certificate.
pub struct Certificate {
    der: Box<[u8]>,
    sha256: [u8; 32],
    tbs: Range<usize>,
    spki: Range<usize>,
    signature: Range<usize>,
    algorithm: Result<SignatureAlgorithm, AlgorithmRefused>,
    serial: Serial,
    issuer: Range<usize>,
    subject: Range<usize>,
    not_before: Timestamp,
    not_after: Timestamp,
    extensions: Typed,
}

/// The extensions that are read, decoded.
#[derive(Default)]
struct Typed {
    key_usage: Option<KeyUsage>,
    key_usage_critical: bool,
    ca: bool,
    policies: Vec<Oid>,
    policies_critical: bool,
    ext_key_usage: Vec<Oid>,
    authority_key_id: Option<Vec<u8>>,
    subject_key_id: Option<Vec<u8>>,
    partition: Option<CrlPartition>,
    ocsp_url: Option<String>,
    attributes: Option<Attributes>,
    unknown_critical: bool,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}

impl Certificate {
    /// Parses the whole input.
    ///
    /// # Errors
    /// [`ParseError`] names the first thing that is not as RFC 5280 4.1 and 4.2 say. Never more work than
    /// proportional to the input.
    pub fn parse(der: &[u8]) -> Result<Self, ParseError> {
        let view = View::read(der)?;
        if view.version != 3 {
            return Err(ParseError("not version 3"));
        }
        let serial = match view.serial {
            [first, ..] if first & 0x80 != 0 => Err(ParseError("a negative serial number")),
            octets => Serial::from_octets(octets)
                .map_err(|_| ParseError("a serial number of zero or of more than 20 octets")),
        }?;
        for name in [view.issuer, view.subject] {
            name::check(name)?;
            if name.len() == 2 {
                return Err(ParseError("an empty name"));
            }
        }
        Ok(Self {
            sha256: hash::sha256(der),
            tbs: range_in(der, view.tbs),
            spki: range_in(der, view.spki),
            signature: range_in(der, view.signature),
            algorithm: SignatureAlgorithm::from_der(view.signature_algorithm),
            serial,
            issuer: range_in(der, view.issuer),
            subject: range_in(der, view.subject),
            not_before: view.not_before,
            not_after: view.not_after,
            extensions: Typed::read(&view)?,
            der: der.into(),
        })
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 over the whole certificate.
    #[must_use]
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The serial number.
    #[must_use]
    pub const fn serial(&self) -> &Serial {
        &self.serial
    }

    /// First second in which it is valid.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last second in which it is valid.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The whole SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.der[self.spki.clone()]
    }

    /// SHA-256 over its own SubjectPublicKeyInfo: what identifies it as an issuer.
    #[must_use]
    pub fn issuer_key_of_self(&self) -> IssuerKey {
        IssuerKey(hash::sha256(self.spki_der()))
    }

    /// Key id of the key that signed it.
    #[must_use]
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions.authority_key_id.as_deref()
    }

    /// Key id of its own key.
    #[must_use]
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// Its certificate policies.
    #[must_use]
    pub fn policies(&self) -> &[Oid] {
        &self.extensions.policies
    }

    /// Its key usage.
    #[must_use]
    pub const fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage
    }

    /// Its extended key usage; empty if the extension is absent.
    #[must_use]
    pub fn ext_key_usage(&self) -> &[Oid] {
        &self.extensions.ext_key_usage
    }

    /// Whether basicConstraints make it a CA.
    #[must_use]
    pub const fn is_ca(&self) -> bool {
        self.extensions.ca
    }

    /// The part of the revocation list that covers it: its only distribution point, if that is a directoryName
    /// and covers every reason. The name itself tells the municipality and stays inside.
    #[must_use]
    pub const fn distribution_point(&self) -> Option<CrlPartition> {
        self.extensions.partition
    }

    /// Where it says that its OCSP responder is. Nothing may connect there because a certificate says so.
    #[must_use]
    pub fn ocsp_url(&self) -> Option<&str> {
        self.extensions.ocsp_url.as_deref()
    }

    /// What it says about its holder; `None` if it has no otherName.
    #[must_use]
    pub const fn attributes(&self) -> Option<&Attributes> {
        self.extensions.attributes.as_ref()
    }

    /// How it was signed.
    ///
    /// # Errors
    /// [`AlgorithmRefused`] if by an algorithm outside the closed list.
    pub const fn signature_algorithm(&self) -> Result<SignatureAlgorithm, AlgorithmRefused> {
        self.algorithm
    }

    pub(crate) fn tbs(&self) -> &[u8] {
        &self.der[self.tbs.clone()]
    }

    pub(crate) fn signature(&self) -> &[u8] {
        &self.der[self.signature.clone()]
    }

    /// The whole Name of the issuer.
    pub(crate) fn issuer(&self) -> &[u8] {
        &self.der[self.issuer.clone()]
    }

    /// The whole Name of the subject.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.der[self.subject.clone()]
    }

    pub(crate) const fn has_unknown_critical(&self) -> bool {
        self.extensions.unknown_critical
    }

    pub(crate) const fn has_critical_usage_and_policies(&self) -> bool {
        self.extensions.key_usage_critical && self.extensions.policies_critical
    }
}

impl Typed {
    fn read(view: &View<'_>) -> Result<Self, DerError> {
        let oids = |list: Vec<&[u8]>| list.into_iter().map(Oid::from_content).collect();
        let mut typed = Self::default();
        for one in &view.extensions {
            match one.oid {
                ce::KEY_USAGE => {
                    typed.key_usage = Some(extension::key_usage(one.value)?);
                    typed.key_usage_critical = one.critical;
                }
                ce::BASIC_CONSTRAINTS => {
                    let basic = extension::basic_constraints(one.value)?;
                    if basic.path_length.is_some() && !basic.ca {
                        // RFC 5280 4.2.1.9.
                        return Err(DerError("a path length without CA"));
                    }
                    typed.ca = basic.ca;
                }
                ce::CERTIFICATE_POLICIES => {
                    typed.policies = oids(extension::policies(one.value)?.oids);
                    typed.policies_critical = one.critical;
                }
                ce::EXT_KEY_USAGE => {
                    typed.ext_key_usage = oids(extension::ext_key_usage(one.value)?);
                }
                ce::AUTHORITY_KEY_ID => {
                    let id = extension::authority_key_id(one.value)?;
                    typed.authority_key_id = id.key_id.map(<[u8]>::to_vec);
                    // RFC 5280 4.2.1.1, 4.2.1.2: never critical.
                    typed.unknown_critical |= one.critical;
                }
                ce::SUBJECT_KEY_ID => {
                    typed.subject_key_id = Some(extension::subject_key_id(one.value)?.to_vec());
                    typed.unknown_critical |= one.critical;
                }
                ce::CRL_DISTRIBUTION_POINTS => typed.partition = partition(one.value)?,
                ce::SUBJECT_ALT_NAME => {
                    typed.attributes = Attributes::read(&extension::alt_name(one.value)?)?;
                }
                ce::ISSUER_ALT_NAME => {
                    // Read for shape; nothing is done with it, so critical is more than is honoured.
                    extension::alt_name(one.value)?;
                    typed.unknown_critical |= one.critical;
                }
                oid::AUTHORITY_INFO_ACCESS => {
                    typed.ocsp_url = extension::ocsp_url(one.value)?.map(str::to_owned);
                    typed.unknown_critical |= one.critical;
                }
                other => {
                    // Of no use in a leaf, but an extension that RFC 5280 defines must be readable.
                    match other {
                        ce::NAME_CONSTRAINTS => drop(NameConstraints::read(one.value)?),
                        ce::POLICY_MAPPINGS => drop(extension::policy_mappings(one.value)?),
                        ce::POLICY_CONSTRAINTS => drop(extension::policy_constraints(one.value)?),
                        ce::INHIBIT_ANY_POLICY => drop(extension::inhibit_any_policy(one.value)?),
                        _ => {}
                    }
                    typed.unknown_critical |= one.critical;
                }
            }
        }
        Ok(typed)
    }
}

/// One distribution point, named by a directoryName alone, for every reason and by the issuer itself: the shape
/// of JPKI. Anything else has no partition, and then only a complete list can cover the certificate.
fn partition(value: &[u8]) -> Result<Option<CrlPartition>, DerError> {
    let points = extension::distribution_points(value)?;
    let [point] = points.as_slice() else {
        return Ok(None);
    };
    if point.reasons.is_some() || point.crl_issuer.is_some() {
        return Ok(None);
    }
    match &point.name {
        Some(PointName::Full(names)) => match names.as_slice() {
            [GeneralName::Directory(name)] => Ok(Some(CanonicalName::read(name)?.partition())),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}
