//! What can go wrong inside, and what a caller is told of it.

use sea_orm::DbErr;
use warikan_http::{Code, IdempotencyError, Problem};
use warikan_types::SealError;

use crate::{
    campaign::{CERTIFICATES, OPEN_CAMPAIGNS, State, portfolio::RowProblem},
    start_watch::CertificateRefused,
    watch::WATCHES_PER_CERTIFICATE,
};

/// The service's errors. *Revoked* and *nothing is known* are answers, not errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed, or a row cannot be read.
    #[error("the revocation database cannot be used")]
    Database(#[from] DbErr),
    /// The idempotency key cannot be claimed.
    #[error("the idempotency key cannot be claimed")]
    Idempotency(#[from] IdempotencyError),
    /// A sealed reference cannot be opened: another key, or another place.
    #[error("a sealed reference cannot be opened")]
    Sealed(#[from] SealError),
    /// The tenant's data key is not to be had.
    #[error(transparent)]
    DataKey(#[from] warikan_runtime::DataKeyError),
    /// It was at hand before the transaction began. Another try has it again.
    #[error("the tenant's data key is not at hand any more")]
    KeyNotAtHand,
    /// No such thing for this caller.
    #[error("no such resource")]
    NotFound,
    /// The certificate cannot be watched.
    #[error("the certificate cannot be watched: {0}")]
    Certificate(#[from] CertificateRefused),
    /// The tenant watches this certificate under too many references already.
    #[error("too many watches of one certificate")]
    TooManyWatches,
    /// The tenant has as many open campaigns as it may.
    #[error("too many open campaigns")]
    TooManyCampaigns,
    /// Customer numbers under which nothing is watched.
    #[error("unknown customer numbers")]
    UnknownRefs(Vec<RowProblem>),
    /// The campaign's state does not allow it.
    #[error("the campaign is {}", .0.as_str())]
    CampaignState(State),
    /// More certificates than a campaign may have.
    #[error("the portfolio is full")]
    PortfolioFull,
    /// A signature could not be made.
    #[error("the receipt cannot be signed")]
    Receipt(#[from] warikan_runtime::SignError),
    /// Nobody is told of it: who would have been is gone.
    #[error(transparent)]
    ReaderGone(#[from] warikan_http::ReaderGone),
    /// No list that covers the certificate was ever accepted.
    #[error("no revocation information")]
    NoStatus,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => error.into(),
            Error::Idempotency(error) => error.into(),
            Error::Sealed(_) | Error::KeyNotAtHand => Self::internal(&error),
            Error::DataKey(error) => error.into(),
            Error::NotFound => Self::not_found(),
            Error::Certificate(why) => {
                Self::field("/certificate", why.code(), why.to_string())
            }
            Error::TooManyWatches => Self::new(
                Code::Conflict,
                format!(
                    "This certificate already has {WATCHES_PER_CERTIFICATE} watches under other references. Delete one of them first."
                ),
            ),
            Error::TooManyCampaigns => Self::new(
                Code::Conflict,
                format!("At most {OPEN_CAMPAIGNS} campaigns are open at a time. Wait for one to complete, or delete one."),
            ),
            Error::UnknownRefs(problems) => Self::fields(problems.iter().map(Into::into).collect()),
            Error::CampaignState(state) => Self::new(
                Code::Conflict,
                match state {
                    State::Collecting => "The campaign has not been started: POST /v1/campaigns/{id}/start.",
                    State::Running => "The campaign is running; GET /v1/campaigns/{id} says how far it is.",
                    State::Completed => "The campaign is completed.",
                    State::Cancelled => "The campaign was given up. Order a new one.",
                },
            ),
            Error::PortfolioFull => Self::new(
                Code::Conflict,
                format!("A campaign has at most {CERTIFICATES} certificates; the last part did not come into the portfolio as a whole."),
            ),
            Error::Receipt(_) | Error::ReaderGone(_) => Self::internal(&error),
            Error::NoStatus => Self::new(
                Code::Unavailable,
                "No revocation information for this certificate is at hand (status_unavailable). Try again later.",
            )
            .retry_after(60),
        }
    }
}
