//! Making things go wrong, and moving the clock.

use std::time::Duration;

use warikan_types::Timestamp;

use crate::{
    CLOCK_OFFSET, FAULTS, Sandbox,
    error::Error,
    published::{Fault, FaultKind, Served},
    store,
};

impl Sandbox {
    /// Puts a fault into force, or ends all of them; gives those that are in force then.
    pub(crate) async fn set_fault(&self, fault: Fault) -> Result<Vec<Fault>, Error> {
        // No publication may swap the served lists in between.
        let guard = self.state().await?;
        let mut served = Served::clone(&self.served());
        if let Some(partition) = &fault.partition
            && !served.lists.keys().any(|key| key.partition == *partition)
        {
            return Err(Error::field(
                "/partition",
                "unknown_partition",
                "no list has this partition; GET /jlis/crl/index.json names them",
            ));
        }
        if fault.fault == FaultKind::Clear {
            served.faults.clear();
        } else if !served.faults.contains(&fault) {
            served.faults.push(fault);
        }
        store::put_setting(self.inner.db.worker(), FAULTS, &served.faults).await?;
        let faults = served.faults.clone();
        self.serve(served);
        drop(guard);
        Ok(faults)
    }

    /// Moves the sandbox's clock forward. Nothing else happens: no list is published.
    pub(crate) async fn advance(&self, by: Duration) -> Result<Timestamp, Error> {
        let guard = self.state().await?;
        let clock = &self.inner.on.clocks.sandbox;
        let now = clock.advance(by)?;
        let micros = u64::try_from(clock.offset().as_micros()).unwrap_or(u64::MAX);
        store::put_setting(self.inner.db.worker(), CLOCK_OFFSET, &micros).await?;
        self.inner.moved.notify_waiters();
        drop(guard);
        Ok(now)
    }
}
