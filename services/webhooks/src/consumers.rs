//! What the service listens to.

use std::collections::HashSet;

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use warikan_contracts::{
    Envelope,
    facts::{CertificateRevoked, Learned, TenantChanged, TenantState},
};
use warikan_messaging::{HandleError, Handler};
use warikan_runtime::metrics;

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
        // The feed itself says what has been told: there is no inbox beside it. A fact may also stand twice in one batch.
        let mut seen = HashSet::with_capacity(envelopes.len());
        let facts = envelopes
            .iter()
            .filter(|envelope| seen.insert(envelope.id.uuid()))
            .map(|envelope| {
                let scope = envelope.scope.ok_or_else(|| {
                    HandleError::Park("a fact without a tenant has no feed".to_owned())
                })?;
                Ok(NewEvent {
                    scope,
                    id: envelope.id,
                    occurred_at: envelope.occurred_at,
                    data: catalogue::publish(envelope)?,
                    published_at: learned(envelope).map(|learned| learned.published_at),
                })
            })
            .collect::<Result<Vec<_>, HandleError>>()?;
        let (new, events) = self.0.append(txn, facts).await.map_err(park_or_retry)?;
        if new.is_empty() {
            return Ok(());
        }
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

    async fn committed(&self, envelope: &Envelope) {
        self.committed_all(std::slice::from_ref(envelope)).await;
    }

    async fn committed_all(&self, envelopes: &[Envelope]) {
        self.0.0.grown.notify_waiters();
        self.0.0.due.notify_one();
        let now = self.0.now();
        for envelope in envelopes {
            if let Some(environment) = envelope.environment()
                && let Some(learned) = learned(envelope)
            {
                metrics::revocation_in_feed(environment.as_str(), now.since(learned.accepted_at));
            }
        }
    }
}

/// What is measured of a fact on its way.
fn learned(envelope: &Envelope) -> Option<Learned> {
    if !envelope.is::<CertificateRevoked>() {
        return None;
    }
    envelope.read::<CertificateRevoked>().ok()?.learned
}

fn park_or_retry(error: WebhooksError) -> HandleError {
    match error {
        WebhooksError::Database(error) => error.into(),
        other => HandleError::Park(other.to_string()),
    }
}

/// Keeps where tenants stand: for a suspended one nothing of production is sent until it is active again, for a closed one nothing at all.
pub(crate) struct Tenants(pub Webhooks);

#[async_trait]
impl Handler for Tenants {
    async fn apply(
        &self,
        envelope: &Envelope,
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: TenantChanged = envelope.read()?;
        store::standing::change(txn, &fact, self.0.now()).await?;
        // `closed` is the end of a tenant's life, so an older fact that comes late cannot contradict it.
        if fact.state == TenantState::Closed {
            store::endpoints::disable_all(txn, fact.tenant, "tenant_closed", self.0.now()).await?;
        }
        Ok(())
    }

    /// What was held may be due.
    async fn committed(&self, _envelope: &Envelope) {
        self.0.0.due.notify_one();
    }
}
