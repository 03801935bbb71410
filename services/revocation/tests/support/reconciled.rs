//! At the end of every test the nightly re-check finds nothing that the event path had missed.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use warikan_revocation::Revocation;

/// Looks when it is dropped.
pub struct Reconciled {
    revocation: Revocation,
    expected: AtomicBool,
}

impl Reconciled {
    pub fn of(revocation: &Revocation) -> Self {
        Self {
            revocation: revocation.clone(),
            expected: AtomicBool::new(true),
        }
    }

    /// For a test that has broken the service, so that nothing can be found out at its end.
    pub fn is_not_expected(&self, _why: &str) {
        self.expected.store(false, Ordering::Relaxed);
    }
}

impl Drop for Reconciled {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.expected.load(Ordering::Relaxed) {
            return;
        }
        let handle = Handle::current();
        let report = tokio::task::block_in_place(|| handle.block_on(self.revocation.recheck()));
        let report = report.expect("the re-check comes through");
        assert_eq!(report.missed, 0, "the event path missed watches");
    }
}
