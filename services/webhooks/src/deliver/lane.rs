//! An endpoint's lane: what was claimed for it and waits in memory, and the workers that send it.
//!
//! Claims come in handfuls, because a transaction costs the same for one delivery and for a hundred; workers take from the lane
//! without asking the database. The first failed attempt halts the lane: what had not been begun goes back untouched, and
//! the endpoint gets one delivery at a time from then on.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use uuid::Uuid;
use warikan_types::{Environment, SealError, Timestamp};

use crate::{config::Config, entity::endpoint, ids::EventId, signature::SigningSecret};

/// Claims per place: what a worker finds ready when the loop is busy recording.
const PER_PLACE: usize = 16;

/// Everything a worker needs; it asks the database for nothing.
pub(super) struct Job {
    pub delivery: Uuid,
    /// Which attempt, from 1.
    pub number: i32,
    pub event: EventId,
    pub body: String,
    /// After this moment another process may send it.
    pub lease_until: Timestamp,
    pub to: Arc<Addressee>,
}

/// Where it goes and who signs, as they were when it was claimed.
pub(crate) struct Addressee {
    pub endpoint: Uuid,
    pub environment: Environment,
    pub url: String,
    pub secrets: Result<Vec<SigningSecret>, SealError>,
}

#[derive(Default)]
pub(super) struct Lane {
    queue: Mutex<VecDeque<Job>>,
    workers: AtomicUsize,
    halted: AtomicBool,
    /// Workers it may have while all goes well; doubles with every claim after good answers.
    allowance: AtomicUsize,
    /// Whether something came back since the last claim.
    moved: AtomicBool,
}

/// A worker's place in its lane, given back however the worker ends.
pub(super) struct Place(Arc<Lane>);

impl Place {
    pub(super) fn lane(&self) -> &Lane {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Lane {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Job>> {
        // A panic elsewhere does not make a queue of jobs untrue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.load(Ordering::SeqCst)
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue().len()
    }

    pub(super) fn take_place(self: &Arc<Self>) -> Place {
        self.workers.fetch_add(1, Ordering::SeqCst);
        Place(Arc::clone(self))
    }

    /// The next job, where it can still be finished within its lease.
    pub(super) fn next(&self, now: Timestamp, config: &Config) -> Option<Job> {
        if self.halted.load(Ordering::SeqCst) {
            return None;
        }
        let mut queue = self.queue();
        if queue.front()?.lease_until < now.plus(config.timeout()) {
            self.halted.store(true, Ordering::SeqCst);
            return None;
        }
        queue.pop_front()
    }

    /// Notes that an attempt ended.
    pub(super) fn ended(&self, well: bool) {
        if well {
            self.moved.store(true, Ordering::SeqCst);
        } else {
            self.halted.store(true, Ordering::SeqCst);
            self.allowance.store(0, Ordering::SeqCst);
        }
    }

    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
    }

    /// What was not begun, where the lane is halted.
    pub(super) fn left_over(&self) -> Vec<Uuid> {
        if !self.halted.load(Ordering::SeqCst) {
            return Vec::new();
        }
        self.queue().drain(..).map(|job| job.delivery).collect()
    }

    /// How many workers this endpoint may have now.
    pub(super) fn places(&self, endpoint: &endpoint::Model, config: &Config) -> usize {
        if endpoint.failing_since.is_some() {
            return 1;
        }
        let most = config.endpoint_concurrency;
        let start = Config::START.min(most);
        self.allowance.load(Ordering::SeqCst).clamp(start, most)
    }

    /// How many deliveries to claim for it. None while enough are waiting, and none while all workers are busy with
    /// attempts that do not end: a hanging endpoint must not gather leases.
    pub(super) fn wants(&self, endpoint: &endpoint::Model, config: &Config) -> usize {
        let (places, workers) = (self.places(endpoint, config), self.workers());
        let waiting = self.waiting();
        if endpoint.failing_since.is_some() {
            return usize::from(workers == 0 && waiting == 0);
        }
        let room = places * PER_PLACE;
        if waiting > room / 2 || (workers >= places && !self.moved.load(Ordering::SeqCst)) {
            return 0;
        }
        room - waiting
    }

    /// Takes claimed jobs in; good answers since the last claim widen the lane.
    pub(super) fn put(&self, jobs: Vec<Job>, config: &Config) {
        if self.moved.swap(false, Ordering::SeqCst) {
            let wider = self.allowance.load(Ordering::SeqCst).max(Config::START) * 2;
            let wider = wider.min(config.endpoint_concurrency);
            self.allowance.store(wider, Ordering::SeqCst);
        }
        self.halted.store(false, Ordering::SeqCst);
        self.queue().extend(jobs);
    }
}
