//! Revocation lists as they are handed in: read for shape and scope, not yet believed.

use std::cell::OnceCell;

use crate::{
    crl::{
        self, CrlError, CrlNumber,
        entries::{self, RawEntry, Seen},
        scope::IssuingDistributionPoint,
    },
    der::Reader,
    extension::{self, GeneralName},
    hash,
    name::CanonicalName,
    oid::ce,
    path::cert::Scheme,
    view::SignedParts,
};

/// A list.
pub(crate) struct List<'a> {
    pub(crate) sha256: [u8; 32],
    pub(crate) tbs: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) scheme: Scheme,
    pub(crate) issuer: CanonicalName,
    pub(crate) body: crl::List<'a>,
    pub(crate) point: Option<IssuingDistributionPoint<'a>>,
    /// The extension's value: two lists have one scope if this is the same.
    pub(crate) point_raw: Option<&'a [u8]>,
    pub(crate) number: Option<CrlNumber>,
    /// For a delta: the number of the list it is to be added to.
    pub(crate) base: Option<CrlNumber>,
    pub(crate) authority_key_id: Option<&'a [u8]>,
    entries_usable: OnceCell<bool>,
}

/// What a list says about a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    No,
    /// With the code of the reason.
    Yes(u8),
}

/// removeFromCRL.
pub(crate) const REMOVE_FROM_CRL: u8 = 8;
/// certificateHold.
pub(crate) const HOLD: u8 = 6;

impl<'a> List<'a> {
    /// Reads what can be read, each list once, in an order that does not depend on the bag's.
    pub(crate) fn read_all(bag: impl Iterator<Item = &'a [u8]>) -> Vec<Self> {
        let mut lists: Vec<Self> = bag.filter_map(|der| Self::read(der).ok()).collect();
        lists.sort_by_key(|list| list.sha256);
        lists.dedup_by_key(|list| list.sha256);
        lists
    }

    /// Reads the shape; refuses what no one here understands.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, CrlError> {
        let parts = SignedParts::read(der)?;
        let body = crl::List::read(parts.tbs, parts.algorithm)?;
        let mut list = Self {
            sha256: hash::sha256(der),
            tbs: parts.tbs,
            signature: parts.signature,
            scheme: Scheme::read(parts.algorithm),
            issuer: CanonicalName::read(body.issuer)?,
            point: None,
            point_raw: None,
            number: None,
            base: None,
            authority_key_id: None,
            entries_usable: OnceCell::new(),
            body,
        };
        list.read_extensions()?;
        Ok(list)
    }

    fn read_extensions(&mut self) -> Result<(), CrlError> {
        for one in &self.body.extensions {
            match one.oid {
                ce::CRL_NUMBER => {
                    if one.critical {
                        // RFC 5280 5.2.3: not critical.
                        return Err(CrlError::UnknownCritical);
                    }
                    self.number = Some(crl::number::read(one.value)?);
                }
                ce::DELTA_CRL => self.base = Some(crl::number::read(one.value)?),
                ce::ISSUING_DISTRIBUTION_POINT => {
                    self.point = Some(IssuingDistributionPoint::read(one.value)?);
                    self.point_raw = Some(one.value);
                }
                ce::AUTHORITY_KEY_ID => {
                    if one.critical {
                        // RFC 5280 5.2.1: not critical.
                        return Err(CrlError::UnknownCritical);
                    }
                    self.authority_key_id = extension::authority_key_id(one.value)?.key_id;
                }
                _ if one.critical => return Err(CrlError::UnknownCritical),
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) const fn is_delta(&self) -> bool {
        self.base.is_some()
    }

    pub(crate) fn is_indirect(&self) -> bool {
        self.point.as_ref().is_some_and(|point| point.indirect)
    }

    /// Whether every entry is well-formed and understood: one critical extension that is not makes the whole list
    /// unusable (RFC 5280 5.3).
    pub(crate) fn entries_usable(&self) -> bool {
        *self.entries_usable.get_or_init(|| {
            let (mut reader, mut seen) = (Reader::new(self.body.entries), Seen::new());
            while !reader.is_empty() {
                let Ok(entry) = entries::entry(&mut reader, &mut seen) else {
                    return false;
                };
                if !self.understands(&entry) {
                    return false;
                }
            }
            true
        })
    }

    fn understands(&self, entry: &RawEntry<'_>) -> bool {
        let reason = entry.reason.unwrap_or(0);
        let reason_fits =
            matches!(reason, 0..=6 | 9 | 10) || reason == REMOVE_FROM_CRL && self.is_delta();
        let issuer_fits = match entry.issuer {
            Some(names) => self.is_indirect() && directory_name(names).is_some(),
            None => true,
        };
        let version_fits = self.body.version == 2 || !entry.has_extensions;
        !entry.unknown_critical && reason_fits && issuer_fits && version_fits
    }

    /// Looks a certificate up by the name of its issuer and the content of its serial number.
    pub(crate) fn look_up(&self, issuer: &CanonicalName, serial: &[u8]) -> Listed {
        let (mut reader, mut seen) = (Reader::new(self.body.entries), Seen::new());
        // RFC 5280 5.3.3: an entry without issuer has that of the entry before it, the first that of the list.
        let mut current = self.issuer == *issuer;
        let mut listed = Listed::No;
        while let Ok(entry) = entries::entry(&mut reader, &mut seen) {
            if let Some(names) = entry.issuer {
                current = directory_name(names).is_some_and(|name| name == *issuer);
            }
            if current && entry.serial == serial {
                listed = Listed::Yes(entry.reason.unwrap_or(0));
            }
        }
        listed
    }
}

/// The first directoryName among the content of a GeneralNames.
fn directory_name(content: &[u8]) -> Option<CanonicalName> {
    extension::general_names(content)
        .ok()?
        .into_iter()
        .find_map(|name| match name {
            GeneralName::Directory(raw) => CanonicalName::read(raw).ok(),
            _ => None,
        })
}
