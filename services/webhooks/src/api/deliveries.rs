//! Deliveries: what was sent, and sending again.

use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Json},
};
use warikan_http::{
    Body, Idempotency, Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller,
    needs,
};
use warikan_types::{Delivery, Endpoint};

use crate::{
    Webhooks,
    resend::{DeliveryDetail, DeliveryView, ReplayRequest, Replayed, TestRequest},
    store,
};

/// The claim of an operation without a body.
pub(super) async fn once(
    request: &HttpRequest,
    operation: &str,
    caller: &TenantCaller<needs::Webhooks>,
    webhooks: &Webhooks,
) -> Result<Idempotency, Problem> {
    let sealer = webhooks.0.data_keys.sealer(caller.scope).await?;
    Idempotency::of(request, operation, Some(caller.scope), [0; 32], &sealer)
}

/// Send a test event
///
/// Appends an event to the feed and sends it to this endpoint, whatever its types: `endpoint.tested`, or in the sandbox an
/// example of any type.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::EndpointId, Path, description = "The endpoint."), warikan_http::IdempotencyKey), request_body = TestRequest,
    security(("oauth2" = ["webhooks"])),
    responses((status = 202, body = DeliveryView), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/webhook-endpoints/{id}/test")]
pub(crate) async fn test_endpoint(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Endpoint>,
    request: HttpRequest,
    body: Body<TestRequest>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Problem> {
    let operation = format!("test_endpoint/{}", id.0);
    let scope = caller.scope;
    let sealer = webhooks.0.data_keys.sealer(scope).await?;
    let once = Idempotency::of(&request, &operation, Some(scope), body.digest(), &sealer)?;
    let answer = webhooks.test_endpoint(scope, id.0, &body, &once).await?;
    Ok(answer.into())
}

/// List an endpoint's deliveries
///
/// In the order of their making, each with its attempts.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::EndpointId, Path, description = "The endpoint."), PageQuery),
    security(("oauth2" = ["webhooks"])),
    responses((status = 200, body = Page<DeliveryView>), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument)))]
#[get("/v1/webhook-endpoints/{id}/deliveries")]
pub(crate) async fn list_deliveries(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Endpoint>,
    query: Params<PageQuery>,
    webhooks: Data<Webhooks>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    let scope = caller.scope;
    webhooks.endpoint(scope, id.0).await?;
    let cursors = webhooks.0.platform.keys.cursors();
    let list = format!("deliveries/{}", id.0);
    let limit = query.limit()?;
    let after = cursors.read(Some(scope), &list, &query)?;
    let db = &webhooks.0.db.begin_read(scope).await?;
    let rows = store::deliveries::list(scope, db, id.0, after, limit + 1).await?;
    let attempts = store::deliveries::attempts(db, &rows).await?;
    let views = rows
        .iter()
        .map(|row| DeliveryView::of(row, &attempts))
        .collect();
    let page = cursors.page(Some(scope), &list, limit, views, |view: &DeliveryView| {
        view.id.uuid()
    });
    Ok(Json(page))
}

/// Read a delivery
///
/// With every attempt: what was sent, what was answered, how long it took.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::DeliveryId, Path, description = "The delivery.")),
    security(("oauth2" = ["webhooks"])),
    responses((status = 200, body = DeliveryDetail), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/deliveries/{id}")]
pub(crate) async fn get_delivery(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Delivery>,
    webhooks: Data<Webhooks>,
) -> Result<Json<DeliveryDetail>, Problem> {
    Ok(Json(webhooks.delivery(caller.scope, id.0).await?))
}

/// Send a delivery again
///
/// Whatever became of it: it is due at once, and its retries start anew. The endpoint sees the same `webhook-id`.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::DeliveryId, Path, description = "The delivery."), warikan_http::IdempotencyKey),
    security(("oauth2" = ["webhooks"])),
    responses((status = 202, body = DeliveryView), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
#[post("/v1/deliveries/{id}/resend")]
pub(crate) async fn resend_delivery(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Delivery>,
    request: HttpRequest,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Problem> {
    let once = once(&request, &format!("resend/{}", id.0), &caller, &webhooks).await?;
    Ok(webhooks.resend(caller.scope, id.0, &once).await?.into())
}

/// Replay a range of the feed to an endpoint
///
/// Everything of the endpoint's types that became true in the range is sent, whether the endpoint had it before or not; at most
/// 10,000 events. With `preview` it is only counted.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::EndpointId, Path, description = "The endpoint."), warikan_http::IdempotencyKey),
    request_body = ReplayRequest, security(("oauth2" = ["webhooks"])),
    responses((status = 202, body = Replayed), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/webhook-endpoints/{id}/replay")]
pub(crate) async fn replay_events(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Endpoint>,
    request: HttpRequest,
    body: Body<ReplayRequest>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Problem> {
    let sealer = webhooks.0.data_keys.sealer(caller.scope).await?;
    let operation = format!("replay/{}", id.0);
    let once = Idempotency::of(
        &request,
        &operation,
        Some(caller.scope),
        body.digest(),
        &sealer,
    )?;
    let answer = webhooks.replay(caller.scope, id.0, &body, &once).await?;
    Ok(answer.into())
}
