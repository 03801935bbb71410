//! What can go wrong inside, and what a caller is told of it.

use sea_orm::DbErr;
use warikan_http::{Code, IdempotencyError, Problem};
use warikan_types::SealError;

use crate::{start_watch::CertificateRefused, watch::WATCHES_PER_CERTIFICATE};

/// The service's errors. *Revoked* and *nothing is known* are answers, not errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed, or a row cannot be read.
    #[error("the revocation database cannot be used")]
    Database(#[from] DbErr),
    /// The idempotency key cannot be claimed.
    #[error("the idempotency key cannot be claimed")]
    Idempotency(#[from] IdempotencyError),
    /// A sealed reference cannot be opened: the platform's key changed.
    #[error("a sealed reference cannot be opened")]
    Sealed(#[from] SealError),
    /// No such thing for this caller.
    #[error("no such resource")]
    NotFound,
    /// The certificate cannot be watched.
    #[error("the certificate cannot be watched: {0}")]
    Certificate(#[from] CertificateRefused),
    /// The tenant watches this certificate under too many references already.
    #[error("too many watches of one certificate")]
    TooManyWatches,
    /// No list that covers the certificate was ever accepted.
    #[error("no revocation information")]
    NoStatus,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => error.into(),
            Error::Idempotency(error) => error.into(),
            Error::Sealed(_) => Self::internal(&error),
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
            Error::NoStatus => Self::new(
                Code::Unavailable,
                "No revocation information for this certificate is at hand (status_unavailable). Try again later.",
            )
            .retry_after(60),
        }
    }
}
