//! The public event types: what a tenant reads, and what is left out of it.
//!
//! A fact on the bus is the platform's own; its public form is cut here, field by field, and nowhere else. Payloads are
//! thin: ids, a verdict, a reason. No serial number and no issuer (法52条), no name, address or customer number: a
//! message may lie in a tenant's logs for years, and who needs more asks the API with the id.
//!
//! [`samples`] holds an example of each, [`schema`] describes each as JSON Schema; both are served by the catalogue operation
//! and lie in the repository, where a test compares them with this code.

mod publish;
mod samples;
mod schema;

pub(crate) use publish::publish;
pub(crate) use samples::sample;
pub(crate) use schema::{TypeView, catalogue};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::{CampaignCounts, SubjectChange};
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateKind, Channel, Reason, RevocationReason, Timestamp,
    Verdict, Wording, Yen,
};

use crate::ids::{CampaignId, EndpointId, EventId, InvoiceId, SubjectId, VerificationId, WatchId};

/// The type of a public event: `noun.verb_past`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub(crate) enum EventType {
    /// A verification was answered.
    #[serde(rename = "verification.completed")]
    VerificationCompleted,
    /// A watched certificate was revoked.
    #[serde(rename = "certificate.revoked")]
    CertificateRevoked,
    /// A watched certificate ends soon.
    #[serde(rename = "certificate.expiring")]
    CertificateExpiring,
    /// A watched certificate ended, and the watch with it.
    #[serde(rename = "certificate.expired")]
    CertificateExpired,
    /// A campaign has checked the last of its certificates.
    #[serde(rename = "campaign.completed")]
    CampaignCompleted,
    /// A known person has a new certificate, or other attributes.
    #[serde(rename = "subject.changed")]
    SubjectChanged,
    /// Revocation lists have stopped coming.
    #[serde(rename = "source.stale")]
    SourceStale,
    /// Revocation lists come again.
    #[serde(rename = "source.recovered")]
    SourceRecovered,
    /// A month's invoice stands.
    #[serde(rename = "invoice.finalized")]
    InvoiceFinalized,
    /// A month's charges have reached a threshold of the budget.
    #[serde(rename = "budget.threshold_reached")]
    BudgetThresholdReached,
    /// The platform stopped sending to an endpoint.
    #[serde(rename = "endpoint.disabled")]
    EndpointDisabled,
    /// Asked for with `POST /v1/webhook-endpoints/{id}/test`; sent to that endpoint alone.
    #[serde(rename = "endpoint.tested")]
    EndpointTested,
}

impl EventType {
    pub(crate) const ALL: [Self; 12] = [
        Self::VerificationCompleted,
        Self::CertificateRevoked,
        Self::CertificateExpiring,
        Self::CertificateExpired,
        Self::CampaignCompleted,
        Self::SubjectChanged,
        Self::SourceStale,
        Self::SourceRecovered,
        Self::InvoiceFinalized,
        Self::BudgetThresholdReached,
        Self::EndpointDisabled,
        Self::EndpointTested,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::VerificationCompleted => "verification.completed",
            Self::CertificateRevoked => "certificate.revoked",
            Self::CertificateExpiring => "certificate.expiring",
            Self::CertificateExpired => "certificate.expired",
            Self::CampaignCompleted => "campaign.completed",
            Self::SubjectChanged => "subject.changed",
            Self::SourceStale => "source.stale",
            Self::SourceRecovered => "source.recovered",
            Self::InvoiceFinalized => "invoice.finalized",
            Self::BudgetThresholdReached => "budget.threshold_reached",
            Self::EndpointDisabled => "endpoint.disabled",
            Self::EndpointTested => "endpoint.tested",
        }
    }

    /// What it tells, in one sentence.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::VerificationCompleted => "A verification was answered.",
            Self::CertificateRevoked => "A watched certificate was revoked.",
            Self::CertificateExpiring => "A watched certificate ends soon.",
            Self::CertificateExpired => "A watched certificate ended, and the watch with it.",
            Self::CampaignCompleted => "A campaign has checked the last of its certificates.",
            Self::SubjectChanged => "A known person has a new certificate, or other attributes.",
            Self::SourceStale => "Revocation lists have stopped coming: silence means nothing now.",
            Self::SourceRecovered => "Every revocation list is in force again.",
            Self::InvoiceFinalized => "A month's invoice stands.",
            Self::BudgetThresholdReached => {
                "The month's charges have reached a threshold of the budget."
            }
            Self::EndpointDisabled => "The platform stopped sending to an endpoint.",
            Self::EndpointTested => "Someone asked for a test of an endpoint.",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// The version of the public payload, raised when an old consumer could misread it.
    pub(crate) const fn version(self) -> u16 {
        1
    }
}

/// `data` of `verification.completed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct VerificationCompletedData {
    verification_id: VerificationId,
    verdict: Verdict,
    reason: Option<Reason>,
    certificate_handle: Option<CertificateHandle>,
    subject_id: Option<SubjectId>,
    watch_id: Option<WatchId>,
}

/// `data` of `certificate.revoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CertificateRevokedData {
    watch_id: WatchId,
    certificate_handle: CertificateHandle,
    subject_id: Option<SubjectId>,
    kind: CertificateKind,
    reason: RevocationReason,
    /// What the reason says at J-LIS, for people; `reason` is the word for programs. The same sentence as in the watch.
    meaning: &'static str,
    /// What to do about the customer, for people.
    recommended_action: &'static str,
    /// What may be said to the customer.
    customer_wording: Wording,
    /// When, as the issuer says.
    revoked_at: Timestamp,
    /// thisUpdate (RFC 5280 5.1.2.4) of the list that said so.
    this_update: Timestamp,
    /// The status version that said so.
    source_version: String,
    /// The certificate that replaces it: a later one of the same person and kind that you verified.
    renewed_by: Option<CertificateHandle>,
}

