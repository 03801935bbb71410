//! Verify a Warikan webhook (Standard Webhooks) with the crates `base64`, `hmac`, `sha2` and, for `v1a`, `aws-lc-rs`: `v1` with
//! the endpoint's secret (`whsec_..`), or `v1a` with its public key (`whpk_..`). Call it with the octets of the request's body as
//! they came, before any parsing.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const TOLERANCE_SECONDS: u64 = 300;

/// The three headers of a request.
pub struct Headers<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

/// Whether the request is genuine and fresh; `now` in seconds since 1970.
#[must_use]
pub fn verify(key: &str, headers: &Headers<'_>, body: &[u8], now: i64) -> bool {
    let Ok(timestamp) = headers.timestamp.parse::<i64>() else {
        return false;
    };
    if headers.id.is_empty() || now.abs_diff(timestamp) > TOLERANCE_SECONDS {
        return false;
    }
    let mut content = format!("{}.{}.", headers.id, headers.timestamp).into_bytes();
    content.extend_from_slice(body);
    let (scheme, text) = match key.strip_prefix("whpk_") {
        Some(text) => ("v1a", text),
        None => ("v1", key.trim_start_matches("whsec_")),
    };
    let Ok(octets) = STANDARD.decode(text) else {
        return false;
    };
    headers
        .signature
        .split(' ')
        .filter_map(|signature| signature.split_once(','))
        .filter(|(theirs, _)| *theirs == scheme)
        .filter_map(|(_, text)| STANDARD.decode(text).ok())
        .any(|sent| match scheme {
            "v1a" => UnparsedPublicKey::new(&ED25519, &octets)
                .verify(&content, &sent)
                .is_ok(),
            _ => Hmac::<Sha256>::new_from_slice(&octets)
                .is_ok_and(|mac| mac.chain_update(&content).verify_slice(&sent).is_ok()),
        })
}
