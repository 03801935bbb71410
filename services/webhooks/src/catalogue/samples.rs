//! An example of every type: for the catalogue, and to be sent to an endpoint in the sandbox on request.

use std::time::Duration;

use warikan_contracts::facts::{CampaignCounts, SubjectChange};
use warikan_types::{
    CertificateKind, Channel, Entropy, Reason, RevocationReason, Timestamp, Verdict, Yen,
};

use super::{
    BudgetThresholdReachedData, CampaignCompletedData, CertificateExpiredData,
    CertificateExpiringData, CertificateRevokedData, EndpointDisabledData, EndpointTestedData,
    EventData, EventType, InvoiceFinalizedData, Message, SourceRecoveredData, SourceStaleData,
    SubjectChangedData, VerificationCompletedData,
};
use crate::ids::EndpointId;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A payload as it could have been. Its ids name nothing that exists, except for the endpoint's.
pub(crate) fn sample(
    event_type: EventType,
    endpoint: EndpointId,
    entropy: &Entropy,
    now: Timestamp,
) -> EventData {
    match event_type {
        EventType::VerificationCompleted => {
            EventData::VerificationCompleted(VerificationCompletedData {
                verification_id: entropy.id(now),
                verdict: Verdict::Invalid,
                reason: Some(Reason::CertificateRevoked),
                certificate_handle: Some(entropy.id(now)),
                subject_id: Some(entropy.id(now)),
                watch_id: None,
            })
        }
        EventType::CertificateRevoked => revoked(entropy, now),
        EventType::CertificateExpiring => EventData::CertificateExpiring(CertificateExpiringData {
            watch_id: entropy.id(now),
            certificate_handle: entropy.id(now),
            subject_id: Some(entropy.id(now)),
            kind: CertificateKind::CardSignature,
            not_after: now.plus(30 * DAY),
        }),
        EventType::CertificateExpired => EventData::CertificateExpired(CertificateExpiredData {
            watch_id: entropy.id(now),
            certificate_handle: entropy.id(now),
            subject_id: Some(entropy.id(now)),
            kind: CertificateKind::CardSignature,
            not_after: now,
        }),
        EventType::CampaignCompleted => campaign(entropy, now),
        EventType::SubjectChanged => EventData::SubjectChanged(SubjectChangedData {
            subject_id: entropy.id(now),
            change: SubjectChange::CertificateAdded,
            certificate_handle: entropy.id(now),
            kind: CertificateKind::CardSignature,
            verification_id: Some(entropy.id(now)),
            replaces: Some(entropy.id(now)),
        }),
        EventType::SourceStale => EventData::SourceStale(SourceStaleData {
            channel: Channel::Crl,
            since: now,
            lists: 1_900,
            stale_lists: 12,
        }),
        EventType::SourceRecovered => EventData::SourceRecovered(SourceRecoveredData {
            channel: Channel::Crl,
            stale_since: now.minus(DAY),
        }),
        EventType::InvoiceFinalized => EventData::InvoiceFinalized(InvoiceFinalizedData {
            invoice_id: entropy.id(now),
            period: warikan_types::BillingMonth::of(now),
            total: Yen(12_345),
        }),
        EventType::BudgetThresholdReached => {
            EventData::BudgetThresholdReached(BudgetThresholdReachedData {
                period: warikan_types::BillingMonth::of(now),
                threshold_percent: 80,
                budget: Yen(100_000),
                spent: Yen(80_005),
            })
        }
        EventType::EndpointDisabled => EventData::EndpointDisabled(EndpointDisabledData {
            endpoint_id: endpoint,
            cause: "failing".to_owned(),
        }),
        EventType::EndpointTested => EventData::EndpointTested(EndpointTestedData {
            endpoint_id: endpoint,
        }),
    }
}

fn revoked(entropy: &Entropy, now: Timestamp) -> EventData {
    let reason = RevocationReason::AffiliationChanged;
    EventData::CertificateRevoked(CertificateRevokedData {
        watch_id: entropy.id(now),
        certificate_handle: entropy.id(now),
        subject_id: Some(entropy.id(now)),
        kind: CertificateKind::CardSignature,
        reason,
        meaning: reason.meaning(),
        recommended_action: reason.recommended_action(),
        customer_wording: reason.customer_wording(),
        revoked_at: now,
        this_update: now,
        source_version: "1".to_owned(),
        renewed_by: None,
    })
}

fn campaign(entropy: &Entropy, now: Timestamp) -> EventData {
    EventData::CampaignCompleted(CampaignCompletedData {
        campaign_id: entropy.id(now),
        counts: CampaignCounts {
            checked: 1_000,
            good: 990,
            revoked: 7,
            expired: 2,
            unknown: 1,
        },
        status_version: "1f".repeat(32),
        root: "7a".repeat(32),
    })
}

/// A whole message, the same every time: what the catalogue prints.
pub(super) fn example(event_type: EventType) -> Message {
    let (entropy, at) = (Entropy::seeded(20), Timestamp::from_unix(1_795_219_200));
    let at = at.expect("a moment in 2026");
    let id = entropy.id(at);
    let data = sample(event_type, entropy.id(at), &entropy, at);
    Message {
        id,
        event_type,
        version: event_type.version(),
        sequence: 42,
        timestamp: at,
        data: serde_json::to_value(data).expect("a payload is plain data"),
    }
}
