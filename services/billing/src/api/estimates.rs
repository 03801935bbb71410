//! What something will cost.

use actix_web::{
    post,
    web::{Data, Json},
};
use warikan_http::{Body, Problem, ProblemDocument, TenantCaller, needs};

use crate::{
    Billing,
    estimate::{EstimateView, NewEstimate},
};

/// Estimate a month or a campaign
///
/// Prices supposed volumes as an invoice of the same volumes would be, for every plan and, where the channel is left open, by
/// revocation list (CRL) and by OCSP; names the cheapest that is as fresh as asked. Nothing is kept. Shares of shared costs are
/// not in it: they follow from what all tenants use.
#[utoipa::path(tag = "billing", operation_id = "estimate", request_body = NewEstimate, security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "Every way to do it, the cheapest first.", body = EstimateView),
        (status = 400, description = "A field is not acceptable.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 413, description = "The body is too large.", body = ProblemDocument),
        (status = 415, description = "Not JSON.", body = ProblemDocument)))]
#[post("/v1/estimates")]
pub(crate) async fn create(
    caller: TenantCaller<needs::Billing>,
    body: Body<NewEstimate>,
    billing: Data<Billing>,
) -> Result<Json<EstimateView>, Problem> {
    let period = billing.estimated_period(&body);
    if let Some((pointer, code, detail)) = body.fault(period) {
        return Err(Problem::field(pointer, code, detail));
    }
    if let Some(plan) = &body.plan
        && !billing.has_plan(plan, period)
    {
        let detail = "no plan of this name has prices in the period";
        return Err(Problem::field("/plan", "unknown", detail));
    }
    Ok(Json(billing.estimate(caller.scope, &body).await?))
}
