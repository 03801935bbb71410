//! What the operator and tenants did in other services, as they tell it.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use warikan_contracts::{
    Envelope,
    facts::{OperatorActed, TenantActed},
};
use warikan_messaging::{HandleError, Handler};

use super::{Actor, Chain, Entry};
use crate::{Onboarding, error::Error};

/// Writes the operator's acts down with the inbox row.
pub(crate) struct Hear(pub(crate) Onboarding);

/// The same of tenants' acts.
pub(crate) struct HearTenants(pub(crate) Onboarding);

fn operators(envelope: &Envelope) -> Result<Entry, HandleError> {
    let fact = envelope.read::<OperatorActed>()?;
    let chain = match fact.tenant {
        None => Chain::Operator,
        Some(tenant) => Chain::Tenant(tenant, fact.environment),
    };
    Ok(Entry {
        chain,
        actor: Actor::Operator(fact.client),
        act: fact.act,
        refused: false,
        at: envelope.occurred_at,
        subject: fact.subject,
        request_id: fact.request_id,
        details: fact.details,
    })
}

fn tenants(envelope: &Envelope) -> Result<Entry, HandleError> {
    let fact = envelope.read::<TenantActed>()?;
    let scope = envelope
        .scope
        .ok_or_else(|| HandleError::Park("an act of no tenant".to_owned()))?;
    Ok(Entry {
        chain: Chain::Tenant(scope.tenant(), Some(scope.environment())),
        actor: Actor::Client(fact.client),
        act: fact.act,
        refused: false,
        at: envelope.occurred_at,
        subject: fact.subject,
        request_id: fact.request_id,
        details: fact.details,
    })
}

async fn write(
    onboarding: &Onboarding,
    entries: Result<Vec<Entry>, HandleError>,
    txn: &DatabaseTransaction,
) -> Result<(), HandleError> {
    match onboarding.record(txn, entries?).await {
        Ok(()) => Ok(()),
        Err(Error::Database(error)) => Err(error.into()),
        // A damaged head may be mended by hand; the fact is not at fault.
        Err(other) => Err(HandleError::Retry(other.to_string())),
    }
}

#[async_trait]
impl Handler for Hear {
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
        write(&self.0, envelopes.iter().map(operators).collect(), txn).await
    }
}

#[async_trait]
impl Handler for HearTenants {
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
        write(&self.0, envelopes.iter().map(tenants).collect(), txn).await
    }
}
