//! From the platform's facts to their public forms, field by field.

use warikan_contracts::{
    Envelope, EnvelopeError, Fact,
    facts::{
        BudgetThresholdReached, CampaignCompleted, CertificateExpired, CertificateExpiring,
        CertificateRevoked, EndpointDisabled, InvoiceFinalized, SourceRecovered, SourceStale,
        SubjectChanged, VerificationCompleted,
    },
};

use super::{
    BudgetThresholdReachedData, CampaignCompletedData, CertificateExpiredData,
    CertificateExpiringData, CertificateRevokedData, EndpointDisabledData, EventData,
    InvoiceFinalizedData, SourceRecoveredData, SourceStaleData, SubjectChangedData,
    VerificationCompletedData,
};

/// The public form of a fact.
///
/// # Errors
/// The envelope holds something that has no public form here.
pub(crate) fn publish(envelope: &Envelope) -> Result<EventData, EnvelopeError> {
    Ok(match envelope.fact_type.as_str() {
        VerificationCompleted::TYPE => {
            EventData::VerificationCompleted(envelope.read::<VerificationCompleted>()?.into())
        }
        CertificateRevoked::TYPE => {
            EventData::CertificateRevoked(envelope.read::<CertificateRevoked>()?.into())
        }
        CertificateExpiring::TYPE => {
            EventData::CertificateExpiring(envelope.read::<CertificateExpiring>()?.into())
        }
        CertificateExpired::TYPE => {
            EventData::CertificateExpired(envelope.read::<CertificateExpired>()?.into())
        }
        CampaignCompleted::TYPE => {
            EventData::CampaignCompleted(envelope.read::<CampaignCompleted>()?.into())
        }
        SubjectChanged::TYPE => {
            EventData::SubjectChanged(envelope.read::<SubjectChanged>()?.into())
        }
        SourceStale::TYPE => EventData::SourceStale(envelope.read::<SourceStale>()?.into()),
        SourceRecovered::TYPE => {
            EventData::SourceRecovered(envelope.read::<SourceRecovered>()?.into())
        }
        InvoiceFinalized::TYPE => {
            EventData::InvoiceFinalized(envelope.read::<InvoiceFinalized>()?.into())
        }
        BudgetThresholdReached::TYPE => {
            EventData::BudgetThresholdReached(envelope.read::<BudgetThresholdReached>()?.into())
        }
        _ => EventData::EndpointDisabled(envelope.read::<EndpointDisabled>()?.into()),
    })
}

impl From<VerificationCompleted> for VerificationCompletedData {
    fn from(fact: VerificationCompleted) -> Self {
        Self {
            verification_id: fact.verification,
            verdict: fact.verdict,
            reason: fact.reason,
            certificate_handle: fact.handle,
            subject_id: fact.subject,
            watch_id: fact.watch.map(|order| order.watch),
        }
    }
}

impl From<CertificateRevoked> for CertificateRevokedData {
    fn from(fact: CertificateRevoked) -> Self {
        Self {
            watch_id: fact.watch,
            certificate_handle: fact.handle,
            subject_id: fact.subject,
            kind: fact.kind,
            reason: fact.reason,
            meaning: fact.reason.meaning(),
            recommended_action: fact.reason.recommended_action(),
            customer_wording: fact.reason.customer_wording(),
            revoked_at: fact.revoked_at,
            this_update: fact.this_update,
            source_version: fact.source_version,
            renewed_by: fact.renewed_by,
        }
    }
}

impl From<CertificateExpiring> for CertificateExpiringData {
    fn from(fact: CertificateExpiring) -> Self {
        Self {
            watch_id: fact.watch,
            certificate_handle: fact.handle,
            subject_id: fact.subject,
            kind: fact.kind,
            not_after: fact.not_after,
        }
    }
}

impl From<CertificateExpired> for CertificateExpiredData {
    fn from(fact: CertificateExpired) -> Self {
        Self {
            watch_id: fact.watch,
            certificate_handle: fact.handle,
            subject_id: fact.subject,
            kind: fact.kind,
            not_after: fact.not_after,
        }
    }
}

impl From<CampaignCompleted> for CampaignCompletedData {
    fn from(fact: CampaignCompleted) -> Self {
        Self {
            campaign_id: fact.campaign,
            counts: fact.counts,
            status_version: fact.status_version,
            root: fact.root,
        }
    }
}

impl From<SubjectChanged> for SubjectChangedData {
    fn from(fact: SubjectChanged) -> Self {
        Self {
            subject_id: fact.subject,
            change: fact.change,
            certificate_handle: fact.handle,
            kind: fact.kind,
            verification_id: fact.verification,
            replaces: fact.replaces,
        }
    }
}

impl From<SourceStale> for SourceStaleData {
    fn from(fact: SourceStale) -> Self {
        Self {
            channel: fact.channel,
            since: fact.since,
            lists: fact.lists,
            stale_lists: fact.stale_lists,
        }
    }
}

impl From<SourceRecovered> for SourceRecoveredData {
    fn from(fact: SourceRecovered) -> Self {
        Self {
            channel: fact.channel,
            stale_since: fact.stale_since,
        }
    }
}

impl From<InvoiceFinalized> for InvoiceFinalizedData {
    fn from(fact: InvoiceFinalized) -> Self {
        Self {
            invoice_id: fact.invoice,
            period: fact.period,
            total: fact.total,
        }
    }
}

impl From<BudgetThresholdReached> for BudgetThresholdReachedData {
    fn from(fact: BudgetThresholdReached) -> Self {
        Self {
            period: fact.period,
            threshold_percent: fact.percent,
            budget: fact.budget,
            spent: fact.spent,
        }
    }
}

impl From<EndpointDisabled> for EndpointDisabledData {
    fn from(fact: EndpointDisabled) -> Self {
        Self {
            endpoint_id: fact.endpoint,
            cause: fact.cause,
        }
    }
}
