//! What can go wrong here, and what the caller is told.

use sea_orm::DbErr;
use warikan_http::{Code, IdempotencyError, Problem};
use warikan_runtime::SignError;

use crate::tenant::StepError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such tenant or credential")]
    NotFound,
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("the tenant is {0}; a production credential needs an active tenant")]
    NotActive(&'static str),
    #[error("the tenant has {0} credentials; revoke those that are not used")]
    TooMany(u64),
    #[error("the credential is revoked, which is final")]
    Revoked,
    #[error("the tenant is closed, which is final")]
    Closed,
    #[error(
        "a key for access tokens was made a moment ago and does not sign yet; rotate after that, or say that one is compromised"
    )]
    Rotating,
    #[error(
        "of the operator's accounts one that may do everything has to stay, without an end; make another first"
    )]
    LastAdmin,
    #[error("the client is not known by these credentials")]
    InvalidClient,
    #[error("the token cannot be signed")]
    Signing(#[from] SignError),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error("the database failed")]
    Database(#[from] DbErr),
    #[error("a stored row is damaged: {0}")]
    Damaged(&'static str),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found(),
            Error::TooMany(_)
            | Error::Revoked
            | Error::Closed
            | Error::LastAdmin
            | Error::Rotating => Self::new(Code::Conflict, format!("{error}.")),
            Error::Step(step) => Self::new(Code::Conflict, format!("{step}.")),
            Error::NotActive(_) => Self::new(
                Code::TenantNotActive,
                format!(
                    "{error}. Complete the go-live checklist first; the sandbox is open at once."
                ),
            ),
            Error::InvalidClient => Self::new(
                Code::InvalidClient,
                "The client id, the secret or the client's state does not allow a token.",
            ),
            Error::Idempotency(error) => error.into(),
            Error::Database(error) => error.into(),
            Error::Signing(_) | Error::Damaged(_) => Self::internal(&error),
        }
    }
}
