//! A list before anybody has vouched for it.

use std::borrow::Cow;

use warikan_types::Timestamp;

use super::{CrlError, List, ListedEntry, VerifiedCrl};
use crate::{algorithm::SignatureAlgorithm, anchor::TrustAnchor, view::SignedParts};

/// A list whose outer shape was read and whose signed octets were hashed: once, however many keys it is then held against (a list
/// does not say which generation of its CA has signed it, and hashing a quarter of a gigabyte is most of the work).
pub struct SignedCrl<'a> {
    parts: SignedParts<'a>,
    algorithm: SignatureAlgorithm,
    /// The digest of what is signed; the octets themselves where the algorithm takes no digest.
    signed: Cow<'a, [u8]>,
}

impl<'a> SignedCrl<'a> {
    /// Reads the outer shape. Nothing of what is signed is looked at.
    ///
    /// # Errors
    /// Not the shape of a list, or signed by a refused algorithm.
    pub fn read(der: &'a [u8]) -> Result<Self, CrlError> {
        let parts = SignedParts::read(der)?;
        let algorithm = SignatureAlgorithm::from_der(parts.algorithm)
            .map_err(|_| CrlError::AlgorithmRefused)?;
        let signed = match algorithm.digest() {
            Some(digest) => Cow::Owned(digest.digest(parts.tbs)),
            None => Cow::Borrowed(parts.tbs),
        };
        Ok(Self {
            parts,
            algorithm,
            signed,
        })
    }

    /// Whether this issuer's key has signed it.
    ///
    /// # Errors
    /// [`CrlError::SignatureInvalid`].
    pub fn prove(&self, issuer: &TrustAnchor) -> Result<(), CrlError> {
        let (key, signature) = (issuer.public_key(), self.parts.signature);
        let proved = match self.algorithm.digest() {
            Some(_) => key.verify_digest(self.algorithm, &self.signed, signature),
            None => key.verify(self.algorithm, &self.signed, signature),
        };
        proved.map_err(|_| CrlError::SignatureInvalid)
    }

    /// Proves that `issuer` signed it, checks it as of `at` and tells of every entry, in one walk over them. It may be a delta
    /// ([`VerifiedCrl::base`]). What was told counts only if a list comes back.
    ///
    /// # Errors
    /// [`CrlError`]. Before the signature is proved nothing of what is signed is read.
    pub fn walk(
        &self,
        issuer: &TrustAnchor,
        at: Timestamp,
        each: impl FnMut(ListedEntry<'a>),
    ) -> Result<VerifiedCrl<'a>, CrlError> {
        self.prove(issuer)?;
        self.open(issuer, at)?.checked(each)
    }

    /// Everything about the list but its entries. Only for who has proved it.
    pub(super) fn open(
        &self,
        issuer: &TrustAnchor,
        at: Timestamp,
    ) -> Result<VerifiedCrl<'a>, CrlError> {
        let list = List::read(self.parts.tbs, self.parts.algorithm)?;
        if list.version != 2 {
            return Err(CrlError::Malformed("not a version 2 list"));
        }
        if list.this_update > at {
            return Err(CrlError::NotYet);
        }
        let next_update = list
            .next_update
            .ok_or(CrlError::Malformed("no nextUpdate"))?;
        if next_update < list.this_update {
            return Err(CrlError::Malformed("nextUpdate before thisUpdate"));
        }
        list.check_issuer(issuer)?;
        let scope = list.scope()?;
        let (number, base) = (list.number()?, list.base()?);
        if base.as_ref().is_some_and(|base| *base >= number) {
            return Err(CrlError::Malformed(
                "a delta that starts from itself or later",
            ));
        }
        Ok(VerifiedCrl {
            issuer_key: issuer.key(),
            partition: scope.partition,
            only_some_reasons: scope.only_some_reasons,
            number,
            base,
            this_update: list.this_update,
            next_update,
            entries: list.entries,
            count: 0,
        })
    }
}
