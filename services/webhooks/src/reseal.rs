//! Endpoints' secrets from before tenants had data keys here come under those, so that closing a tenant makes them unreadable too.

use warikan_messaging::{begin_write, drop_remains, leave_no_remains};
use warikan_runtime::DataKeyError;

use crate::{Webhooks, endpoint, entity, error::WebhooksError, store};

impl Webhooks {
    /// Seals under the tenants' keys what is under the platform's still; of a tenant that is closed it is erased. Begun again, it goes on
    /// with what is left; nearly always that is nothing, which an empty index says.
    pub(crate) async fn reseal(&self) -> Result<(), WebhooksError> {
        let mut after = None;
        let mut done = 0;
        loop {
            let found = store::resealing::old(self.0.db.worker(), after).await?;
            let Some(last) = found.last() else { break };
            after = Some(last.id);
            for row in found {
                self.reseal_secrets(&row).await?;
                done += 1;
            }
        }
        if done > 0 {
            drop_remains(self.0.db.worker()).await;
            tracing::info!(done, "endpoints' secrets sealed under their tenants' keys");
        }
        Ok(())
    }

    async fn reseal_secrets(&self, row: &entity::endpoint::Model) -> Result<(), WebhooksError> {
        let tenants = match self.0.data_keys.sealer(endpoint::scope_of(row)).await {
            Ok(sealer) => Some(sealer),
            Err(DataKeyError::Destroyed) => None,
            Err(error) => return Err(error.into()),
        };
        let platform = self.0.platform.keys.sealer();
        let anew = |sealed: &Vec<u8>| match &tenants {
            // The tenant is closed.
            None => Some(Vec::new()),
            Some(tenants) => endpoint::sealed_anew(row, sealed, platform, tenants),
        };
        let secret = anew(&row.secret);
        let previous = row.previous_secret.as_ref().and_then(anew);
        let txn = begin_write(self.0.db.worker()).await?;
        let thorough = leave_no_remains(&txn).await?;
        store::resealing::replace(&txn, row, secret, previous).await?;
        thorough.end(&txn).await?;
        txn.commit().await?;
        Ok(())
    }
}
