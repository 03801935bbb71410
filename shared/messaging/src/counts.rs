//! What consumers and relays count, for whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A consumer's work since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerCounts {
    /// Facts whose effect was committed.
    pub taken: u64,
    /// Facts that had been taken before and were delivered again.
    pub repeated: u64,
    /// Failures after which the fact stayed where it came from.
    pub retried: u64,
    /// Facts put aside.
    pub parked: u64,
}

/// A relay's work since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayCounts {
    /// Facts published and marked as sent.
    pub sent: u64,
    /// Publications that failed; the fact waits in the outbox.
    pub failed: u64,
}

#[derive(Default)]
pub(crate) struct Counting {
    taken: AtomicU64,
    repeated: AtomicU64,
    retried: AtomicU64,
    parked: AtomicU64,
}

impl Counting {
    pub(crate) fn took(&self, new: usize, repeated: usize) {
        self.taken.fetch_add(new as u64, Relaxed);
        self.repeated.fetch_add(repeated as u64, Relaxed);
    }

    pub(crate) fn retries(&self, facts: usize) {
        self.retried.fetch_add(facts as u64, Relaxed);
    }

    pub(crate) fn parks(&self) {
        self.parked.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> ConsumerCounts {
        ConsumerCounts {
            taken: self.taken.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
            retried: self.retried.load(Relaxed),
            parked: self.parked.load(Relaxed),
        }
    }
}

#[derive(Default)]
pub(crate) struct RelayCounting {
    sent: AtomicU64,
    failed: AtomicU64,
}

impl RelayCounting {
    pub(crate) fn count(&self, sent: u64, failed: u64) {
        self.sent.fetch_add(sent, Relaxed);
        self.failed.fetch_add(failed, Relaxed);
    }

    pub(crate) fn read(&self) -> RelayCounts {
        RelayCounts {
            sent: self.sent.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }
}
