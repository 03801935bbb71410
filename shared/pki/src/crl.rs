//! Revocation lists (RFC 5280 5): from bytes to a [`VerifiedCrl`], the only form in which one may vouch.
//!
//! A list of J-LIS may have millions of entries and comes over a network, so the order of work matters: the outer
//! shape, then the issuer's signature over the original octets, and only then the entries. They are walked as
//! slices, once to check them and again whenever someone iterates; no table of them is built, and no length that the
//! sender claims decides about memory.
//!
//! A list is *unusable*, never "good", when it is indirect, of another issuer, from the future, without nextUpdate or number, or
//! has a critical extension (of the list or of any entry) that is not understood here. A delta (RFC 5280 5.2.4) is only given to
//! who asks for it ([`SignedCrl::walk`]) and knows the list that it starts from.

pub(crate) mod entries;
pub(crate) mod number;
pub(crate) mod scope;
mod signed;

use warikan_types::{CrlPartition, IssuerKey, Timestamp};

pub use entries::{CrlEntries, CrlEntry, ListedEntry};
pub use number::{CrlNumber, CrlNumberError};
pub use signed::SignedCrl;

use crate::{
    anchor::TrustAnchor,
    der::{DerError, INTEGER, Reader, SEQUENCE, constructed},
    extension::{self, KeyUsage, ReasonFlags},
    name::CanonicalName,
    oid::ce,
    time,
    view::{self, Extension},
};

/// Why a list cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Not a version 2 list in DER.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Signed by an algorithm that is refused.
    #[error("signed by an algorithm that is refused")]
    AlgorithmRefused,
    /// The issuer's key did not sign it.
    #[error("the issuer's key did not sign it")]
    SignatureInvalid,
    /// Another issuer's name or key id, or the issuer may not sign lists.
    #[error("the list of another issuer")]
    WrongIssuer,
    /// A delta: it means nothing without its base.
    #[error("a delta list")]
    Delta,
    /// An indirect list: entries of other issuers.
    #[error("an indirect list")]
    Indirect,
    /// A critical extension that is not understood.
    #[error("a critical extension that is not understood")]
    UnknownCritical,
    /// For attribute certificates, or with a distribution point of another kind than a directoryName.
    #[error("a scope that is not served")]
    Scope,
    /// thisUpdate lies ahead.
    #[error("a list from the future")]
    NotYet,
}
impl From<DerError> for CrlError {
    fn from(error: DerError) -> Self {
        Self::Malformed(error.0)
    }
}

/// A list whose signature, issuer, scope and every entry have been checked. It borrows the bytes.
///
/// That it is *current* is not part of the proof: old lists explain old evidence. Compare `next_update`.
#[derive(Debug, Clone)]
pub struct VerifiedCrl<'a> {
    issuer_key: IssuerKey,
    partition: Option<CrlPartition>,
    only_some_reasons: Option<ReasonFlags>,
    number: CrlNumber,
    base: Option<CrlNumber>,
    this_update: Timestamp,
    next_update: Timestamp,
    /// Content of `revokedCertificates`.
    entries: &'a [u8],
    count: usize,
}

impl<'a> VerifiedCrl<'a> {
    /// Checks a list of `issuer` as of `at`.
    ///
    /// # Errors
    /// [`CrlError`]. Before the signature is proved nothing of what is signed is read.
    pub fn verify(der: &'a [u8], issuer: &TrustAnchor, at: Timestamp) -> Result<Self, CrlError> {
        let signed = SignedCrl::read(der)?;
        signed.prove(issuer)?;
        let list = signed.open(issuer, at)?;
        if list.base.is_some() {
            return Err(CrlError::Delta);
        }
        list.checked(|_| {})
    }

    /// Reads every entry, once.
    fn checked(mut self, each: impl FnMut(ListedEntry<'a>)) -> Result<Self, CrlError> {
        self.count = entries::walk(self.entries, self.base.is_some(), each)?;
        Ok(self)
    }

    /// The key whose certificates it is about.
    #[must_use]
    pub const fn issuer_key(&self) -> IssuerKey {
        self.issuer_key
    }

    /// The part of the certificates it covers; `None` for all of them.
    #[must_use]
    pub const fn partition(&self) -> Option<CrlPartition> {
        self.partition
    }

    /// The reasons it covers; `None` for all of them. A list for some reasons alone cannot say *good*.
    #[must_use]
    pub const fn only_some_reasons(&self) -> Option<ReasonFlags> {
        self.only_some_reasons
    }

    /// Its number: higher is newer (RFC 5280 5.2.3).
    #[must_use]
    pub const fn number(&self) -> &CrlNumber {
        &self.number
    }

    /// For a delta, the number of the complete list that it starts from (RFC 5280 5.2.4); `None` for a complete list.
    #[must_use]
    pub const fn base(&self) -> Option<&CrlNumber> {
        self.base.as_ref()
    }

    /// As of when it speaks.
    #[must_use]
    pub const fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When at the latest the next one appears.
    #[must_use]
    pub const fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// The revoked certificates, in the order of the list.
    #[must_use]
    pub const fn entries(&self) -> CrlEntries<'a> {
        CrlEntries::new(self.entries)
    }

