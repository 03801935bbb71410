//! What an operation of this service can fail with, and how a caller reads it.

use sea_orm::DbErr;
use warikan_http::{Code, IdempotencyError, Problem};
use warikan_types::SealError;

use crate::{consumers::TooLarge, egress::Refusal};

#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhooksError {
    #[error("no such endpoint or delivery for this caller")]
    NotFound,
    #[error("the URL is refused")]
    Url(#[from] Refusal),
    #[error("{field} is not acceptable: {detail}")]
    Field {
        field: &'static str,
        code: &'static str,
        detail: String,
    },
    #[error("the endpoint is disabled")]
    Disabled,
    #[error("the tenant has as many endpoints as it may have")]
    TooManyEndpoints(u64),
    #[error("the event is too large")]
    TooLarge(#[from] TooLarge),
    #[error("a sealed secret cannot be opened")]
    Sealed(#[from] SealError),
    #[error(transparent)]
    DataKey(#[from] warikan_runtime::DataKeyError),
    #[error("a stored message cannot be read")]
    Stored(#[from] serde_json::Error),
    #[error("the idempotency key cannot be honoured")]
    Idempotency(#[from] IdempotencyError),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl From<WebhooksError> for Problem {
    fn from(error: WebhooksError) -> Self {
        match error {
            WebhooksError::NotFound => Self::not_found(),
            WebhooksError::Url(refusal) => Self::field("/url", refusal.code(), refusal.to_string()),
            WebhooksError::Field {
                field,
                code,
                detail,
            } => Self::field(field, code, detail),
            WebhooksError::Disabled => Self::new(
                Code::Conflict,
                "The endpoint is disabled. Enable it with PATCH {\"enabled\": true} first.",
            ),
            WebhooksError::TooManyEndpoints(limit) => Self::new(
                Code::Conflict,
                format!(
                    "A tenant has at most {limit} endpoints per environment; delete one first."
                ),
            ),
            WebhooksError::Idempotency(error) => error.into(),
            WebhooksError::Database(error) => error.into(),
            WebhooksError::DataKey(error) => error.into(),
            WebhooksError::TooLarge(_) | WebhooksError::Sealed(_) | WebhooksError::Stored(_) => {
                Self::internal(&error)
            }
        }
    }
}
