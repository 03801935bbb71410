//! `/v1/webhook-endpoints`.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post,
    web::{Data, Json},
};
use warikan_http::{
    Body, Idempotency, Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller,
    needs,
};
use warikan_types::Endpoint;

use crate::{
    Webhooks,
    endpoint::{CreatedEndpoint, EndpointChange, EndpointView, NewEndpoint},
    store,
};

const LIST: &str = "webhook_endpoints";

/// Create a webhook endpoint
///
/// Events of the chosen types are posted to the URL, signed after Standard Webhooks. The answer shows the secret, once.
#[utoipa::path(tag = "webhooks", params(warikan_http::IdempotencyKey), request_body = NewEndpoint, security(("oauth2" = ["webhooks"])),
    responses((status = 201, body = CreatedEndpoint), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument),
        (status = 415, body = ProblemDocument)))]
#[post("/v1/webhook-endpoints")]
pub(crate) async fn create_endpoint(
    caller: TenantCaller<needs::Webhooks>,
    request: HttpRequest,
    body: Body<NewEndpoint>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope;
    let sealer = webhooks.0.data_keys.sealer(scope).await?;
    let once = Idempotency::of(
        &request,
        "create_webhook_endpoint",
        Some(scope),
        body.digest(),
        &sealer,
    )?;
    Ok(webhooks
        .create_endpoint(scope, caller.client, &body, &once)
        .await?
        .into())
}

/// List webhook endpoints
///
/// Yours in this environment, oldest first, without their secrets.
#[utoipa::path(tag = "webhooks", params(PageQuery), security(("oauth2" = ["webhooks"])),
    responses((status = 200, body = Page<EndpointView>), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/webhook-endpoints")]
pub(crate) async fn list_endpoints(
    caller: TenantCaller<needs::Webhooks>,
    query: Params<PageQuery>,
    webhooks: Data<Webhooks>,
) -> Result<Json<Page<EndpointView>>, Problem> {
    let cursors = webhooks.0.platform.keys.cursors();
    let limit = query.limit()?;
    let after = cursors.read(Some(caller.scope), LIST, &query)?;
    let db = webhooks.0.db.begin_read(caller.scope).await?;
    let rows = store::endpoints::list(caller.scope, &db, after, limit + 1).await?;
    let now = webhooks.now();
    let views = rows.iter().map(|row| EndpointView::of(row, now)).collect();
    let page = cursors.page(
        Some(caller.scope),
        LIST,
        limit,
        views,
        |view: &EndpointView| view.id.uuid(),
    );
    Ok(Json(page))
}

/// Read a webhook endpoint
///
/// Where it delivers to, which types, and whether it is enabled. The secret is not shown again.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::EndpointId, Path, description = "The endpoint.")),
    security(("oauth2" = ["webhooks"])),
    responses((status = 200, body = EndpointView), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/webhook-endpoints/{id}")]
pub(crate) async fn get_endpoint(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Endpoint>,
    webhooks: Data<Webhooks>,
) -> Result<Json<EndpointView>, Problem> {
    let row = webhooks.endpoint(caller.scope, id.0).await?;
    Ok(Json(EndpointView::of(&row, webhooks.now())))
}

/// Change a webhook endpoint
///
/// Also the way to pause one, and to resume one that the platform disabled.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::EndpointId, Path, description = "The endpoint.")),
    request_body = EndpointChange, security(("oauth2" = ["webhooks"])),
    responses((status = 200, body = EndpointView), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 413, body = ProblemDocument),
        (status = 415, body = ProblemDocument)))]
#[patch("/v1/webhook-endpoints/{id}")]
pub(crate) async fn change_endpoint(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Endpoint>,
    body: Body<EndpointChange>,
    webhooks: Data<Webhooks>,
) -> Result<Json<EndpointView>, Problem> {
    let view = webhooks
        .change_endpoint(caller.scope, caller.client, id.0, &body)
        .await?;
    Ok(Json(view))
}

/// Delete a webhook endpoint
///
/// Its deliveries and their log go with it; the events stay in the feed.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::EndpointId, Path, description = "The endpoint.")),
    security(("oauth2" = ["webhooks"])),
    responses((status = 204), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[delete("/v1/webhook-endpoints/{id}")]
pub(crate) async fn delete_endpoint(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Endpoint>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Problem> {
    webhooks
        .delete_endpoint(caller.scope, caller.client, id.0)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Rotate an endpoint's secret
///
/// The answer shows the new secret, once. For 24 hours deliveries carry two signatures, by the new and by the old secret, so
/// that consumers can change over; a second rotation in that time ends the first secret at once.
#[utoipa::path(tag = "webhooks", params(("id" = warikan_types::EndpointId, Path, description = "The endpoint."), warikan_http::IdempotencyKey),
    security(("oauth2" = ["webhooks"])),
    responses((status = 200, body = CreatedEndpoint), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
#[post("/v1/webhook-endpoints/{id}/rotate-secret")]
pub(crate) async fn rotate_secret(
    caller: TenantCaller<needs::Webhooks>,
    id: PathId<Endpoint>,
    request: HttpRequest,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Problem> {
    let once = super::deliveries::once(
        &request,
        &format!("rotate_secret/{}", id.0),
        &caller,
        &webhooks,
    )
    .await?;
    let answer = webhooks
        .rotate_secret(caller.scope, caller.client, id.0, &once)
        .await;
    Ok(answer?.into())
}
