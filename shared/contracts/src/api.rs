//! What services and the edge ask each other synchronously.

use std::net::IpAddr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use warikan_types::{
    CertificateId, Client, CrlPartition, Environment, Id, RevocationReason, TenantId, Timestamp,
};

use crate::facts::Channel;

/// What is known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum KnownState {
    /// Its list does not name it.
    Good,
    /// Its list names it.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// When, as the issuer says.
        revoked_at: Timestamp,
    },
    /// The issuer says it never issued it (OCSP `unknown`).
    Unknown,
}

/// What is known, by which channel, and how fresh it is. The caller judges the freshness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// What is known.
    pub state: KnownState,
    /// By which channel.
    pub channel: Channel,
    /// thisUpdate (RFC 5280 5.1.2.4) of the list or response.
    pub this_update: Timestamp,
    /// nextUpdate, after which it is no longer in force.
    pub next_update: Timestamp,
    /// Names the exact version of knowledge, for the evidence.
    pub version: String,
}

/// Nothing usable is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no revocation information for this certificate: {why}")]
pub struct StatusUnavailable {
    /// For the log, never for the tenant.
    pub why: String,
}

/// Answered by the revocation service: in memory in the one binary, from a replica elsewhere.
#[async_trait]
pub trait CertificateStatus: Send + Sync {
    /// What is known of `certificate`, covered by `partition` where its certificate names one.
    ///
    /// # Errors
    /// [`StatusUnavailable`]: no list for it was ever accepted, or the channel asked for is not configured.
    async fn status(
        &self,
        environment: Environment,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
        channel: Channel,
    ) -> Result<StatusAnswer, StatusUnavailable>;
}

/// Whose access tokens are not accepted any more, although they have not expired. Onboarding's database is the keeper; the edge asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedTokens {
    /// Tenants that are suspended: nothing of production.
    pub suspended: Vec<TenantId>,
    /// Tenants that are closed: nothing at all.
    pub closed: Vec<TenantId>,
    /// Credentials that were revoked so lately that a token of theirs could still be good.
    pub revoked: Vec<Id<Client>>,
    /// By which keys access tokens are read; empty from a program that has one for ever.
    #[serde(default)]
    pub token_keys: Vec<TokenKey>,
}

/// Why a caller that is known was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// Its token lacks the scope.
    Scope,
    /// Its credential was revoked, or its tenant is suspended or closed, and the token not over yet.
    Denied,
    /// The token was used from an address that its credential does not use.
    Address,
    /// The token says that it is this credential's, and no key of ours has signed it: it was made up, or changed, or its key is over.
    NotOurs,
}

impl Refused {
    /// The word in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "insufficient_scope",
            Self::Denied => "denied",
            Self::Address => "address",
            Self::NotOurs => "not_ours",
        }
    }

    /// Whether the token proves whose it is.
    #[must_use]
    pub const fn is_proved(self) -> bool {
        !matches!(self, Self::NotOurs)
    }
}

/// Requests of one credential that were refused for one reason, as the edge tells onboarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Whose token it was, or said to be.
    pub client: Id<Client>,
    /// Whose credential that is; `None`: the operator's.
    pub tenant: Option<TenantId>,
    /// In which environment.
    pub environment: Option<Environment>,
    /// Why.
    pub why: Refused,
    /// How many.
    pub times: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
    /// From where the first came.
    pub address: Option<IpAddr>,
    /// The first's request id.
    pub request_id: Option<String>,
    /// The scope that the first would have needed.
    pub wanted: Option<String>,
}

/// The public half of a key by which access tokens are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKey {
    /// Its name in tokens and in the JWK Set.
    pub kid: String,
    /// Ed25519, base64url without padding (RFC 8037).
    pub x: String,
    /// Until when; `None`: no later one is there yet.
    pub until: Option<Timestamp>,
}
