//! Usage held against the services' own operations, for the operator.

use actix_web::{
    get, post,
    web::{Data, Json, Path},
};
use warikan_http::{OperatorCaller, Problem, ProblemDocument};
use warikan_types::BillingMonth;

use super::operator::period;
use crate::{Billing, reconciliation::Reconciliation, store};

/// Read a month's comparison with the operations
///
/// What the last comparison of the month's usage with the services' own operations found. Every open month and the last closed one are
/// compared hourly, and a month when it is closed.
#[utoipa::path(tag = "operator", operation_id = "read_reconciliation",
    params(("period" = BillingMonth, Path, description = "A calendar month in Japan.")),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "What was found.", body = Reconciliation),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "Not a month.", body = ProblemDocument)))]
#[get("/v1/operator/months/{period}/reconciliation")]
pub(crate) async fn read(
    _operator: OperatorCaller,
    path: Path<String>,
    billing: Data<Billing>,
) -> Result<Json<Reconciliation>, Problem> {
    let period = period(&path)?;
    let last = store::reconciliation::last(billing.0.db.worker(), period).await?;
    Ok(Json(last.unwrap_or(Reconciliation::never(period))))
}

/// Compare a month with the operations now
///
/// Asks verification and revocation which operations of the month they have answered, and takes those that billing has not heard of as
/// usage; of a closed month they go on the next invoice. Usage that no service knows is listed and left as it is. A service that
/// cannot be asked makes the comparison `incomplete`: then `difference` is `null`. Comparing again changes nothing more.
#[utoipa::path(tag = "operator", operation_id = "reconcile_month",
    params(("period" = BillingMonth, Path, description = "A calendar month in Japan.")),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "What was found.", body = Reconciliation),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "Not a month.", body = ProblemDocument)))]
#[post("/v1/operator/months/{period}/reconciliation")]
pub(crate) async fn compare(
    _operator: OperatorCaller,
    path: Path<String>,
    billing: Data<Billing>,
) -> Result<Json<Reconciliation>, Problem> {
    let period = period(&path)?;
    let now = billing.0.platform.clock().now();
    Ok(Json(billing.reconcile(period, now).await?))
}
