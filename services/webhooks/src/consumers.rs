//! What the service listens to.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use warikan_contracts::{
    Envelope,
    facts::{TenantChanged, TenantState},
};
use warikan_messaging::{HandleError, Handler};

use crate::{Webhooks, append::NewEvent, catalogue, error::WebhooksError, store};

/// A public message would be longer than promised.
#[derive(Debug, thiserror::Error)]
#[error("the message has {0} octets, more than is promised to tenants")]
pub(crate) struct TooLarge(pub usize);

/// Appends facts to their tenant's feed.
pub(crate) struct Feed(pub Webhooks);

impl Feed {
    /// A whole batch costs as many statements as one fact: numbers, events, endpoints, deliveries.
    async fn take(
        &self,
        envelopes: &[Envelope],
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let new = envelopes
            .iter()
            .map(|envelope| {
                let scope = envelope.scope.ok_or_else(|| {
                    HandleError::Park("a fact without a tenant has no feed".to_owned())
                })?;
                Ok(NewEvent {
                    scope,
                    id: envelope.id,
                    occurred_at: envelope.occurred_at,
                    data: catalogue::publish(envelope)?,
                })
            })
            .collect::<Result<Vec<_>, HandleError>>()?;
        let events = self.0.append(txn, &new).await.map_err(park_or_retry)?;
        self.0.enqueue_all(txn, &new, &events).await?;
        Ok(())
    }
}

#[async_trait]
impl Handler for Feed {
    async fn apply(
        &self,
        envelope: &Envelope,
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        self.take(std::slice::from_ref(envelope), txn).await
    }

    async fn apply_all(
        &self,
        envelopes: &[Envelope],
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        self.take(envelopes, txn).await
    }

    async fn committed(&self, _envelope: &Envelope) {
        self.0.0.grown.notify_waiters();
        self.0.0.due.notify_one();
    }

    async fn committed_all(&self, envelopes: &[Envelope]) {
        if let Some(last) = envelopes.last() {
            self.committed(last).await;
        }
    }
}

fn park_or_retry(error: WebhooksError) -> HandleError {
    match error {
        WebhooksError::Database(error) => error.into(),
        other => HandleError::Park(other.to_string()),
    }
}

/// Stops sending for tenants that are gone.
pub(crate) struct Tenants(pub Webhooks);

#[async_trait]
impl Handler for Tenants {
    async fn apply(
        &self,
        envelope: &Envelope,
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: TenantChanged = envelope.read()?;
        // `closed` is the end of a tenant's life, so an older fact that comes late cannot contradict it.
        if fact.state == TenantState::Closed {
            store::endpoints::disable_all(txn, fact.tenant, "tenant_closed", self.0.now()).await?;
        }
        Ok(())
    }
}
