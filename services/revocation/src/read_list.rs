//! From octets to a list that an issuer of the environment has signed.
//!
//! The octets are in memory once. Their two hashes (the one that is signed and the one that names the version) are taken at the same time
//! on two processors; then one walk over the entries both checks them and fills the table, sixteen octets an entry.

use warikan_pki::{
    AnchorSet, CrlError, CrlNumber, ListedEntry, SignedCrl, TrustAnchor, VerifiedCrl, sha256,
};
use warikan_types::{Environment, Serial, Timestamp};

use crate::{
    diff::{Listing, Narrow, Revocation, Said, Wide},
    gently::breathe,
    problem::ListProblem,
    status::ListKey,
    store::snapshots::Form,
};

/// The fewest octets of an entry: bounds what is reserved by what is there.
const SMALLEST_ENTRY: usize = 20;

/// A verified list, taken out of its octets.
#[derive(Debug)]
pub(crate) struct ReadList {
    pub(crate) key: ListKey,
    pub(crate) number: CrlNumber,
    /// For a delta, the number of the complete list that it starts from.
    pub(crate) base: Option<CrlNumber>,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    /// SHA-256 of the octets, hexadecimal: names the exact version.
    pub(crate) version: String,
    /// What it names.
    pub(crate) listing: Listing,
    /// What a delta takes off the list (removeFromCRL).
    pub(crate) removed: Vec<Serial>,
}

impl ReadList {
    /// Complete or delta.
    pub(crate) const fn form(&self) -> Form {
        match self.base {
            None => Form::Whole,
            Some(_) => Form::Delta,
        }
    }
}

/// Verifies a list as of `at`. Which issuer made it, only a signature tells: generations share their name, and the index
/// is not believed.
pub(crate) fn read_list(
    octets: &[u8],
    anchors: &AnchorSet,
    environment: Environment,
    at: Timestamp,
) -> Result<ReadList, ListProblem> {
    let (signed, version) = std::thread::scope(|threads| {
        let version = threads.spawn(|| hex::encode(sha256(octets)));
        (SignedCrl::read(octets), version.join())
    });
    let signed = signed.map_err(ListProblem::Unusable)?;
    let version = version.map_err(|_| ListProblem::Panicked)?;
    let candidates = anchors
        .iter()
        .filter(|anchor| anchor.environment() == environment);
    for anchor in candidates {
        match take(&signed, anchor, octets.len(), at) {
            Ok((list, rows)) => return rows.read(&list, environment, version),
            Err(CrlError::SignatureInvalid | CrlError::WrongIssuer) => {}
            Err(error) => return Err(ListProblem::Unusable(error)),
        }
    }
    Err(ListProblem::NotVerified)
}

/// The entries as they come.
struct Rows {
    narrow: Vec<Narrow>,
    wide: Vec<Wide>,
    removed: Vec<Serial>,
}

fn take<'a>(
    signed: &SignedCrl<'a>,
    anchor: &TrustAnchor,
    octets: usize,
    at: Timestamp,
) -> Result<(VerifiedCrl<'a>, Rows), CrlError> {
    signed.prove(anchor)?;
    let mut rows = Rows {
        // Room in the address space for as many as there can be; memory is taken by those that come. A table that grew, or was cut to
        // its size in the end, would be there twice while it moves.
        narrow: Vec::with_capacity(octets / SMALLEST_ENTRY),
        wide: Vec::new(),
        removed: Vec::new(),
    };
    let list = signed.walk(anchor, at, |entry| rows.add(entry))?;
    Ok((list, rows))
}

impl Rows {
    fn add(&mut self, entry: ListedEntry<'_>) {
        breathe();
        let Some(reason) = entry.reason else {
            // The walk has checked the length.
            self.removed.extend(Serial::from_octets(entry.serial).ok());
            return;
        };
        let said = Revocation {
            reason,
            revoked_at: entry.revoked_at,
        };
        let number = || {
            (entry.serial.len() <= 8).then(|| {
                let octets = entry.serial.iter();
                octets.fold(0, |sum, octet| (sum << 8) | u64::from(*octet))
            })
        };
        match Said::of(said).and_then(|said| Some((number()?, said))) {
            Some(row) => self.narrow.push(row),
            None => {
                let serial = Serial::from_octets(entry.serial).ok();
                self.wide.extend(serial.map(|serial| (serial, said)));
            }
        }
    }

    fn read(
        self,
        list: &VerifiedCrl<'_>,
        environment: Environment,
        version: String,
    ) -> Result<ReadList, ListProblem> {
        if list.only_some_reasons().is_some() {
            return Err(ListProblem::SomeReasons);
        }
        Ok(ReadList {
            key: ListKey {
                environment,
                issuer: list.issuer_key(),
                partition: list.partition(),
            },
            number: list.number().clone(),
            base: list.base().cloned(),
            this_update: list.this_update(),
            next_update: list.next_update(),
            version,
            listing: Listing::new(self.narrow, self.wide),
            removed: self.removed,
        })
    }
}
