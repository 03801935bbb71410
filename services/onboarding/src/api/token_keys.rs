//! The keys that sign access tokens.

use actix_web::{
    get, post,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::ToSchema;
use warikan_http::{Body, OperatorCaller, Page, Problem, ProblemDocument};

use crate::{Onboarding, token_keys::TokenKeyView};

/// How to rotate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRotation {
    /// Whether a key was betrayed: then the new one signs at once, and what those before signed is refused.
    #[serde(default)]
    compromised: bool,
}

/// The keys by which access tokens are read
///
/// Empty until they are rotated for the first time: then there is the key file's alone.
#[utoipa::path(operation_id = "list_token_keys", tag = "operator", security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<TokenKeyView>), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/token-keys")]
pub(crate) async fn list(
    _caller: OperatorCaller,
    onboarding: Data<Onboarding>,
) -> Result<Json<Page<TokenKeyView>>, Problem> {
    Ok(Json(Page {
        data: onboarding.token_keys().await?,
        next_cursor: None,
    }))
}

/// Rotate the key that signs access tokens
///
/// The new key is in `/.well-known/jwks.json` at once and signs a minute later; tokens signed before are good until they expire. 409
/// while a key waits to sign. With `compromised` nothing waits: what was signed before is refused within seconds, this request's own token too.
#[utoipa::path(operation_id = "rotate_token_keys", tag = "operator", request_body = KeyRotation, security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<TokenKeyView>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/token-keys/rotate")]
pub(crate) async fn rotate(
    caller: OperatorCaller,
    body: Body<KeyRotation>,
    onboarding: Data<Onboarding>,
) -> Result<Json<Page<TokenKeyView>>, Problem> {
    let keys = onboarding.rotate_token_keys(caller.client, body.compromised);
    Ok(Json(Page {
        data: keys.await?,
        next_cursor: None,
    }))
}
