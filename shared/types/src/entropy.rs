//! Where randomness comes from. Whoever needs it takes an [`Entropy`].

use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, RngCore, SeedableRng};

use crate::{Id, IdKind, Timestamp};

/// How many milliseconds ids may run ahead in a burst.
const MAX_BORROWED: u64 = 16;

/// A source of randomness, cheap to clone; clones share one source.
#[derive(Clone)]
pub struct Entropy(Arc<Inner>);

struct Inner {
    source: Source,
    /// The millisecond of the last id and its counter.
    last: Mutex<(u64, u16)>,
}

enum Source {
    System,
    /// Reproducible, for tests. Never for keys that protect anything.
    Seeded(Mutex<ChaCha20Rng>),
}

impl Entropy {
    /// The operating system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self::over(Source::System)
    }

    /// A reproducible stream.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::over(Source::Seeded(Mutex::new(ChaCha20Rng::seed_from_u64(seed))))
    }

    fn over(source: Source) -> Self {
        Self(Arc::new(Inner {
            source,
            last: Mutex::new((0, 0)),
        }))
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
        match &self.0.source {
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

    /// A new id: UUIDv7 (RFC 9562 5.7), so rows keyed by it lie in the order of their making. Ids of one process and one
    /// millisecond are told apart by a counter in `rand_a` (RFC 9562 6.2, method 1) and so lie in that order too; the other
    /// 62 bits stay random.
    #[must_use]
    pub fn id<K: IdKind>(&self, at: Timestamp) -> Id<K> {
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
        let (millis, counter) = self.tick(millis);
        let mut random = self.bytes::<10>();
        // The builder takes the low 12 bits of the first two octets as rand_a.
        random[..2].copy_from_slice(&counter.to_be_bytes());
        Id::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The counter within the millisecond; the 4,097th id of a millisecond borrows the next one.
    fn tick(&self, millis: u64) -> (u64, u16) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, counter) = *last;
        // Only the same millisecond (and those it borrowed) continues: an id for another clock's time must not push this
        // one's ids ahead.
        let continues = (millis..=millis + MAX_BORROWED).contains(&before);
        *last = match counter {
            _ if !continues => (millis, 0),
            0x0fff => (before + 1, 0),
            counter => (before, counter + 1),
        };
        *last
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tenant;

    #[test]
    fn ids_lie_in_the_order_of_their_making() {
        let entropy = Entropy::seeded(1);
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let ids: Vec<Id<Tenant>> = (0..10_000).map(|_| entropy.id(at)).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[0].uuid().get_version_num(), 7);
        let later = at.plus(std::time::Duration::from_millis(10));
        assert!(entropy.id::<Tenant>(later) > ids[9_999]);
    }
}
