//! The token endpoint and discovery.

use std::{collections::BTreeSet, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE},
    post,
    web::{Data, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use warikan_http::{BODY_LIMIT, Code, Origin, Problem, ProblemDocument};
use warikan_types::{ClientScope, Secret};

use crate::{Onboarding, client_assertion::ASSERTION_TYPE, grant_token::Proof};

/// A token request (RFC 6749 4.4.2), `application/x-www-form-urlencoded`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// `client_credentials`
    #[schema(pattern = "^client_credentials$")]
    grant_type: String,
    /// Scopes separated by spaces; all of the client's where absent.
    scope: Option<String>,
    /// With `client_secret_post`; otherwise HTTP Basic. Beside an assertion it may stand, and names whom that names.
    client_id: Option<String>,
    /// With `client_secret_post`.
    #[schema(value_type = Option<String>)]
    client_secret: Option<Secret<String>>,
    /// With `private_key_jwt`: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer` (RFC 7523 2.2).
    client_assertion_type: Option<String>,
    /// With `private_key_jwt`: a JWT whose `iss` and `sub` are the client id and whose `aud` is this platform's issuer or token endpoint,
    /// with `jti`, `iat` and an `exp` at most five minutes away, signed by a registered key.
    #[schema(max_length = 4096)]
    client_assertion: Option<String>,
}

/// A refusal is told so long after the request came, whatever was found meanwhile.
const REFUSED_AFTER: Duration = Duration::from_millis(5);

/// A token (RFC 6749 5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// Send it as `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// What it allows.
    scope: String,
}

/// Get an access token with client credentials
///
/// Authenticate with HTTP Basic (`client_secret_basic`), in the body (`client_secret_post`), or by a signed assertion
/// (`private_key_jwt`), each of which is taken once.
#[utoipa::path(operation_id = "grant_token", tag = "access", security(()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 413, body = ProblemDocument),
        (status = 415, body = ProblemDocument)))]
#[post("/oauth/token")]
pub(crate) async fn token(
    request: HttpRequest,
    body: Payload,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let begun = Instant::now();
    let granted = granted(&request, body, &onboarding).await;
    if granted.is_err() {
        // A client that exists is a row to be read: some microseconds, which whoever guesses could measure (F015).
        tokio::time::sleep_until(begun + REFUSED_AFTER).await;
    }
    granted.map_err(Problem::of_oauth)
}

async fn granted(
    request: &HttpRequest,
    body: Payload,
    onboarding: &Onboarding,
) -> Result<HttpResponse, Problem> {
    if !is_form(request) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "Send the form as application/x-www-form-urlencoded and say so in Content-Type.",
        ));
    }
    let body = warikan_http::whole_body(request, body, BODY_LIMIT).await?;
    let form: TokenRequest = serde_urlencoded::from_bytes(&body).map_err(|error| {
        Problem::new(
            Code::InvalidRequest,
            format!("Send grant_type and scope as application/x-www-form-urlencoded: {error}."),
        )
    })?;
    if form.grant_type != "client_credentials" {
        return Err(Problem::field(
            "/grant_type",
            "unsupported_grant_type",
            "the grant served here is client_credentials",
        ));
    }
    let proof = proof(request, &form)?;
    let asked = form.scope.as_deref().map(read_scopes).transpose()?;
    let grant = onboarding
        .grant_token(&proof, asked.as_ref(), &Origin::of(request))
        .await?;
    let scope: Vec<&str> = grant.scopes.iter().map(|scope| scope.as_str()).collect();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(TokenAnswer {
            access_token: grant.access_token,
            token_type: "Bearer",
            expires_in: grant.expires_in,
            scope: scope.join(" "),
        }))
}

