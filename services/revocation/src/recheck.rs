//! The nightly re-check: all lists against all watches, by the same code that flags.
//!
//! What it finds, the event path has missed; the number must be zero, and every run leaves it in a row and in the log.

use warikan_runtime::metrics;
use warikan_types::{Id, Request};

use crate::{Revocation, error::Error, store::lists};

/// What a full re-check did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecheckReport {
    /// Lists that were joined with all watches.
    pub lists: usize,
    /// Watches that the event path had missed; flagged now.
    pub missed: u64,
}

impl Revocation {
    /// Joins every entry of every list with every watch.
    ///
    /// # Errors
    /// The database failed; what was flagged until then stays flagged.
    pub async fn recheck(&self) -> Result<RecheckReport, Error> {
        // What merely has not been joined yet is not missed.
        self.flag_new().await?;
        let _one_at_a_time = self.0.flagging.lock().await;
        let all = lists::all(self.0.db.worker()).await?;
        let mut missed = 0;
        for list in &all {
            // Only what the event path has been through: a version of this moment is not missed, it is next.
            let found = self.flag_list(list, (0, list.flagged_through)).await?;
            missed += found.unwrap_or(0);
        }
        let now = self.0.platform.clock().now();
        let id: Id<Request> = self.0.platform.entropy.id(now);
        lists::rechecked(self.0.db.worker(), id.uuid(), now, all.len(), missed).await?;
        metrics::recheck_missed(missed);
        if missed == 0 {
            tracing::info!(lists = all.len(), missed, "full re-check");
        } else {
            tracing::error!(
                lists = all.len(),
                missed,
                "the event path missed revocations"
            );
        }
        Ok(RecheckReport {
            lists: all.len(),
            missed,
        })
    }
}
