//! Consumers: the inbox around a service's own effect.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    sea_query::OnConflict,
};
use warikan_contracts::{Envelope, EnvelopeError};

use crate::{
    begin_write,
    entity::{inbox, parked},
};

/// Why a consumer did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// Something outside failed; the same fact may succeed later.
    #[error("to be tried again: {0}")]
    Retry(String),
    /// The fact itself cannot be handled; trying again would change nothing.
    #[error("to be parked: {0}")]
    Park(String),
}

impl From<DbErr> for HandleError {
    fn from(error: DbErr) -> Self {
        Self::Retry(error.to_string())
    }
}
impl From<EnvelopeError> for HandleError {
    fn from(error: EnvelopeError) -> Self {
        Self::Park(error.to_string())
    }
}

/// A service's reaction to a fact.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Applies the fact in the transaction that also holds the inbox row. It is called at most once per fact
    /// with success, and must do nothing that the transaction cannot undo.
    async fn apply(
        &self,
        envelope: &Envelope,
        transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError>;

    /// Called after the commit, and again if a fact is delivered again: to wake a task, for instance.
    async fn committed(&self, _envelope: &Envelope) {}
}

/// A named subscription with the database that its inbox lies in.
#[derive(Clone)]
pub struct Consumer {
    /// Stable: it is part of the inbox key. `<service>.<what it does>`.
    pub name: &'static str,
    /// The facts it listens to.
    pub types: &'static [&'static str],
    db: DatabaseConnection,
    handler: Arc<dyn Handler>,
}

impl Consumer {
    /// A consumer over the service's own database.
    pub fn new(
        name: &'static str,
        types: &'static [&'static str],
        db: DatabaseConnection,
        handler: impl Handler,
    ) -> Self {
        Self {
            name,
            types,
            db,
            handler: Arc::new(handler),
        }
    }

    /// Delivers a fact: effect and inbox row commit together, a repeated fact is skipped.
    ///
    /// # Errors
    /// As the handler says, or [`HandleError::Retry`] where the database fails.
    pub async fn deliver(&self, envelope: &Envelope) -> Result<(), HandleError> {
        let transaction = begin_write(&self.db).await?;
        let row = inbox::ActiveModel {
            consumer: Set(self.name.to_owned()),
            event_id: Set(envelope.id.uuid()),
            occurred_at: Set(envelope.occurred_at.utc()),
        };
        let inserted = inbox::Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&transaction)
            .await?;
        if inserted == 0 {
            transaction.rollback().await?;
        } else {
            // On an error the transaction is dropped, which rolls it back together with the inbox row.
            self.handler.apply(envelope, &transaction).await?;
            transaction.commit().await?;
        }
        self.handler.committed(envelope).await;
        Ok(())
    }

    /// Puts a fact aside with the reason, so that an operator can look at it and replay it.
    ///
    /// # Errors
    /// The database fails; the fact then stays where it was.
    pub async fn park(&self, envelope: &Envelope, reason: &str) -> Result<(), DbErr> {
        tracing::error!(consumer = self.name, event = %envelope.id, fact = envelope.fact_type, reason, "fact parked");
        let text =
            serde_json::to_string(envelope).map_err(|error| DbErr::Custom(error.to_string()))?;
        parked::Entity::insert(parked::ActiveModel {
            consumer: Set(self.name.to_owned()),
            event_id: Set(envelope.id.uuid()),
            envelope: Set(text),
            reason: Set(reason.to_owned()),
        })
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(&self.db)
        .await?;
        Ok(())
    }

    /// What lies parked, as `(event, reason)`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn parked(&self) -> Result<Vec<(Envelope, String)>, DbErr> {
        use sea_orm::{ColumnTrait, QueryFilter};
        parked::Entity::find()
            .filter(parked::Column::Consumer.eq(self.name))
            .all(&self.db)
            .await?
            .into_iter()
            .map(|row| {
                serde_json::from_str(&row.envelope)
                    .map(|envelope| (envelope, row.reason))
                    .map_err(|error| DbErr::Custom(error.to_string()))
            })
            .collect()
    }
}
