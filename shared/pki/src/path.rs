//! Certification paths of any shape (RFC 5280 6): found among unordered certificates, validated, checked for
//! revocation.
//!
//! JPKI's own certificates need one step and have [`crate::examine`]. This module is for everyone else's: company
//! certificates of the commercial registry, accredited CAs, bridges, time stamping authorities. It is handed bags of
//! certificates and lists from a stranger, so three rules hold throughout:
//!
//! - **Order and duplicates mean nothing.** Bags are sorted by content before anything is looked at.
//! - **Keys, not names.** Several CAs may share one name; whoever *signed* is the issuer, and a list vouches only if
//!   its signer is proved under the same anchor.
//! - **Work is bounded.** Visited certificates, signature checks, comparisons and recursion each have a budget, and
//!   an exhausted budget is an answer ([`PathFailure::BudgetExhausted`]), never *valid*.

pub(crate) mod bag;
pub(crate) mod cert;
pub(crate) mod constraints;
mod engine;
mod policies;
mod revocation;
mod search;
mod validation;

use std::collections::BTreeSet;

use warikan_types::{Timestamp, Verdict};

use crate::oid::{ANY_POLICY, Oid};
pub(crate) use engine::Engine;
pub(crate) use revocation::covered_reasons;

/// Whether an end of an anchor's certificate matters. RFC 5280 6.1.1 (d) knows only its name and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorValidity {
    /// The operator decides how long an anchor is trusted.
    Ignored,
    /// Its notBefore and notAfter count like those of any certificate.
    Enforced,
}

/// What of an anchor's certificate constrains the path (RFC 5937).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorConstraints {
    /// Its name constraints; and an unknown critical extension makes it unusable.
    Names,
    /// Whether and how far it may issue: basic constraints, key usage, path length, names. What it says about policies and
    /// purposes does not count: those are inputs of the caller's (RFC 5280 6.1.1 (c), (e), (f)).
    Issuing,
    /// Everything: basic constraints, key usage, path length, policies, purposes, names.
    All,
}

/// Whether revocation is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// No.
    None,
    /// Every certificate of the path must be known to be good.
    HardFail,
}

/// Which algorithms of the past are accepted in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathAlgorithms {
    /// RSA from 2048 bits, P-256, P-384, P-521, Ed25519; SHA-2.
    Current,
    /// Also RSA from 1024 bits, and SHA-1. For judging material of the past.
    Legacy,
}

impl PathAlgorithms {
    pub(crate) const fn rsa_min_bits(self) -> u32 {
        match self {
            Self::Current => crate::key::RSA_MIN_BITS,
            Self::Legacy => 1024,
        }
    }
}

/// Inputs of RFC 5280 6.1.1 and what else a caller decides.
#[derive(Debug, Clone)]
pub struct PathPolicy {
    /// user-initial-policy-set; `2.5.29.32.0` for any.
    pub initial_policies: Vec<Oid>,
    /// initial-explicit-policy.
    pub explicit_policy: bool,
    /// initial-policy-mapping-inhibit.
    pub inhibit_mapping: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any: bool,
    /// Purposes of which the certificate must serve each; empty for any.
    pub required_purposes: Vec<Oid>,
    /// How many CA certificates may stand between anchor and target, self-issued ones not counted.
    pub max_intermediates: usize,
    /// Revocation.
    pub revocation: Revocation,
    /// Anchors' ends.
    pub anchor_validity: AnchorValidity,
    /// Anchors' constraints.
    pub anchor_constraints: AnchorConstraints,
    /// Algorithms.
    pub algorithms: PathAlgorithms,
}

/// The longest path that is looked for.
pub const MAX_INTERMEDIATES: usize = 16;

impl PathPolicy {
    /// Any policy, any purpose, anchors by name, key and name constraints, no revocation, today's algorithms.
    #[must_use]
    pub fn any() -> Self {
        Self {
            initial_policies: vec![Oid::from_content(ANY_POLICY)],
            explicit_policy: false,
            inhibit_mapping: false,
            inhibit_any: false,
            required_purposes: Vec::new(),
            max_intermediates: MAX_INTERMEDIATES,
            revocation: Revocation::None,
            anchor_validity: AnchorValidity::Ignored,
            anchor_constraints: AnchorConstraints::Names,
            algorithms: PathAlgorithms::Current,
        }
    }

    fn accepted(&self) -> BTreeSet<Vec<u8>> {
        self.initial_policies
            .iter()
            .map(|oid| oid.content().to_vec())
            .collect()
    }
}

/// The bags.
#[derive(Debug, Clone, Copy)]
pub struct PathInput<'a> {
    /// The certificate in question.
    pub target: &'a [u8],
    /// Certificates that may help.
    pub intermediates: &'a [&'a [u8]],
    /// Certificates that are trusted.
    pub trust_anchors: &'a [&'a [u8]],
    /// Revocation lists.
    pub crls: &'a [&'a [u8]],
}

/// Why there is no valid path. Of several, the one that came closest to a path; then the first in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathFailure {
    /// The target is no certificate.
    Malformed,
    /// No chain of names leads to an anchor.
    IssuerUnknown,
    /// Names lead on, signatures do not.
    SignatureInvalid,
    /// A key or algorithm that is refused.
    AlgorithmRefused,
    /// A certificate of the path is not yet valid.
    NotYetValid,
    /// A certificate of the path has expired.
    Expired,
    /// A certificate above the target is no CA.
    NotCa,
    /// A key usage forbids what the key did.
    KeyUsage,
    /// More certificates than a path length allows.
    TooLong,
    /// A critical extension that is not processed.
    UnknownCritical,
    /// A name outside the constraints.
    NameConstraints,
    /// No acceptable policy, where one is required.
    Policy,
    /// A purpose that is not served.
    Purpose,
    /// A certificate of the path is revoked.
    Revoked,
    /// The status of a certificate of the path is not known.
    StatusUnavailable,
    /// The search ended before there was an answer.
    BudgetExhausted,
}

impl PathFailure {
    /// The word for it; where the closed list of reasons has one, that one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "certificate_malformed",
            Self::IssuerUnknown => "issuer_unknown",
            Self::SignatureInvalid => "issuer_signature_invalid",
            Self::AlgorithmRefused => "algorithm_refused",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::Expired => "certificate_expired",
            Self::NotCa => "issuer_not_a_ca",
            Self::KeyUsage => "key_usage_violation",
            Self::TooLong => "path_too_long",
            Self::UnknownCritical => "unknown_critical_extension",
            Self::NameConstraints => "name_constraints_violation",
            Self::Policy => "policy_violation",
            Self::Purpose => "purpose_violation",
            Self::Revoked => "certificate_revoked",
            Self::StatusUnavailable => "status_unavailable",
            Self::BudgetExhausted => "budget_exhausted",
        }
    }

    /// *Indeterminate* where more material or time could change the answer to *valid*.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::StatusUnavailable | Self::BudgetExhausted => Verdict::Indeterminate,
            _ => Verdict::Invalid,
        }
    }
}

/// Finds and validates a path.
///
/// # Errors
/// [`PathFailure`] if there is none.
pub fn validate_path(
    input: &PathInput<'_>,
    policy: &PathPolicy,
    at: Timestamp,
) -> Result<(), PathFailure> {
    let mut engine = Engine::new(input, policy, at)?;
    let target = engine.target();
    engine.find(target, None, &mut Vec::new())
}
