//! Answers, as tenants see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_pki::{AgeBounds, Check, Judged, StatusKnowledge};
use warikan_status::{Heard, SourceOfStatus, StatusState};
use warikan_types::{
    CertificateHandle, CertificateKind, Environment, Reason, RevocationReason, SubjectId,
    Timestamp, Verdict, VerificationId, WatchId,
};

/// The certificate, as this tenant may know it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = CertificateOfVerification)]
pub(crate) struct CertificateView {
    /// A pseudonym of the certificate, this tenant's own; `null` where nobody vouches for the certificate.
    pub(crate) handle: Option<CertificateHandle>,
    pub(crate) kind: Option<CertificateKind>,
    /// Of the issuer; `null` where it is unknown.
    pub(crate) environment: Option<Environment>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// The status, where it came from and how fresh it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = StatusOfVerification)]
pub(crate) struct StatusView {
    /// `unknown` also where the source was too old to say *good*.
    pub(crate) state: StatusState,
    pub(crate) channel: Option<Channel>,
    /// thisUpdate of the list or response.
    pub(crate) this_update: Option<Timestamp>,
    pub(crate) next_update: Option<Timestamp>,
    /// Seconds between thisUpdate and the decision.
    pub(crate) age_seconds: Option<u64>,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) revocation_reason: Option<RevocationReason>,
    /// Names the exact version of knowledge.
    pub(crate) source_version: Option<String>,
    /// Every source that was asked. Where two have spoken, *revoked* wins; otherwise the live answer decides.
    #[serde(default)]
    pub(crate) sources: Vec<SourceOfStatus>,
}

impl StatusView {
    /// What is known, and what may be said by it: *good* by no source that is too old.
    pub(crate) fn of(known: Option<&StatusKnowledge>, bounds: AgeBounds, at: Timestamp) -> Self {
        let Some(known) = known else {
            return Self {
                state: StatusState::Unknown,
                channel: None,
                this_update: None,
                next_update: None,
                age_seconds: None,
                revoked_at: None,
                revocation_reason: None,
                source_version: None,
                sources: Vec::new(),
            };
        };
        let (state, revoked_at, revocation_reason) = match Judged::of(Some(known), bounds, at) {
            Judged::Good => (StatusState::Good, None, None),
            Judged::Revoked { reason, revoked_at } => {
                (StatusState::Revoked, Some(revoked_at), Some(reason))
            }
            Judged::Unknown(_) => (StatusState::Unknown, None, None),
        };
        Self {
            state,
            channel: Some(known.channel),
            this_update: Some(known.this_update),
            next_update: known.next_update,
            age_seconds: Some(at.since(known.this_update).as_secs()),
            revoked_at,
            revocation_reason,
            source_version: Some(known.version.clone()),
            sources: Vec::new(),
        }
    }

    pub(crate) fn with_sources(mut self, heard: &[Heard], at: Timestamp) -> Self {
        self.sources = heard
            .iter()
            .map(|one| SourceOfStatus::of(one, at))
            .collect();
        self
    }
}

/// The person, as this tenant knows them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct SubjectOfVerification {
    pub(crate) id: SubjectId,
    /// Whether this verification was the first.
    pub(crate) is_new: bool,
    /// Your customer number.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
}

/// The watch that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct WatchOfVerification {
    pub(crate) id: WatchId,
}

/// A verification, without the attributes: what is kept and shown again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct VerificationView {
    pub(crate) id: VerificationId,
    pub(crate) verdict: Verdict,
    /// `null` where the verdict is `valid`; the first failed check's in the published order otherwise.
    pub(crate) reason: Option<Reason>,
    /// Every check.
    pub(crate) checks: Vec<Check>,
    pub(crate) certificate: Option<CertificateView>,
    pub(crate) status: StatusView,
    pub(crate) subject: Option<SubjectOfVerification>,
    pub(crate) watch: Option<WatchOfVerification>,
    /// By the clock of the environment.
    pub(crate) verified_at: Timestamp,
    /// A JWS over the result, to be verified offline with `/.well-known/jwks.json`.
    pub(crate) receipt: String,
}
