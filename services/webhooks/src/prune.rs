//! The task `webhooks.prune`: lets go of events that were kept for the published time, and of their deliveries.
//!
//! A feed loses its oldest part and nothing else, so what remains is still gap-free and says where it begins
//! (`first_sequence`). A reader that comes back too late is told so and does not silently skip. Waiting deliveries of such an
//! event (an endpoint paused for months) go with it. What a suspended tenant could neither read nor be sent is no such thing: production's
//! feed stays whole while it is suspended, and for some days after. The work is done in short transactions, so that it holds up no one.

use std::time::Duration;

use warikan_messaging::begin_write;
use warikan_types::Environment;

use crate::{
    Webhooks,
    error::WebhooksError,
    store::{retention, standing},
};

/// A tenant that was suspended has this long to read what came meanwhile: as long as an endpoint that fails has.
const BACK_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Events removed per transaction.
const BATCH: u64 = 500;

impl Webhooks {
    /// One batch of each feed; whether there may be more.
    pub(crate) async fn prune(&self) -> Result<bool, WebhooksError> {
        let mut more = false;
        let cutoff = self.now().minus(self.0.config.retention());
        let lately = self.now().minus(BACK_FOR);
        for head in retention::heads(self.0.db.worker()).await? {
            if head.environment == Environment::Production.as_str()
                && standing::is_owed(self.0.db.worker(), head.tenant, lately).await?
            {
                continue;
            }
            let before = retention::first_young(self.0.db.worker(), &head, cutoff).await?;
            let txn = begin_write(self.0.db.worker()).await?;
            let gone = retention::cut(&txn, &head, before, BATCH).await?;
            txn.commit().await?;
            more |= gone > 0;
        }
        Ok(more)
    }
}
