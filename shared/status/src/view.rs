//! What was heard, as tenants see it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_pki::StatusFact;
use warikan_types::Timestamp;

use crate::Heard;

/// What is known of a certificate's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked,
    /// Could not be found out.
    Unknown,
}

/// A source that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceOfStatus {
    channel: Channel,
    /// What it says by itself.
    state: StatusState,
    /// As of when.
    this_update: Option<Timestamp>,
    /// Seconds between that and the decision.
    age_seconds: Option<u64>,
    /// Why it said nothing usable: `timeout`, `unreachable`, `http_status`, `no_ocsp_response`, `too_large`, `busy`, `resting`
    /// (it failed too often), `not_configured`, `no_list`, `issuer_unknown`, or what was wrong with the response.
    problem: Option<String>,
}

impl SourceOfStatus {
    /// What a source said, its age counted to `at`.
    #[must_use]
    pub fn of(heard: &Heard, at: Timestamp) -> Self {
        let known = heard.knowledge.as_ref();
        Self {
            channel: heard.channel,
            state: match known.map(|known| &known.fact) {
                Some(StatusFact::Good) => StatusState::Good,
                Some(StatusFact::Revoked { .. }) => StatusState::Revoked,
                Some(StatusFact::UnknownSerial) | None => StatusState::Unknown,
            },
            this_update: known.map(|known| known.this_update),
            age_seconds: known.map(|known| at.since(known.this_update).as_secs()),
            problem: heard.problem.clone(),
        }
    }
}
