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
use warikan_types::{Environment, Timestamp};

use crate::{
    config::Config, entity::endpoint, error::WebhooksError, ids::EventId, signature::SigningSecret,
};

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
    pub secrets: Result<Vec<SigningSecret>, WebhooksError>,
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

    /// Whether jobs wait that nobody takes.
    pub(super) fn is_abandoned(&self) -> bool {
        self.workers() == 0 && !self.halted.load(Ordering::SeqCst) && self.waiting() > 0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let entropy = warikan_types::Entropy::seeded(1);
        let to = Addressee {
            endpoint: Uuid::nil(),
            environment: Environment::Sandbox,
            url: String::new(),
            secrets: Ok(Vec::new()),
        };
        Job {
            delivery: Uuid::nil(),
            number: 1,
            event: entropy.id(at),
            body: String::new(),
            lease_until: at,
            to: Arc::new(to),
        }
    }

    #[test]
    fn jobs_that_come_while_the_last_worker_leaves_are_noticed() {
        let lane = Arc::new(Lane::default());
        assert!(!lane.is_abandoned(), "empty");
        let leaving = lane.take_place();
        lane.put(vec![job()], &Config::default());
        assert!(
            !lane.is_abandoned(),
            "as far as can be seen, someone is there"
        );
        drop(leaving);
        assert!(lane.is_abandoned());
        let taken = lane.take_place();
        assert!(!lane.is_abandoned());
        drop(taken);
        lane.halt();
        assert!(!lane.is_abandoned(), "a halted lane's jobs are given back");
        assert_eq!(lane.left_over().len(), 1);
    }
}
