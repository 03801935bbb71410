//! A certificate's status at one time, as its tenant sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_status::{Heard, SourceOfStatus};
use warikan_types::{Reason, RevocationReason, Timestamp};

use crate::{entity::status_check, error::Error, store::reason_of};

/// What a look-up found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckState {
    /// The source that decides is in force, young enough, and does not call it revoked.
    Good,
    /// A source calls it revoked.
    Revoked,
    /// Could not be found out; the list may not name it, but is past its nextUpdate and so no longer says that it is good.
    Unknown,
}

impl CheckState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a look-up found nothing out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) enum UnknownReason {
    /// What is known was past its nextUpdate, or older than `max_age`.
    #[serde(rename = "status_stale")]
    Stale,
    /// No list that covers the certificate was there yet, or no source said anything usable.
    #[serde(rename = "status_unavailable")]
    Unavailable,
    /// The responder does not know the certificate.
    #[serde(rename = "status_unknown_serial")]
    UnknownSerial,
}

impl UnknownReason {
    /// As a row keeps it.
    pub(crate) const fn word(why: Reason) -> Option<&'static str> {
        match why {
            // What rows said before there were others.
            Reason::StatusStale => None,
            other => Some(other.as_str()),
        }
    }

    fn of(row: &status_check::Model) -> Self {
        let said = |reason: Reason| row.unknown_reason.as_deref() == Some(reason.as_str());
        if said(Reason::StatusUnavailable) {
            Self::Unavailable
        } else if said(Reason::StatusUnknownSerial) {
            Self::UnknownSerial
        } else {
            Self::Stale
        }
    }
}

/// A certificate's status at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StatusView {
    /// What was found.
    pub(crate) state: CheckState,
    /// Why it is `unknown`.
    pub(crate) reason: Option<UnknownReason>,
    /// Where it was looked up: the source that decided.
    pub(crate) channel: Channel,
    /// The moment that the answer is about.
    pub(crate) as_of: Timestamp,
    /// As of when the source speaks; `null` where there was none yet.
    pub(crate) this_update: Option<Timestamp>,
    /// Until when it is in force; `null` where the responder did not say.
    pub(crate) next_update: Option<Timestamp>,
    /// Seconds from `this_update` to `as_of`.
    pub(crate) age_seconds: Option<i64>,
    /// When it was revoked, as the issuer says.
    pub(crate) revoked_at: Option<Timestamp>,
    /// Why it was revoked.
    pub(crate) revocation_reason: Option<RevocationReason>,
    /// Names the exact version of the source.
    pub(crate) source_version: Option<String>,
    /// Before this moment, thisUpdate of the first list, nothing is known; told where that is why it is `unknown`.
    pub(crate) known_since: Option<Timestamp>,
    /// When it was looked up.
    pub(crate) checked_at: Timestamp,
    /// Every source that was asked, where it was not the list alone. Where two have spoken, *revoked* wins; otherwise the live
    /// answer decides.
    pub(crate) sources: Vec<SourceOfStatus>,
}

impl StatusView {
    /// From a row.
    pub(crate) fn of(row: &status_check::Model) -> Result<Self, Error> {
        let state = match row.state.as_str() {
            "good" => CheckState::Good,
            "revoked" => CheckState::Revoked,
            _ => CheckState::Unknown,
        };
        let unknown = state == CheckState::Unknown;
        let sources = row.sources.as_deref().map(serde_json::from_str);
        let sources = sources.transpose().map_err(|_| damaged())?;
        let channel = if row.channel == Channel::Ocsp.as_str() {
            Channel::Ocsp
        } else {
            Channel::Crl
        };
        // A responder that names no nextUpdate leaves the column at thisUpdate.
        let bounded = channel == Channel::Crl || row.next_update > row.this_update;
        Ok(Self {
            state,
            reason: unknown.then(|| UnknownReason::of(row)),
            as_of: Timestamp::new(row.as_of.unwrap_or(row.checked_at)),
            known_since: None,
            channel,
            this_update: Some(Timestamp::new(row.this_update)),
            next_update: bounded.then(|| Timestamp::new(row.next_update)),
            age_seconds: Some(row.age_seconds),
            revoked_at: row.revoked_at.map(Timestamp::new),
            revocation_reason: row.reason.map(reason_of).transpose()?,
            source_version: Some(row.version.clone()),
            checked_at: Timestamp::new(row.checked_at),
            sources: sources.unwrap_or_default(),
        })
    }

    /// Of a moment before the first list.
    pub(crate) fn before_the_first(
        as_of: Timestamp,
        first: Timestamp,
        checked_at: Timestamp,
    ) -> Self {
        Self {
            known_since: Some(first),
            ..Self::nothing(as_of, checked_at)
        }
    }

    /// Where no source said anything usable.
    pub(crate) fn unanswered(heard: &[Heard], at: Timestamp) -> Self {
        Self {
            sources: sources(heard, at),
            ..Self::nothing(at, at)
        }
    }

    const fn nothing(as_of: Timestamp, checked_at: Timestamp) -> Self {
        Self {
            state: CheckState::Unknown,
            reason: Some(UnknownReason::Unavailable),
            channel: Channel::Crl,
            as_of,
            this_update: None,
            next_update: None,
            age_seconds: None,
            revoked_at: None,
            revocation_reason: None,
            source_version: None,
            known_since: None,
            checked_at,
            sources: Vec::new(),
        }
    }
}

/// What was heard, where it was more than the list.
pub(crate) fn sources(heard: &[Heard], at: Timestamp) -> Vec<SourceOfStatus> {
    if heard.len() < 2 {
        return Vec::new();
    }
    heard
        .iter()
        .map(|one| SourceOfStatus::of(one, at))
        .collect()
}

fn damaged() -> sea_orm::DbErr {
    sea_orm::DbErr::Type("the sources of a look-up cannot be read".to_owned())
}
