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
    pub(super) trust_anchors: Vec<Base64Bytes>,
    pub(super) at: Timestamp,
}
