//! What tenants do that belongs into their audit trail, told by the services where they do it.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr};
use warikan_contracts::{Envelope, facts::TenantActed};
use warikan_http::current_request_id;
use warikan_messaging::{Outbox, ServiceDatabase};
use warikan_types::{Client, Id, TenantScope};

use crate::Platform;

/// An act of one of a tenant's credentials, by the request that this task serves.
#[derive(Debug, Clone)]
pub struct TenantAct {
    client: Id<Client>,
    scope: TenantScope,
    act: &'static str,
    subject: Option<String>,
    details: BTreeMap<String, String>,
}

impl TenantAct {
    /// What was done: `endpoint.created`.
    #[must_use]
    pub const fn new(client: Id<Client>, scope: TenantScope, act: &'static str) -> Self {
        Self {
            client,
            scope,
            act,
            subject: None,
            details: BTreeMap::new(),
        }
    }

    /// What it was done to, an id.
    #[must_use]
    pub fn about(mut self, subject: impl ToString) -> Self {
        self.subject = Some(subject.to_string());
        self
    }

    /// More of it. Nothing of a person, and no secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }

    /// Says it in the act's transaction. The relay is woken by whoever commits.
    ///
    /// # Errors
    /// The database refuses; the caller's transaction must not commit then.
    pub async fn tell<C: ConnectionTrait>(
        self,
        transaction: &C,
        on: &Platform,
    ) -> Result<(), DbErr> {
        let now = on.clock().now();
        let fact = TenantActed {
            client: self.client,
            act: self.act.to_owned(),
            subject: self.subject.clone(),
            request_id: current_request_id(),
            details: self.details,
        };
        let about = self.subject.unwrap_or_else(|| self.client.to_string());
        let id = on.entropy.id(now);
        let envelope = Envelope::of(id, Some(self.scope), now, about, &fact);
        Outbox::append(transaction, [envelope]).await
    }

    /// Says it of what is only read, before it is given out.
    ///
    /// # Errors
    /// The database refuses; it must not be given out then.
    pub async fn tell_alone(self, db: &ServiceDatabase, on: &Platform) -> Result<(), DbErr> {
        let transaction = db.begin_write(self.scope).await?;
        self.tell(&transaction, on).await?;
        transaction.commit().await
    }
}
