//! What can go wrong here, and what the caller is told.

use sea_orm::DbErr;
use warikan_http::{IdempotencyError, Problem};
use warikan_types::SealError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such thing for this tenant")]
    NotFound,
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error("the receipt cannot be signed")]
    Signing(#[from] warikan_runtime::SignError),
    #[error("stored data cannot be opened")]
    Sealed(#[from] SealError),
    #[error(transparent)]
    DataKey(#[from] warikan_runtime::DataKeyError),
    #[error("a stored row is damaged: {0}")]
    Damaged(&'static str),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found(),
            Error::Idempotency(error) => error.into(),
            Error::Database(error) => error.into(),
            Error::DataKey(error) => error.into(),
            Error::Signing(_) | Error::Sealed(_) | Error::Damaged(_) => Self::internal(&error),
        }
    }
}
