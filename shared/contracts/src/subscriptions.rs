//! Who listens to what.
//!
//! A publisher has to know it: a fact that is told before one of its listeners was ever started must wait for that listener
//! too, and a fact that nobody listens to must wait for nobody. A test compares the list with the services.

use crate::{
    Fact,
    facts::{
        BudgetThresholdReached, CampaignCompleted, CertificateExpired, CertificateExpiring,
        CertificateRevoked, CrlPublished, EndpointDisabled, InvoiceFinalized, OperatorActed,
        SourceRecovered, SourceStale, StatusChecked, SubjectChanged, SubjectErased, TenantActed,
        TenantChanged, TenantClosed, VerificationCompleted,
    },
};

/// A consumer's name and the types of facts it listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// `<service>.<what it does>`; stable, because queues and inboxes are named after it.
    pub consumer: &'static str,
    /// [`Fact::TYPE`] of each.
    pub types: &'static [&'static str],
}

/// All of the platform's.
pub const SUBSCRIPTIONS: &[Subscription] = &[
    Subscription {
        consumer: "onboarding.audit",
        types: &[OperatorActed::TYPE],
    },
    Subscription {
        consumer: "onboarding.acts",
        types: &[TenantActed::TYPE],
    },
    Subscription {
        consumer: "onboarding.closed",
        types: &[TenantClosed::TYPE],
    },
    Subscription {
        consumer: "verification.closed",
        types: &[TenantClosed::TYPE],
    },
    Subscription {
        consumer: "revocation.watch",
        types: &[VerificationCompleted::TYPE],
    },
    Subscription {
        consumer: "revocation.fetch",
        types: &[CrlPublished::TYPE],
    },
    Subscription {
        consumer: "revocation.erase",
        types: &[SubjectErased::TYPE],
    },
    Subscription {
        consumer: "revocation.renewals",
        types: &[SubjectChanged::TYPE],
    },
    Subscription {
        consumer: "revocation.tenants",
        types: &[TenantChanged::TYPE],
    },
    Subscription {
        consumer: "revocation.closed",
        types: &[TenantClosed::TYPE],
    },
    Subscription {
        consumer: "webhooks.feed",
        types: &[
            VerificationCompleted::TYPE,
            CertificateRevoked::TYPE,
            CertificateExpiring::TYPE,
            CertificateExpired::TYPE,
            CampaignCompleted::TYPE,
            SubjectChanged::TYPE,
            SourceStale::TYPE,
            SourceRecovered::TYPE,
            InvoiceFinalized::TYPE,
            BudgetThresholdReached::TYPE,
            EndpointDisabled::TYPE,
        ],
    },
    Subscription {
        consumer: "webhooks.tenants",
        types: &[TenantChanged::TYPE],
    },
    Subscription {
        consumer: "webhooks.closed",
        types: &[TenantClosed::TYPE],
    },
    Subscription {
        consumer: "billing.meter",
        types: &[VerificationCompleted::TYPE, StatusChecked::TYPE],
    },
    Subscription {
        consumer: "billing.recipients",
        types: &[TenantChanged::TYPE],
    },
];
