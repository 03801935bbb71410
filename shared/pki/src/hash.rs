//! SHA-2, from the same library as the signatures.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, data).as_ref());
    out
}
