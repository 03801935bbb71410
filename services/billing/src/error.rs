//! What can go wrong in billing.

use warikan_http::{Code, IdempotencyError, Problem};
use warikan_types::{BillingMonth, MoneyError, TenantId, Timestamp};

use crate::{rate::RatingError, tariff::MissingTariff};

/// Why billing did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BillingError {
    #[error("the billing database failed")]
    Database(#[from] sea_orm::DbErr),
    /// Someone wrote to a table by hand, or a word was taken out of the code.
    #[error("a stored {what} is not readable: {word}")]
    Stored { what: &'static str, word: String },
    #[error("no such thing")]
    NotFound,
    #[error("the month {period} ends at {ends}")]
    MonthNotOver {
        period: BillingMonth,
        ends: Timestamp,
    },
    #[error("the month {open} has to be closed before {period}")]
    EarlierMonthOpen {
        period: BillingMonth,
        open: BillingMonth,
    },
    #[error("the month {period} lies before the first month that was closed")]
    BeforeFirstClose { period: BillingMonth },
    #[error("the tenant {0} has charges, but its name and plan have not been told yet")]
    RecipientUnknown(TenantId),
    #[error("tenant {tenant}: {source}")]
    Unpriced {
        tenant: TenantId,
        source: MissingTariff,
    },
    #[error(transparent)]
    MissingTariff(#[from] MissingTariff),
    #[error(
        "the month {0} has shared costs and no tenant that was active in it to bear them; remove them"
    )]
    NobodyToShare(BillingMonth),
    #[error("the month {0} is closed; enter the cost for a month that is open")]
    MonthClosed(BillingMonth),
    #[error("{0}")]
    NotCreditable(String),
    #[error(transparent)]
    Paper(#[from] warikan_paper::PaperError),
    #[error("the month {0} is not closed")]
    MonthOpen(BillingMonth),
    /// Nobody is told of it: who would have been is gone.
    #[error(transparent)]
    ReaderGone(#[from] warikan_http::ReaderGone),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// What speaks against closing the month as it is.
    #[error("{why}")]
    Unreconciled { period: BillingMonth, why: String },
    #[error("usage was not compared with all operations: {0} could not be asked")]
    ServicesSilent(String),
    #[error("the amounts are too large")]
    Money(#[from] MoneyError),
}

impl BillingError {
    /// A rating error with the tenant it befell.
    pub(crate) fn rating(tenant: TenantId) -> impl Fn(RatingError) -> Self {
        move |error| match error {
            RatingError::MissingTariff(source) => Self::Unpriced { tenant, source },
            RatingError::NoPlan => Self::RecipientUnknown(tenant),
            RatingError::Money(error) => Self::Money(error),
        }
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::Database(error) => error.into(),
            BillingError::Stored { .. } | BillingError::ReaderGone(_) | BillingError::Paper(_) => {
                Self::internal(&error)
            }
            BillingError::NotFound => Self::not_found(),
            BillingError::MonthNotOver { .. }
            | BillingError::EarlierMonthOpen { .. }
            | BillingError::BeforeFirstClose { .. } => Self::new(
                Code::Conflict,
                format!("Nothing was closed: {error} (months are Japanese calendar months)."),
            ),
            BillingError::Idempotency(error) => error.into(),
            BillingError::MonthClosed(_) | BillingError::NotCreditable(_) => {
                Self::new(Code::Conflict, format!("Nothing was changed: {error}."))
            }
            BillingError::Unreconciled { period, .. } => Self::new(
                Code::Conflict,
                format!(
                    "Nothing was closed: {error}. GET /v1/operator/months/{period}/reconciliation lists it, POST compares again; with \
                     ?accept_differences=true the month is closed as it is."
                ),
            ),
            BillingError::ServicesSilent(_) => {
                Self::new(Code::Unavailable, format!("{error}.")).retry_after(60)
            }
            BillingError::MonthOpen(_) => Self::new(
                Code::Conflict,
                format!("There are no invoices yet: {error}."),
            ),
            BillingError::RecipientUnknown(_)
            | BillingError::Unpriced { .. }
            | BillingError::MissingTariff(_)
            | BillingError::NobodyToShare(_)
            | BillingError::Money(_) => {
                Self::new(Code::Conflict, format!("Nothing was closed: {error}."))
            }
        }
    }
}
