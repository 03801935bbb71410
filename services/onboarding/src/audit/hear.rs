//! What the operator did in other services, as they tell it.

use async_trait::async_trait;
use sea_orm::DatabaseTransaction;
use warikan_contracts::{Envelope, facts::OperatorActed};
use warikan_messaging::{HandleError, Handler};

use super::{Actor, Chain, Entry};
use crate::{Onboarding, error::Error};

/// Writes it down with the inbox row.
pub(crate) struct Hear(pub(crate) Onboarding);

fn entry(envelope: &Envelope) -> Result<Entry, HandleError> {
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
        let entries = envelopes.iter().map(entry).collect::<Result<_, _>>()?;
        match self.0.record(txn, entries).await {
            Ok(()) => Ok(()),
            Err(Error::Database(error)) => Err(error.into()),
            // A damaged head may be mended by hand; the fact is not at fault.
            Err(other) => Err(HandleError::Retry(other.to_string())),
        }
    }
}
