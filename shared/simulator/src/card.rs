//! The card: it signs, and its keys stay inside.

use std::{fmt, sync::Arc};

use crate::{CertificateChoice, HashAlgorithm, KeyError, keys::SigningKey};

/// A person's card at one moment: what a reader could do with it. A later life event gives the person another one.
///
/// A card does not know whether its certificates are revoked, or even wrong: it signs.
#[derive(Clone)]
pub struct Card {
    pub(crate) signature: Option<Slot>,
    pub(crate) authentication: Option<Slot>,
}

#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) certificate: Vec<u8>,
}

/// What the card is asked to sign.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A message, hashed by the software in front of the card.
    Message(&'a [u8]),
    /// A finished digest of the algorithm's length.
    Digest(&'a [u8]),
}

/// Why the card does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// No such certificate is on the card: a signature certificate is not issued below the age of 15.
    #[error("the card has no such certificate")]
    NoCertificate,
    /// The digest's length is not the algorithm's.
    #[error("the digest does not have the algorithm's length")]
    DigestLength,
    /// The bytes do not fit into the key (RFC 8017 9.2: at least eleven octets of padding).
    #[error("the bytes are too long for the key")]
    TooLong,
}

impl Card {
    /// A certificate on the card, DER.
    #[must_use]
    pub fn certificate(&self, choice: CertificateChoice) -> Option<&[u8]> {
        self.slot(choice)
            .ok()
            .map(|slot| slot.certificate.as_slice())
    }

    /// RSASSA-PKCS1-v1_5 (RFC 8017 8.2) with the private key of the chosen certificate: as many octets as the modulus.
    ///
    /// # Errors
    /// [`CardError::NoCertificate`], [`CardError::DigestLength`].
    pub fn sign(
        &self,
        choice: CertificateChoice,
        content: Content<'_>,
        hash: HashAlgorithm,
    ) -> Result<Vec<u8>, CardError> {
        let slot = self.slot(choice)?;
        let signed = match content {
            Content::Message(message) => slot.key.sign(hash, message),
            Content::Digest(digest) if digest.len() != hash.digest_length() => {
                return Err(CardError::DigestLength);
            }
            Content::Digest(digest) => slot.key.sign_digest(hash, digest),
        };
        signed.map_err(|_| CardError::TooLong)
    }

    /// What the chip itself does: EMSA-PKCS1-v1_5 padding around *any* bytes, a bare hash or a DigestInfo of SHA-1 included. For making
    /// signatures that must be refused.
    ///
    /// # Errors
    /// [`CardError::NoCertificate`], [`CardError::TooLong`].
    pub fn sign_bytes(
        &self,
        choice: CertificateChoice,
        bytes: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        self.slot(choice)?
            .key
            .sign_bytes(bytes)
            .map_err(|error| match error {
                KeyError::Input => CardError::TooLong,
                _ => CardError::NoCertificate,
            })
    }

    fn slot(&self, choice: CertificateChoice) -> Result<&Slot, CardError> {
        match choice {
            CertificateChoice::Signature => self.signature.as_ref(),
            CertificateChoice::Authentication => self.authentication.as_ref(),
        }
        .ok_or(CardError::NoCertificate)
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").finish_non_exhaustive()
    }
}
