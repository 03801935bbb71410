//! What can go wrong here, and what the caller is told.

use sea_orm::DbErr;
use warikan_http::{Code, IdempotencyError, Problem};
use warikan_simulator::{CardError, KeyError, SimulatorError};
use warikan_types::ClockError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such person or list")]
    NotFound,
    #[error("{pointer}: {detail}")]
    Field {
        pointer: &'static str,
        code: &'static str,
        detail: String,
    },
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error(transparent)]
    Card(#[from] CardError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error("J-LIS's stand-in is made to be down")]
    MadeUnavailable,
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error("the database failed")]
    Database(#[from] DbErr),
    #[error("a stored row is damaged: {0}")]
    Damaged(&'static str),
    #[error("the work was interrupted")]
    Interrupted,
    #[error("another process changed the sandbox meanwhile")]
    Overtaken,
}

impl Error {
    pub(crate) fn field(
        pointer: &'static str,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Field {
            pointer,
            code,
            detail: detail.into(),
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Simulator(error.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let conflict = |error: &dyn std::error::Error| {
            let mut text = error.to_string();
            if let Some(first) = text.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            Self::new(Code::Conflict, format!("{text}."))
        };
        match error {
            Error::NotFound => Self::not_found(),
            Error::Field {
                pointer,
                code,
                detail,
            } => Self::field(pointer, code, detail),
            Error::Simulator(SimulatorError::UnknownPerson) => Self::not_found(),
            Error::Simulator(
                inner @ (SimulatorError::Deceased
                | SimulatorError::NoLiveCertificate
                | SimulatorError::TooYoung
                | SimulatorError::NoAuthority(_)),
            ) => conflict(&inner),
            Error::Simulator(SimulatorError::BadMunicipality) => Self::field(
                "/municipality",
                "invalid_value",
                "not a municipality that can be used",
            ),
            Error::Simulator(SimulatorError::Key(_) | SimulatorError::Inconsistent(_)) => {
                Self::internal(&error)
            }
            Error::Card(inner @ CardError::NoCertificate) => conflict(&inner),
            Error::Card(CardError::DigestLength) => Self::field(
                "/digest",
                "invalid_value",
                "the digest does not have the algorithm's length",
            ),
            Error::Card(CardError::TooLong) => Self::internal(&error),
            Error::Clock(ClockError::Fixed) => Self::new(
                Code::Conflict,
                "This installation's sandbox runs by the machine's clock, which cannot be moved.",
            ),
            Error::Clock(ClockError::TooFar) => Self::field(
                "/advance",
                "out_of_range",
                "the clock goes at most a century ahead",
            ),
            Error::MadeUnavailable => Self::new(
                Code::Unavailable,
                "POST /sandbox/faults made this unavailable; {\"fault\": \"clear\"} ends it.",
            ),
            Error::Idempotency(error) => error.into(),
            Error::Database(error) => error.into(),
            Error::Overtaken => Self::new(
                Code::Unavailable,
                "The sandbox was changed through another process meanwhile. Repeat the request with the same Idempotency-Key.",
            )
            .retry_after(1),
            Error::Damaged(_) | Error::Interrupted => Self::internal(&error),
        }
    }
}
