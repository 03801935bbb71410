//! The side that follows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::sync::Mutex;
use warikan_contracts::{
    api::{CertificateStatus, StatusAnswer, StatusUnavailable},
    facts::Channel,
};
use warikan_runtime::Peer;
use warikan_types::{CertificateId, CrlPartition, Environment};

use super::{
    CHANGE, EPOCH,
    wire::{self, Next},
};
use crate::{status::StatusStore, table::Damaged};

/// Seconds a question waits for a change; a cut connection is noticed soon after.
const WAIT: u64 = 10;
/// The longest an answer may take: the first one may be every list of a country.
const WITHIN: Duration = Duration::from_secs(120);

/// The status versions, as another process told them. Clones share them.
#[derive(Clone)]
pub struct StatusReplica(Arc<Inner>);

struct Inner {
    store: StatusStore,
    peer: Peer,
    seen: Mutex<Option<Seen>>,
    complete: AtomicBool,
}

#[derive(Clone)]
struct Seen {
    epoch: String,
    change: u64,
}

/// The last question was not answered; what is known stays.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Nobody answered.
    #[error("revocation does not answer: {0}")]
    Http(#[from] reqwest::Error),
    /// It refuses.
    #[error("revocation answers {0}")]
    Refused(u16),
    /// The answer is no answer.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The answer broke off.
    #[error("the answer broke off")]
    Short,
    /// A change came whose version before is not known here; the next question asks for everything.
    #[error("a change of a version that is not held")]
    Gap,
    /// The request could not be signed.
    #[error("the request cannot be signed: {0}")]
    Sign(#[from] warikan_runtime::SignError),
}

impl StatusReplica {
    /// A replica that knows nothing yet, of the revocation service that this peer is.
    #[must_use]
    pub fn new(peer: Peer) -> Self {
        Self(Arc::new(Inner {
            store: StatusStore::default(),
            peer,
            seen: Mutex::new(None),
            complete: AtomicBool::new(false),
        }))
    }

    /// Whether it has ever been told everything: before that it knows less than there is to know.
    pub fn complete(&self) -> bool {
        self.0.complete.load(Ordering::Acquire)
    }

    /// Asks once for what changed, waiting for a change if there was none, and puts it in force. To be repeated for ever.
    ///
    /// # Errors
    /// [`FollowError`]; lists that arrived whole before it are in force. The next question goes to another replica of revocation.
    pub async fn follow(&self) -> Result<(), FollowError> {
        let outcome = self.ask().await;
        if outcome.is_err() {
            self.0.peer.turn_elsewhere();
        }
        outcome
    }

    async fn ask(&self) -> Result<(), FollowError> {
        let mut seen = self.0.seen.lock().await;
        let path = match &*seen {
            None => format!("/inner/status?wait={WAIT}"),
            Some(seen) => format!(
                "/inner/status?epoch={}&after={}&wait={WAIT}",
                seen.epoch, seen.change
            ),
        };
        let mut response = self.0.peer.get(&path, WITHIN)?.send().await?;
        if !response.status().is_success() {
            return Err(FollowError::Refused(response.status().as_u16()));
        }
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let epoch = header(EPOCH).ok_or(FollowError::Short)?;
        let change = header(CHANGE).and_then(|text| text.parse().ok());
        let change = change.ok_or(FollowError::Short)?;
        let mut arrived = BytesMut::new();
        loop {
            match wire::decode(&mut arrived)? {
                Next::Version(key, version) => {
                    let known = self.0.store.get(&key);
                    let Some((list, change)) = version.onto(known.as_deref())? else {
                        // It was told of a change of a version that it does not hold: next time it asks for everything.
                        *seen = None;
                        return Err(FollowError::Gap);
                    };
                    self.0.store.swap_in(key, list, change);
                }
                Next::End => break,
                Next::More => match response.chunk().await? {
                    Some(chunk) => arrived.extend_from_slice(&chunk),
                    None => return Err(FollowError::Short),
                },
            }
        }
        self.0.complete.store(true, Ordering::Release);
        *seen = Some(Seen { epoch, change });
        Ok(())
    }
}

#[async_trait]
impl CertificateStatus for StatusReplica {
    async fn status(
        &self,
        environment: Environment,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
        channel: Channel,
    ) -> Result<StatusAnswer, StatusUnavailable> {
        let store = &self.0.store;
        store
            .status(environment, certificate, partition, channel)
            .await
    }
}
