//! Who may do what: the tenant scope that every store function takes, and the caller behind it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Client, Environment, Id, TenantId};

/// A tenant in one environment: the first argument of every store function.
///
/// Only a [`Principal`] that authenticated as a tenant, or an [`TenantScope::of_event`] (a fact that
/// names its tenant), gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantScope {
    tenant: TenantId,
    environment: Environment,
}

impl TenantScope {
    /// The scope of a fact on the bus or of a stored row, named by the platform itself and not by a caller.
    #[must_use]
    pub const fn of_event(tenant: TenantId, environment: Environment) -> Self {
        Self {
            tenant,
            environment,
        }
    }

    /// The tenant.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The environment.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }
}

/// What an access token allows (OAuth 2.0 scope values, RFC 6749 3.3).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ClientScope {
    /// Challenges and verifications.
    Verifications,
    /// Subjects.
    Subjects,
    /// Watches and certificate checks.
    Watches,
    /// Campaigns.
    Campaigns,
    /// The event feed.
    Events,
    /// Webhook endpoints and deliveries.
    Webhooks,
    /// Usage and invoices.
    Billing,
    /// The tenant's own credentials and audit trail. Whoever holds it can make credentials with every other scope, so it is given only
    /// where it is named.
    Access,
    /// The platform operator's own accounts; no tenant ever holds it.
    Operator,
    /// The operator's auditors: what `operator` may read, and nothing that changes anything. No tenant ever holds it.
    OperatorRead,
}

impl ClientScope {
    /// What a tenant's client holds that asks for nothing else.
    pub const USUAL: [Self; 7] = [
        Self::Verifications,
        Self::Subjects,
        Self::Watches,
        Self::Campaigns,
        Self::Events,
        Self::Webhooks,
        Self::Billing,
    ];

    /// What a tenant's client may hold.
    pub const TENANT: [Self; 8] = [
        Self::Verifications,
        Self::Subjects,
        Self::Watches,
        Self::Campaigns,
        Self::Events,
        Self::Webhooks,
        Self::Billing,
        Self::Access,
    ];

    /// What the operator's accounts hold, one of the two.
    pub const OPERATOR: [Self; 2] = [Self::Operator, Self::OperatorRead];

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verifications => "verifications",
            Self::Subjects => "subjects",
            Self::Watches => "watches",
            Self::Campaigns => "campaigns",
            Self::Events => "events",
            Self::Webhooks => "webhooks",
            Self::Billing => "billing",
            Self::Access => "access",
            Self::Operator => "operator",
            Self::OperatorRead => "operator_read",
        }
    }

    /// From the wire word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::TENANT
            .into_iter()
            .chain(Self::OPERATOR)
            .find(|scope| scope.as_str() == word)
    }
}

/// The authenticated caller of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The credential that was used.
    pub client: Id<Client>,
    /// The tenant and environment; `None` for the operator.
    pub tenant: Option<TenantScope>,
    /// What the token allows.
    pub scopes: BTreeSet<ClientScope>,
}
