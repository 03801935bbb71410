//! Costs that all tenants bear together (割り勘), as the operator enters them.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::IntoParams;
use warikan_http::{
    Body, Idempotency, OperatorCaller, Page, PageQuery, Params, PathId, Problem, ProblemDocument,
};
use warikan_types::{BillingMonth, Yen};

use crate::{
    Billing,
    share_costs::{NewSharedCost, SharedCost, SharedCostId, SharedCostView},
    store::shared_costs,
};

/// The largest cost, either way: what a mistyped figure must not exceed.
const LARGEST: i64 = 1_000_000_000_000;
const NOTE_LIMIT: usize = 200;

/// Which month's costs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CostsQuery {
    /// A calendar month in Japan, such as `2026-11`.
    month: BillingMonth,
    /// Rows per page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// Enter a shared cost
///
/// What the certified system costs all tenants together. When the month is closed, the costs of each category are split
/// among the tenants that were active in it by the published key: one part equally, one by billed units, to the yen.
#[utoipa::path(tag = "operator", params(warikan_http::IdempotencyKey), operation_id = "enter_shared_cost", request_body = NewSharedCost, security(("oauth2" = ["operator"])),
    responses(
        (status = 201, description = "It is entered.", body = SharedCostView),
        (status = 400, description = "A field is not acceptable.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 409, description = "The month is closed, or the Idempotency-Key was used with another body.", body = ProblemDocument),
        (status = 413, description = "The body is too large.", body = ProblemDocument),
        (status = 415, description = "Not JSON.", body = ProblemDocument)))]
#[post("/v1/operator/shared-costs")]
pub(crate) async fn enter(
    operator: OperatorCaller,
    request: HttpRequest,
    body: Body<NewSharedCost>,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    if body.amount == Yen::ZERO || !(-LARGEST..=LARGEST).contains(&body.amount.0) {
        let detail = format!("an amount in yen, not zero, at most {LARGEST} either way");
        return Err(Problem::field("/amount", "out_of_range", detail));
    }
    if body.note.chars().count() > NOTE_LIMIT {
        let detail = format!("at most {NOTE_LIMIT} characters");
        return Err(Problem::field("/note", "too_long", detail));
    }
    let sealer = billing.0.platform.keys.sealer();
    let once = Idempotency::of(&request, "enter_shared_cost", None, body.digest(), sealer)?;
    let entered = billing.enter_cost(operator.client, &body, &once);
    Ok(entered.await?.into())
}

/// List a month's shared costs
///
/// What was entered for the month, in the order of its entering.
#[utoipa::path(tag = "operator", operation_id = "list_shared_costs", params(CostsQuery), security(("oauth2" = ["operator"])),
    responses(
        (status = 200, description = "A page of costs, in the order of entering.", body = Page<SharedCostView>),
        (status = 400, description = "No month, or a bad limit or cursor.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument)))]
#[get("/v1/operator/shared-costs")]
pub(crate) async fn list(
    _operator: OperatorCaller,
    query: Params<CostsQuery>,
    billing: Data<Billing>,
) -> Result<Json<Page<SharedCostView>>, Problem> {
    let cursors = billing.0.platform.keys.cursors();
    let name = format!("shared-costs/{}", query.month);
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor.clone(),
    };
    let limit = page.limit()?;
    let after = cursors.read(None, &name, &page)?;
    let rows = shared_costs::list(billing.0.db.worker(), query.month, after, limit).await?;
    Ok(Json(
        cursors.page(None, &name, limit, rows, |row| row.id.uuid()),
    ))
}

/// Remove a shared cost
///
/// Possible until its month is closed.
#[utoipa::path(tag = "operator", operation_id = "remove_shared_cost",
    params(("id" = SharedCostId, Path, description = "The cost.")),
    security(("oauth2" = ["operator"])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "No such cost.", body = ProblemDocument),
        (status = 409, description = "Its month is closed.", body = ProblemDocument)))]
#[delete("/v1/operator/shared-costs/{id}")]
pub(crate) async fn remove(
    operator: OperatorCaller,
    id: PathId<SharedCost>,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    billing.remove_cost(operator.client, id.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