    /// How many entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// `TBSCertList` as slices.
pub(crate) struct List<'a> {
    /// 1 or 2.
    pub(crate) version: u8,
    pub(crate) issuer: &'a [u8],
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Option<Timestamp>,
    pub(crate) entries: &'a [u8],
    pub(crate) extensions: Vec<Extension<'a>>,
}

impl<'a> List<'a> {
    pub(crate) fn read(tbs: &'a [u8], outer_algorithm: &[u8]) -> Result<Self, CrlError> {
        let mut list = Reader::only(tbs, SEQUENCE, "no TBSCertList")?;
        let version = match list.optional(INTEGER)? {
            None => 1,
            Some(number) if number.value == [1] => 2,
            Some(_) => return Err(CrlError::Malformed("a version that does not exist")),
        };
        if list.expect(SEQUENCE, "no inner algorithm")?.raw != outer_algorithm {
            return Err(CrlError::Malformed("two different signature algorithms"));
        }
        let issuer = list.expect(SEQUENCE, "no issuer")?.raw;
        let this_update = time::read(&mut list)?;
        let next_update = match list.peek() {
            Some(crate::der::UTC_TIME | crate::der::GENERALIZED_TIME) => {
                Some(time::read(&mut list)?)
            }
            _ => None,
        };
        let entries = match list.optional(SEQUENCE)? {
            // RFC 5280 5.1.2.6: without entries the list is absent, not empty.
            Some(entries) if entries.value.is_empty() => {
                return Err(CrlError::Malformed("an empty list of entries"));
            }
            Some(entries) => entries.value,
            None => &[],
        };
        let extensions = match list.optional(constructed(0))? {
            Some(_) if version == 1 => {
                return Err(CrlError::Malformed("extensions before version 2"));
            }
            Some(wrapped) => view::extensions(wrapped.value)?,
            None => Vec::new(),
        };
        list.finish("octets after the extensions")?;
        Ok(Self {
            version,
            issuer,
            this_update,
            next_update,
            entries,
            extensions,
        })
    }

    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|one| one.oid == oid)
    }

    fn check_issuer(&self, issuer: &TrustAnchor) -> Result<(), CrlError> {
        let certificate = issuer.certificate();
        let named = issuer.is_named(self.issuer);
        let may_sign = certificate
            .key_usage()
            .is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN));
        let by_key = match self.extension(ce::AUTHORITY_KEY_ID) {
            Some(one) => {
                let wanted = extension::authority_key_id(one.value)?.key_id;
                match (wanted, certificate.subject_key_id()) {
                    (Some(wanted), Some(has)) => wanted == has,
                    _ => true,
                }
            }
            None => true,
        };
        if named && may_sign && by_key {
            Ok(())
        } else {
            Err(CrlError::WrongIssuer)
        }
    }

    fn number(&self) -> Result<CrlNumber, CrlError> {
        let one = self
            .extension(ce::CRL_NUMBER)
            .ok_or(CrlError::Malformed("no CRL number"))?;
        number::read(one.value)
    }

    /// BaseCRLNumber (RFC 5280 5.2.4): always critical, so that nobody takes a delta for everything.
    fn base(&self) -> Result<Option<CrlNumber>, CrlError> {
        match self.extension(ce::DELTA_CRL) {
            None => Ok(None),
            Some(one) if one.critical => number::read(one.value).map(Some),
            Some(_) => Err(CrlError::Malformed(
                "a delta indicator that is not critical",
            )),
        }
    }

    /// What the list covers, and that no critical extension stays unread.
    fn scope(&self) -> Result<Scope, CrlError> {
        let mut scope = Scope::default();
        for one in &self.extensions {
            match one.oid {
                // RFC 5280 5.2.1, 5.2.3: never critical.
                ce::AUTHORITY_KEY_ID | ce::CRL_NUMBER if !one.critical => {}
                ce::DELTA_CRL => {}
                ce::ISSUING_DISTRIBUTION_POINT => scope = Scope::read(one.value)?,
                _ if one.critical => return Err(CrlError::UnknownCritical),
                _ => {}
            }
        }
        Ok(scope)
    }
}

/// The scope that this platform serves.
#[derive(Default)]
struct Scope {
    partition: Option<CrlPartition>,
    only_some_reasons: Option<ReasonFlags>,
}

impl Scope {
    fn read(value: &[u8]) -> Result<Self, CrlError> {
        use extension::{GeneralName, PointName};
        let point = scope::IssuingDistributionPoint::read(value)?;
        if point.indirect {
            return Err(CrlError::Indirect);
        }
        // Leaf certificates are what is asked about: a list for CAs or attribute certificates covers none.
        if point.only_ca || point.only_attribute {
            return Err(CrlError::Scope);
        }
        let partition = match &point.name {
            None => None,
            Some(PointName::Full(names)) => match names.as_slice() {
                [GeneralName::Directory(name)] => Some(CanonicalName::read(name)?.partition()),
                _ => return Err(CrlError::Scope),
            },
            Some(PointName::Relative(_)) => return Err(CrlError::Scope),
        };
        Ok(Self {
            partition,
            only_some_reasons: point.only_some_reasons,
        })
    }
}
