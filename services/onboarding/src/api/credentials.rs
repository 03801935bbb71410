//! Tenants' API credentials, in the operator's hands.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post,
    web::{Data, Json},
};
use warikan_http::{Body, Idempotency, OperatorCaller, Page, PathId, Problem, ProblemDocument};
use warikan_types::{ClientId, Tenant, TenantId};

use crate::{
    Onboarding,
    audit::Actor,
    credential_shapes::{
        CreatedCredential, CredentialSettings, CredentialView, NewCredential, Rotation,
    },
    store::{self, clients::Holder},
};

/// The `{client_id}` of a path; what is none names nothing.
pub(super) fn client_of(request: &HttpRequest) -> Result<ClientId, Problem> {
    request
        .match_info()
        .get("client_id")
        .and_then(|text| text.parse().ok())
        .ok_or_else(Problem::not_found)
}

/// Make a credential for a tenant
///
/// With a secret, with public keys (`private_key_jwt`), or with both. A tenant may have 100.
#[utoipa::path(operation_id = "create_credential", tag = "operator", params(("id" = TenantId, Path, description = "The tenant."), warikan_http::IdempotencyKey), request_body = NewCredential, security(("oauth2" = ["operator"])),
    responses((status = 201, body = CreatedCredential), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/tenants/{id}/credentials")]
pub(crate) async fn create(
    caller: OperatorCaller,
    id: PathId<Tenant>,
    request: HttpRequest,
    body: Body<NewCredential>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    // The path is part of what makes two requests the same.
    let operation = format!("create_credential/{}", id.0);
    let sealer = onboarding.0.platform.keys.sealer();
    let once = Idempotency::of(&request, &operation, None, body.digest(), sealer)?;
    let by = Actor::Operator(caller.client);
    let answer = onboarding.create_credential(by, id.0, &body, &once);
    Ok(answer.await?.into())
}

/// List a tenant's credentials
///
/// Of both environments, without their secrets.
#[utoipa::path(operation_id = "list_credentials", tag = "operator", params(("id" = TenantId, Path, description = "The tenant.")), security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<CredentialView>), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/operator/tenants/{id}/credentials")]
pub(crate) async fn list(
    _caller: OperatorCaller,
    id: PathId<Tenant>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    store::tenant(onboarding.0.db.worker(), id.0).await?;
    Ok(HttpResponse::Ok().json(Page {
        data: onboarding.credentials(Holder::Tenant(id.0, None)).await?,
        next_cursor: None,
    }))
}

/// Change a credential
///
/// Its name, end, networks and public keys. Tokens that were given before keep what they had, for five minutes at most.
#[utoipa::path(operation_id = "change_credential", tag = "operator", params(("id" = TenantId, Path, description = "The tenant."), ("client_id" = ClientId, Path, description = "The credential, by its client id.")), request_body = CredentialSettings, security(("oauth2" = ["operator"])),
    responses((status = 200, body = CredentialView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[patch("/v1/operator/tenants/{id}/credentials/{client_id}")]
pub(crate) async fn change(
    caller: OperatorCaller,
    id: PathId<Tenant>,
    request: HttpRequest,
    body: Body<CredentialSettings>,
    onboarding: Data<Onboarding>,
) -> Result<Json<CredentialView>, Problem> {
    let client = client_of(&request)?;
    let holder = Holder::Tenant(id.0, None);
    let by = Actor::Operator(caller.client);
    let view = onboarding.change_credential(by, holder, client, &body);
    Ok(Json(view.await?))
}

/// Rotate a credential's secret
///
/// The answer shows the new secret, once; the one before stays good for the overlap. A second rotation within it ends the first secret.
#[utoipa::path(operation_id = "rotate_credential", tag = "operator", params(("id" = TenantId, Path, description = "The tenant."), ("client_id" = ClientId, Path, description = "The credential, by its client id."), warikan_http::IdempotencyKey), request_body = Rotation, security(("oauth2" = ["operator"])),
    responses((status = 200, body = CreatedCredential), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/tenants/{id}/credentials/{client_id}/rotate")]
pub(crate) async fn rotate(
    caller: OperatorCaller,
    id: PathId<Tenant>,
    request: HttpRequest,
    body: Body<Rotation>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let client = client_of(&request)?;
    let operation = format!("rotate_credential/{}/{client}", id.0);
    let sealer = onboarding.0.platform.keys.sealer();
    let once = Idempotency::of(&request, &operation, None, body.digest(), sealer)?;
    let holder = Holder::Tenant(id.0, None);
    let by = Actor::Operator(caller.client);
    let answer = onboarding.rotate_credential(by, holder, client, &body, &once);
    Ok(answer.await?.into())
}

/// Revoke a credential
///
/// New tokens are refused at once; one already given is over within five minutes.
#[utoipa::path(operation_id = "revoke_credential", tag = "operator", params(("id" = TenantId, Path, description = "The tenant."), ("client_id" = ClientId, Path, description = "The credential, by its client id.")), security(("oauth2" = ["operator"])),
    responses((status = 204), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[delete("/v1/operator/tenants/{id}/credentials/{client_id}")]
pub(crate) async fn revoke(
    caller: OperatorCaller,
    id: PathId<Tenant>,
    request: HttpRequest,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let client = client_of(&request)?;
    let holder = Holder::Tenant(id.0, None);
    let by = Actor::Operator(caller.client);
    onboarding.revoke_credential(by, holder, client).await?;
    Ok(HttpResponse::NoContent().finish())
}