/// A body by another name is no form (RFC 6749 4.4.2); by none it may be one.
fn is_form(request: &HttpRequest) -> bool {
    let Some(told) = request.headers().get(CONTENT_TYPE) else {
        return true;
    };
    let essence = told.to_str().ok().and_then(|told| told.split(';').next());
    essence.is_some_and(|essence| {
        essence
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

fn read_scopes(text: &str) -> Result<BTreeSet<ClientScope>, Problem> {
    text.split_ascii_whitespace()
        .map(|word| {
            ClientScope::from_word(word).ok_or_else(|| {
                Problem::field(
                    "/scope",
                    "invalid_scope",
                    "a scope that does not exist here",
                )
            })
        })
        .collect()
}

/// One way of authenticating per request (RFC 6749 2.3).
fn proof(request: &HttpRequest, form: &TokenRequest) -> Result<Proof, Problem> {
    let basic = request.headers().get(AUTHORIZATION);
    let (id, secret) = (&form.client_id, &form.client_secret);
    if let (None, None, Some(kind), Some(assertion)) = (
        basic,
        secret,
        &form.client_assertion_type,
        &form.client_assertion,
    ) {
        if kind != ASSERTION_TYPE {
            return Err(invalid_client(
                "The client_assertion_type is not known here.",
            ));
        }
        return Ok(Proof::Assertion {
            client: id.clone(),
            assertion: assertion.clone(),
        });
    }
    if form.client_assertion.is_some() || form.client_assertion_type.is_some() {
        return Err(Problem::new(
            Code::InvalidRequest,
            "Send client_assertion_type and client_assertion, and no other credentials.",
        ));
    }
    let (client, secret) = match (basic, id, secret) {
        (Some(header), None, None) => header
            .to_str()
            .ok()
            .and_then(read_basic)
            .ok_or_else(|| invalid_client("The Authorization header is not HTTP Basic."))?,
        (None, Some(client), Some(secret)) => (client.clone(), secret.clone()),
        (Some(_), _, _) => {
            return Err(Problem::new(
                Code::InvalidRequest,
                "Send the credentials once: in the Authorization header or in the body.",
            ));
        }
        (None, _, _) => return Err(invalid_client("Send client_id and client_secret.")),
    };
    Ok(Proof::Secret {
        client: client.parse().ok(),
        secret,
    })
}

fn invalid_client(detail: &str) -> Problem {
    Problem::new(Code::InvalidClient, detail)
}

/// RFC 6749 2.3.1: both parts are form-encoded inside HTTP Basic. Ours have no character that changes by it.
fn read_basic(value: &str) -> Option<(String, Secret<String>)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client, secret) = text.split_once(':')?;
    Some((client.to_owned(), Secret::new(secret.to_owned())))
}

/// Authorization server metadata (RFC 8414)
///
/// Where tokens are given, how clients authenticate, and which scopes there are. `private_key_jwt` is among the methods where the platform was told its own name.
#[utoipa::path(tag = "access", security(()), responses((status = 200, body = super::discovery::ServerMetadata)))]
#[get("/.well-known/oauth-authorization-server")]
pub(crate) async fn metadata(request: HttpRequest, onboarding: Data<Onboarding>) -> HttpResponse {
    let origin = Origin::of(&request);
    let own_name = onboarding.own_name(&origin);
    let mut methods = vec!["client_secret_basic", "client_secret_post"];
    if own_name.is_some() {
        methods.push("private_key_jwt");
    }
    let base = own_name.unwrap_or(origin.base);
    let scopes: Vec<&str> = ClientScope::TENANT
        .into_iter()
        .chain(ClientScope::OPERATOR)
        .map(ClientScope::as_str)
        .collect();
    HttpResponse::Ok().json(serde_json::json!({
        "issuer": base,
        "token_endpoint": format!("{base}/oauth/token"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "ES256", "RS256", "PS256"],
        "scopes_supported": scopes,
    }))
}

/// The platform's public keys (RFC 7517)
///
/// What access tokens and receipts are signed with: enough to judge a receipt offline, years later. May be kept for five minutes.
#[utoipa::path(tag = "access", security(()), responses((status = 200, body = super::discovery::PublicKeys)))]
#[get("/.well-known/jwks.json")]
pub(crate) async fn jwks(onboarding: Data<Onboarding>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .json(onboarding.0.platform.keys.jwks())
}
