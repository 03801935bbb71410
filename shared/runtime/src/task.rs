//! Background work: without input, idempotent, run periodically and on a signal.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use warikan_messaging::{Bus, Relay, ServiceDatabase};
use warikan_types::Clock;

use crate::metrics;

/// What a task's run can fail with.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;
type Work = Arc<dyn Fn() -> BoxFuture<'static, Result<(), TaskError>> + Send + Sync>;

/// A piece of background work. Its state is in the database, so that any process may run it next time.
#[derive(Clone)]
pub struct Task {
    name: &'static str,
    period: Duration,
    signal: Arc<Notify>,
    work: Work,
}

impl Task {
    /// Runs `work` every `period` of real time and whenever `signal` is given.
    pub fn new<F, R>(name: &'static str, period: Duration, signal: Arc<Notify>, work: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        Self {
            name,
            period,
            signal,
            work: Arc::new(move || Box::pin(work())),
        }
    }

    /// A task that removes what has served its time. Each run takes a bounded number of rows and says whether there may be more; the next run
    /// follows after a pause as long as this one. So whoever writes waits for one statement, the database is half free however much has to
    /// go, and a process that is told to stop ends after the statement in hand.
    pub fn removing<F, R>(name: &'static str, period: Duration, remove: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<bool, TaskError>> + Send + 'static,
    {
        let signal = Arc::new(Notify::new());
        let again = Arc::clone(&signal);
        Self::new(name, period, signal, move || {
            let (removing, again) = (remove(), Arc::clone(&again));
            async move {
                let begun = Instant::now();
                if removing.await? {
                    tokio::time::sleep(begun.elapsed()).await;
                    again.notify_one();
                }
                Ok(())
            }
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it once, now: tests, and operators' commands.
    ///
    /// # Errors
    /// As the work says.
    pub async fn run_once(&self) -> Result<(), TaskError> {
        (self.work)().await
    }

    async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut failures: u32 = 0;
        loop {
            // A run is finished before the task stops: half-done work would only be done again.
            match (self.work)().await {
                Ok(()) => {
                    metrics::task_run(self.name, true);
                    failures = 0;
                }
                Err(error) => {
                    metrics::task_run(self.name, false);
                    failures = failures.saturating_add(1);
                    tracing::warn!(task = self.name, failures, %error, "task failed; it will be tried again");
                }
            }
            let pause = if failures == 0 {
                self.period
            } else {
                // Sooner than the period, but not at once: 250 ms, doubling.
                let step = Duration::from_millis(250 << (failures - 1).min(9));
                step.min(self.period)
            };
            tokio::select! {
                () = self.signal.notified() => {}
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => return,
            }
            if *stop.borrow() {
                return;
            }
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.name).finish()
    }
}

/// How long facts may gather before they are published together. A turn of the relay costs a synced write or two here and in each
/// consumer however few facts it has, and the requests that come meanwhile wait for the same disk.
const GATHER: Duration = Duration::from_millis(20);

/// The task every service with an outbox has: publish what lies there, prune what was sent long ago. A run is one batch, and
/// the next follows at once where there is more; so a process that is told to stop ends after the batch in hand, however much
/// lies in the outbox.
#[must_use]
pub fn relay_task(name: &'static str, relay: Relay) -> Task {
    let signal = relay.signal();
    let measured = Arc::new(Mutex::new(None::<Instant>));
    let more = Arc::new(AtomicBool::new(false));
    Task::new(name, Duration::from_secs(1), signal, move || {
        let (relay, measured, more) = (relay.clone(), Arc::clone(&measured), Arc::clone(&more));
        let clock = relay.clock().clone();
        async move {
            if !more.swap(false, Ordering::Relaxed) {
                tokio::time::sleep(GATHER).await;
            }
            if is_due(&measured) {
                let (waiting, since) = relay.lag().await?;
                let age = since.map_or(Duration::ZERO, |since| clock.now().since(since));
                metrics::outbox(name, waiting, age);
            }
            let turn = relay.turn().await?;
            if turn.full {
                more.store(true, Ordering::Relaxed);
                relay.wake();
            }
            relay.prune().await?;
            Ok(())
        }
    })
}

/// Counting what waits costs a query: not after every batch.
fn is_due(measured: &Mutex<Option<Instant>>) -> bool {
    const EVERY: Duration = Duration::from_secs(5);
    let mut last = measured.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_some_and(|last| last.elapsed() < EVERY) {
        return false;
    }
    *last = Some(Instant::now());
    true
}

/// The task every process with consumers has: deliver again the parked facts that an operator asked for.
#[must_use]
pub fn replay_task(bus: Bus) -> Task {
    const OFTEN: Duration = Duration::from_secs(5);
    Task::new("bus.replay", OFTEN, Arc::new(Notify::new()), move || {
        let bus = bus.clone();
        async move {
            bus.replay().await?;
            Ok(())
        }
    })
}

/// The task every service that takes idempotency keys has: remove answers that can no longer be replayed. Some hold secrets
/// that were shown once.
#[must_use]
pub fn prune_answers_task(name: &'static str, db: &ServiceDatabase, clock: &Clock) -> Task {
    const HOURLY: Duration = Duration::from_secs(3600);
    let (db, clock) = (db.clone(), clock.clone());
    Task::removing(name, HOURLY, move || {
        let (db, before) = (db.clone(), clock.now().minus(warikan_http::ANSWERS_KEPT));
        async move { Ok(warikan_http::prune_answers(db.worker(), before).await?) }
    })
}

/// Tasks that run until told to stop.
pub struct RunningTasks {
    stop: watch::Sender<bool>,
    handles: Vec<JoinHandle<()>>,
}

impl RunningTasks {
    /// Starts them.
    #[must_use]
    pub fn spawn(tasks: Vec<Task>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let handles = tasks
            .into_iter()
            .map(|task| tokio::spawn(task.run(stopped.clone())))
            .collect();
        Self { stop, handles }
    }

    /// Lets every task finish its present run, then stops it.
    pub async fn stop(self) {
        // Only fails when every task has already ended.
        let _ = self.stop.send(true);
        for handle in self.handles {
            if let Err(error) = handle.await {
                tracing::error!(%error, "a task ended by panic");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use sea_orm::{Database, DatabaseTransaction};
    use sea_orm_migration::{MigrationTrait, MigratorTrait};
    use tokio::sync::Semaphore;
    use warikan_contracts::{
        Envelope, Fact,
        facts::{TenantChanged, TenantState},
    };
    use warikan_messaging::{Consumer, HandleError, Handler, Outbox};
    use warikan_types::Entropy;

    use super::*;

    struct Migrator;
    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            warikan_messaging::migrations()
        }
    }

    async fn database() -> sea_orm::DatabaseConnection {
        let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        db
    }

    /// Says that it has a batch and holds it until it may go on.
    struct Held {
        has_one: Arc<Notify>,
        gate: Arc<Semaphore>,
    }

    #[async_trait]
    impl Handler for Held {
        async fn apply(&self, _: &Envelope, _: &DatabaseTransaction) -> Result<(), HandleError> {
            Ok(())
        }

        async fn committed_all(&self, _: &[Envelope]) {
            self.has_one.notify_one();
            self.gate.acquire().await.unwrap().forget();
        }
    }

    #[tokio::test]
    async fn f091_a_relay_told_to_stop_ends_after_the_batch_in_hand() {
        let (outbox, inbox) = (database().await, database().await);
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let now = clock.now();
        let fact = TenantChanged {
            tenant: entropy.id(now),
            name: "割勘証券株式会社".to_owned(),
            plan: "standard".to_owned(),
            state: TenantState::Applied,
            revision: 1,
        };
        let facts: Vec<Envelope> = (0..2_000)
            .map(|_| Envelope::of(entropy.id(now), None, now, "test", &fact))
            .collect();
        Outbox::append(&outbox, facts).await.unwrap();

        let (has_one, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let handler = Held {
            has_one: Arc::clone(&has_one),
            gate: Arc::clone(&gate),
        };
        let bus = Bus::in_process();
        let types = &[TenantChanged::TYPE];
        bus.connect(vec![Consumer::new("test.hold", types, inbox, handler)]);
        let relay = Relay::new(outbox, bus, clock);
        let running = RunningTasks::spawn(vec![relay_task("test.relay", relay.clone())]);
        has_one.notified().await;
        let mut stopping = std::pin::pin!(running.stop());
        tokio::select! {
            biased;
            () = &mut stopping => panic!("a batch is in hand"),
            () = std::future::ready(()) => {}
        }
        gate.add_permits(1_000);
        stopping.await;
        let (left, _) = relay.lag().await.unwrap();
        assert_eq!(
            left,
            2_000 - 256,
            "the batch in hand was finished, no other was begun"
        );
    }

    #[tokio::test]
    async fn what_is_removed_in_parts_is_removed_whole_and_a_stop_comes_between_two() {
        let (tell, mut told) = watch::channel(0_u32);
        let tell = Arc::new(tell);
        let task = Task::removing("test.prune", Duration::from_secs(3_600), {
            let tell = Arc::clone(&tell);
            move || {
                let tell = Arc::clone(&tell);
                async move {
                    tell.send_modify(|runs| *runs += 1);
                    Ok(*tell.borrow() < 4)
                }
            }
        });
        let running = RunningTasks::spawn(vec![task]);
        told.wait_for(|runs| *runs == 4).await.unwrap();
        running.stop().await;
        assert_eq!(*told.borrow(), 4, "nothing was left: it waits an hour");

        let endless = Task::removing("test.endless", Duration::from_secs(3_600), move || {
            let tell = Arc::clone(&tell);
            async move {
                tell.send_modify(|runs| *runs += 1);
                Ok(true)
            }
        });
        let running = RunningTasks::spawn(vec![endless]);
        told.wait_for(|runs| *runs > 6).await.unwrap();
        running.stop().await;
    }
}
