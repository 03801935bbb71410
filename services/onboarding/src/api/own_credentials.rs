//! A tenant's own credentials, of the environment that its token is for.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, patch, post,
    web::{Data, Json},
};
use warikan_http::{
    Body, Idempotency, Page, PathId, Problem, ProblemDocument, TenantCaller, needs,
};
use warikan_types::{Client, ClientId, TenantScope};

use crate::{
    Onboarding,
    audit::Actor,
    credential_shapes::{
        CreatedCredential, CredentialSettings, CredentialView, NewCredential, Rotation,
    },
    store::clients::Holder,
};

fn holder(scope: TenantScope) -> Holder {
    Holder::Tenant(scope.tenant(), Some(scope.environment()))
}

/// Make a credential
///
/// With a secret, with public keys (`private_key_jwt`), or with both; of the environment that the token is for.
#[utoipa::path(operation_id = "create_own_credential", tag = "access", params(warikan_http::IdempotencyKey), request_body = NewCredential, security(("oauth2" = ["access"])),
    responses((status = 201, body = CreatedCredential), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/credentials")]
pub(crate) async fn create(
    caller: TenantCaller<needs::Access>,
    request: HttpRequest,
    body: Body<NewCredential>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope;
    if body.environment != scope.environment() {
        return Err(Problem::field(
            "/environment",
            "invalid_value",
            "the environment that the access token is for",
        ));
    }
    let sealer = onboarding.0.data_keys.sealer(scope).await?;
    let operation = "create_own_credential";
    let once = Idempotency::of(&request, operation, Some(scope), body.digest(), &sealer)?;
    let by = Actor::Client(caller.client);
    let answer = onboarding.create_credential(by, scope.tenant(), &body, &once);
    Ok(answer.await?.into())
}

/// List credentials
///
/// The tenant's in this environment, without their secrets, with the minute of their last use.
#[utoipa::path(operation_id = "list_own_credentials", tag = "access", security(("oauth2" = ["access"])),
    responses((status = 200, body = Page<CredentialView>), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/credentials")]
pub(crate) async fn list(
    caller: TenantCaller<needs::Access>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(Page {
        data: onboarding.credentials(holder(caller.scope)).await?,
        next_cursor: None,
    }))
}

/// Change a credential
///
/// Its name, end, networks and public keys. Tokens that were given before keep what they had, for five minutes at most.
#[utoipa::path(operation_id = "change_own_credential", tag = "access", params(("id" = ClientId, Path, description = "The credential, by its client id.")), request_body = CredentialSettings, security(("oauth2" = ["access"])),
    responses((status = 200, body = CredentialView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[patch("/v1/credentials/{id}")]
pub(crate) async fn change(
    caller: TenantCaller<needs::Access>,
    id: PathId<Client>,
    body: Body<CredentialSettings>,
    onboarding: Data<Onboarding>,
) -> Result<Json<CredentialView>, Problem> {
    let holder = holder(caller.scope);
    let by = Actor::Client(caller.client);
    let view = onboarding.change_credential(by, holder, id.0, &body);
    Ok(Json(view.await?))
}

/// Rotate a credential's secret
///
/// The answer shows the new secret, once; the one before stays good for the overlap. A second rotation within it ends the first secret.
#[utoipa::path(operation_id = "rotate_own_credential", tag = "access", params(("id" = ClientId, Path, description = "The credential, by its client id."), warikan_http::IdempotencyKey), request_body = Rotation, security(("oauth2" = ["access"])),
    responses((status = 200, body = CreatedCredential), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/credentials/{id}/rotate")]
pub(crate) async fn rotate(
    caller: TenantCaller<needs::Access>,
    id: PathId<Client>,
    request: HttpRequest,
    body: Body<Rotation>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let scope = caller.scope;
    let operation = format!("rotate_own_credential/{}", id.0);
    let sealer = onboarding.0.data_keys.sealer(scope).await?;
    let once = Idempotency::of(&request, &operation, Some(scope), body.digest(), &sealer)?;
    let by = Actor::Client(caller.client);
    let answer = onboarding.rotate_credential(by, holder(scope), id.0, &body, &once);
    Ok(answer.await?.into())
}

/// Revoke a credential
///
/// New tokens are refused at once; one already given is over within five minutes. It may be the one that the token was given to.
#[utoipa::path(operation_id = "revoke_own_credential", tag = "access", params(("id" = ClientId, Path, description = "The credential, by its client id.")), security(("oauth2" = ["access"])),
    responses((status = 204), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[delete("/v1/credentials/{id}")]
pub(crate) async fn revoke(
    caller: TenantCaller<needs::Access>,
    id: PathId<Client>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    onboarding
        .revoke_credential(Actor::Client(caller.client), holder(caller.scope), id.0)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
