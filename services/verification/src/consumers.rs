//! What the service listens to: tenants whose life here is over.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use warikan_contracts::{Envelope, Fact, facts::TenantClosed};
use warikan_messaging::{Consumer, HandleError, Handler};
use warikan_runtime::destroy_data_keys;

use crate::Verification;

pub(crate) fn all(verification: &Verification) -> Vec<Consumer> {
    vec![Consumer::new(
        "verification.closed",
        &[TenantClosed::TYPE],
        verification.0.db.worker().clone(),
        Closed(verification.clone()),
    )]
}

/// Destroys a closed tenant's data keys: what was sealed under them cannot be read any more, here or in any copy (F097). The rows
/// stay, with ids, verdicts and dates: that a verification was made has to be told to the ministers and to billing.
struct Closed(Verification);

#[async_trait]
impl Handler for Closed {
    async fn apply(
        &self,
        envelope: &Envelope,
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact = envelope.read::<TenantClosed>()?;
        let now = self.0.0.platform.clock().now();
        destroy_data_keys(txn, fact.tenant, now).await?;
        Ok(())
    }

    async fn committed(&self, envelope: &Envelope) {
        if let Ok(fact) = envelope.read::<TenantClosed>() {
            self.0.0.data_keys.forget(fact.tenant);
        }
    }
}
