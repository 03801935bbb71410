//! The requests. Fields that an operation does not know are ignored, so a vector can be handed in as it is.

use serde::Deserialize;
use warikan_types::{Base64Bytes, Timestamp};

/// One line of input.
#[derive(Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub(super) enum Request {
    Parse(Parse),
    Signature(Signature),
    Path(Path),
    Crl(Crl),
    Ocsp(Ocsp),
    Timestamp(TimestampToken),
}

#[derive(Deserialize)]
pub(super) struct Parse {
    pub(super) kind: Kind,
    pub(super) der: Base64Bytes,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Certificate,
    Crl,
    Ocsp,
    Any,
}

#[derive(Deserialize)]
pub(super) struct Signature {
    pub(super) certificate: Base64Bytes,
    pub(super) message: Base64Bytes,
    pub(super) signature: Base64Bytes,
    pub(super) algorithm: String,
}

#[derive(Deserialize)]
pub(super) struct Path {
    pub(super) target: Base64Bytes,
    #[serde(default)]
    pub(super) intermediates: Vec<Base64Bytes>,
    pub(super) trust_anchors: Vec<Base64Bytes>,
    #[serde(default)]
    pub(super) crls: Vec<Base64Bytes>,
    pub(super) at: Timestamp,
    pub(super) revocation: RevocationMode,
    #[serde(default, alias = "inputs")]
    pub(super) policy: Policy,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RevocationMode {
    HardFail,
    None,
}

/// Inputs of RFC 5280 6.1.1 and some more; what is absent is not asked for.
#[derive(Deserialize, Default)]
pub(super) struct Policy {
    pub(super) initial_policy_set: Option<Vec<String>>,
    pub(super) initial_explicit_policy: Option<bool>,
    pub(super) initial_policy_mapping_inhibit: Option<bool>,
    pub(super) initial_inhibit_any_policy: Option<bool>,
    pub(super) required_eku: Option<Vec<String>>,
    pub(super) max_chain_depth: Option<u64>,
    /// Today's algorithms alone: no SHA-1, no RSA below 2048 bits.
    pub(super) forbid_sha1: Option<bool>,
    /// Whether an anchor's notBefore and notAfter count; they do by default.
    pub(super) anchor_validity: Option<AnchorValidity>,
    /// What of an anchor's certificate constrains the path; by default whether and how far it may issue.
    pub(super) anchor_constraints: Option<AnchorConstraints>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnchorValidity {
    Ignored,
    Enforced,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnchorConstraints {
    Names,
    Issuing,
    All,
}

#[derive(Deserialize)]
pub(super) struct Crl {
    #[serde(alias = "cert")]
    pub(super) certificate: Base64Bytes,
    pub(super) issuer: Base64Bytes,
    pub(super) issuer2: Option<Base64Bytes>,
    pub(super) crl: Base64Bytes,
    pub(super) at: Timestamp,
    pub(super) max_age_days: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Ocsp {
    #[serde(alias = "cert")]
    pub(super) certificate: Base64Bytes,
    pub(super) issuer: Base64Bytes,
    pub(super) response: Base64Bytes,
    pub(super) at: Timestamp,
    /// The nonce that was sent; then it must come back.
    pub(super) nonce: Option<Base64Bytes>,
    pub(super) max_age_hours: Option<u64>,
    /// The same in days; the shorter of the two counts.
    pub(super) max_age_days: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct TimestampToken {
    pub(super) response: Base64Bytes,
    /// What was stamped; absent where only its digest is known.
    pub(super) data: Option<Base64Bytes>,
    /// The name of the hash (`sha256`, ..), or the digest itself in base64 or hexadecimal digits.
    pub(super) hash: String,
    pub(super) nonce: Option<NonceValue>,
    pub(super) policy: Option<String>,
    pub(super) trust_anchors: Vec<Base64Bytes>,
    #[serde(default)]
    pub(super) intermediates: Vec<Base64Bytes>,
    #[serde(default)]
    pub(super) crls: Vec<Base64Bytes>,
    pub(super) at: Timestamp,
    /// By default `hard-fail` where there are lists, `none` where there are none.
    pub(super) revocation: Option<RevocationMode>,
}

/// A nonce as a number, or as the base64 of its octets.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum NonceValue {
    Number(u64),
    Octets(Base64Bytes),
}
