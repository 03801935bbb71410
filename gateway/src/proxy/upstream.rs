//! One service behind the edge: its replicas, their connections, how many requests each may have at once, and whether it is worth
//! asking.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use warikan_runtime::Peer;

/// Requests under way to one replica. More would only wait in its queue; one slow service must not take every worker's memory.
const UNDER_WAY: usize = 1_024;
/// Failed connections in a row after which a replica is taken for down.
const FAILURES: u32 = 5;
/// How long it is not asked then.
const REST: Duration = Duration::from_millis(500);
/// Requests that earn a service one repetition of a request that broke off: repetitions stay below a tenth of the load, so that a
/// service in trouble is not asked more than one in health (F086).
const REQUESTS_A_REPETITION: u32 = 10;
/// Repetitions that may have been saved up.
const SAVED: u32 = 20;

/// A service, as one or several processes.
pub(super) struct Upstream {
    name: &'static str,
    pub(super) replicas: Vec<Replica>,
    /// Whose turn it is.
    turn: AtomicUsize,
    pub(super) budget: Budget,
}

/// One process of a service.
pub(super) struct Replica {
    pub(super) peer: Peer,
    places: Semaphore,
    breaker: Breaker,
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
    /// At least one peer.
    pub(super) fn new(name: &'static str, peers: Vec<Peer>) -> Self {
        Self {
            name,
            replicas: peers.into_iter().map(Replica::new).collect(),
            turn: AtomicUsize::new(0),
            budget: Budget::default(),
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// The replicas in the order in which this request asks them: each request begins with the next one.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &Replica> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        places(first, self.replicas.len()).map(|place| &self.replicas[place])
    }
}

fn places(first: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| first.wrapping_add(step) % count)
}

/// How many requests that broke off may be sent once more.
pub(super) struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(REQUESTS_A_REPETITION * SAVED))
    }
}

impl Budget {
    /// Counts a request towards repetitions.
    pub(super) fn earn(&self) {
        let more = |earned: u32| (earned < REQUESTS_A_REPETITION * SAVED).then_some(earned + 1);
        // Refused where enough is saved, which is as good.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Takes one repetition, if there is one.
    pub(super) fn spend(&self) -> bool {
        let less = |earned: u32| earned.checked_sub(REQUESTS_A_REPETITION);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

impl Replica {
    fn new(peer: Peer) -> Self {
        Self {
            peer,
            places: Semaphore::new(UNDER_WAY),
            breaker: Breaker::default(),
        }
    }

    /// A place for one request, held until it is answered.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        if !self.breaker.lets_through(Instant::now()) {
            return Err(Refusal::Resting);
        }
        self.places.try_acquire().map_err(|_| Refusal::Full)
    }

    pub(super) fn reached(&self) {
        self.breaker.reached();
    }

    pub(super) fn not_reached(&self) {
        self.breaker.not_reached(Instant::now());
    }
}

/// Whether a replica is worth asking.
#[derive(Default)]
struct Breaker {
    failures: AtomicU32,
    resting_until: Mutex<Option<Instant>>,
}

impl Breaker {
    fn lets_through(&self, now: Instant) -> bool {
        let mut resting = self.lock();
        if resting.is_some_and(|until| now < until) {
            return false;
        }
        // This one finds out; should it fail, the rest begins anew at once.
        *resting = None;
        true
    }

    fn reached(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    fn not_reached(&self, now: Instant) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            *self.lock() = Some(now + REST);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.resting_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_round_and_each_asks_every_replica_once() {
        let orders: Vec<Vec<usize>> = (0..4).map(|first| places(first, 3).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn f086_repetitions_are_at_most_a_tenth_of_the_requests() {
        let budget = Budget::default();
        let saved = (0..1_000).filter(|_| budget.spend()).count();
        assert_eq!(saved, SAVED as usize);
        let mut repeated = 0;
        for _ in 0..1_000 {
            budget.earn();
            repeated += usize::from(budget.spend());
        }
        assert_eq!(repeated, 100);
    }

    #[test]
    fn f086_a_replica_that_is_down_rests_and_one_request_finds_out() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            assert!(breaker.lets_through(now));
            breaker.not_reached(now);
        }
        assert!(!breaker.lets_through(now));
        assert!(!breaker.lets_through(now + REST / 2));
        // Still down: the rest begins anew after one failure.
        assert!(breaker.lets_through(now + REST));
        breaker.not_reached(now + REST);
        assert!(!breaker.lets_through(now + REST));
        // Up again: it takes as many failures as at first.
        assert!(breaker.lets_through(now + REST * 2));
        breaker.reached();
        breaker.not_reached(now + REST * 2);
        assert!(breaker.lets_through(now + REST * 2));
    }
}
