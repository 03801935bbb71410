//! SHA-2, from the same library as the signatures.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// SHA-256.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, data).as_ref());
    out
}

/// SHA-1, for the identifiers of OCSP and ESSCertID only: they pick a certificate, they protect nothing.
pub(crate) fn sha1(data: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, data);
    out.copy_from_slice(digest.as_ref());
    out
}
