//! The vocabulary of the house: ids, tenant scope, time, money, secrets, certificate identity.
//!
//! Nothing here performs IO. The two exceptions that read the machine, [`Clock::system`] and
//! [`Entropy::system`], are the only places in the workspace that may (`clippy.toml` bans the rest),
//! so that every other piece of code takes time and randomness as parameters.

mod bytes;
mod certificate;
mod clock;
mod entropy;
mod environment;
mod id;
mod money;
mod month;
mod pseudonym;
mod reason;
mod scope;
mod sealer;
mod secret;
mod span;
mod timestamp;
mod wording;

pub use bytes::Base64Bytes;
pub use certificate::{
    CertificateId, CertificateKind, Channel, CrlPartition, IssuerKey, RevocationReason, Serial,
    SerialError,
};
pub use clock::{Clock, ClockError};
pub use entropy::Entropy;
pub use environment::Environment;
pub use id::{
    AuditRecord, Campaign, Certificate, Challenge, Client, Contract, Delivery, Endpoint, Event, Id,
    IdError, IdKind, Invoice, Person, Request, Subject, Tenant, UsageRecord, Verification, Watch,
};
pub use money::{MoneyError, Yen};
pub use month::{BillingMonth, MonthError};
pub use pseudonym::PseudonymKey;
pub use reason::{Reason, Verdict};
pub use scope::{ClientScope, Principal, TenantScope};
pub use sealer::{SealError, Sealer};
pub use secret::{Personal, Secret};
pub use span::{Span, SpanError};
pub use timestamp::{Timestamp, TimestampError};
pub use wording::Wording;

// The aliases are what documented shapes use: utoipa's derive takes a plain name and no generic one.

/// `ten_..`
pub type TenantId = Id<Tenant>;
/// `cli_..`
pub type ClientId = Id<Client>;
/// `chl_..`
pub type ChallengeId = Id<Challenge>;
/// `ver_..`
pub type VerificationId = Id<Verification>;
/// `sub_..`
pub type SubjectId = Id<Subject>;
/// `wch_..`
pub type WatchId = Id<Watch>;
/// `cmp_..`
pub type CampaignId = Id<Campaign>;
/// `evt_..`
pub type EventId = Id<Event>;
/// `whe_..`
pub type EndpointId = Id<Endpoint>;
/// `dlv_..`
pub type DeliveryId = Id<Delivery>;
/// `inv_..`
pub type InvoiceId = Id<Invoice>;
/// `use_..`
pub type UsageRecordId = Id<UsageRecord>;
/// `aud_..`
pub type AuditRecordId = Id<AuditRecord>;
/// `psn_..`
pub type PersonId = Id<Person>;
/// The only form in which a tenant ever sees a certificate, `crt_..` (see [`PseudonymKey`]).
pub type CertificateHandle = Id<Certificate>;
