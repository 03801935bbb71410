//! Counts for the ministers' report.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::CONTENT_DISPOSITION,
    web::{Data, Path},
};
use warikan_http::{OperatorCaller, Problem, ProblemDocument, prefers};
use warikan_types::BillingMonth;

use super::operator::period;
use crate::{Billing, report_purposes::PurposeCounts};

/// Confirmations by tenant and purpose
///
/// How often certificates were confirmed in production in a month, for whom and why: signatures (`signature_verification`),
/// authentications, later checks (`status_check`). With `Accept: text/csv` as a table.
#[utoipa::path(tag = "operator", operation_id = "read_purpose_counts",
    params(("period" = BillingMonth, Path, description = "A calendar month in Japan.")),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "The counts.", content((PurposeCounts = "application/json"), (String = "text/csv"))),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "Not a month.", body = ProblemDocument)))]
#[get("/v1/operator/months/{period}/purpose-counts")]
pub(crate) async fn read(
    _operator: OperatorCaller,
    path: Path<String>,
    request: HttpRequest,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    let period = period(&path)?;
    let counts = billing.purpose_counts(period).await?;
    if prefers(&request, "text/csv") {
        let name = format!("attachment; filename=\"purpose-counts-{period}.csv\"");
        return Ok(HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((CONTENT_DISPOSITION, name))
            .body(counts.csv()));
    }
    Ok(HttpResponse::Ok().json(counts))
}
