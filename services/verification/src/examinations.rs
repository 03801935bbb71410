//! Examinations of certificates that come again, by their hash.
//!
//! What [`examine`] finds is fixed by the certificate's octets and by the set of anchors and profiles, so both are in the key; status,
//! time and policy are judged anew each time. Only what an anchor has signed is kept: nobody can fill it with certificates of his own
//! making. It lives in memory alone, and not for long: a certificate carries a name and an address.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use warikan_pki::{AnchorSet, Examined, examine, sha256};
use warikan_runtime::metrics;

/// Who verifies twice does so within minutes.
const KEPT: Duration = Duration::from_secs(600);

type Key = ([u8; 32], [u8; 32]);

/// What was examined.
pub(crate) struct Examinations(Option<Cache<Key, Arc<Examined>>>);

impl Examinations {
    /// Keeps so many; none with 0.
    pub(crate) fn new(room: u64) -> Self {
        let kept = || Cache::builder().max_capacity(room).time_to_live(KEPT);
        Self((room > 0).then(|| kept().build()))
    }

    /// The examination of a certificate under these anchors.
    pub(crate) fn of(&self, der: &[u8], anchors: &AnchorSet) -> Arc<Examined> {
        let Some(kept) = &self.0 else {
            return Arc::new(examine(der, anchors));
        };
        let key = (sha256(der), anchors.version());
        let known = kept.get(&key);
        metrics::cache_asked("examination", known.is_some());
        known.unwrap_or_else(|| {
            let examined = Arc::new(examine(der, anchors));
            if examined.path().is_some() {
                kept.insert(key, Arc::clone(&examined));
            }
            examined
        })
    }
}
