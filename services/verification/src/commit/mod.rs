//! Group commit: what many requests have to write goes into one transaction, and each is answered after its commit.
//!
//! A synced commit costs about as much for one verification as for two hundred. So a request does alone what it can do alone
//! (parsing, both RSA verifications, status, receipt, sealing) and hands the rest, an [`Entry`], to the writer. The writer takes
//! what has come while the last commit was under way; it never waits for more, so that a lone request is not slower for it.
//!
//! - **Bounded.** So many entries may be unanswered at once; beyond, a request is refused at once with 503 and `Retry-After`.
//! - **Poison.** Where a batch fails it is halved until the entry at fault fails alone ([`batch`]). A database that does not work is
//!   nobody's fault: then all get their 503, and nothing is halved.
//! - **Walls.** On PostgreSQL a batch is one tenant's: its transaction comes as the tenants' role and names the tenant, so that
//!   row-level security stands behind it as behind every request. Several such transactions run at once, and tenants take turns.
//!   On SQLite, which has one writer and no such wall, a batch spans tenants.
//! - A request whose client went away is written all the same; the same Idempotency-Key finds its answer.

mod batch;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::JoinSet,
};
use warikan_http::{Answer, Code, Idempotency, Problem};
use warikan_messaging::{Relay, ServiceDatabase};
use warikan_pki::PinnedAnchors;
use warikan_runtime::Platform;
use warikan_types::{TenantId, TenantScope, Timestamp};

use self::batch::Failure;
use crate::{conclude::Conclusion, config::Config, store::ChallengeRow, verify::Case};

/// Entries in one transaction, whatever is configured: SQLite takes 32,766 parameters in a statement, and a row has twelve at most.
const MOST: usize = 2_048;

/// What one request has to write.
pub(crate) struct Entry {
    pub(crate) scope: TenantScope,
    pub(crate) once: Idempotency,
    pub(crate) accepted_at: Timestamp,
    pub(crate) work: Work,
}

impl Entry {
    /// The verification that it is, where it is one.
    fn case(&self) -> Option<&Case> {
        match &self.work {
            Work::Verification(decided) => Some(&decided.0),
            Work::Challenge(..) => None,
        }
    }
}

/// What is new.
pub(crate) enum Work {
    /// A verification that was decided, and what follows if its challenge is still as it was seen.
    Verification(Box<(Case, Conclusion)>),
    /// A challenge, and the answer that tells it.
    Challenge(ChallengeRow, Answer),
}

struct Waiting {
    entry: Entry,
    answered: oneshot::Sender<Result<Answer, Problem>>,
    /// Its place among those that may be unanswered.
    _room: OwnedSemaphorePermit,
}

/// The writer's door.
pub(crate) struct Writer {
    arrivals: UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
}

/// What writing needs.
#[derive(Clone)]
struct Ledger {
    db: ServiceDatabase,
    platform: Platform,
    anchors: PinnedAnchors,
    relay: Relay,
}

impl Writer {
    /// Starts the writer; it ends when the service and what it was given have ended.
    pub(crate) fn start(
        config: &Config,
        db: &ServiceDatabase,
        platform: &Platform,
        anchors: &PinnedAnchors,
        relay: &Relay,
    ) -> Self {
        let (arrivals, arriving) = unbounded_channel();
        let ledger = Ledger {
            db: db.clone(),
            platform: platform.clone(),
            anchors: anchors.clone(),
            relay: relay.clone(),
        };
        let at_once = if db.is_walled() {
            config.concurrent_commits.max(1)
        } else {
            1
        };
        let most = config.entries_per_commit.clamp(1, MOST);
        tokio::spawn(ledger.serve(arriving, at_once, most));
        Self {
            arrivals,
            room: Arc::new(Semaphore::new(config.unanswered_writes.max(1))),
        }
    }

    /// Refuses before any work is done for it what would find no place in the end. None is taken yet: a request may wait for others, and must
    /// not keep a place from those that do not.
    ///
    /// # Errors
    /// 503 where too many are waiting already.
    pub(crate) fn expect_room(&self) -> Result<(), Problem> {
        if self.room.available_permits() == 0 {
            return Err(full());
        }
        Ok(())
    }

    /// Writes an entry and waits for the commit.
    ///
    /// # Errors
    /// 503 where too many are waiting already; else what became of the entry.
    pub(crate) async fn write(&self, entry: Entry) -> Result<Answer, Problem> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| full())?;
        let (answered, answer) = oneshot::channel();
        let waiting = Waiting {
            entry,
            answered,
            _room: room,
        };
        self.arrivals.send(waiting).map_err(|_| lost())?;
        answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

fn full() -> Problem {
    Problem::new(
        Code::Unavailable,
        "More requests are waiting to be written than are taken at once. Repeat this one with the same Idempotency-Key.",
    )
    .retry_after(1)
}

/// The writer panicked over the batch: whether it was committed is not known here.
fn lost() -> Problem {
    Problem::new(
        Code::Unavailable,
        "It is not known whether the request was carried out. Repeat it with the same Idempotency-Key.",
    )
    .retry_after(1)
}

/// What waits for its batch, one queue for each wall; they take turns.
#[derive(Default)]
struct Pending {
    turns: VecDeque<Option<TenantId>>,
    queues: HashMap<Option<TenantId>, VecDeque<Waiting>>,
}

impl Pending {
    fn put(&mut self, wall: Option<TenantId>, waiting: Waiting) {
        let queue = self.queues.entry(wall).or_default();
        if queue.is_empty() {
            self.turns.push_back(wall);
        }
        queue.push_back(waiting);
    }

