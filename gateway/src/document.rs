//! The public OpenAPI document: what the handlers say, framed.

use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi, PathItem, RefOr,
        path::Operation,
        security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme},
    },
};
use warikan_types::ClientScope;

/// Path prefixes whose operations take no token, each with the reason. Everything else must name a scope.
pub const PUBLIC_WITHOUT_TOKEN: [(&str, &str); 8] = [
    ("/oauth/token", "authenticates by client credentials itself"),
    (
        "/.well-known/",
        "discovery and public keys (RFC 8414, RFC 7517)",
    ),
    ("/health/", "probes; say nothing about tenants"),
    (
        "/sandbox/",
        "synthetic persons only; made for trying out with nothing but an HTTP client",
    ),
    (
        "/jlis/",
        "the sandbox's stand-in for J-LIS publishes lists and answers OCSP to anyone, as a CA does",
    ),
    ("/v1/reasons", "the published list of reasons"),
    ("/v1/billing-rules", "the published table of what is billed"),
    (
        "/v1/status-freshness",
        "sums over the revocation lists; whoever relies on the platform may see how fresh it is",
    ),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Warikan",
        description = "One certified installation that verifies signatures made with My Number Cards (JPKI) for many \
            verifiers, re-checks the certificates it has seen, tells each verifier which of its customers have changed, \
            and splits the bill.\n\n\
            Times are RFC 3339 UTC, binary values base64, money integer yen. Errors are RFC 9457 problem documents. \
            POST operations that create take `Idempotency-Key`. Request bodies are strict and at most 256 KiB."
    ),
    servers((url = "/")),
    components(schemas(warikan_http::ProblemDocument))
)]
struct Base;

pub(crate) fn base() -> OpenApi {
    Base::openapi()
}

/// Adds the security scheme, and words for the answers that a handler left without: the specification wants a description of
/// each (OpenAPI 3.1.0, Response Object).
pub(crate) fn finish(mut api: OpenApi) -> OpenApi {
    api.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let scopes: Scopes = ClientScope::TENANT
        .into_iter()
        .chain(ClientScope::OPERATOR)
        .map(|scope| (scope.as_str(), describe(scope)))
        .collect();
    let scheme = SecurityScheme::OAuth2(OAuth2::with_description(
        [Flow::ClientCredentials(ClientCredentials::new(
            "/oauth/token",
            scopes,
        ))],
        "OAuth 2.0 client credentials (RFC 6749 4.4); access tokens live five minutes.",
    ));
    api.components
        .get_or_insert_default()
        .security_schemes
        .insert("oauth2".to_owned(), scheme.into());
    let operations = api.paths.paths.values_mut().flat_map(operations);
    for (status, response) in operations.flat_map(|operation| &mut operation.responses.responses) {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            meaning(status).clone_into(&mut response.description);
        }
    }
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// What a status means everywhere; handlers say more where there is more to say.
fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "Done.",
        "201" => "Created.",
        "202" => "Accepted; it will be done.",
        "204" => "Done; there is nothing to show.",
        "400" => "The request is not acceptable; `errors` names the fields.",
        "401" => "No valid access token or credentials.",
        "403" => {
            "The access token does not allow this, or the tenant may not do it in its present state."
        }
        "404" => "No such resource for this caller.",
        "409" => {
            "The present state does not allow it, or the Idempotency-Key was used with another body."
        }
        "413" => "The body is too large.",
        "415" => "The body's media type is not taken here.",
        "503" => "Temporarily not possible; the request may be repeated.",
        _ => "See the body.",
    }
}

const fn describe(scope: ClientScope) -> &'static str {
    match scope {
        ClientScope::Verifications => "Challenges and verifications",
        ClientScope::Subjects => "Subjects",
        ClientScope::Watches => "Watches and certificate checks",
        ClientScope::Campaigns => "Campaigns",
        ClientScope::Events => "The event feed",
        ClientScope::Webhooks => "Webhook endpoints and deliveries",
        ClientScope::Billing => "Usage and invoices",
        ClientScope::Access => "The tenant's own credentials; given only where it is named",
        ClientScope::Operator => "The platform operator",
        ClientScope::OperatorRead => "The operator's auditors: every GET of the scope `operator`",
    }
}
