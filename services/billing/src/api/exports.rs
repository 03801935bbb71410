//! Exports: what an invoice, a line or a month follows from.

use actix_web::{
    HttpResponse, get,
    web::{Data, Path},
};
use warikan_http::{OperatorCaller, PathId, Problem, ProblemDocument, TenantCaller, needs};
use warikan_runtime::TenantAct;
use warikan_types::{BillingMonth, Id, Invoice, TenantScope};

use crate::{
    Billing,
    error::BillingError,
    export::{MEDIA_TYPE, csv, streamed},
    invoice::InvoiceId,
    store::{
        invoices, months,
        usage::{self, Behind},
    },
};

/// Records of a line that are read at once.
const AT_ONCE: u64 = 2_000;

/// Export an invoice
///
/// All that the invoice follows from, as lines of JSON: the tariff, the account, the invoice, and every record with its digest.
/// `warikan invoice verify` recomputes each line and total from it and names what was changed.
#[utoipa::path(tag = "billing", operation_id = "export_invoice",
    params(("id" = InvoiceId, Path, description = "The invoice.")), security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "The export; its last line is of type `end`.", body = String, content_type = "application/x-ndjson"),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 404, description = "No such invoice of this tenant in this environment.", body = ProblemDocument)))]
#[get("/v1/invoices/{id}/export")]
pub(crate) async fn invoice(
    caller: TenantCaller<needs::Billing>,
    id: PathId<Invoice>,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope;
    let db = billing.0.db.begin_read(scope).await?;
    let invoice = invoices::find(scope, &db, id.0).await?;
    drop(db);
    let act = TenantAct::new(caller.client, scope, "invoice.exported").about(id.0);
    act.tell_alone(&billing.0.db, &billing.0.platform).await?;
    billing.0.relay.wake();
    let name = format!("{}.ndjson", invoice.summary.number);
    let billing = billing.get_ref().clone();
    Ok(streamed(MEDIA_TYPE, &name, |mut lines| async move {
        billing.export_invoice(scope, invoice, &mut lines).await?;
        Ok::<_, BillingError>(lines)
    }))
}

/// Export a month
///
/// Every invoice issued when the month was closed, with all records and what the shared costs were split by: the whole month can
/// be recomputed from it.
#[utoipa::path(tag = "operator", operation_id = "export_month",
    params(("period" = BillingMonth, Path, description = "A calendar month in Japan.")),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "The export; its last line is of type `end`.", body = String, content_type = "application/x-ndjson"),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "Not a month.", body = ProblemDocument),
        (status = 409, description = "The month is not closed.", body = ProblemDocument)))]
#[get("/v1/operator/months/{period}/export")]
pub(crate) async fn month(
    _operator: OperatorCaller,
    path: Path<String>,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    let period: BillingMonth = path.parse().map_err(|_| Problem::not_found())?;
    if months::find(billing.0.db.worker(), period).await?.is_none() {
        return Err(BillingError::MonthOpen(period).into());
    }
    let billing = billing.get_ref().clone();
    let name = format!("{period}.ndjson");
    Ok(streamed(MEDIA_TYPE, &name, |mut lines| async move {
        billing.export_month(period, &mut lines).await?;
        Ok::<_, BillingError>(lines)
    }))
}

/// All records behind a line as a table.
pub(super) fn line_as_csv(
    billing: &Billing,
    scope: TenantScope,
    id: Id<Invoice>,
    n: i32,
    behind: Option<Behind>,
) -> HttpResponse {
    let billing = billing.clone();
    let name = format!("{id}-{n}.csv");
    streamed("text/csv; charset=utf-8", &name, |mut lines| async move {
        lines.text(&csv::head()).await?;
        let mut after = None;
        while let Some(behind) = &behind {
            let db = billing.0.db.begin_read(scope).await?;
            let page = usage::behind_line(scope, &db, behind, (after, AT_ONCE)).await?;
            drop(db);
            let Some(last) = page.last() else { break };
            after = Some(last.id.uuid());
            for record in &page {
                lines.text(&csv::row(record)).await?;
            }
        }
        Ok::<_, BillingError>(lines)
    })
}
