//! The task `webhooks.deliver`: takes what is due and sends it.
//!
//! One loop decides; sending happens in workers, a few per endpoint ([`lane`]). A turn of the loop is one short write
//! transaction: it records what has come back and leases what may go out next, so that under load many outcomes and many
//! claims share a commit, and the workers go on meanwhile. Nothing is sent while a transaction is open.
//!
//! **Fairness.** An endpoint begins with a few places and earns more by answering well; one that fails has a single one. What it
//! has waiting does not take others' places: while an endpoint finds no place, those that have some claim nothing new. A
//! run does not wait for slow endpoints for ever: it ends after [`RUN`] and leaves them to the next run, so that the process can
//! stop in between; what was claimed and not begun is given back.
//!
//! **Loss.** The lease is in the row. A process that dies has lost the outcomes of what was under way and nothing else: when the
//! lease is over it is sent again, with the same id. The attempt whose outcome was lost leaves a gap in the numbers of the
//! delivery's attempts.

mod lane;
mod send;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinError, JoinSet},
    time::Instant,
};
use uuid::Uuid;
use warikan_messaging::begin_write;
use warikan_runtime::metrics;
use warikan_types::{Id, Timestamp};

use self::lane::{Addressee, Job, Lane, Place};
pub(crate) use self::send::Outcome;
use crate::{
    Webhooks, endpoint, entity::endpoint as row, error::WebhooksError, record::Recorded, store,
};

/// How long a run goes on claiming.
const RUN: Duration = Duration::from_secs(5);
/// How often it looks for newly due work while deliveries are under way.
const TICK: Duration = Duration::from_millis(250);
/// From one turn to the next while deliveries are under way: what comes in between shares a commit.
const PACE: Duration = Duration::from_millis(10);

/// Lanes that are remembered with what they have earned; beyond, those at rest are forgotten and begin anew.
const LANES_KEPT: usize = 10_000;

/// What is under way in this process.
pub(crate) struct Dispatcher {
    lanes: HashMap<Uuid, Arc<Lane>>,
    workers: JoinSet<()>,
    told: UnboundedSender<Outcome>,
    heard: UnboundedReceiver<Outcome>,
    /// Come back and not yet recorded.
    outcomes: Vec<Outcome>,
    /// Claimed, not begun, and to be given back.
    left_over: Vec<Uuid>,
}

impl Default for Dispatcher {
    fn default() -> Self {
        let (told, heard) = unbounded_channel();
        Self {
            lanes: HashMap::new(),
            workers: JoinSet::new(),
            told,
            heard,
            outcomes: Vec::new(),
            left_over: Vec::new(),
        }
    }
}

impl Dispatcher {
    /// Takes in what came back since the last look.
    fn gather(&mut self) {
        while let Ok(outcome) = self.heard.try_recv() {
            self.outcomes.push(outcome);
        }
        while let Some(ended) = self.workers.try_join_next() {
            reap(ended);
        }
        for lane in self.lanes.values() {
            self.left_over.extend(lane.left_over());
        }
        if self.lanes.len() > LANES_KEPT {
            self.lanes
                .retain(|_, lane| lane.workers() > 0 || lane.waiting() > 0);
        }
    }

    fn is_idle(&self) -> bool {
        self.workers.is_empty() && self.outcomes.is_empty() && self.left_over.is_empty()
    }
}

/// The lease of what a panicking worker was sending runs out and it is tried again, as if the process had died.
fn reap(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a worker ended by panic");
    }
}

impl Webhooks {
    /// Sends what is due until nothing is due and nothing under way, or the run's time is over.
    pub(crate) async fn deliver_due(&self) -> Result<(), WebhooksError> {
        // A second run in the same process has nothing to add.
        let Ok(mut dispatcher) = self.0.dispatcher.try_lock() else {
            return Ok(());
        };
        let begun = Instant::now();
        loop {
            dispatcher.gather();
            let over = begun.elapsed() >= RUN;
            if over {
                dispatcher.lanes.values().for_each(|lane| lane.halt());
                dispatcher.gather();
            }
            self.revive(&mut dispatcher);
            let recorded = !dispatcher.outcomes.is_empty();
            let next = Instant::now() + PACE;
            let claimed = self.turn(&mut dispatcher, !over).await?;
            if over {
                self.0.due.notify_one();
                return Ok(());
            }
            if claimed == 0 && !recorded && dispatcher.is_idle() {
                return Ok(());
            }
            self.wait(&mut dispatcher, next).await;
        }
    }

    /// Waits until there is something for another turn, and until it is worth its commit.
    async fn wait(&self, dispatcher: &mut Dispatcher, not_before: Instant) {
        let Dispatcher { workers, heard, .. } = dispatcher;
        let busy = !workers.is_empty();
        let came = tokio::select! {
            biased;
            Some(outcome) = heard.recv(), if busy => Some(outcome),
            Some(ended) = workers.join_next(), if busy => {
                reap(ended);
                None
            }
            () = self.0.due.notified(), if busy => None,
            () = tokio::time::sleep(TICK), if busy => None,
            () = std::future::ready(()), if !busy => None,
        };
        dispatcher.outcomes.extend(came);
        if busy {
            tokio::time::sleep_until(not_before).await;
        }
    }

