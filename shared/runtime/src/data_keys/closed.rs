//! What a service does when a tenant's life here is over.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use warikan_contracts::{Envelope, Fact, facts::TenantClosed};
use warikan_messaging::{Consumer, HandleError, Handler, ServiceDatabase, leave_no_remains};

use super::{DataKeys, destroy_data_keys};

/// The consumer that destroys closed tenants' data keys in a service's database: what was sealed under them cannot be read any more
/// (F097). The rows stay, with ids and dates: that things were done has to be told to the ministers and to billing.
#[must_use]
pub fn closed_tenants(name: &'static str, db: &ServiceDatabase, keys: &DataKeys) -> Consumer {
    let handler = Closed(keys.clone());
    Consumer::new(name, &[TenantClosed::TYPE], db.worker().clone(), handler)
}

struct Closed(DataKeys);

#[async_trait]
impl Handler for Closed {
    async fn apply(
        &self,
        envelope: &Envelope,
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact = envelope.read::<TenantClosed>()?;
        let now = self.0.platform.clock().now();
        let thorough = leave_no_remains(txn).await?;
        destroy_data_keys(txn, fact.tenant, now).await?;
        thorough.end(txn).await?;
        Ok(())
    }

    async fn committed_all(&self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            if let Ok(fact) = envelope.read::<TenantClosed>() {
                self.0.forget(fact.tenant);
            }
        }
        warikan_messaging::drop_remains(self.0.db.worker()).await;
    }
}
