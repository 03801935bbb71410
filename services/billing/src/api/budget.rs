//! A tenant's budget.

use actix_web::{
    HttpResponse, delete, get, put,
    web::{Data, Json},
};
use warikan_http::{Body, Problem, ProblemDocument, TenantCaller, needs};
use warikan_runtime::TenantAct;

use crate::{
    Billing,
    budget::{Budget, BudgetView},
    error::BillingError,
    store::budgets,
};

/// Set the monthly budget
///
/// For each threshold that a month's charges reach, the tenant is told once in that month with `budget.threshold_reached`, in its
/// feed and by webhooks. A budget stops nothing: verifications go on. In the sandbox, which is free, none is ever reached.
#[utoipa::path(tag = "billing", operation_id = "set_budget", request_body = Budget, security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "The budget stands.", body = BudgetView),
        (status = 400, description = "A field is not acceptable.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 413, description = "The body is too large.", body = ProblemDocument),
        (status = 415, description = "Not JSON.", body = ProblemDocument)))]
#[put("/v1/budget")]
pub(crate) async fn set(
    caller: TenantCaller<needs::Billing>,
    body: Body<Budget>,
    billing: Data<Billing>,
) -> Result<Json<BudgetView>, Problem> {
    if let Some((pointer, detail)) = body.fault() {
        return Err(Problem::field(pointer, "out_of_range", detail));
    }
    Ok(Json(
        billing
            .set_budget(caller.scope, caller.client, &body)
            .await?,
    ))
}

/// Read the monthly budget
///
/// With what the running month would come to now, and which thresholds the tenant was told of.
#[utoipa::path(tag = "billing", operation_id = "read_budget", security(("oauth2" = ["billing"])),
    responses(
        (status = 200, description = "The budget.", body = BudgetView),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 404, description = "No budget is set in this environment.", body = ProblemDocument)))]
#[get("/v1/budget")]
pub(crate) async fn read(
    caller: TenantCaller<needs::Billing>,
    billing: Data<Billing>,
) -> Result<Json<BudgetView>, Problem> {
    Ok(Json(billing.budget(caller.scope).await?))
}

/// Remove the monthly budget
///
/// Nothing is told of thresholds any more. Usage goes on.
#[utoipa::path(tag = "billing", operation_id = "remove_budget", security(("oauth2" = ["billing"])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "The token lacks the scope.", body = ProblemDocument),
        (status = 404, description = "No budget is set in this environment.", body = ProblemDocument)))]
#[delete("/v1/budget")]
pub(crate) async fn remove(
    caller: TenantCaller<needs::Billing>,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    let txn = billing.0.db.begin_write(caller.scope).await?;
    if !budgets::remove(caller.scope, &txn).await? {
        return Err(BillingError::NotFound.into());
    }
    let act = TenantAct::new(caller.client, caller.scope, "budget.removed");
    act.tell(&txn, &billing.0.platform).await?;
    txn.commit().await?;
    billing.0.relay.wake();
    Ok(HttpResponse::NoContent().finish())
}
