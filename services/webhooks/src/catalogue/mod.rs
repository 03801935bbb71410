//! The public event types: what a tenant reads, and what is left out of it.
//!
//! A fact on the bus is the platform's own; its public form is cut here, field by field, and nowhere else. Payloads are
//! thin: ids, a verdict, a reason. No serial number and no issuer (法52条), no name, address or customer number: a
//! message may lie in a tenant's logs for years, and who needs more asks the API with the id.
//!
//! [`samples`] holds an example of each, [`schema`] describes each as JSON Schema; both are served by the catalogue operation
//! and lie in the repository, where a test compares them with this code.

mod samples;
mod schema;

pub(crate) use samples::sample;
pub(crate) use schema::{TypeView, catalogue};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::{
    Envelope, EnvelopeError, Fact,
    facts::{CertificateRevoked, EndpointDisabled, InvoiceFinalized, VerificationCompleted},
};
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateKind, Reason, RevocationReason, Timestamp, Verdict,
    Yen,
};

use crate::ids::{EndpointId, EventId, InvoiceId, SubjectId, VerificationId, WatchId};

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
    /// A month's invoice stands.
    #[serde(rename = "invoice.finalized")]
    InvoiceFinalized,
    /// The platform stopped sending to an endpoint.
    #[serde(rename = "endpoint.disabled")]
    EndpointDisabled,
    /// Asked for with `POST /v1/webhook-endpoints/{id}/test`; sent to that endpoint alone.
    #[serde(rename = "endpoint.tested")]
    EndpointTested,
}

impl EventType {
    pub(crate) const ALL: [Self; 5] = [
        Self::VerificationCompleted,
        Self::CertificateRevoked,
        Self::InvoiceFinalized,
        Self::EndpointDisabled,
        Self::EndpointTested,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::VerificationCompleted => "verification.completed",
            Self::CertificateRevoked => "certificate.revoked",
            Self::InvoiceFinalized => "invoice.finalized",
            Self::EndpointDisabled => "endpoint.disabled",
            Self::EndpointTested => "endpoint.tested",
        }
    }

    /// What it tells, in one sentence.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::VerificationCompleted => "A verification was answered.",
            Self::CertificateRevoked => "A watched certificate was revoked.",
            Self::InvoiceFinalized => "A month's invoice stands.",
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
    /// When, as the issuer says.
    revoked_at: Timestamp,
    /// thisUpdate (RFC 5280 5.1.2.4) of the list that said so.
    this_update: Timestamp,
    /// The status version that said so.
    source_version: String,
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
    InvoiceFinalized(InvoiceFinalizedData),
    EndpointDisabled(EndpointDisabledData),
    EndpointTested(EndpointTestedData),
}

impl EventData {
    pub(crate) const fn event_type(&self) -> EventType {
        match self {
            Self::VerificationCompleted(_) => EventType::VerificationCompleted,
            Self::CertificateRevoked(_) => EventType::CertificateRevoked,
            Self::InvoiceFinalized(_) => EventType::InvoiceFinalized,
            Self::EndpointDisabled(_) => EventType::EndpointDisabled,
            Self::EndpointTested(_) => EventType::EndpointTested,
        }
    }
}

/// The public form of a fact.
///
/// # Errors
/// The envelope holds something that has no public form here.
pub(crate) fn publish(envelope: &Envelope) -> Result<EventData, EnvelopeError> {
    Ok(match envelope.fact_type.as_str() {
        VerificationCompleted::TYPE => {
            let fact: VerificationCompleted = envelope.read()?;
            EventData::VerificationCompleted(VerificationCompletedData {
                verification_id: fact.verification,
                verdict: fact.verdict,
                reason: fact.reason,
                certificate_handle: fact.handle,
                subject_id: fact.subject,
                watch_id: fact.watch.map(|order| order.watch),
            })
        }
        CertificateRevoked::TYPE => {
            let fact: CertificateRevoked = envelope.read()?;
            EventData::CertificateRevoked(CertificateRevokedData {
                watch_id: fact.watch,
                certificate_handle: fact.handle,
                subject_id: fact.subject,
                kind: fact.kind,
                reason: fact.reason,
                meaning: fact.reason.meaning(),
                recommended_action: fact.reason.recommended_action(),
                revoked_at: fact.revoked_at,
                this_update: fact.this_update,
                source_version: fact.source_version,
            })
        }
        InvoiceFinalized::TYPE => {
            let fact: InvoiceFinalized = envelope.read()?;
            EventData::InvoiceFinalized(InvoiceFinalizedData {
                invoice_id: fact.invoice,
                period: fact.period,
                total: fact.total,
            })
        }
        _ => {
            let fact: EndpointDisabled = envelope.read()?;
            EventData::EndpointDisabled(EndpointDisabledData {
                endpoint_id: fact.endpoint,
                cause: fact.cause,
            })
        }
    })
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
