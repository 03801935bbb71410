//! Client secrets.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use warikan_types::{Entropy, Secret};

/// Makes a secret: 256 random bits, recognisable by its prefix where it leaks into a repository.
pub(crate) fn new_secret(entropy: &Entropy) -> Secret<String> {
    let text = URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
    Secret::new(format!("wks_{text}"))
}

/// Whether a text is a secret of ours. A weaker one, thought up by someone, must not be kept as a fast hash.
pub(crate) fn is_secret(text: &str) -> bool {
    let octets = text
        .strip_prefix("wks_")
        .and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
    octets.is_some_and(|octets| octets.len() == 32)
}

/// What is stored of a secret.
pub(crate) fn digest(secret: &str) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

/// Compares in constant time.
pub(crate) fn matches(secret: &str, stored: &[u8]) -> bool {
    digest(secret).ct_eq(stored).into()
}
