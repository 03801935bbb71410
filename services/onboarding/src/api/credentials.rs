//! Tenants' API credentials.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::TenantState;
use warikan_http::{
    Answer, Body, Idempotency, OperatorCaller, Page, PathId, Problem, ProblemDocument,
};
use warikan_messaging::begin_write;
use warikan_types::{
    ClientId, ClientScope, Environment, Principal, Tenant, TenantId, TenantScope, Timestamp,
};

use crate::{
    Onboarding, credential,
    error::Error,
    store::{self, ClientRow},
};

/// What a new credential is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCredential {
    /// `production` only for an active tenant.
    environment: Environment,
    /// All of a tenant's scopes where absent.
    scopes: Option<Vec<ClientScope>>,
}

/// A new credential, with the secret that is shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedCredential {
    client_id: ClientId,
    /// Shown once; only its hash is kept.
    client_secret: String,
    environment: Environment,
    scopes: Vec<ClientScope>,
    created_at: Timestamp,
}

/// A credential.
#[derive(Serialize, ToSchema)]
pub(crate) struct CredentialView {
    client_id: ClientId,
    environment: Option<Environment>,
    scopes: Vec<ClientScope>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

fn view(row: &ClientRow) -> Result<CredentialView, Error> {
    let principal = store::principal(row)?;
    Ok(CredentialView {
        client_id: principal.client,
        environment: principal.tenant.map(|scope| scope.environment()),
        scopes: principal.scopes.into_iter().collect(),
        created_at: row.created_at.into(),
        revoked_at: row.revoked_at.map(Into::into),
        last_used_at: row.last_used_at.map(Into::into),
    })
}

/// Make a credential for a tenant
#[utoipa::path(operation_id = "create_credential", tag = "operator", params(("id" = TenantId, Path)), request_body = NewCredential, security(("oauth2" = ["operator"])),
    responses((status = 201, body = CreatedCredential), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/tenants/{id}/credentials")]
pub(crate) async fn create(
    _caller: OperatorCaller,
    id: PathId<Tenant>,
    request: HttpRequest,
    body: Body<NewCredential>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let inner = &onboarding.0;
    let platform = &inner.platform;
    let scopes = match &body.scopes {
        None => ClientScope::TENANT.into(),
        Some(scopes) if scopes.contains(&ClientScope::Operator) || scopes.is_empty() => {
            return Err(Problem::field(
                "/scopes",
                "invalid_value",
                "one or more of a tenant's scopes; `operator` is not one of them",
            ));
        }
        Some(scopes) => scopes.iter().copied().collect(),
    };
    // The path is part of what makes two requests the same.
    let operation = format!("create_credential/{}", id.0);
    let once = Idempotency::of(
        &request,
        &operation,
        None,
        body.digest(),
        platform.keys.sealer(),
    )?;
    let now = platform.clock().now();
    let transaction = begin_write(inner.db.worker()).await?;
    if let Some(answer) = once.claim(&transaction, now).await? {
        transaction.rollback().await?;
        return Ok(answer.into());
    }
    let tenant = store::tenant_to_change(&transaction, id.0).await?;
    let state = TenantState::from_word(&tenant.state).ok_or(Error::Damaged("tenant.state"))?;
    let allowed = match body.environment {
        Environment::Sandbox => state != TenantState::Closed,
        Environment::Production => state == TenantState::Active,
    };
    if !allowed {
        return Err(Error::NotActive(state.as_str()).into());
    }
    let principal = Principal {
        client: platform.entropy.id(now),
        tenant: Some(TenantScope::of_event(id.0, body.environment)),
        scopes,
    };
    let secret = credential::new_secret(&platform.entropy);
    store::insert_client(
        &transaction,
        &principal,
        credential::digest(secret.expose()),
        now,
    )
    .await?;
    let answer = Answer::json(
        201,
        &CreatedCredential {
            client_id: principal.client,
            client_secret: secret.expose().clone(),
            environment: body.environment,
            scopes: principal.scopes.into_iter().collect(),
            created_at: now,
        },
    );
    once.keep(&transaction, &answer).await?;
    transaction.commit().await?;
    Ok(answer.into())
}

/// A tenant's credentials, without their secrets
#[utoipa::path(operation_id = "list_credentials", tag = "operator", params(("id" = TenantId, Path)), security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<CredentialView>), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/operator/tenants/{id}/credentials")]
pub(crate) async fn list(
    _caller: OperatorCaller,
    id: PathId<Tenant>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    store::tenant(onboarding.0.db.worker(), id.0).await?;
    let rows = store::clients(onboarding.0.db.worker(), id.0).await?;
    Ok(HttpResponse::Ok().json(Page {
        data: rows.iter().map(view).collect::<Result<Vec<_>, _>>()?,
        next_cursor: None,
    }))
}

/// Revoke a credential
///
/// New tokens are refused at once; one already given is over within five minutes.
#[utoipa::path(operation_id = "revoke_credential", tag = "operator", params(("id" = TenantId, Path), ("client_id" = ClientId, Path)), security(("oauth2" = ["operator"])),
    responses((status = 204), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[delete("/v1/operator/tenants/{id}/credentials/{client_id}")]
pub(crate) async fn revoke(
    _caller: OperatorCaller,
    id: PathId<Tenant>,
    request: HttpRequest,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let client: ClientId = request
        .match_info()
        .get("client_id")
        .and_then(|text| text.parse().ok())
        .ok_or_else(Problem::not_found)?;
    let now = onboarding.0.platform.clock().now();
    if store::revoke_client(onboarding.0.db.worker(), id.0, client, now).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Problem::not_found())
    }
}
