//! What a caller accepts. No field has a default: whoever asks says everything.

use std::time::Duration;

use warikan_types::{CertificateKind, Environment, Timestamp};

use crate::{
    algorithm::{DigestAlgorithm, SignatureAlgorithm},
    key::{KeyKind, RSA_MAX_BITS, RSA_MIN_BITS},
};

/// What the signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A declaration of will: signature certificates only.
    Signature,
    /// Showing who is there: authentication certificates only.
    Authentication,
    /// Either, for status checks of certificates that were verified before.
    Any,
}

impl Purpose {
    /// Whether certificates of this kind serve it.
    #[must_use]
    pub const fn accepts(self, kind: CertificateKind) -> bool {
        match self {
            Self::Signature => kind.is_signature(),
            Self::Authentication => !kind.is_signature(),
            Self::Any => true,
        }
    }
}

/// Keys of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyRule {
    /// RSA with a modulus of so many bits, both ends included.
    Rsa {
        /// Shortest.
        min_bits: u32,
        /// Longest.
        max_bits: u32,
    },
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
}

/// Signatures of one kind and until when they are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AlgorithmRule {
    /// The signer's key.
    pub key: KeyRule,
    /// The hash.
    pub digest: DigestAlgorithm,
    /// The last second in which it is accepted; `None` while no end is set.
    pub until: Option<Timestamp>,
}

/// The algorithms that are accepted: one rule that fits is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgorithmPolicy(Vec<AlgorithmRule>);

impl AlgorithmPolicy {
    /// From rules.
    #[must_use]
    pub const fn new(rules: Vec<AlgorithmRule>) -> Self {
        Self(rules)
    }

    /// What JPKI uses today (RSA) and has announced (P-384), with SHA-2 and no end set. An operator who follows a
    /// sunset date writes the rules out with [`Self::new`].
    #[must_use]
    pub fn jpki() -> Self {
        let keys = [
            KeyRule::Rsa {
                min_bits: RSA_MIN_BITS,
                max_bits: RSA_MAX_BITS,
            },
            KeyRule::P256,
            KeyRule::P384,
        ];
        Self(
            keys.into_iter()
                .flat_map(|key| {
                    DigestAlgorithm::ALL.map(|digest| AlgorithmRule {
                        key,
                        digest,
                        until: None,
                    })
                })
                .collect(),
        )
    }

    /// Whether a signature by such a key and algorithm is accepted at `at`.
    #[must_use]
    pub fn permits(&self, key: KeyKind, algorithm: SignatureAlgorithm, at: Timestamp) -> bool {
        self.0.iter().any(|rule| {
            rule.until.is_none_or(|until| at <= until)
                && match (rule.key, key, algorithm) {
                    (
                        KeyRule::Rsa { min_bits, max_bits },
                        KeyKind::Rsa { bits },
                        SignatureAlgorithm::RsaPkcs1(digest),
                    ) => (min_bits..=max_bits).contains(&bits) && digest == rule.digest,
                    (KeyRule::P256, KeyKind::P256, SignatureAlgorithm::Ecdsa(digest))
                    | (KeyRule::P384, KeyKind::P384, SignatureAlgorithm::Ecdsa(digest)) => {
                        digest == rule.digest
                    }
                    _ => false,
                }
        })
    }
}

/// What a caller accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whose anchors and profiles count.
    pub environment: Environment,
    /// Which kinds of certificate serve.
    pub purpose: Purpose,
    /// Oldest thisUpdate that is fresh enough; `None` leaves it to the source's nextUpdate.
    pub max_age: Option<Duration>,
    /// How far ahead of `at` a thisUpdate may lie, for clocks that differ.
    pub clock_skew: Duration,
    /// Accepted algorithms.
    pub algorithms: AlgorithmPolicy,
}
