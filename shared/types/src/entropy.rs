//! Where randomness comes from. Whoever needs it takes an [`Entropy`].

use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};

use crate::{Id, IdKind, Timestamp};

/// A source of randomness, cheap to clone; clones share one source.
#[derive(Clone)]
pub struct Entropy(Arc<Source>);

enum Source {
    System,
    /// Reproducible, for tests. Never for keys that protect anything.
    Seeded(Mutex<ChaCha20Rng>),
}

impl Entropy {
    /// The operating system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Source::System))
    }

    /// A reproducible stream.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Source::Seeded(Mutex::new(
            ChaCha20Rng::seed_from_u64(seed),
        ))))
    }

    /// Fills `out` with random bytes.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing safe can be done then.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's generator"
    )]
    pub fn fill(&self, out: &mut [u8]) {
        match &*self.0 {
            Source::System => getrandom::fill(out).expect("the operating system gives randomness"),
            Source::Seeded(rng) => rng
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .fill_bytes(out),
        }
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A new id: UUIDv7 (RFC 9562 5.7), so rows keyed by it lie in the order of their making.
    #[must_use]
    pub fn id<K: IdKind>(&self, at: Timestamp) -> Id<K> {
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
        let random = self.bytes::<10>();
        Id::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// As a generator for libraries that want one.
    #[must_use]
    pub fn rng(&self) -> impl RngCore + CryptoRng + use<> {
        EntropyRng(self.clone())
    }
}

struct EntropyRng(Entropy);

impl RngCore for EntropyRng {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.0.bytes())
    }
    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.0.bytes())
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(dest);
        Ok(())
    }
}
impl CryptoRng for EntropyRng {}
