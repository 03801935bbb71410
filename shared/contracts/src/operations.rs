//! Operations that are paid for: what a service keeps of each beside the fact that tells of it, so that the bill can be held against it.
//!
//! A fact can be lost after it left its service (a queue that was purged, a consumer's database that was restored); the operation's
//! row was written in the transaction that answered the tenant and is the truth. It carries what a price hangs on and no personal data.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warikan_types::{
    BillingMonth, CertificateKind, Environment, Event, Id, Reason, TenantId, TenantScope,
    Timestamp, Verdict,
};

use crate::facts::{Channel, StatusChecked, VerificationCompleted};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metered {
    /// An answer to `POST /v1/verifications`.
    Verification,
    /// A later check that a certificate still stands (現況確認).
    StatusCheck,
}

impl Metered {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Verification, Self::StatusCheck];

    /// The word that rows and questions carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::StatusCheck => "status_check",
        }
    }

    /// From the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Names one operation within its month, tenant, environment and meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationKey {
    /// Of a verification its id; of a check by list the certificate's handle (it counts once a month, whoever made it); of a live
    /// check the fact's id.
    pub id: Uuid,
    /// Of a live check its place in the fact; otherwise 0.
    pub place: i32,
}

impl OperationKey {
    /// 32 bits that differ from operation to operation: two sides that hold equally many operations with equal sums of these hold
    /// the same ones, but for a chance of one in 2^32. The last octets of ids are random.
    #[must_use]
    pub fn mark(self) -> i64 {
        let octets = self.id.into_bytes();
        let tail = u32::from_be_bytes([octets[12], octets[13], octets[14], octets[15]]);
        // Places follow one another; spread, they do not cancel out.
        let place = self.place.unsigned_abs().wrapping_mul(0x9E37_79B1);
        i64::from(tail ^ place)
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeteredOperation {
    /// What is counted.
    pub meter: Metered,
    /// Which one.
    #[serde(flatten)]
    pub key: OperationKey,
    /// The certificate's kind, where it could be told.
    pub kind: Option<CertificateKind>,
    /// Where the status came from, where there was one.
    pub channel: Option<Channel>,
    /// Of a verification, the outcome.
    pub verdict: Option<Verdict>,
    /// Of a verification, why it is not `valid`.
    pub reason: Option<Reason>,
    /// The JST month it counts for.
    pub month: BillingMonth,
    /// When the request was accepted, or the check made.
    pub accepted_at: Timestamp,
}

impl MeteredOperation {
    /// A verification counts in the month in which its request was accepted.
    ///
    /// # Panics
    /// Where the fact was accepted outside the years 0 to 65535.
    #[must_use]
    pub fn of_verification(fact: &VerificationCompleted) -> Self {
        Self {
            meter: Metered::Verification,
            key: OperationKey {
                id: fact.verification.uuid(),
                place: 0,
            },
            kind: fact.kind,
            channel: fact.channel,
            verdict: Some(fact.verdict),
            reason: fact.reason,
            month: BillingMonth::of(fact.accepted_at),
            accepted_at: fact.accepted_at,
        }
    }

    /// Status checks count in the month that the fact names.
    #[must_use]
    pub fn of_checks(event: Id<Event>, checked_at: Timestamp, fact: &StatusChecked) -> Vec<Self> {
        let checked = fact.certificates.iter().zip(0_i32..);
        checked
            .map(|(certificate, place)| Self {
                meter: Metered::StatusCheck,
                key: match fact.channel {
                    Channel::Crl => OperationKey {
                        id: certificate.handle.uuid(),
                        place: 0,
                    },
                    Channel::Ocsp => OperationKey {
                        id: event.uuid(),
                        place,
                    },
                },
                kind: Some(certificate.kind),
                channel: Some(fact.channel),
                verdict: None,
                reason: None,
                month: fact.month,
                accepted_at: checked_at,
            })
            .collect()
    }
}

/// Whose operations, of which sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationGroup {
    /// The tenant.
    pub tenant: TenantId,
    /// The environment.
    pub environment: Environment,
    /// What is counted.
    pub meter: Metered,
}

impl OperationGroup {
    /// Of a tenant in an environment.
    #[must_use]
    pub const fn of(scope: TenantScope, meter: Metered) -> Self {
        Self {
            tenant: scope.tenant(),
            environment: scope.environment(),
            meter,
        }
    }

    /// As a scope; who asks for operations is the platform itself.
    #[must_use]
    pub const fn scope(&self) -> TenantScope {
        TenantScope::of_event(self.tenant, self.environment)
    }
}

/// How many operations there are, and which.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub operations: i64,
    /// The sum of their [`OperationKey::mark`]s.
    pub marks: i64,
}

impl Tally {
    /// Both together; what does not fit saturates, and so differs from whatever it is compared with.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            operations: self.operations.saturating_add(other.operations),
            marks: self.marks.saturating_add(other.marks),
        }
    }
}

/// A service's tally of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTally {
    /// Whose, and what.
    #[serde(flatten)]
    pub group: OperationGroup,
    /// How many, and which.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A service could not be asked, or did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{service} does not tell its operations: {why}")]
pub struct OperationsUnavailable {
    /// Which service.
    pub service: &'static str,
    /// For the log.
    pub why: String,
}

/// Answered by every service whose operations are paid for; asked by billing.
#[async_trait]
pub trait MeteredOperations: Send + Sync {
    /// The service's name.
    fn service(&self) -> &'static str;

    /// What it may have.
    fn meters(&self) -> &'static [Metered];

    /// How many operations of a month there are by tenant, environment and meter, of those accepted before `until`.
    ///
    /// # Errors
    /// [`OperationsUnavailable`].
    async fn tallies(
        &self,
        month: BillingMonth,
        until: Timestamp,
    ) -> Result<Vec<GroupTally>, OperationsUnavailable>;

    /// The next operations of a group in a month, accepted before `until`, in the order of their keys; none after the last.
    ///
    /// # Errors
    /// [`OperationsUnavailable`].
    async fn page(
        &self,
        month: BillingMonth,
        until: Timestamp,
        group: OperationGroup,
        after: Option<OperationKey>,
    ) -> Result<Vec<MeteredOperation>, OperationsUnavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_keys_apart() {
        let id = Uuid::from_u128(0x0193_4a5b_7c00_7abc_8def_0123_4567_89ab);
        let key = |place| OperationKey { id, place };
        assert_eq!(key(0).mark(), 0x4567_89ab);
        let marks: std::collections::BTreeSet<i64> =
            (0..1_000).map(|place| key(place).mark()).collect();
        assert_eq!(marks.len(), 1_000);
        assert!(marks.iter().all(|mark| (0..1 << 32).contains(mark)));
    }
}
