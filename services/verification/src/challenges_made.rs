//! Challenges that this process made a moment ago.
//!
//! What a challenge says never changes; only whether it was used does, and that is decided in the transaction that uses it. So who answers a
//! challenge at the process that made it need not ask the database first. Each is given out once: a second answer asks, and sees the first.

use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;
use warikan_runtime::metrics;
use warikan_types::{ChallengeId, TenantScope};

use crate::store::ChallengeRow;

/// Most are answered within minutes; the others ask the database.
const KEPT: Duration = Duration::from_secs(600);

/// The challenges, as they were made.
pub(crate) struct ChallengesMade(Option<Cache<(TenantScope, Uuid), ChallengeRow>>);

impl ChallengesMade {
    /// Keeps so many; none with 0.
    pub(crate) fn new(room: u64) -> Self {
        let kept = || Cache::builder().max_capacity(room).time_to_live(KEPT);
        Self((room > 0).then(|| kept().build()))
    }

    /// Keeps one that was committed.
    pub(crate) fn keep(&self, scope: TenantScope, row: ChallengeRow) {
        if let Some(kept) = &self.0 {
            kept.insert((scope, row.id), row);
        }
    }

    /// Gives one out, unused as it was made. Whether it still is, the transaction sees.
    pub(crate) fn take(&self, scope: TenantScope, id: ChallengeId) -> Option<ChallengeRow> {
        let row = self.0.as_ref()?.remove(&(scope, id.uuid()));
        metrics::cache_asked("challenge", row.is_some());
        row
    }
}
