//! Facts of tenants and of their credentials.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{Client, Environment, Id, TenantId};

use crate::Fact;

/// Where a tenant stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TenantState {
    /// Asked for; has the sandbox.
    Applied,
    /// The full-delegation contract stands.
    Contracted,
    /// The notification (届出) is with J-LIS.
    Notified,
    /// May verify in production.
    Active,
    /// Stopped for a time.
    Suspended,
    /// Over.
    Closed,
}

impl TenantState {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Contracted => "contracted",
            Self::Notified => "notified",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// From the wire word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Applied,
            Self::Contracted,
            Self::Notified,
            Self::Active,
            Self::Suspended,
            Self::Closed,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }
}

/// Onboarding says it; billing keeps the plan and the recipient's name, webhooks stop when it is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantChanged {
    /// The tenant.
    pub tenant: TenantId,
    /// Its legal name, as an invoice names the recipient.
    pub name: String,
    /// Its plan.
    pub plan: String,
    /// Where it stands now.
    pub state: TenantState,
    /// Raised by one with every change, so that a late older fact is recognised.
    pub revision: i64,
}
impl Fact for TenantChanged {
    const TYPE: &'static str = "tenant.changed";
    const VERSION: u16 = 1;
}

/// Onboarding says it beside [`TenantChanged`]: the tenant may do nothing in production until it is resumed. No new token is given; those
/// that keep the edge refuse the ones that are out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSuspended {
    /// The tenant.
    pub tenant: TenantId,
    /// As in [`TenantChanged`].
    pub revision: i64,
}
impl Fact for TenantSuspended {
    const TYPE: &'static str = "tenant.suspended";
    const VERSION: u16 = 1;
}

/// Onboarding says it: a suspended tenant is active again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantResumed {
    /// The tenant.
    pub tenant: TenantId,
    /// As in [`TenantChanged`].
    pub revision: i64,
}
impl Fact for TenantResumed {
    const TYPE: &'static str = "tenant.resumed";
    const VERSION: u16 = 1;
}

/// Onboarding says it: a tenant's life here is over. Nothing follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantClosed {
    /// The tenant.
    pub tenant: TenantId,
    /// As in [`TenantChanged`].
    pub revision: i64,
}
impl Fact for TenantClosed {
    const TYPE: &'static str = "tenant.closed";
    const VERSION: u16 = 1;
}

/// Onboarding says it: a credential is over, and tokens given to it should be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRevoked {
    /// The credential.
    pub client: Id<Client>,
    /// Whose it was; `None`: the operator's.
    pub tenant: Option<TenantId>,
}
impl Fact for CredentialRevoked {
    const TYPE: &'static str = "credential.revoked";
    const VERSION: u16 = 1;
}

/// Any service but onboarding says it of an act of one of a tenant's credentials, in the transaction of the act; onboarding keeps it in the
/// tenant's audit trail. Whose it is says the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantActed {
    /// The credential.
    pub client: Id<Client>,
    /// What was done, `endpoint.created`.
    pub act: String,
    /// What it was done to, an id.
    pub subject: Option<String>,
    /// The request by which it was done.
    pub request_id: Option<String>,
    /// More of it. Nothing of a person, and no secret.
    pub details: BTreeMap<String, String>,
}
impl Fact for TenantActed {
    const TYPE: &'static str = "tenant.acted";
    const VERSION: u16 = 1;
}

/// Any service says it of an act of the operator's, in the transaction of the act; onboarding keeps it in the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorActed {
    /// The operator's account.
    pub client: Id<Client>,
    /// Whose affair it was; `None`: the operator's own.
    pub tenant: Option<TenantId>,
    /// In which environment, where it was in one.
    pub environment: Option<Environment>,
    /// What was done, `month.closed`.
    pub act: String,
    /// What it was done to, an id.
    pub subject: Option<String>,
    /// The request by which it was done.
    pub request_id: Option<String>,
    /// More of it. Nothing of a person, and no secret: tenants read their own.
    pub details: BTreeMap<String, String>,
}
impl Fact for OperatorActed {
    const TYPE: &'static str = "operator.acted";
    const VERSION: u16 = 1;
}
