//! The facts. Each names who says it and who listens.

mod tenants;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
pub use warikan_types::Channel;
use warikan_types::{
    BillingMonth, Campaign, CertificateHandle, CertificateId, CertificateKind, Client,
    CrlPartition, Endpoint, Environment, Id, Invoice, Reason, RevocationReason, Subject, Timestamp,
    Verdict, Verification, Watch, Yen,
};

pub use self::tenants::{
    CredentialRevoked, OperatorActed, TenantActed, TenantChanged, TenantClosed, TenantResumed,
    TenantState, TenantSuspended,
};
use crate::Fact;

/// A standing order to watch one certificate. Internal: issuer key and serial never leave (法52条).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchOrder {
    /// The watch's id, told to the tenant in the answer that made it.
    pub watch: Id<Watch>,
    /// What to watch.
    pub certificate: CertificateId,
    /// The list that covers it.
    pub partition: Option<CrlPartition>,
    /// Its kind.
    pub kind: CertificateKind,
    /// When it ends by itself.
    pub not_after: Timestamp,
    /// The name the tenant knows it by.
    pub handle: CertificateHandle,
    /// The person, as this tenant knows them.
    pub subject: Option<Id<Subject>>,
    /// The tenant's own customer number.
    pub reference: Option<String>,
}

/// Verification says it, for every answer it gave; revocation watches, billing meters, the feed tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationCompleted {
    /// Which verification: also the operation's id on the bill.
    pub verification: Id<Verification>,
    /// The credential that asked.
    pub client: Id<Client>,
    /// Kind of certificate, where it could be told.
    pub kind: Option<CertificateKind>,
    /// Where the status came from, where there was one.
    pub channel: Option<Channel>,
    /// The outcome.
    pub verdict: Verdict,
    /// Why it is not `valid`.
    pub reason: Option<Reason>,
    /// The person, as this tenant knows them.
    pub subject: Option<Id<Subject>>,
    /// The certificate, as this tenant knows it.
    pub handle: Option<CertificateHandle>,
    /// The moment the request was accepted: decides the billing month.
    pub accepted_at: Timestamp,
    /// The watch the tenant asked for along with it.
    pub watch: Option<WatchOrder>,
}
impl Fact for VerificationCompleted {
    const TYPE: &'static str = "verification.completed";
    const VERSION: u16 = 1;
}

/// When what a list says could first be known, and when the platform knew it. Both by the platform's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// thisUpdate of the list; of the sandbox's, whose clock is moved, as long ago as it was when the watch was flagged.
    pub published_at: Timestamp,
    /// When the platform took the list over.
    pub accepted_at: Timestamp,
}

/// Revocation says it, once per watch; the feed tells it to that watch's tenant alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRevoked {
    /// The watch that was flagged.
    pub watch: Id<Watch>,
    /// The certificate, as the tenant knows it.
    pub handle: CertificateHandle,
    /// Its kind.
    pub kind: CertificateKind,
    /// The person, as the tenant knows them.
    pub subject: Option<Id<Subject>>,
    /// Why.
    pub reason: RevocationReason,
    /// When, as the issuer says.
    pub revoked_at: Timestamp,
    /// thisUpdate of the list that said so.
    pub this_update: Timestamp,
    /// The status version that said so.
    pub source_version: String,
    /// Where the list's coming flagged the watch. `None` where the watch began on a certificate that was revoked already: nobody
    /// waited for that. Measured, and not told.
    #[serde(default)]
    pub learned: Option<Learned>,
    /// The certificate that replaces it, where the tenant has verified one of the same person and kind.
    #[serde(default)]
    pub renewed_by: Option<CertificateHandle>,
}
impl Fact for CertificateRevoked {
    const TYPE: &'static str = "certificate.revoked";
    const VERSION: u16 = 1;
}

/// Revocation says it, once per watch: the certificate's time is nearly over. Not said of a certificate that is revoked already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateExpiring {
    /// The watch.
    pub watch: Id<Watch>,
    /// The certificate, as the tenant knows it.
    pub handle: CertificateHandle,
    /// Its kind.
    pub kind: CertificateKind,
    /// The person, as the tenant knows them.
    pub subject: Option<Id<Subject>>,
    /// When it ends.
    pub not_after: Timestamp,
}
impl Fact for CertificateExpiring {
    const TYPE: &'static str = "certificate.expiring";
    const VERSION: u16 = 1;
}

/// Revocation says it, once per watch: the certificate's time is over, and the watch ended with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateExpired {
    /// The watch that ended.
    pub watch: Id<Watch>,
    /// The certificate, as the tenant knows it.
    pub handle: CertificateHandle,
    /// Its kind.
    pub kind: CertificateKind,
    /// The person, as the tenant knows them.
    pub subject: Option<Id<Subject>>,
    /// When it ended.
    pub not_after: Timestamp,
}
impl Fact for CertificateExpired {
    const TYPE: &'static str = "certificate.expired";
    const VERSION: u16 = 1;
}

/// What a campaign found, in numbers. They add up to `checked`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CampaignCounts {
    /// Certificates checked, each once.
    pub checked: u64,
    /// Neither revoked nor expired, by a list that was fresh enough.
    pub good: u64,
    /// Revoked.
    pub revoked: u64,
    /// Past their notAfter and not known to be revoked.
    pub expired: u64,
    /// Of which nothing could be found out: no list, or one too old.
    pub unknown: u64,
}