    /// The next batch, where there is one. Of several requests with one idempotency key the first is in it; the others wait for
    /// the next, and find its answer there.
    fn take(&mut self, most: usize) -> Option<Vec<Waiting>> {
        let wall = self.turns.pop_front()?;
        let mut queue = self.queues.remove(&wall)?;
        let (mut batch, mut later) = (Vec::new(), VecDeque::new());
        let mut places = HashSet::new();
        while batch.len() < most
            && let Some(waiting) = queue.pop_front()
        {
            let place = waiting.entry.once.place().map(str::to_owned);
            if place.is_none_or(|place| places.insert(place)) {
                batch.push(waiting);
            } else {
                later.push_back(waiting);
            }
        }
        later.append(&mut queue);
        if !later.is_empty() {
            self.queues.insert(wall, later);
            self.turns.push_back(wall);
        }
        Some(batch)
    }
}

impl Ledger {
    async fn serve(self, mut arriving: UnboundedReceiver<Waiting>, at_once: usize, most: usize) {
        let walled = self.db.is_walled();
        let wall = |waiting: &Waiting| walled.then(|| waiting.entry.scope.tenant());
        let mut pending = Pending::default();
        let mut under_way = JoinSet::new();
        let mut open = true;
        while open || !under_way.is_empty() {
            tokio::select! {
                arrived = arriving.recv(), if open => match arrived {
                    Some(waiting) => pending.put(wall(&waiting), waiting),
                    None => open = false,
                },
                Some(done) = under_way.join_next() => {
                    if let Err(error) = done {
                        tracing::error!(%error, "a batch ended by panic");
                    }
                }
            }
            while let Ok(waiting) = arriving.try_recv() {
                pending.put(wall(&waiting), waiting);
            }
            while under_way.len() < at_once
                && let Some(batch) = pending.take(most)
            {
                under_way.spawn(self.clone().settle(batch));
            }
        }
    }

    /// Commits a batch and answers everyone in it.
    async fn settle(self, batch: Vec<Waiting>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let entries: Vec<&Entry> = part.iter().map(|waiting| &waiting.entry).collect();
            match self.commit(&entries).await {
                Ok(answers) => {
                    for (waiting, answer) in part.into_iter().zip(answers) {
                        // Fails where the client is gone.
                        let _ = waiting.answered.send(answer);
                    }
                }
                Err(Failure::OfAnEntry(_)) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
                Err(Failure::OfAnEntry(problem) | Failure::OfAll(problem)) => {
                    for waiting in part {
                        let _ = waiting.answered.send(Err(problem.clone()));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use warikan_types::{Entropy, Environment, Sealer};

    use super::*;

    fn waiting(scope: TenantScope, key: &'static str) -> Waiting {
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let entropy = Entropy::seeded(1);
        let request = TestRequest::default().insert_header(("idempotency-key", key));
        let sealer = Sealer::new([1; 32], entropy.clone());
        let request = request.to_http_request();
        let once = Idempotency::of(&request, "test", Some(scope), [0; 32], &sealer).unwrap();
        let row = ChallengeRow {
            id: entropy.id::<warikan_types::Challenge>(at).uuid(),
            tenant: scope.tenant().uuid(),
            environment: scope.environment().as_str().to_owned(),
            purpose: "signature".to_owned(),
            algorithm: "sha256".to_owned(),
            digest: Vec::new(),
            expires_at: at.utc(),
            used_by: None,
        };
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Waiting {
            entry: Entry {
                scope,
                once,
                accepted_at: at,
                work: Work::Challenge(row, Answer::json(201, &key)),
            },
            answered: oneshot::channel().0,
            _room: room,
        }
    }

    fn scopes() -> [TenantScope; 2] {
        let (entropy, at) = (Entropy::seeded(2), "2026-11-21T00:00:00Z".parse().unwrap());
        [(); 2].map(|()| TenantScope::of_event(entropy.id(at), Environment::Production))
    }

    fn sizes(pending: &mut Pending, most: usize) -> Vec<usize> {
        std::iter::from_fn(|| pending.take(most))
            .map(|batch| batch.len())
            .collect()
    }

    #[test]
    fn f073_of_one_key_there_is_one_entry_in_a_batch() {
        let [one, other] = scopes();
        let mut pending = Pending::default();
        for key in ["a", "a", "b", "a"] {
            pending.put(None, waiting(one, key));
        }
        // The same word is another key where another tenant says it.
        pending.put(None, waiting(other, "a"));
        assert_eq!(sizes(&mut pending, 100), [3, 1, 1]);
        assert!(pending.take(100).is_none());
    }

    #[test]
    fn behind_walls_tenants_take_turns_and_a_batch_is_one_tenants() {
        let [one, other] = scopes();
        let mut pending = Pending::default();
        for key in ["a", "b", "c", "d", "e"] {
            pending.put(Some(one.tenant()), waiting(one, key));
        }
        pending.put(Some(other.tenant()), waiting(other, "a"));
        let mut whose = Vec::new();
        while let Some(batch) = pending.take(2) {
            let tenant = batch[0].entry.scope.tenant();
            assert!(batch.iter().all(|one| one.entry.scope.tenant() == tenant));
            whose.push((tenant == one.tenant(), batch.len()));
        }
        assert_eq!(whose, [(true, 2), (false, 1), (true, 2), (true, 1)]);
    }
}
