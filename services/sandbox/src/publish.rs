//! Publishing: the day's lists, and telling that they lie ready.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::Answer;
use warikan_types::Timestamp;

use crate::{
    Sandbox,
    error::Error,
    published::FaultKind,
    state::{Done, PUBLISHED_AT},
    store,
};

/// Real time after which lists are published even if no one asks.
const KEEP_ALIVE: Duration = Duration::from_secs(6 * 3600);
/// How long an answer waits for the listeners, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What was published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedLists {
    /// How many lists now lie under /jlis/crl/.
    lists: u64,
    /// How many certificates they revoke, all together.
    entries: u64,
    /// thisUpdate of the newest list.
    this_update: Option<Timestamp>,
    /// nextUpdate of the newest list.
    next_update: Option<Timestamp>,
    /// cRLNumber of the newest list.
    number: u64,
    /// Whether the services that fetch lists have taken note; if not yet, they will without being asked again.
    delivered: bool,
    /// The fault `crl_frozen` is in force: nothing new was published.
    frozen: bool,
}

impl Sandbox {
    /// Publishes every list, and waits until those who fetch them have been told.
    pub(crate) async fn publish(&self) -> Result<PublishedLists, Error> {
        let frozen = self.served().has(FaultKind::CrlFrozen, None);
        let mut delivered = true;
        if !frozen {
            self.change(
                None,
                |state| {
                    let publication = state.simulator.publish(state.now.utc())?;
                    Ok(Done {
                        value: (),
                        publication: Some(publication),
                    })
                },
                |()| Answer::json(200, &()),
            )
            .await?;
            // The wait is without any lock: whoever is told may fetch the lists before saying that they have been told.
            delivered = self.tell().await;
        }
        let served = self.served();
        let newest = served.lists.values().max_by_key(|list| list.this_update);
        Ok(PublishedLists {
            lists: u64::try_from(served.lists.len()).unwrap_or(u64::MAX),
            entries: served.lists.values().map(|list| list.entries).sum(),
            this_update: newest.map(|list| list.this_update),
            next_update: newest.map(|list| list.next_update),
            number: newest.map_or(0, |list| list.number),
            delivered,
            frozen,
        })
    }

    /// Sends what lies in the outbox, or waits for the relay task that was quicker.
    async fn tell(&self) -> bool {
        let relay = &self.inner.relay;
        let told = async {
            loop {
                if let Err(error) = relay.drain().await {
                    tracing::warn!(%error, "the sandbox's outbox could not be drained");
                    return false;
                }
                match relay.lag().await {
                    Ok((0, _)) => return true,
                    Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
                    Err(_) => return false,
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or(false)
    }

    /// Publishes when no one did for six hours of real time.
    pub(crate) async fn publish_if_due(&self) -> Result<(), Error> {
        let real = self.inner.on.clock().now();
        let last: Option<Timestamp> = store::setting(self.inner.db.worker(), PUBLISHED_AT).await?;
        if last.is_none_or(|last| last.plus(KEEP_ALIVE) <= real) {
            self.publish().await?;
        }
        Ok(())
    }
}
