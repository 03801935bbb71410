//! The operator's own accounts.

use actix_web::{
    HttpRequest, HttpResponse, get, patch, post,
    web::{Data, Json},
};
use ipnet::IpNet;
use serde::Deserialize;
use utoipa::ToSchema;
use warikan_http::{Body, Idempotency, OperatorCaller, Page, PathId, Problem, ProblemDocument};
use warikan_types::{Client, ClientId, Timestamp};

use crate::{
    Onboarding,
    audit::Actor,
    client_keys::ClientKeys,
    credential_shapes::{CreatedCredential, CredentialSettings, Rotation},
    manage_accounts::{AccountRole, AccountView, CreatedAccount, NewAccount},
    store::clients::Holder,
};

/// A new account of the operator's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountOrder {
    /// Whose it is, 1 to 100 characters: the audit trail tells accounts apart by their ids, people by this.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `admin` may do everything, `auditor` may read everything.
    role: AccountRole,
    /// Whether there is a secret: `true` where absent and no `public_keys` are given.
    secret: Option<bool>,
    /// When it ends by itself.
    expires_at: Option<Timestamp>,
    /// From where alone it may be used: up to 16 networks, `192.0.2.0/24`. Absent or empty: from anywhere.
    #[schema(value_type = Option<Vec<String>>, max_items = 16)]
    networks: Option<Vec<IpNet>>,
    /// Public keys for `private_key_jwt`.
    public_keys: Option<ClientKeys>,
}

/// What can be changed of an account; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountChange {
    /// Whose it is, 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// `true`: refused at once, tokens that are out too. `false`: good again.
    disabled: Option<bool>,
    /// When it ends by itself.
    expires_at: Option<Timestamp>,
    /// From where alone it may be used. Empty: from anywhere.
    #[schema(value_type = Option<Vec<String>>, max_items = 16)]
    networks: Option<Vec<IpNet>>,
    /// The public keys for `private_key_jwt`; they replace those before.
    public_keys: Option<ClientKeys>,
}

/// Make an account of the operator's
///
/// For a person or a program. What it may do stays as it is made; the audit trail names it in everything it does.
#[utoipa::path(operation_id = "create_account", tag = "operator", params(warikan_http::IdempotencyKey), request_body = AccountOrder, security(("oauth2" = ["operator"])),
    responses((status = 201, body = CreatedAccount), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/accounts")]
pub(crate) async fn create(
    caller: OperatorCaller,
    request: HttpRequest,
    body: Body<AccountOrder>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let new = NewAccount {
        role: body.role,
        secret: body.secret,
        settings: CredentialSettings {
            name: Some(body.name.clone()),
            expires_at: body.expires_at,
            networks: body.networks.clone(),
            public_keys: body.public_keys.clone(),
        },
    };
    let sealer = onboarding.0.platform.keys.sealer();
    let once = Idempotency::of(&request, "create_account", None, body.digest(), sealer)?;
    let answer = onboarding.create_account(caller.client, &new, &once);
    Ok(answer.await?.into())
}

/// The operator's accounts
///
/// All of them, disabled ones too, without their secrets.
#[utoipa::path(operation_id = "list_accounts", tag = "operator", security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<AccountView>), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/accounts")]
pub(crate) async fn list(
    _caller: OperatorCaller,
    onboarding: Data<Onboarding>,
) -> Result<Json<Page<AccountView>>, Problem> {
    Ok(Json(Page {
        data: onboarding.accounts().await?,
        next_cursor: None,
    }))
}

/// Change an account, disable it or enable it again
///
/// A disabled account is refused at once, and so are tokens given to it before. 409 for the last one that may do everything.
#[utoipa::path(operation_id = "change_account", tag = "operator", params(("id" = ClientId, Path, description = "The account, by its client id.")), request_body = AccountChange, security(("oauth2" = ["operator"])),
    responses((status = 200, body = AccountView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[patch("/v1/operator/accounts/{id}")]
pub(crate) async fn change(
    caller: OperatorCaller,
    id: PathId<Client>,
    body: Body<AccountChange>,
    onboarding: Data<Onboarding>,
) -> Result<Json<AccountView>, Problem> {
    let settings = CredentialSettings {
        name: body.name.clone(),
        expires_at: body.expires_at,
        networks: body.networks.clone(),
        public_keys: body.public_keys.clone(),
    };
    let view = onboarding.change_account(caller.client, id.0, &settings, body.disabled);
    Ok(Json(view.await?))
}

/// Rotate an account's secret
///
/// The answer shows the new secret, once; the one before stays good for the overlap.
#[utoipa::path(operation_id = "rotate_account", tag = "operator", params(("id" = ClientId, Path, description = "The account, by its client id."), warikan_http::IdempotencyKey), request_body = Rotation, security(("oauth2" = ["operator"])),
    responses((status = 200, body = CreatedCredential), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/accounts/{id}/rotate")]
pub(crate) async fn rotate(
    caller: OperatorCaller,
    id: PathId<Client>,
    request: HttpRequest,
    body: Body<Rotation>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let sealer = onboarding.0.platform.keys.sealer();
    let operation = format!("rotate_account/{}", id.0);
    let once = Idempotency::of(&request, &operation, None, body.digest(), sealer)?;
    let by = Actor::Operator(caller.client);
    let answer = onboarding.rotate_credential(by, Holder::Operator, id.0, &body, &once);
    Ok(answer.await?.into())
}
