//! What the operator does with months.

use actix_web::{
    get, post,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use warikan_http::{OperatorCaller, Params, Problem, ProblemDocument};
use warikan_types::{BillingMonth, Timestamp, Yen};

use crate::{
    Billing,
    report_usage::{MonthState, RuleRow, UsageRow, by_rule, by_sort},
    store::{
        months::{self, ClosedMonth},
        usage,
    },
};

/// A month over all tenants.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MonthView {
    /// The month in Japan.
    period: BillingMonth,
    /// How far its billing is.
    state: MonthState,
    /// When it was closed.
    closed_at: Option<Timestamp>,
    /// What its invoices came to; `null` until it is closed.
    invoiced: Option<MonthTotals>,
}

/// What a month's invoices came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MonthTotals {
    /// How many invoices.
    invoices: i64,
    /// Without tax, in yen.
    subtotal: Yen,
    /// Tax, in yen.
    tax: Yen,
    /// With tax, in yen.
    total: Yen,
}

/// A month over all tenants, with what was used in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MonthReport {
    /// Its state and totals.
    #[serde(flatten)]
    month: MonthView,
    /// What was used in production, by acceptance, whenever it was heard of. Without amounts: plans differ.
    usage: Vec<SortRow>,
    /// The same by the rule that decided whether operations are billed.
    rules: Vec<RuleRow>,
}

/// Usage of one sort over all tenants.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SortRow {
    meter: crate::words::Meter,
    purpose: Option<crate::words::Purpose>,
    kind: Option<warikan_types::CertificateKind>,
    channel: Option<warikan_contracts::facts::Channel>,
    quantity: i64,
    billable_quantity: i64,
}

impl From<UsageRow> for SortRow {
    fn from(row: UsageRow) -> Self {
        Self {
            meter: row.meter,
            purpose: row.purpose,
            kind: row.kind,
            channel: row.channel,
            quantity: row.quantity,
            billable_quantity: row.billable_quantity,
        }
    }
}

impl From<ClosedMonth> for MonthView {
    fn from(closed: ClosedMonth) -> Self {
        Self {
            period: closed.month,
            state: MonthState::Closed,
            closed_at: Some(closed.closed_at),
            invoiced: Some(MonthTotals {
                invoices: closed.invoices,
                subtotal: closed.subtotal,
                tax: closed.tax,
                total: closed.total,
            }),
        }
    }
}

/// A text that is no month names nothing.
pub(super) fn period(path: &Path<String>) -> Result<BillingMonth, Problem> {
    path.parse().map_err(|_| Problem::not_found())
}

/// What a close accepts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CloseQuery {
    /// Close although usage and the services' operations differ, or a service cannot be asked.
    #[serde(default)]
    accept_differences: bool,
}

/// Close a month
///
/// Issues every tenant's invoice for a month that is over in Japan, oldest month first, all or none. Before, its usage is compared with
/// the operations that the services have answered: what was not heard of is taken as usage; where there is usage that no service
/// knows, or a service cannot be asked, nothing is closed unless `accept_differences` is `true`. Closing a closed
/// month changes nothing and answers the same. What is heard of later goes on the next invoice as an adjustment.
#[utoipa::path(tag = "operator", params(("period" = BillingMonth, Path, description = "A calendar month in Japan."), CloseQuery),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "The month is closed.", body = MonthView),
        (status = 400, description = "A query parameter is not acceptable.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "Not a month.", body = ProblemDocument),
        (status = 409, description = "Not over yet, an earlier month is open, usage and operations differ, or something needed for an invoice is missing; the detail names it. Nothing was closed.", body = ProblemDocument)))]
#[post("/v1/operator/months/{period}/close")]
pub(crate) async fn close_month(
    operator: OperatorCaller,
    path: Path<String>,
    asked: Params<CloseQuery>,
    billing: Data<Billing>,
) -> Result<Json<MonthView>, Problem> {
    let period = period(&path)?;
    let closed = billing
        .close_month(operator.client, period, asked.accept_differences)
        .await?;
    Ok(Json(closed.into()))
}

/// Read a month
///
/// Its state, what its invoices came to, and what all tenants used in production.
#[utoipa::path(tag = "operator", params(("period" = BillingMonth, Path, description = "A calendar month in Japan.")),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "The month.", body = MonthReport),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "Not a month.", body = ProblemDocument)))]
#[get("/v1/operator/months/{period}")]
pub(crate) async fn read_month(
    _operator: OperatorCaller,
    path: Path<String>,
    billing: Data<Billing>,
) -> Result<Json<MonthReport>, Problem> {
    let period = period(&path)?;
    let counted = usage::all_accepted_in(billing.0.db.worker(), period)
        .await
        .map_err(Problem::from)?;
    let month = match months::find(billing.0.db.worker(), period).await? {
        Some(closed) => closed.into(),
        None => MonthView {
            period,
            state: billing.month_state(period).await?,
            closed_at: None,
            invoiced: None,
        },
    };
    let usage = by_sort(&counted)?;
    Ok(Json(MonthReport {
        month,
        usage: usage.into_values().map(SortRow::from).collect(),
        rules: by_rule(&counted)?,
    }))
}
