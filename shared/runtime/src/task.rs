//! Background work: without input, idempotent, run periodically and on a signal.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sea_orm::DatabaseConnection;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use warikan_messaging::Relay;
use warikan_types::Clock;

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
                Ok(()) => failures = 0,
                Err(error) => {
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

/// The task every service with an outbox has: publish what lies there, prune what was sent long ago.
#[must_use]
pub fn relay_task(name: &'static str, relay: Relay) -> Task {
    let signal = relay.signal();
    Task::new(name, Duration::from_secs(1), signal, move || {
        let relay = relay.clone();
        async move {
            relay.drain().await?;
            relay.prune().await?;
            Ok(())
        }
    })
}

/// The task every service that takes idempotency keys has: remove answers that can no longer be replayed. Some hold secrets
/// that were shown once.
#[must_use]
pub fn prune_answers_task(name: &'static str, db: &DatabaseConnection, clock: &Clock) -> Task {
    const HOURLY: Duration = Duration::from_secs(3600);
    let (db, clock) = (db.clone(), clock.clone());
    Task::new(name, HOURLY, Arc::new(Notify::new()), move || {
        let (db, before) = (db.clone(), clock.now().minus(warikan_http::ANSWERS_KEPT));
        async move {
            warikan_http::prune_answers(&db, before).await?;
            Ok(())
        }
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
