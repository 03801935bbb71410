//! What this service listens to: verifications that ask for a watch, word of new lists, renewals, erasures, and tenants' lives.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, de::IgnoredAny};
use warikan_contracts::{
    Envelope, Fact,
    facts::{CrlPublished, SubjectChanged, SubjectErased, TenantChanged, VerificationCompleted},
};
use warikan_messaging::{Consumer, HandleError, Handler, drop_remains, leave_no_remains};
use warikan_runtime::{DataKeyError, closed_tenants};

use crate::{
    Revocation,
    error::Error,
    store::{erasure, renewals, standing},
};

pub(crate) fn all(revocation: &Revocation) -> Vec<Consumer> {
    let db = revocation.0.db.worker();
    vec![
        Consumer::new(
            "revocation.watch",
            &[VerificationCompleted::TYPE],
            db.clone(),
            WatchOrders(revocation.clone()),
        ),
        Consumer::new(
            "revocation.fetch",
            &[CrlPublished::TYPE],
            db.clone(),
            Publications(revocation.clone()),
        ),
        Consumer::new(
            "revocation.renewals",
            &[SubjectChanged::TYPE],
            db.clone(),
            Renewals(revocation.clone()),
        ),
        Consumer::new(
            "revocation.erase",
            &[SubjectErased::TYPE],
            db.clone(),
            Erasures(revocation.clone()),
        ),
        Consumer::new(
            "revocation.tenants",
            &[TenantChanged::TYPE],
            db.clone(),
            Tenants(revocation.clone()),
        ),
        closed_tenants(
            "revocation.closed",
            &revocation.0.db,
            &revocation.0.data_keys,
        ),
    ]
}

/// As much of [`VerificationCompleted`] as says whether there is something to do.
#[derive(Deserialize)]
struct Ordered {
    watch: Option<IgnoredAny>,
}

/// Starts the watches that came with verifications.
struct WatchOrders(Revocation);

#[async_trait]
impl Handler for WatchOrders {
    /// Most verifications ask for no watch. What cannot be read is parked when it is applied.
    fn concerns(&self, envelope: &Envelope) -> bool {
        let ordered: Result<Ordered, _> = envelope.payload.read();
        ordered.map_or(true, |one| one.watch.is_some())
    }

    /// Customer numbers are sealed under their tenants' keys; who wraps those may be far away.
    async fn prepare(&self, envelopes: &[Envelope]) -> Result<(), HandleError> {
        let keys = &self.0.0.data_keys;
        for scope in envelopes.iter().filter_map(|envelope| envelope.scope) {
            if keys.at_hand(scope).is_some() {
                continue;
            }
            match keys.sealer(scope).await {
                // The order is looked at all the same: nothing is watched for a tenant that is closed.
                Ok(_) | Err(DataKeyError::Destroyed) => {}
                Err(error) => return Err(HandleError::Retry(error.to_string())),
            }
        }
        Ok(())
    }

    async fn apply(
        &self,
        envelope: &Envelope,
        transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: VerificationCompleted = envelope.read()?;
        let Some(order) = fact.watch else {
            return Ok(());
        };
        let scope = envelope
            .scope
            .ok_or_else(|| HandleError::Park("a verification of no tenant".to_owned()))?;
        // Verification has proved the path already; this keeps the environments apart even if it erred (F033).
        let anchors = self.0.0.anchors.current();
        let anchor = anchors.by_key(&order.certificate.issuer);
        if anchor.map(warikan_pki::TrustAnchor::environment) != Some(scope.environment()) {
            return Err(HandleError::Park(
                "the certificate's issuer is no anchor of the environment".to_owned(),
            ));
        }
        self.0
            .start_ordered_watch(scope, &order, transaction)
            .await
            .map_err(|error| match error {
                Error::Database(error) => error.into(),
                other => HandleError::Retry(other.to_string()),
            })
    }

    async fn committed(&self, _envelope: &Envelope) {
        self.0.0.relay.wake();
    }
}

/// Fetches new lists as soon as they are said to be there.
struct Publications(Revocation);

#[async_trait]
impl Handler for Publications {
    /// Nothing to write: the lists themselves are the state.
    async fn apply(
        &self,
        envelope: &Envelope,
        _transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        envelope.read::<CrlPublished>()?;
        Ok(())
    }

    /// The publication counts as delivered when its lists are in force and the watches they concern are flagged. Should that fail,
    /// the task's next turn does it.
    async fn committed(&self, envelope: &Envelope) {
        let Ok(fact) = envelope.read::<CrlPublished>() else {
            return;
        };
        if let Err(error) = self.0.sync(fact.environment).await {
            tracing::warn!(%error, "published lists not taken over yet");
        }
        if let Err(error) = self.0.flag_new().await {
            tracing::warn!(%error, "watches not flagged yet");
        }
        if let Err(error) = self.0.tell_freshness(fact.environment).await {
            tracing::warn!(%error, "tenants not told of the lists' freshness yet");
        }
    }
}

/// Remembers which certificate replaces which.
struct Renewals(Revocation);

#[async_trait]
impl Handler for Renewals {
    async fn apply(
        &self,
        envelope: &Envelope,
        transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: SubjectChanged = envelope.read()?;
        let Some(replaced) = fact.replaces else {
            return Ok(());
        };
        let scope = envelope
            .scope
            .ok_or_else(|| HandleError::Park("a person of no tenant".to_owned()))?;
        if erasure::is_erased(transaction, fact.subject).await? {
            return Ok(());
        }
        let now = self.0.0.platform.clock().now();
        renewals::remember(scope, transaction, replaced, fact.handle, now).await?;
        Ok(())
    }
}

/// Ends the watches of persons who were erased, and erases what they hold.
struct Erasures(Revocation);

#[async_trait]
impl Handler for Erasures {
    async fn apply(
        &self,
        envelope: &Envelope,
        transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact: SubjectErased = envelope.read()?;
        let scope = envelope
            .scope
            .ok_or_else(|| HandleError::Park("an erasure of no tenant".to_owned()))?;
        let now = self.0.0.platform.clock().now();
        let thorough = leave_no_remains(transaction).await?;
        erasure::remember(transaction, fact.subject, now).await?;
        erasure::erase(scope, transaction, fact.subject, &fact.certificates, now).await?;
        thorough.end(transaction).await?;
        Ok(())
    }

    async fn committed_all(&self, _envelopes: &[Envelope]) {
        drop_remains(self.0.0.db.worker()).await;
    }
}

/// Keeps where tenants stand.
struct Tenants(Revocation);

#[async_trait]
impl Handler for Tenants {
    async fn apply(
        &self,
        envelope: &Envelope,
        transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        standing::change(transaction, &envelope.read()?).await?;
        Ok(())
    }

    /// There may be many watches: they are ended in batches, by a task.
    async fn committed(&self, _envelope: &Envelope) {
        self.0.0.tenants.notify_one();
    }
}
