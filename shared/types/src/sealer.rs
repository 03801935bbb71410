//! Sealing: personal data and evidence at rest are AES-256-GCM boxes, bound to the place they belong to.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::Entropy;

/// First octet of a box: which key and algorithm made it. A tenant's data key.
const TENANT: u8 = 2;

/// Seals and opens boxes under one key: the platform's, or a tenant's. Clones share the key.
#[derive(Clone)]
pub struct Sealer {
    version: u8,
    key: Arc<LessSafeKey>,
    entropy: Entropy,
    /// Opens what was sealed before the tenant had a key.
    before: Option<Arc<Self>>,
}

/// A box cannot be opened here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sealed data cannot be opened: another key, another place, or changed")]
pub struct SealError;

impl Sealer {
    /// First octet of a box that the platform's own key made.
    pub const PLATFORM: u8 = 1;

    /// A sealer under a 256-bit key; nonces come from `entropy`.
    ///
    /// # Panics
    /// Never: the key has the length that AES-256 takes.
    #[must_use]
    pub fn new(key: [u8; 32], entropy: Entropy) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("AES-256 takes 32 octets");
        Self {
            version: Self::PLATFORM,
            key: Arc::new(LessSafeKey::new(key)),
            entropy,
            before: None,
        }
    }

    /// A sealer under a tenant's data key. It opens what the platform's key had sealed before as well.
    #[must_use]
    pub fn of_tenant(key: [u8; 32], entropy: Entropy, platform: &Self) -> Self {
        Self {
            version: TENANT,
            before: Some(Arc::new(platform.clone())),
            ..Self::new(key, entropy)
        }
    }

    /// Seals `plain` for one `place` (table, tenant and row): moved elsewhere, the box does not open.
    /// The result is version (1 octet), nonce (12), ciphertext and tag.
    ///
    /// # Panics
    /// Only beyond GCM's limit of 64 GiB per box.
    #[must_use]
    pub fn seal(&self, place: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = self.entropy.bytes();
        let mut body = plain.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut body,
            )
            .expect("a box is smaller than 64 GiB");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(self.version);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed
    }

    /// Opens a box made by [`Sealer::seal`] for the same place.
    ///
    /// # Errors
    /// [`SealError`], without saying which of its causes.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError)?;
        if *version != self.version {
            let before = self.before.as_ref().ok_or(SealError)?;
            return before.open(place, sealed);
        }
        if rest.len() < NONCE_LEN {
            return Err(SealError);
        }
        let (nonce, body) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut body = body.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut body)
            .map_err(|_| SealError)?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f094_a_box_opens_only_whole_and_in_its_place() {
        let sealer = Sealer::new([1; 32], Entropy::seeded(3));
        let sealed = sealer.seal("evidence/a", "黒桐　幹也".as_bytes());
        assert_eq!(
            sealer.open("evidence/a", &sealed).unwrap(),
            "黒桐　幹也".as_bytes()
        );
        assert_eq!(sealer.open("evidence/b", &sealed), Err(SealError));
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(
                sealer.open("evidence/a", &changed),
                Err(SealError),
                "octet {index}"
            );
        }
        let stranger = Sealer::new([2; 32], Entropy::seeded(3));
        assert_eq!(stranger.open("evidence/a", &sealed), Err(SealError));
        assert_eq!(sealer.open("evidence/a", &[]), Err(SealError));
    }

    #[test]
    fn a_tenants_boxes_are_its_own_and_the_platforms_older_ones_open_too() {
        let platform = Sealer::new([1; 32], Entropy::seeded(3));
        let tenant = Sealer::of_tenant([2; 32], Entropy::seeded(4), &platform);
        let other = Sealer::of_tenant([3; 32], Entropy::seeded(5), &platform);
        let older = platform.seal("a", b"text");
        assert_eq!(tenant.open("a", &older).unwrap(), b"text");
        let newer = tenant.seal("a", b"text");
        assert_eq!(tenant.open("a", &newer).unwrap(), b"text");
        assert_eq!(platform.open("a", &newer), Err(SealError));
        assert_eq!(other.open("a", &newer), Err(SealError));
    }
}
