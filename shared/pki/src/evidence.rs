//! What is known when a verdict is given: the examined certificate, the signature, what was signed, the status.

use serde::{Deserialize, Serialize};
use warikan_types::{Channel, RevocationReason, Timestamp};

use crate::{algorithm::DigestAlgorithm, examine::Examined};

/// What the card signed, as the caller knows it.
#[derive(Clone, PartialEq, Eq)]
pub enum Signed {
    /// Only the digest; its document stays with the caller.
    Digest {
        /// Which hash.
        algorithm: DigestAlgorithm,
        /// Its value; of another length than the algorithm's it is refused.
        digest: Vec<u8>,
    },
    /// The message itself, hashed here.
    Message {
        /// Which hash.
        algorithm: DigestAlgorithm,
        /// The octets.
        message: Vec<u8>,
    },
}

impl Signed {
    /// Which hash.
    #[must_use]
    pub const fn algorithm(&self) -> DigestAlgorithm {
        match self {
            Self::Digest { algorithm, .. } | Self::Message { algorithm, .. } => *algorithm,
        }
    }

    /// The digest that the signature is over.
    #[must_use]
    pub fn digest(&self) -> Vec<u8> {
        match self {
            Self::Digest { digest, .. } => digest.clone(),
            Self::Message { algorithm, message } => algorithm.digest(message),
        }
    }
}

/// What the issuer said about the serial number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StatusFact {
    /// Not revoked.
    Good,
    /// Revoked, for good: a hold is never lifted.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// Since when.
        revoked_at: Timestamp,
    },
    /// The responder does not know the serial number.
    UnknownSerial,
}

/// A fact with its source and age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusKnowledge {
    /// What was said.
    pub fact: StatusFact,
    /// On which channel.
    pub channel: Channel,
    /// As of when the source says it.
    pub this_update: Timestamp,
    /// Until when the source says something newer.
    pub next_update: Option<Timestamp>,
    /// Which version of the source, for the record.
    pub version: String,
}

/// Everything a verdict is made from.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The certificate.
    pub examined: &'a Examined,
    /// The document signature.
    pub signature: &'a [u8],
    /// What was signed.
    pub signed: &'a Signed,
    /// The status; `None` if it could not be learned.
    pub status: Option<&'a StatusKnowledge>,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signed({}, ..)", self.algorithm().as_str())
    }
}
