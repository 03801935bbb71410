//! Campaigns: a whole portfolio checked against one status version, with a receipt that proves it.
//!
//! A tenant orders a campaign over everything it watches, over some customer numbers, or over a portfolio that it uploads. The
//! work goes in chunks of 4,096 certificates in the order of their handles; a chunk's results, its changes, the facts that
//! billing counts and how far the campaign is commit together. So a crash anywhere loses nothing and repeats nothing: the next
//! turn, in whatever process, goes on after the last handle that was committed. A lease keeps two processes from working on one
//! campaign; one that lost its lease writes nothing any more.
//!
//! Every answer is of one [`crate::snapshot::Snapshot`], as of one moment. Should the process that holds it die, and the lists
//! change before another goes on, the campaign begins anew against the lists of that time: it never mixes two versions.
//!
//! At the end stands a receipt, signed like a verification's: how many were checked, against which status version, and a root
//! over the results ([`merkle`]). Results and audit paths can be had by anyone who doubts it ([`proof`]), and
//! [`verify`] judges them from nothing but the platform's public keys.

mod create;
mod keys;
pub(crate) mod merkle;
pub mod portfolio;
pub(crate) mod proof;
pub(crate) mod read;
mod receipt;
pub(crate) mod result;
mod run;
mod verify;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::CampaignCounts;
use warikan_types::{Campaign, Id, Timestamp};

pub(crate) use create::{NewCampaign, Selector};
pub(crate) use portfolio::reference_place;
pub(crate) use run::Pinned;
pub use verify::{CampaignProblem, VerifiedCampaign, verify_campaign};

use crate::{entity::campaign, error::Error, store::campaigns};

/// A campaign's id, `cmp_..`, under a name the API document can follow.
pub(crate) type CampaignId = Id<Campaign>;

/// Campaigns of one tenant that may be open at a time.
pub(crate) const OPEN_CAMPAIGNS: u64 = 20;
/// Certificates that one campaign may have.
pub(crate) const CERTIFICATES: u64 = 10_000_000;
/// Customer numbers that an order may name.
pub(crate) const REFS: usize = 5_000;

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignState)]
pub enum State {
    /// Waits for its portfolio and to be started.
    Collecting,
    /// Checks.
    Running,
    /// Done; the receipt stands.
    Completed,
    /// Given up.
    Cancelled,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn of(row: &campaign::Model) -> Result<Self, Error> {
        [
            Self::Collecting,
            Self::Running,
            Self::Completed,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|state| state.as_str() == row.state)
        .ok_or_else(|| sea_orm::DbErr::Type("a row holds no state of campaigns".to_owned()).into())
    }
}

/// Which certificates a campaign checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SelectorKind {
    /// Everything under watch when it started.
    All,
    /// The customer numbers that were named.
    Refs,
    /// An uploaded portfolio.
    Upload,
}

impl SelectorKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Refs => "refs",
            Self::Upload => "upload",
        }
    }

    pub(crate) fn of(row: &campaign::Model) -> Result<Self, Error> {
        [Self::All, Self::Refs, Self::Upload]
            .into_iter()
            .find(|kind| kind.as_str() == row.selector)
            .ok_or_else(|| sea_orm::DbErr::Type("a row holds no selector".to_owned()).into())
    }
}

/// How far a campaign is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CampaignProgress)]
pub(crate) struct Progress {
    /// Certificates to be checked; of `all` it is known once the first turn has counted them.
    total: u64,
    /// Certificates checked so far.
    checked: u64,
    /// Of a hundred.
    percent: u64,
    /// For people: `8192 of 20000 certificates checked (40 %)`.
    in_words: String,
}

/// A campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CampaignView {
    /// Its id.
    id: CampaignId,
    /// Where it stands.
    state: State,
    /// Which certificates it checks.
    selector: SelectorKind,
    /// The oldest list that may say good, in seconds before `judged_at`; by default its own nextUpdate decides.
    max_age_seconds: Option<u64>,
    /// How far it is.
    progress: Progress,
    /// What was found so far; final once `completed`.
    counts: CampaignCounts,
    /// The status version that every answer is of: SHA-256 over the names of all lists.
    status_version: Option<String>,
    /// How many lists that version is made of.
    lists: u64,
    /// thisUpdate of the oldest of them.
    oldest_this_update: Option<Timestamp>,
    /// As of when every certificate is judged.
    judged_at: Option<Timestamp>,
    /// How often it began anew, because lists changed while the platform was down.
    restarts: u64,
    /// When it was ordered.
    created_at: Timestamp,
    /// When it was started.
    started_at: Option<Timestamp>,
    /// When the last certificate was checked.
    completed_at: Option<Timestamp>,
    /// Root over the results (RFC 6962 2.1, SHA-256), hexadecimal.
    root: Option<String>,
    /// Compact JWS (EdDSA, `/.well-known/jwks.json`) over what was checked, against which version, and the root.
    receipt: Option<String>,
}

impl CampaignView {
    pub(crate) fn of(row: &campaign::Model) -> Result<Self, Error> {
        let read = |column: i64| u64::try_from(column).unwrap_or(0);
        let (total, checked) = (read(row.total), read(row.checked));
        let state = State::of(row)?;
        let percent = match (state, total) {
            (State::Completed, _) => 100,
            (_, 0) => 0,
            (_, total) => (checked * 100 / total).min(99),
        };
        Ok(Self {
            id: Id::from_uuid(row.id),
            state,
            selector: SelectorKind::of(row)?,
            max_age_seconds: row.max_age_seconds.map(read),
            progress: Progress {
                total,
                checked,
                percent,
                in_words: match state {
                    State::Collecting => {
                        format!("{total} certificates in the portfolio, not started")
                    }
                    _ => format!("{checked} of {total} certificates checked ({percent} %)"),
                },
            },
            counts: campaigns::counts(row),
            status_version: row.status_version.clone(),
            lists: read(row.lists),
            oldest_this_update: row.oldest_this_update.map(Timestamp::new),
            judged_at: row.judged_at.map(Timestamp::new),
            restarts: read(row.restarts),
            created_at: Timestamp::new(row.created_at),
            started_at: row.started_at.map(Timestamp::new),
            completed_at: row.completed_at.map(Timestamp::new),
            root: row.root.as_deref().map(hex::encode),
            receipt: row.receipt.clone(),
        })
    }
}