    /// Records, gives back and claims in one transaction, then starts workers. Returns how many deliveries it claimed.
    async fn turn(
        &self,
        dispatcher: &mut Dispatcher,
        claiming: bool,
    ) -> Result<usize, WebhooksError> {
        let now = self.now();
        let wanted = if claiming {
            self.wanted(dispatcher, now).await?
        } else {
            Vec::new()
        };
        if wanted.is_empty() && dispatcher.outcomes.is_empty() && dispatcher.left_over.is_empty() {
            return Ok(0);
        }
        let txn = begin_write(self.0.db.worker()).await?;
        let Recorded {
            failed,
            told,
            reached,
        } = self.record(&txn, &dispatcher.outcomes, now).await?;
        store::queue::release(&txn, &dispatcher.left_over).await?;
        let lease_until = now.plus(self.0.config.lease());
        let mut claimed = Vec::new();
        for (endpoint, limit) in wanted {
            // What it may get now is in its row, which has just changed.
            if !failed.contains(&endpoint.id) {
                let limit = limit as u64;
                let rows = store::queue::claim(&txn, endpoint.id, limit, now, lease_until).await?;
                claimed.push((endpoint, rows));
            }
        }
        let mut ids: Vec<Uuid> = claimed
            .iter()
            .flat_map(|(_, rows)| rows.iter().map(|row| row.event))
            .collect();
        let count = ids.len();
        // Several endpoints get the same events.
        ids.sort_unstable();
        ids.dedup();
        let bodies: HashMap<Uuid, String> = store::queue::bodies(&txn, &ids)
            .await?
            .into_iter()
            .collect();
        txn.commit().await?;
        dispatcher.outcomes.clear();
        dispatcher.left_over.clear();
        for (environment, after) in reached {
            metrics::revocation_delivered(environment.as_str(), after);
        }
        if told {
            self.0.relay.wake();
        }
        for (endpoint, rows) in claimed {
            let to = Arc::new(self.addressee(&endpoint, now).await);
            let jobs = rows.into_iter().map(|row| Job {
                delivery: row.id,
                number: row.attempts,
                event: Id::from_uuid(row.event),
                body: bodies.get(&row.event).cloned().unwrap_or_default(),
                lease_until,
                to: Arc::clone(&to),
            });
            self.start(dispatcher, &endpoint, jobs.collect());
        }
        Ok(count)
    }

    /// Which endpoints may get how many more, within all bounds. Those without a place come first; while one of them finds none,
    /// the others get nothing new.
    async fn wanted(
        &self,
        dispatcher: &mut Dispatcher,
        now: Timestamp,
    ) -> Result<Vec<(row::Model, usize)>, WebhooksError> {
        let config = &self.0.config;
        let mut free = config.concurrency.saturating_sub(dispatcher.workers.len());
        let mut waiting: Vec<(usize, row::Model)> =
            store::queue::endpoints_with_work(self.0.db.worker(), now)
                .await?
                .into_iter()
                .map(|endpoint| {
                    let lane = dispatcher.lanes.entry(endpoint.id).or_default();
                    (lane.workers(), endpoint)
                })
                .collect();
        waiting.sort_by_key(|(workers, _)| *workers);
        let mut wanted = Vec::new();
        for (workers, endpoint) in waiting {
            let Some(lane) = dispatcher.lanes.get(&endpoint.id) else {
                continue;
            };
            if workers == 0 && free == 0 {
                break;
            }
            let limit = lane.wants(&endpoint, config);
            if limit > 0 {
                free = free.saturating_sub(lane.places(&endpoint, config).saturating_sub(workers));
                wanted.push((endpoint, limit));
            }
        }
        Ok(wanted)
    }

    async fn addressee(&self, endpoint: &row::Model, now: Timestamp) -> Addressee {
        let scope = endpoint::scope_of(endpoint);
        // Without the tenant's key nothing can be signed: the attempt fails, and the next one asks for it again.
        let secrets = match self.0.data_keys.sealer(scope).await {
            Ok(sealer) => endpoint::secrets(endpoint, &sealer, now).map_err(WebhooksError::from),
            Err(error) => Err(error.into()),
        };
        Addressee {
            endpoint: endpoint.id,
            environment: scope.environment(),
            url: endpoint.url.clone(),
            secrets,
        }
    }

    /// Puts jobs into their lane and sees to it that there are workers for them.
    fn start(&self, dispatcher: &mut Dispatcher, endpoint: &row::Model, jobs: Vec<Job>) {
        let config = &self.0.config;
        let lane = Arc::clone(dispatcher.lanes.entry(endpoint.id).or_default());
        lane.put(jobs, config);
        let places = lane.places(endpoint, config).min(lane.waiting());
        let free = config.concurrency.saturating_sub(dispatcher.workers.len());
        // At least one, or what was claimed would wait for its lease to run out.
        let at_least = usize::from(lane.workers() == 0 && lane.waiting() > 0);
        for _ in 0..places
            .saturating_sub(lane.workers())
            .min(free)
            .max(at_least)
        {
            let (this, place) = (self.clone(), lane.take_place());
            let told = dispatcher.told.clone();
            dispatcher.workers.spawn(this.work(place, told));
        }
    }

    /// Jobs can come into a lane at the very moment at which its last worker finds it empty and leaves: that worker was counted, so
    /// none was begun for them. They must not wait for the endpoint's next event, or for their lease to run out.
    fn revive(&self, dispatcher: &mut Dispatcher) {
        let Dispatcher {
            lanes,
            workers,
            told,
            ..
        } = dispatcher;
        for lane in lanes.values().filter(|lane| lane.is_abandoned()) {
            workers.spawn(self.clone().work(lane.take_place(), told.clone()));
        }
    }

    /// A worker: sends what its lane holds, until that is empty or halted.
    async fn work(self, place: Place, told: UnboundedSender<Outcome>) {
        while let Some(job) = place.lane().next(self.now(), &self.0.config) {
            let outcome = self.send(job).await;
            place.lane().ended(outcome.ending.succeeded());
            if told.send(outcome).is_err() {
                return;
            }
        }
    }
}
