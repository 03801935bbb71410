//! Entries of a list, walked over the original octets.

use warikan_types::{RevocationReason, Serial, Timestamp};

use super::CrlError;
use crate::{
    der::{self, DerError, ENUMERATED, INTEGER, OID, Reader, SEQUENCE, Tlv},
    oid::ce,
    time, view,
};

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlEntry {
    /// Its serial number.
    pub serial: Serial,
    /// Since when.
    pub revoked_at: Timestamp,
    /// Why; *unspecified* where the list says nothing.
    pub reason: RevocationReason,
}

/// One entry as slices of the list: what a reader of millions takes.
#[derive(Debug, Clone, Copy)]
pub struct ListedEntry<'a> {
    /// Big-endian octets of its serial number without leading zero, at most twenty.
    pub serial: &'a [u8],
    /// Since when.
    pub revoked_at: Timestamp,
    /// Why, *unspecified* where the list says nothing; `None` for removeFromCRL, which only a delta says: the certificate has
    /// ended, or its hold was lifted.
    pub reason: Option<RevocationReason>,
}

/// Iterates over the entries of a list that was checked. An entry that a delta removes has no place here and ends it.
#[derive(Debug, Clone)]
pub struct CrlEntries<'a>(Reader<'a>, Seen<'a>);

impl<'a> CrlEntries<'a> {
    pub(super) const fn new(entries: &'a [u8]) -> Self {
        Self(Reader::new(entries), Seen::new())
    }
}

/// The types of the extensions of one entry that have been read: kept from entry to entry, for there are millions of them.
pub(crate) type Seen<'a> = Vec<&'a [u8]>;

/// More extensions than an entry has; a bound on the quadratic search for duplicates.
const MAX_EXTENSIONS: usize = 128;

impl Iterator for CrlEntries<'_> {
    type Item = CrlEntry;

    fn next(&mut self) -> Option<CrlEntry> {
        if self.0.is_empty() {
            return None;
        }
        // `check` has read the same octets without error before a list was made.
        let raw = entry(&mut self.0, &mut self.1).ok()?;
        raw.typed().ok()
    }
}

/// An entry as it stands, before it is held against what this platform serves.
pub(crate) struct RawEntry<'a> {
    /// Content of the INTEGER.
    pub(crate) serial: &'a [u8],
    pub(crate) revoked_at: Timestamp,
    /// Code of CRLReason.
    pub(crate) reason: Option<u8>,
    /// Content of certificateIssuer (GeneralNames), for indirect lists.
    pub(crate) issuer: Option<&'a [u8]>,
    pub(crate) unknown_critical: bool,
    pub(crate) has_extensions: bool,
}

/// Reads the next entry.
pub(crate) fn entry<'a>(
    list: &mut Reader<'a>,
    seen: &mut Seen<'a>,
) -> Result<RawEntry<'a>, DerError> {
    let mut one = list.open(SEQUENCE, "an entry that is no SEQUENCE")?;
    let serial = der::integer(one.expect(INTEGER, "an entry without serial number")?.value)?;
    let mut raw = RawEntry {
        serial,
        revoked_at: time::read(&mut one)?,
        reason: None,
        issuer: None,
        unknown_critical: false,
        has_extensions: false,
    };
    if let Some(extensions) = one.optional(SEQUENCE)? {
        raw.has_extensions = true;
        raw.read_extensions(extensions, seen)?;
    }
    one.finish("octets after an entry")?;
    Ok(raw)
}

impl<'a> RawEntry<'a> {
    /// `Extensions`: at least one, none twice.
    fn read_extensions(&mut self, list: Tlv<'a>, seen: &mut Seen<'a>) -> Result<(), DerError> {
        if let Some(code) = usual_reason(list.value) {
            self.reason = Some(code);
            return Ok(());
        }
        seen.clear();
        let mut list = Reader::new(list.value);
        if list.is_empty() {
            return Err(DerError("an empty list of extensions"));
        }
        while !list.is_empty() {
            let one = view::extension(&mut list)?;
            if seen.contains(&one.oid) {
                return Err(DerError("an extension that occurs twice"));
            }
            if seen.len() == MAX_EXTENSIONS {
                return Err(DerError("too many extensions"));
            }
            seen.push(one.oid);
            let mut value = Reader::new(one.value);
            match one.oid {
                ce::REASON_CODE => {
                    let code = value.expect(ENUMERATED, "a reason that is no ENUMERATED")?;
                    let code = u8::try_from(der::small(code.value)?)
                        .map_err(|_| DerError("a reason out of range"))?;
                    self.reason = Some(code);
                }
                ce::INVALIDITY_DATE => {
                    let at =
                        value.expect(der::GENERALIZED_TIME, "an invalidity date of no time")?;
                    time::time(&at)?;
                }
                ce::CERTIFICATE_ISSUER => {
                    self.issuer = Some(value.expect(SEQUENCE, "an issuer that is no names")?.value);
                }
                _ => {
                    self.unknown_critical |= one.critical;
                    continue;
                }
            }
            value.finish("octets after the value of an entry extension")?;
        }
        Ok(())
    }

    /// What the platform keeps of it. Only a delta has removeFromCRL, a direct list has no issuers.
    fn listed(&self, delta: bool) -> Result<ListedEntry<'a>, CrlError> {
        if self.unknown_critical {
            return Err(CrlError::UnknownCritical);
        }
        if self.issuer.is_some() {
            return Err(CrlError::Indirect);
        }
        let serial = der::unsigned(self.serial)?;
        if serial.is_empty() || serial.len() > 20 {
            return Err(CrlError::Malformed("an entry whose serial number is none"));
        }
        let reason = match self.reason.unwrap_or(0) {
            REMOVE_FROM_CRL if delta => None,
            code => Some(
                RevocationReason::from_code(code)
                    .ok_or(CrlError::Malformed("a reason that such a list cannot have"))?,
            ),
        };
        Ok(ListedEntry {
            serial,
            revoked_at: self.revoked_at,
            reason,
        })
    }

    fn typed(&self) -> Result<CrlEntry, CrlError> {
        let one = self.listed(false)?;
        Ok(CrlEntry {
            serial: Serial::from_octets(one.serial)
                .map_err(|_| CrlError::Malformed("an entry whose serial number is none"))?,
            revoked_at: one.revoked_at,
            reason: one.reason.unwrap_or(RevocationReason::Unspecified),
        })
    }
}

/// CRLReason removeFromCRL (RFC 5280 5.3.1).
const REMOVE_FROM_CRL: u8 = 8;

/// The extensions of nearly every entry: one reasonCode, not critical. Recognised without a list of extensions,
/// for there are millions of them.
fn usual_reason(content: &[u8]) -> Option<u8> {
    const HEAD: [u8; 11] = [SEQUENCE, 10, OID, 3, 0x55, 0x1d, 21, 0x04, 3, ENUMERATED, 1];
    match content.strip_prefix(&HEAD)? {
        [code] if *code < 0x80 => Some(*code),
        _ => None,
    }
}

/// Reads every entry once, tells of it, and counts them.
pub(super) fn walk<'a>(
    entries: &'a [u8],
    delta: bool,
    mut each: impl FnMut(ListedEntry<'a>),
) -> Result<usize, CrlError> {
    let (mut reader, mut seen) = (Reader::new(entries), Seen::new());
    let mut count = 0;
    while !reader.is_empty() {
        each(entry(&mut reader, &mut seen)?.listed(delta)?);
        count += 1;
    }
    Ok(count)
}
