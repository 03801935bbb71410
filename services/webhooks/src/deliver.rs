//! The task `webhooks.deliver`: takes what is due and sends it.
//!
//! One loop decides; sending happens in tasks of its own. A turn of the loop is one short write transaction: it records what
//! has come back and leases what may go out next, so that under load many outcomes share a commit. Nothing is sent while a
//! transaction is open.
//!
//! **Fairness.** An endpoint has at most a few deliveries under way, one while it is failing; what it has waiting does not take
//! others' places, because work is claimed per endpoint. A run does not wait for slow endpoints for ever: it ends after
//! [`RUN`] and leaves them to the next run, so that the process can stop in between.
//!
//! **Loss.** The lease is in the row. A process that dies with deliveries under way has lost their outcomes and nothing else:
//! when the lease is over they are sent again, with the same id. The attempt whose outcome was lost leaves a gap in the numbers
//! of the delivery's attempts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::{
    task::{Id as TaskId, JoinError, JoinSet},
    time::Instant,
};
use uuid::Uuid;
use warikan_messaging::begin_write;
use warikan_types::{Id, SealError, Timestamp};

use crate::{
    Webhooks,
    egress::Sent,
    endpoint,
    entity::{delivery, endpoint as row},
    error::WebhooksError,
    ids::EventId,
    schedule::{Ending, retry_after},
    signature::{self, SigningSecret},
    store,
};

/// How long a run goes on claiming.
const RUN: Duration = Duration::from_secs(5);
/// How often it looks for newly due work while deliveries are under way.
const TICK: Duration = Duration::from_millis(250);

/// What is under way in this process.
#[derive(Default)]
pub(crate) struct Dispatcher {
    sending: JoinSet<Outcome>,
    /// Which endpoint each sender serves.
    under_way: HashMap<TaskId, Uuid>,
    /// Come back and not yet recorded.
    outcomes: Vec<Outcome>,
}

/// How one attempt ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub delivery: Uuid,
    pub endpoint: Uuid,
    /// Which attempt, from 1.
    pub number: i32,
    pub at: Timestamp,
    pub ending: Ending,
    /// A stable word, where no answer came.
    pub error: Option<&'static str>,
    pub duration: Duration,
}

/// Everything a sender needs; it asks the database for nothing.
struct Job {
    delivery: Uuid,
    number: i32,
    event: EventId,
    body: String,
    to: Arc<Addressee>,
}

struct Addressee {
    endpoint: Uuid,
    url: String,
    secrets: Result<Vec<SigningSecret>, SealError>,
}

impl Dispatcher {
    fn take(&mut self, joined: Result<(TaskId, Outcome), JoinError>) {
        match joined {
            Ok((task, outcome)) => {
                self.under_way.remove(&task);
                self.outcomes.push(outcome);
            }
            Err(error) => {
                // Its lease runs out and it is tried again, as if the process had died.
                self.under_way.remove(&error.id());
                tracing::error!(%error, "a sender ended by panic");
            }
        }
    }

    fn take_finished(&mut self) {
        while let Some(joined) = self.sending.try_join_next_with_id() {
            self.take(joined);
        }
    }

