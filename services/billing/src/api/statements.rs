//! J-LIS's statement, as the operator brings it.

use actix_web::{
    HttpRequest, HttpResponse, post,
    web::{Data, Path, Payload},
};
use warikan_http::{BODY_LIMIT, Code, OperatorCaller, Problem, ProblemDocument};
use warikan_types::BillingMonth;

use crate::{Billing, compare_statement::StatementComparison, export::csv};

/// Compare J-LIS's statement
///
/// Takes a month's statement as CSV (UTF-8, a header, one row for each channel, kind and purpose) and lists it beside what was
/// counted here, line by line. The columns are `channel`, `kind`, `purpose`, `count` and `amount` (yen without tax), or what the
/// configuration `billing.jlis_statement` calls them: the layout of J-LIS's own file is not public. Nothing is kept. With
/// `Accept: text/csv` the answer is a table whose cells no spreadsheet takes for formulas.
#[utoipa::path(tag = "operator", operation_id = "compare_jlis_statement",
    params(("period" = BillingMonth, Path, description = "A calendar month in Japan.")),
    request_body(content = String, content_type = "text/csv", description = "The statement."),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "The comparison.", content((StatementComparison = "application/json"), (String = "text/csv"))),
        (status = 400, description = "It cannot be read; the pointer names row and column.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "Not a month.", body = ProblemDocument),
        (status = 413, description = "The body is too large.", body = ProblemDocument),
        (status = 415, description = "Not CSV.", body = ProblemDocument)))]
#[post("/v1/operator/months/{period}/jlis-statement")]
pub(crate) async fn compare(
    _operator: OperatorCaller,
    path: Path<String>,
    request: HttpRequest,
    body: Payload,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    let period: BillingMonth = path.parse().map_err(|_| Problem::not_found())?;
    if !is_table(&request) {
        let detail = "Send the statement as text/csv and say so in Content-Type.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let octets = warikan_http::whole_body(&request, body, BODY_LIMIT).await?;
    let statement = billing
        .0
        .config
        .jlis_statement
        .read(&octets)
        .map_err(|fault| Problem::field(fault.pointer, "unreadable", fault.what))?;
    let compared = billing.compare(period, &statement).await?;
    if !warikan_http::prefers(&request, "text/csv") {
        return Ok(HttpResponse::Ok().json(compared));
    }
    let name = format!("jlis-statement-{period}.csv");
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((
            "Content-Disposition",
            format!("attachment; filename=\"{name}\""),
        ))
        .body(csv::comparison(&compared)))
}

fn is_table(request: &HttpRequest) -> bool {
    let told = request.headers().get("Content-Type");
    let essence = told
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/csv"))
}
