//! From octets to a list that an issuer of the environment has signed.

use warikan_pki::{AnchorSet, CrlError, CrlNumber, VerifiedCrl, sha256};
use warikan_types::{Environment, Timestamp};

use crate::{
    diff::{Listing, Revocation, narrow},
    problem::ListProblem,
    status::ListKey,
};

/// A verified list, taken out of its octets.
#[derive(Debug)]
pub(crate) struct ReadList {
    pub(crate) key: ListKey,
    pub(crate) number: CrlNumber,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    /// SHA-256 of the octets, hexadecimal: names the exact version.
    pub(crate) version: String,
    pub(crate) listing: Listing,
}

/// Verifies a list as of `at`. Which issuer made it, only a signature tells: generations share their name, and the index
/// is not believed.
pub(crate) fn read_list(
    octets: &[u8],
    anchors: &AnchorSet,
    environment: Environment,
    at: Timestamp,
) -> Result<ReadList, ListProblem> {
    let candidates = anchors
        .iter()
        .filter(|anchor| anchor.environment() == environment);
    for anchor in candidates {
        match VerifiedCrl::verify(octets, anchor, at) {
            Ok(list) => return take(&list, environment, octets),
            Err(CrlError::SignatureInvalid | CrlError::WrongIssuer) => {}
            Err(error) => return Err(ListProblem::Unusable(error)),
        }
    }
    Err(ListProblem::NotVerified)
}

fn take(
    list: &VerifiedCrl<'_>,
    environment: Environment,
    octets: &[u8],
) -> Result<ReadList, ListProblem> {
    if list.only_some_reasons().is_some() {
        return Err(ListProblem::SomeReasons);
    }
    let mut common = Vec::with_capacity(list.len());
    let mut wide = Vec::new();
    for entry in list.entries() {
        let said = Revocation {
            reason: entry.reason,
            revoked_at: entry.revoked_at,
        };
        match narrow(&entry.serial, said) {
            Some(row) => common.push(row),
            None => wide.push((entry.serial, said)),
        }
    }
    Ok(ReadList {
        key: ListKey {
            environment,
            issuer: list.issuer_key(),
            partition: list.partition(),
        },
        number: list.number().clone(),
        this_update: list.this_update(),
        next_update: list.next_update(),
        version: hex::encode(sha256(octets)),
        listing: Listing::new(common, wide),
    })
}