/// `data` of `certificate.expiring`. Said once per watch, some time before the end (30 days unless the operator says
/// otherwise), and not of certificates that are revoked already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CertificateExpiringData {
    watch_id: WatchId,
    certificate_handle: CertificateHandle,
    subject_id: Option<SubjectId>,
    kind: CertificateKind,
    /// When it ends, and the watch with it.
    not_after: Timestamp,
}

/// `data` of `certificate.expired`. Said once per watch, also where it was flagged before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CertificateExpiredData {
    /// The watch that ended.
    watch_id: WatchId,
    certificate_handle: CertificateHandle,
    subject_id: Option<SubjectId>,
    kind: CertificateKind,
    /// When it ended.
    not_after: Timestamp,
}

/// `data` of `campaign.completed`. What was found of each certificate, `GET /v1/campaigns/{id}/changes` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CampaignCompletedData {
    campaign_id: CampaignId,
    counts: CampaignCounts,
    /// The status version that every answer is of.
    status_version: String,
    /// Root over the results (RFC 6962 2.1, SHA-256), hexadecimal; as in the receipt.
    root: String,
}

/// `data` of `subject.changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SubjectChangedData {
    subject_id: SubjectId,
    change: SubjectChange,
    /// The certificate that shows it: the new one, or the one that was revoked because its attributes no longer hold.
    certificate_handle: CertificateHandle,
    kind: CertificateKind,
    /// The verification that showed it; `null` where a revocation list did.
    verification_id: Option<VerificationId>,
    /// The certificate that a new one replaces: the last of the same person and kind before it. Its watch names the new one as
    /// `renewed_by`.
    replaces: Option<CertificateHandle>,
}

/// `data` of `source.stale`. Said once to each tenant with watches, until `source.recovered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SourceStaleData {
    channel: Channel,
    /// The earliest nextUpdate (RFC 5280 5.1.2.5) that passed without a new list.
    since: Timestamp,
    /// Lists in force at all.
    lists: u64,
    /// Those past their nextUpdate: of certificates on these nothing new is known.
    stale_lists: u64,
}

/// `data` of `source.recovered`. What was revoked meanwhile is told by `certificate.revoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SourceRecoveredData {
    channel: Channel,
    /// As `since` of the `source.stale` before.
    stale_since: Timestamp,
}

/// `data` of `invoice.finalized`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct InvoiceFinalizedData {
    invoice_id: InvoiceId,
    /// The month in Japan.
    period: BillingMonth,
    /// With tax.
    total: Yen,
}

/// `data` of `budget.threshold_reached`. Said once for each threshold and month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct BudgetThresholdReachedData {
    /// The month in Japan.
    period: BillingMonth,
    /// The threshold, in percent of the budget.
    threshold_percent: u16,
    /// The budget when it was reached, in yen without tax.
    budget: Yen,
    /// What the month's invoice would have come to then, in yen without tax.
    spent: Yen,
}

/// `data` of `endpoint.disabled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EndpointDisabledData {
    endpoint_id: EndpointId,
    /// `gone` (it answered 410) or `failing` (days without one success).
    cause: String,
}

/// `data` of `endpoint.tested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EndpointTestedData {
    pub endpoint_id: EndpointId,
}

/// The payload of an event; its shape follows from the event's `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum EventData {
    VerificationCompleted(VerificationCompletedData),
    CertificateRevoked(CertificateRevokedData),
    CertificateExpiring(CertificateExpiringData),
    CertificateExpired(CertificateExpiredData),
    CampaignCompleted(CampaignCompletedData),
    SubjectChanged(SubjectChangedData),
    SourceStale(SourceStaleData),
    SourceRecovered(SourceRecoveredData),
    InvoiceFinalized(InvoiceFinalizedData),
    BudgetThresholdReached(BudgetThresholdReachedData),
    EndpointDisabled(EndpointDisabledData),
    EndpointTested(EndpointTestedData),
}

impl EventData {
    pub(crate) const fn event_type(&self) -> EventType {
        match self {
            Self::VerificationCompleted(_) => EventType::VerificationCompleted,
            Self::CertificateRevoked(_) => EventType::CertificateRevoked,
            Self::CertificateExpiring(_) => EventType::CertificateExpiring,
            Self::CertificateExpired(_) => EventType::CertificateExpired,
            Self::CampaignCompleted(_) => EventType::CampaignCompleted,
            Self::SubjectChanged(_) => EventType::SubjectChanged,
            Self::SourceStale(_) => EventType::SourceStale,
            Self::SourceRecovered(_) => EventType::SourceRecovered,
            Self::InvoiceFinalized(_) => EventType::InvoiceFinalized,
            Self::BudgetThresholdReached(_) => EventType::BudgetThresholdReached,
            Self::EndpointDisabled(_) => EventType::EndpointDisabled,
            Self::EndpointTested(_) => EventType::EndpointTested,
        }
    }
}

/// What is posted to an endpoint, and stored: the three members that Standard Webhooks recommends, and what a consumer needs
/// to recognise repetitions (`id`) and to restore order (`sequence`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    pub id: EventId,
    #[serde(rename = "type")]
    pub event_type: EventType,
    pub version: u16,
    pub sequence: i64,
    pub timestamp: Timestamp,
    pub data: serde_json::Value,
}
