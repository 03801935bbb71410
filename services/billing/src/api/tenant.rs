//! What a tenant sees of its bill.

use actix_web::{
    get,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use utoipa::IntoParams;
use warikan_http::{
    Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller, needs,
};
use warikan_types::{BillingMonth, Invoice};

use crate::{
    Billing,
    invoice::{InvoiceId, InvoiceSummary, InvoiceView, RecordView},
    report_usage::UsageView,
    store::{invoices, usage},
};

/// Which month.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeriodQuery {
    /// A calendar month in Japan, such as `2026-11`.
    period: BillingMonth,
}

/// Usage of a month so far
///
/// Counts every operation that the tenant's credentials caused in this environment, and says which of them are billed
/// and by which rule. Amounts are without tax. The sandbox is free.
#[utoipa::path(tag = "billing", params(PeriodQuery), security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "Usage by meter, purpose, kind and channel.", body = UsageView),
        (status = 400, description = "No month, or no such form of one.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument)))]
#[get("/v1/usage")]
pub(crate) async fn read_usage(
    caller: TenantCaller<needs::Billing>,
    query: Params<PeriodQuery>,
    billing: Data<Billing>,
) -> Result<Json<UsageView>, Problem> {
    Ok(Json(billing.usage(caller.scope, query.period).await?))
}

/// List invoices
///
/// Oldest first. Invoices never change once they stand.
#[utoipa::path(tag = "billing", params(PageQuery), security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "A page of invoices.", body = Page<InvoiceSummary>),
        (status = 400, description = "A bad limit or cursor.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument)))]
#[get("/v1/invoices")]
pub(crate) async fn list_invoices(
    caller: TenantCaller<needs::Billing>,
    query: Params<PageQuery>,
    billing: Data<Billing>,
) -> Result<Json<Page<InvoiceSummary>>, Problem> {
    let scope = caller.scope;
    let cursors = billing.0.platform.keys.cursors();
    let limit = query.limit()?;
    let after = cursors.read(Some(scope), "invoices", &query)?;
    let db = billing.0.db.begin_read(scope).await?;
    let rows = invoices::list(scope, &db, after, limit).await?;
    Ok(Json(cursors.page(
        Some(scope),
        "invoices",
        limit,
        rows,
        |row| row.id.uuid(),
    )))
}

/// Read an invoice
///
/// A qualified invoice (適格請求書): issuer with registration number, lines, and totals per tax rate. The amounts of the
/// lines add up to `subtotal`; tax is rounded once per rate.
#[utoipa::path(tag = "billing", params(("id" = InvoiceId, Path, description = "The invoice.")),
    security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "The invoice.", body = InvoiceView),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 404, description = "No such invoice of this tenant in this environment.", body = ProblemDocument)))]
#[get("/v1/invoices/{id}")]
pub(crate) async fn read_invoice(
    caller: TenantCaller<needs::Billing>,
    id: PathId<Invoice>,
    billing: Data<Billing>,
) -> Result<Json<InvoiceView>, Problem> {
    let db = billing.0.db.begin_read(caller.scope).await?;
    Ok(Json(invoices::find(caller.scope, &db, id.0).await?))
}

/// List the operations behind an invoice line
///
/// Each billed operation once, in the order of recording; their quantities add up to the line's. A base fee has none.
#[utoipa::path(tag = "billing",
    params(("id" = InvoiceId, Path, description = "The invoice."), ("n" = u32, Path, description = "The line's number."), PageQuery),
    security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "A page of usage records.", body = Page<RecordView>),
        (status = 400, description = "A bad limit or cursor.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 404, description = "No such line on an invoice of this tenant in this environment.", body = ProblemDocument)))]
#[get("/v1/invoices/{id}/lines/{n}/records")]
pub(crate) async fn list_line_records(
    caller: TenantCaller<needs::Billing>,
    id: PathId<Invoice>,
    path: Path<(String, String)>,
    query: Params<PageQuery>,
    billing: Data<Billing>,
) -> Result<Json<Page<RecordView>>, Problem> {
    let scope = caller.scope;
    let n: i32 = path.1.parse().map_err(|_| Problem::not_found())?;
    let cursors = billing.0.platform.keys.cursors();
    let list = format!("invoices/{}/lines/{n}/records", id.0);
    let limit = query.limit()?;
    let after = cursors.read(Some(scope), &list, &query)?;
    let db = &billing.0.db.begin_read(scope).await?;
    let rows = match invoices::find_line(scope, db, id.0, n).await? {
        Some(behind) => usage::behind_line(scope, db, &behind, (after, limit)).await?,
        None => Vec::new(),
    };
    Ok(Json(cursors.page(Some(scope), &list, limit, rows, |row| {
        row.id.uuid()
    })))
}
