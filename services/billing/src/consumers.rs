//! What billing hears: operations to be counted, and who the tenants are.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use warikan_contracts::{
    Envelope, Fact,
    facts::{StatusChecked, TenantChanged, VerificationCompleted},
};
use warikan_messaging::{Consumer, HandleError, Handler};
use warikan_types::TenantScope;

use crate::{
    Billing,
    calendar::month_of,
    error::BillingError,
    store::{months, recipients, usage},
    usage::{Operation, OutOfTime, Untold, told_by},
};

pub(crate) fn all(billing: &Billing) -> Vec<Consumer> {
    let db = || billing.0.db.worker().clone();
    vec![
        Consumer::new(
            "billing.meter",
            &[VerificationCompleted::TYPE, StatusChecked::TYPE],
            db(),
            Metering(billing.clone()),
        )
        // A usage record is there once, whoever tells of the operation and how often.
        .recognising(),
        Consumer::new(
            "billing.recipients",
            &[TenantChanged::TYPE],
            db(),
            Recipients,
        ),
    ]
}

struct Metering(Billing);

/// The operations that a fact tells of, with whose they are.
fn operations(envelope: &Envelope) -> Result<Vec<(TenantScope, Operation)>, HandleError> {
    let scope = envelope
        .scope
        .ok_or_else(|| HandleError::Park("an operation without a tenant".to_owned()))?;
    let told = told_by(envelope)?;
    let operations = told
        .iter()
        .map(|one| Ok((scope, Operation::of(scope.environment(), one)?)));
    operations
        .collect::<Result<_, OutOfTime>>()
        .map_err(Into::into)
}

#[async_trait]
impl Handler for Metering {
    async fn apply(
        &self,
        envelope: &Envelope,
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        self.apply_all(std::slice::from_ref(envelope), txn).await
    }

    async fn apply_all(
        &self,
        envelopes: &[Envelope],
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let mut told = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            told.extend(operations(envelope)?);
        }
        let platform = &self.0.0.platform;
        let closed_through = months::closed_through_while_metering(txn).await?;
        let now = platform.clock().now();
        let new = usage::record(txn, &told, closed_through, &platform.entropy, now).await?;
        tracing::debug!(
            facts = envelopes.len(),
            operations = told.len(),
            new,
            "metered"
        );
        Ok(())
    }

    async fn committed(&self, envelope: &Envelope) {
        self.0.used(envelope.scope);
    }

    async fn committed_all(&self, envelopes: &[Envelope]) {
        let scopes = envelopes.iter().filter_map(|envelope| envelope.scope);
        self.0.used(scopes);
    }
}

struct Recipients;

#[async_trait]
impl Handler for Recipients {
    async fn apply(
        &self,
        envelope: &Envelope,
        txn: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let fact = envelope.read::<TenantChanged>()?;
        // A base fee is owed from the month of activation: it has to be one that can be billed.
        month_of(envelope.occurred_at).ok_or(OutOfTime(envelope.occurred_at))?;
        recipients::change(txn, &fact, envelope.occurred_at).await?;
        Ok(())
    }
}

impl From<OutOfTime> for HandleError {
    fn from(error: OutOfTime) -> Self {
        Self::Park(error.to_string())
    }
}

impl From<Untold> for HandleError {
    fn from(error: Untold) -> Self {
        match error {
            Untold::Envelope(error) => error.into(),
            Untold::OutOfTime(error) => error.into(),
        }
    }
}

impl From<BillingError> for HandleError {
    fn from(error: BillingError) -> Self {
        // What a table holds may be mended by hand; the fact itself is not at fault.
        match error {
            BillingError::Database(error) => error.into(),
            other => Self::Retry(other.to_string()),
        }
    }
}