/// Revocation says it: a campaign has checked the last certificate, and its receipt is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignCompleted {
    /// The campaign.
    pub campaign: Id<Campaign>,
    /// What it found.
    pub counts: CampaignCounts,
    /// The status version that every answer is of.
    pub status_version: String,
    /// Root over the results (RFC 6962 2.1, SHA-256), hexadecimal.
    pub root: String,
}
impl Fact for CampaignCompleted {
    const TYPE: &'static str = "campaign.completed";
    const VERSION: u16 = 1;
}

/// What changed about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectChange {
    /// A certificate that was not known of them was verified: a renewal, a new card, a phone.
    CertificateAdded,
    /// A certificate of theirs was revoked because one of the four attributes changed (CRLReason affiliationChanged).
    AttributesChanged,
}

/// Verification says it of a known person's new certificate, revocation of changed attributes, once per certificate; the feed
/// tells it to the tenant who knows the person, and revocation remembers which certificate replaces which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectChanged {
    /// The person, as the tenant knows them.
    pub subject: Id<Subject>,
    /// What changed.
    pub change: SubjectChange,
    /// The certificate that shows it.
    pub handle: CertificateHandle,
    /// Its kind.
    pub kind: CertificateKind,
    /// The verification that showed it, where one did.
    pub verification: Option<Id<Verification>>,
    /// The certificate that a new one replaces: the last of the same person and kind that the tenant knew.
    #[serde(default)]
    pub replaces: Option<CertificateHandle>,
}
impl Fact for SubjectChanged {
    const TYPE: &'static str = "subject.changed";
    const VERSION: u16 = 1;
}

/// Verification says it: a tenant had a person erased. Revocation ends the watches of that person and erases what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectErased {
    /// The person, as the tenant knew them.
    pub subject: Id<Subject>,
    /// Their certificates, as the tenant knew them: a watch that the tenant began by itself names no person.
    pub certificates: Vec<CertificateHandle>,
}
impl Fact for SubjectErased {
    const TYPE: &'static str = "subject.erased";
    const VERSION: u16 = 1;
}

/// Revocation says it to every tenant that has watches in the environment: lists are past their nextUpdate, so that nothing new
/// is learned of the certificates on them and verifications answer `status_stale`. Said once until [`SourceRecovered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStale {
    /// Where the knowledge comes from.
    pub channel: Channel,
    /// Since when: the earliest nextUpdate that has passed.
    pub since: Timestamp,
    /// Lists in force.
    pub lists: u64,
    /// Those past their nextUpdate.
    pub stale_lists: u64,
}
impl Fact for SourceStale {
    const TYPE: &'static str = "source.stale";
    const VERSION: u16 = 1;
}

/// Revocation says it, to those that heard [`SourceStale`]: every list is in force again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecovered {
    /// Where the knowledge comes from.
    pub channel: Channel,
    /// Since when it had been stale.
    pub stale_since: Timestamp,
}
impl Fact for SourceRecovered {
    const TYPE: &'static str = "source.recovered";
    const VERSION: u16 = 1;
}

/// One certificate among those checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedCertificate {
    /// The certificate, as the tenant knows it.
    pub handle: CertificateHandle,
    /// Its kind: fees differ.
    pub kind: CertificateKind,
}

/// Revocation and verification say it: these certificates were checked for being unchanged (現況確認; as a purpose, `status_check`) in
/// this month, by a watch, a campaign or a look-up. By CRL billing counts each once a month, whoever tells of it first; by OCSP
/// each call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChecked {
    /// The JST month it counts for.
    pub month: BillingMonth,
    /// By which channel.
    pub channel: Channel,
    /// At most 500 per fact.
    pub certificates: Vec<CheckedCertificate>,
}
impl Fact for StatusChecked {
    const TYPE: &'static str = "status.checked";
    const VERSION: u16 = 1;
}

/// The sandbox says it: new revocation lists lie ready. Revocation fetches at once instead of at its next turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlPublished {
    /// For which environment.
    pub environment: Environment,
}
impl Fact for CrlPublished {
    const TYPE: &'static str = "crl.published";
    const VERSION: u16 = 1;
}

/// Webhooks say it of themselves; the feed keeps it, because the endpoint no longer can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointDisabled {
    /// The endpoint.
    pub endpoint: Id<Endpoint>,
    /// `gone` (it answered 410) or `failing` (five days without success).
    pub cause: String,
}
impl Fact for EndpointDisabled {
    const TYPE: &'static str = "endpoint.disabled";
    const VERSION: u16 = 1;
}

/// Billing says it when a month's invoice stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceFinalized {
    /// The invoice.
    pub invoice: Id<Invoice>,
    /// Its month.
    pub period: BillingMonth,
    /// Its total with tax.
    pub total: Yen,
}
impl Fact for InvoiceFinalized {
    const TYPE: &'static str = "invoice.finalized";
    const VERSION: u16 = 1;
}

/// Billing says it, once for each threshold of a tenant's budget and month; the feed tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetThresholdReached {
    /// The month.
    pub period: BillingMonth,
    /// The threshold, in percent of the budget.
    pub percent: u16,
    /// The budget when it was reached, without tax.
    pub budget: Yen,
    /// What the month came to then, without tax.
    pub spent: Yen,
}
impl Fact for BudgetThresholdReached {
    const TYPE: &'static str = "budget.threshold_reached";
    const VERSION: u16 = 1;
}
