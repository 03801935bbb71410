//! One service behind the edge: its connections, how many requests it may have at once, and whether it is worth asking.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use warikan_runtime::Peer;

/// Requests under way to one service. More would only wait in its queue; one slow service must not take every worker's memory.
const UNDER_WAY: usize = 1_024;
/// Failed connections in a row after which a service is taken for down.
const FAILURES: u32 = 5;
/// How long it is not asked then.
const REST: Duration = Duration::from_millis(500);

pub(super) struct Upstream {
    pub(super) peer: Peer,
    places: Semaphore,
    failures: AtomicU32,
    resting_until: Mutex<Option<Instant>>,
}

/// A request is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too many are under way.
    Full,
    /// It did not answer lately; it is asked again in a moment.
    Resting,
}

impl Upstream {
    pub(super) fn new(peer: Peer) -> Self {
        Self {
            peer,
            places: Semaphore::new(UNDER_WAY),
            failures: AtomicU32::new(0),
            resting_until: Mutex::new(None),
        }
    }

    /// A place for one request, held until it is answered.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        {
            let mut resting = self.lock();
            if let Some(until) = *resting {
                if Instant::now() < until {
                    return Err(Refusal::Resting);
                }
                // This one finds out; should it fail, the rest begins anew at once.
                *resting = None;
            }
        }
        self.places.try_acquire().map_err(|_| Refusal::Full)
    }

    pub(super) fn reached(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    pub(super) fn not_reached(&self) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            *self.lock() = Some(Instant::now() + REST);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.resting_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
