//! Watches end with their certificates.

use warikan_types::Environment;

use crate::{Revocation, error::Error, store::watches};

impl Revocation {
    /// Ends the watches whose certificates are past notAfter by their environment's clock.
    pub(crate) async fn end_expired_watches(&self) -> Result<(), Error> {
        for environment in Environment::ALL {
            let now = self.0.platform.clock().now();
            let at = self.time_of(environment);
            let ended = watches::end_expired(self.0.db.worker(), environment, at, now).await?;
            if ended > 0 {
                let environment = environment.as_str();
                tracing::info!(environment, ended, "watches ended with their certificates");
            }
        }
        Ok(())
    }
}
