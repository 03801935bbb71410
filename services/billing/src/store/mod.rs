//! The only place that knows the ORM. Every function over tenants' rows takes the [`TenantScope`] first and filters by
//! both of its parts; what spans tenants (the close, the operator's totals) says so in its name.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::SimpleExpr;
use warikan_types::{BillingMonth, TenantScope};

use crate::error::BillingError;

pub(crate) mod budgets;
pub(crate) mod invoices;
pub(crate) mod months;
pub(crate) mod recipients;
pub(crate) mod reconciliation;
pub(crate) mod shared_costs;
pub(crate) mod usage;

/// Rows of one tenant in one environment.
fn of<C: ColumnTrait>(scope: TenantScope, tenant: C, environment: C) -> SimpleExpr {
    sea_orm::ExprTrait::and(
        tenant.eq(scope.tenant().uuid()),
        environment.eq(scope.environment().as_str()),
    )
}

/// A word that the code wrote and must be able to read.
fn word<T>(
    what: &'static str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, BillingError> {
    read(text).ok_or_else(|| BillingError::Stored {
        what,
        word: text.to_owned(),
    })
}

/// The same, where there may be none.
fn optional<T>(
    what: &'static str,
    text: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, BillingError> {
    text.map(|text| word(what, text, read)).transpose()
}

fn month(text: &str) -> Result<BillingMonth, BillingError> {
    word("month", text, |text| text.parse().ok())
}
