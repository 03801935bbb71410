//! Consumers: the inbox around a service's own effect.

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};
use uuid::Uuid;
use warikan_contracts::{Envelope, EnvelopeError};
use warikan_types::TenantId;

use crate::{
    begin_write,
    counts::{ConsumerCounts, Counting},
    database::narrow,
    inbox, parked,
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

/// A service's reaction to facts.
///
/// Facts come in batches, and one transaction holds a whole batch's effects and inbox rows. Where anything in a batch
/// fails, the transaction is rolled back and the batch divided until the fact at fault stands alone; so `apply` may see
/// a fact more than once, but only one of these transactions commits.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Whether the fact changes anything here, as far as can be seen without asking anybody. What does not is taken with no transaction
    /// and no inbox row. It must say the same of the same fact every time.
    fn concerns(&self, _envelope: &Envelope) -> bool {
        true
    }

    /// Called before the transaction: for what must be at hand in it and comes from elsewhere, over the network or from another
    /// connection. Facts that were taken before are among these too.
    async fn prepare(&self, _envelopes: &[Envelope]) -> Result<(), HandleError> {
        Ok(())
    }

    /// Applies one fact in the transaction that also holds its inbox row. It must do nothing that the transaction cannot
    /// undo.
    async fn apply(
        &self,
        envelope: &Envelope,
        transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError>;

    /// Applies a batch: new facts only, each once, in the order in which they were published. To be overridden where many can be
    /// written with one statement. The verdict counts for the batch; the division finds out whom it concerns.
    async fn apply_all(
        &self,
        envelopes: &[Envelope],
        transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        for envelope in envelopes {
            self.apply(envelope, transaction).await?;
        }
        Ok(())
    }

    /// Called after the commit, and again if a fact is delivered again: to wake a task, for instance. The effect stands
    /// whatever happens here.
    async fn committed(&self, _envelope: &Envelope) {}

    /// As [`Handler::committed`], once for a batch.
    async fn committed_all(&self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            self.committed(envelope).await;
        }
    }
}

/// A named subscription with the database that its inbox lies in.
#[derive(Clone)]
pub struct Consumer {
    /// Stable: it is part of the inbox key. `<service>.<what it does>`.
    pub name: &'static str,
    /// The facts it listens to.
    pub types: &'static [&'static str],
    pub(crate) db: DatabaseConnection,
    handler: Arc<dyn Handler>,
    pub(crate) counting: Arc<Counting>,
    recognises: bool,
}

/// Why a batch was not committed.
pub(crate) enum BatchError {
    /// Before the handler saw it: its database does not work, and dividing the batch would not help.
    Unavailable(DbErr),
    /// The handler, or the commit of what it did.
    Handler(HandleError),
}

impl From<HandleError> for BatchError {
    fn from(error: HandleError) -> Self {
        Self::Handler(error)
    }
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
            counting: Arc::default(),
            recognises: false,
        }
    }

    /// Its handler recognises by rows of its own what it has done already, and leaves that as it is: no inbox row is written.
    #[must_use]
    pub fn recognising(mut self) -> Self {
        self.recognises = true;
        self
    }

    /// Whether it listens to this type of fact.
    #[must_use]
    pub fn wants(&self, fact_type: &str) -> bool {
        self.types.contains(&fact_type)
    }

    /// What it did since the process started.
    #[must_use]
    pub fn counts(&self) -> ConsumerCounts {
        self.counting.read()
    }

    /// Delivers a fact: effect and inbox row commit together, a repeated fact is skipped.
    ///
    /// # Errors
    /// As the handler says, or [`HandleError::Retry`] where the database fails or the handler panics.
    pub async fn deliver(&self, envelope: &Envelope) -> Result<(), HandleError> {
        self.commit(std::slice::from_ref(envelope))
            .await
            .map_err(|error| match error {
                BatchError::Unavailable(error) => error.into(),
                BatchError::Handler(error) => error,
            })
    }

    /// Takes a batch in one transaction. The order of the facts stays.
    pub(crate) async fn commit(&self, envelopes: &[Envelope]) -> Result<(), BatchError> {
        self.commit_with(envelopes, None).await
    }

    /// Takes a fact that was parked, and ends its parking in the same transaction.
    pub(crate) async fn commit_parked(&self, envelope: &Envelope) -> Result<(), BatchError> {
        let event = envelope.id.uuid();
        self.commit_with(std::slice::from_ref(envelope), Some(event))
            .await
    }

    async fn commit_with(
        &self,
        envelopes: &[Envelope],
        unpark: Option<Uuid>,
    ) -> Result<(), BatchError> {
        let concerning = self.concerning(envelopes);
        if concerning.is_empty() && unpark.is_none() {
            self.counting.took(envelopes.len(), 0);
            return Ok(());
        }
        AssertUnwindSafe(self.handler.prepare(&concerning))
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(HandleError::Retry(told(&*panic))))?;
        let transaction = begin_write(&self.db)
            .await
            .map_err(BatchError::Unavailable)?;
        let new = if self.recognises {
            Cow::Borrowed(&*concerning)
        } else {
            inbox::enter(self.name, &concerning, &transaction)
                .await
                .map_err(BatchError::Unavailable)?
        };
        if let Some(event) = unpark {
            parked::remove(&transaction, self.name, event)
                .await
                .map_err(BatchError::Unavailable)?;
        }
        if new.is_empty() && unpark.is_none() {
            transaction
                .rollback()
                .await
                .map_err(BatchError::Unavailable)?;
        } else {
            // One tenant's facts are applied behind its wall; a batch of several tenants' is the worker's.
            if let Some(tenant) = only_tenant(&new) {
                narrow(&transaction, tenant)
                    .await
                    .map_err(BatchError::Unavailable)?;
            }
            // On an error the transaction is dropped, which rolls it back together with the inbox rows.
            if !new.is_empty() {
                AssertUnwindSafe(self.handler.apply_all(&new, &transaction))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|panic| Err(HandleError::Retry(told(&*panic))))?;
            }
            transaction.commit().await.map_err(HandleError::from)?;
        }
        let repeated = concerning.len() - new.len();
        self.counting.took(envelopes.len() - repeated, repeated);
        if let Err(panic) = AssertUnwindSafe(self.handler.committed_all(envelopes))
            .catch_unwind()
            .await
        {
            tracing::error!(
                consumer = self.name,
                reason = told(&*panic),
                "after the commit"
            );
        }
        Ok(())
    }
}

impl Consumer {
    /// What of these its handler has anything to do with.
    fn concerning<'a>(&self, envelopes: &'a [Envelope]) -> Cow<'a, [Envelope]> {
        if envelopes.iter().all(|one| self.handler.concerns(one)) {
            return Cow::Borrowed(envelopes);
        }
        let concerning = envelopes.iter().filter(|one| self.handler.concerns(one));
        Cow::Owned(concerning.cloned().collect())
    }
}

/// Whose facts these are, where they are all one tenant's.
fn only_tenant(envelopes: &[Envelope]) -> Option<TenantId> {
    let mut tenants = envelopes
        .iter()
        .map(|envelope| envelope.scope.map(|scope| scope.tenant()));
    let first = tenants.next()??;
    tenants.all(|other| other == Some(first)).then_some(first)
}

/// What a panic said.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words");
    format!("the consumer panicked: {words}")
}