    fn count(&self, endpoint: Uuid) -> usize {
        self.under_way
            .values()
            .filter(|one| **one == endpoint)
            .count()
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
            dispatcher.take_finished();
            let claimed = self.turn(&mut dispatcher).await?;
            if claimed == 0 && dispatcher.under_way.is_empty() && dispatcher.outcomes.is_empty() {
                return Ok(());
            }
            if begun.elapsed() >= RUN {
                self.0.due.notify_one();
                return Ok(());
            }
            let busy = !dispatcher.sending.is_empty();
            tokio::select! {
                Some(joined) = dispatcher.sending.join_next_with_id(), if busy => dispatcher.take(joined),
                () = self.0.due.notified(), if busy => {}
                () = tokio::time::sleep(TICK), if busy => {}
                () = std::future::ready(()), if !busy => {}
            }
        }
    }

    /// Records and claims in one transaction, then starts the senders. Returns how many it started.
    async fn turn(&self, dispatcher: &mut Dispatcher) -> Result<usize, WebhooksError> {
        let now = self.now();
        let places = self.places(dispatcher, now).await?;
        if places.is_empty() && dispatcher.outcomes.is_empty() {
            return Ok(0);
        }
        let txn = begin_write(&self.0.db).await?;
        let disabled = self.record(&txn, &dispatcher.outcomes, now).await?;
        let lease_until = now.plus(self.0.config.lease());
        let mut claimed: Vec<(delivery::Model, Arc<Addressee>)> = Vec::new();
        for (endpoint, limit) in &places {
            if disabled.contains(&endpoint.id) {
                continue;
            }
            let rows = store::queue::claim(&txn, endpoint.id, *limit, now, lease_until).await?;
            let to = Arc::new(self.addressee(endpoint, now));
            claimed.extend(rows.into_iter().map(|row| (row, Arc::clone(&to))));
        }
        let ids = claimed.iter().map(|(row, _)| row.event).collect();
        let bodies: HashMap<Uuid, String> = store::queue::events(&txn, ids)
            .await?
            .into_iter()
            .map(|event| (event.id, event.body))
            .collect();
        txn.commit().await?;
        dispatcher.outcomes.clear();
        if !disabled.is_empty() {
            self.0.relay.wake();
        }
        let started = claimed.len();
        for (row, to) in claimed {
            let job = Job {
                delivery: row.id,
                number: row.attempts,
                event: Id::from_uuid(row.event),
                body: bodies.get(&row.event).cloned().unwrap_or_default(),
                to,
            };
            let endpoint = job.to.endpoint;
            let this = self.clone();
            let task = dispatcher
                .sending
                .spawn(async move { this.send(job).await });
            dispatcher.under_way.insert(task.id(), endpoint);
        }
        Ok(started)
    }

    /// Which endpoints may get how many more, within all bounds. Where places are short, those with the fewest under way
    /// come first.
    async fn places(
        &self,
        dispatcher: &Dispatcher,
        now: Timestamp,
    ) -> Result<Vec<(row::Model, u64)>, WebhooksError> {
        let mut free = self
            .0
            .config
            .concurrency
            .saturating_sub(dispatcher.under_way.len());
        if free == 0 {
            return Ok(Vec::new());
        }
        let mut waiting: Vec<(usize, row::Model)> =
            store::queue::endpoints_with_work(&self.0.db, now)
                .await?
                .into_iter()
                .map(|endpoint| (dispatcher.count(endpoint.id), endpoint))
                .collect();
        waiting.sort_by_key(|(count, _)| *count);
        let mut places = Vec::new();
        for (count, endpoint) in waiting {
            let bound = match endpoint.failing_since {
                Some(_) => 1,
                None => self.0.config.endpoint_concurrency,
            };
            let limit = bound.saturating_sub(count).min(free);
            if limit > 0 {
                free -= limit;
                places.push((endpoint, limit as u64));
            }
        }
        Ok(places)
    }

    fn addressee(&self, endpoint: &row::Model, now: Timestamp) -> Addressee {
        Addressee {
            endpoint: endpoint.id,
            url: endpoint.url.clone(),
            secrets: endpoint::secrets(endpoint, self.0.platform.keys.sealer(), now),
        }
    }

    /// One attempt.
    async fn send(&self, job: Job) -> Outcome {
        let begun = Instant::now();
        let at = self.now();
        let sent = match &job.to.secrets {
            Err(error) => {
                tracing::error!(endpoint = %job.to.endpoint, %error, "an endpoint's secret cannot be opened");
                Sent::Failed("secret_unreadable")
            }
            Ok(secrets) => {
                let headers = headers(secrets, &job.event.to_string(), at, job.body.as_bytes());
                self.0.egress.post(&job.to.url, headers, job.body).await
            }
        };
        let (ending, error) = match sent {
            Sent::Answered {
                status,
                retry_after: asked,
            } => {
                let ending = Ending {
                    status: Some(status),
                    retry_after: asked.and_then(|text| retry_after(&text, self.now())),
                };
                (ending, None)
            }
            Sent::Failed(word) => {
                let ending = Ending {
                    status: None,
                    retry_after: None,
                };
                (ending, Some(word))
            }
        };
        Outcome {
            delivery: job.delivery,
            endpoint: job.to.endpoint,
            number: job.number,
            at,
            ending,
            error,
            duration: begun.elapsed(),
        }
    }
}

/// The headers of Standard Webhooks; the timestamp is the attempt's.
fn headers(secrets: &[SigningSecret], id: &str, at: Timestamp, body: &[u8]) -> HeaderMap {
    let value = |text: String| {
        HeaderValue::try_from(text).expect("ids, numbers and base64 are visible ASCII")
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", value(id.to_owned()));
    headers.insert("webhook-timestamp", value(at.unix().to_string()));
    headers.insert(
        "webhook-signature",
        value(signature::header(secrets, id, at.unix(), body)),
    );
    headers
}
