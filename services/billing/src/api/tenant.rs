//! What a tenant sees of its bill.

use actix_web::{
    HttpRequest, HttpResponse, get,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use utoipa::IntoParams;
use warikan_http::{
    Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller, needs, prefers,
};
use warikan_types::{BillingMonth, Invoice};

use super::exports;
use crate::{
    Billing,
    error::BillingError,
    invoice::{InvoiceId, InvoiceSummary, InvoiceView, RecordView},
    report_usage::UsageView,
    set_invoice::set,
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
/// A qualified invoice (適格請求書) or return invoice (適格返還請求書): issuer with registration number, lines, and totals per tax
/// rate. The amounts of the lines add up to `subtotal`; tax is rounded once per rate. With `Accept: application/pdf` it
/// comes as a PDF to be printed or filed.
#[utoipa::path(tag = "billing", params(("id" = InvoiceId, Path, description = "The invoice.")),
    security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "The invoice.", content((InvoiceView = "application/json"), (Vec<u8> = "application/pdf"))),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 404, description = "No such invoice of this tenant in this environment.", body = ProblemDocument)))]
#[get("/v1/invoices/{id}")]
pub(crate) async fn read_invoice(
    caller: TenantCaller<needs::Billing>,
    id: PathId<Invoice>,
    request: HttpRequest,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    let db = billing.0.db.begin_read(caller.scope).await?;
    let invoice = invoices::find(caller.scope, &db, id.0).await?;
    drop(db);
    if !prefers(&request, "application/pdf") {
        return Ok(HttpResponse::Ok().json(invoice));
    }
    let name = format!("{}.pdf", invoice.summary.number);
    let fonts = billing.0.fonts.clone();
    // Setting takes milliseconds of computing: not on the thread that answers everybody.
    let set = actix_web::web::block(move || set(&invoice, &fonts)).await;
    let octets = set
        .map_err(|error| Problem::internal(&error))?
        .map_err(BillingError::from)?;
    Ok(HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header((
            "Content-Disposition",
            format!("inline; filename=\"{name}\""),
        ))
        .insert_header(("Cache-Control", "no-store"))
        .body(octets))
}

/// List the operations behind an invoice line
///
/// Each billed operation once, by the day of its tariff and then in the order of recording; their quantities add up to the
/// line's. Lines that count no uses have none. With `Accept: text/csv` all of them come at once as a table (RFC 4180)
/// whose cells no spreadsheet takes for formulas.
#[utoipa::path(tag = "billing",
    params(("id" = InvoiceId, Path, description = "The invoice."), ("n" = u32, Path, description = "The line's number."), PageQuery),
    security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "A page of usage records, or all of them as CSV.", content((Page<RecordView> = "application/json"), (String = "text/csv"))),
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
    request: HttpRequest,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope;
    let n: i32 = path.1.parse().map_err(|_| Problem::not_found())?;
    let cursors = billing.0.platform.keys.cursors();
    let list = format!("invoices/{}/lines/{n}/records", id.0);
    let limit = query.limit()?;
    let after = cursors.read(Some(scope), &list, &query)?;
    let read = billing.0.db.begin_read(scope).await?;
    let db = &read;
    let behind = invoices::find_line(scope, db, id.0, n).await?;
    if prefers(&request, "text/csv") {
        drop(read);
        return Ok(exports::line_as_csv(&billing, scope, id.0, n, behind));
    }
    let rows = match behind {
        Some(behind) => usage::behind_line(scope, db, &behind, (after, limit)).await?,
        None => Vec::new(),
    };
    let page = cursors.page(Some(scope), &list, limit, rows, |row| row.id.uuid());
    Ok(HttpResponse::Ok().json(page))
}
