//! What the operator does here, told to the audit trail with the act itself.

use std::collections::BTreeMap;

use sea_orm::{DatabaseTransaction, DbErr};
use warikan_contracts::{Envelope, facts::OperatorActed};
use warikan_http::current_request_id;
use warikan_messaging::Outbox;
use warikan_types::{Client, Id, TenantScope};

use crate::Billing;

/// An act of the operator's.
pub(crate) struct Act {
    client: Id<Client>,
    scope: Option<TenantScope>,
    act: &'static str,
    subject: String,
    details: BTreeMap<String, String>,
}

impl Act {
    /// One that concerns all tenants.
    pub(crate) fn new(client: Id<Client>, act: &'static str, subject: impl ToString) -> Self {
        Self {
            client,
            scope: None,
            act,
            subject: subject.to_string(),
            details: BTreeMap::new(),
        }
    }

    /// Of one tenant's affairs.
    pub(crate) const fn of(mut self, scope: TenantScope) -> Self {
        self.scope = Some(scope);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }
}

impl Billing {
    /// Says in the act's transaction that it was done. The relay is woken by whoever commits.
    pub(crate) async fn acted(&self, txn: &DatabaseTransaction, act: Act) -> Result<(), DbErr> {
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let fact = OperatorActed {
            client: act.client,
            tenant: act.scope.map(|scope| scope.tenant()),
            environment: act.scope.map(|scope| scope.environment()),
            act: act.act.to_owned(),
            subject: Some(act.subject.clone()),
            request_id: current_request_id(),
            details: act.details,
        };
        let id = platform.entropy.id(now);
        Outbox::append(txn, [Envelope::of(id, None, now, act.subject, &fact)]).await
    }
}
