//! The public OpenAPI document: what the handlers say, framed, and completed with what holds for all of them (errors, headers,
//! bounds, examples).

mod bounds;
mod errors;
mod examples;
mod headers;
mod links;
mod schemas;
mod words;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
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
pub const PUBLIC_WITHOUT_TOKEN: [(&str, &str); 9] = [
    ("/oauth/token", "authenticates by client credentials itself"),
    (
        "/.well-known/",
        "discovery and public keys (RFC 8414, RFC 7517)",
    ),
    ("/health/", "probes; say nothing about tenants"),
    (
        "/problems",
        "the published catalogue of problems; every problem's `type` leads there",
    ),
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
        description = "",
        contact(name = "The platform's operator", url = "https://warikan.example", email = "operator@warikan.example")
    ),
    servers((url = "/", description = "This installation. A token decides between sandbox and production.")),
    components(schemas(warikan_http::ProblemDocument))
)]
struct Base;

pub(crate) fn base() -> OpenApi {
    Base::openapi()
}

/// Adds the security scheme, and words for the answers that a handler left without: the specification wants a description of
/// each (OpenAPI 3.1.0, Response Object).
pub(crate) fn finish(mut api: OpenApi) -> OpenApi {
    env!("CARGO_PKG_VERSION").clone_into(&mut api.info.version);
    api.info.description = Some(words::description());
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
        "OAuth 2.0 client credentials (RFC 6749 4.4). Access tokens are JWTs, signed with EdDSA after RFC8725, and live five minutes.",
    ));
    api.components
        .get_or_insert_default()
        .security_schemes
        .insert("oauth2".to_owned(), scheme.into());
    let operations = api.paths.paths.values_mut().flat_map(methods);
    for (status, response) in operations.flat_map(|operation| &mut operation.responses.responses) {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            meaning(status).clone_into(&mut response.description);
        }
    }
    api
}

fn methods(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
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

/// The document with all that is the same for every operation.
pub(crate) fn complete(api: &OpenApi) -> Value {
    let mut document = serde_json::to_value(api).unwrap_or_default();
    // Whom it is for, as OWASP's inventory wants it said.
    document["servers"][0]["x-internal"] = Value::Bool(false);
    document["tags"] = words::tags();
    document["components"]["headers"] = headers::components();
    schemas::name(&mut document);
    schemas::optional_bodies(&mut document);
    schemas::lift_descriptions(&mut document["components"]["schemas"]);
    errors::tell(&mut document);
    for (_, _, operation) in operations(&mut document) {
        headers::replayed(operation);
    }
    bounds::bound(&mut document);
    links::lead(&mut document);
    examples::show(&mut document);
    document
}

/// As text, with the members in the order in which one reads such a document.
pub(crate) fn text(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(&InOrder(document)).unwrap_or_default();
    text.push('\n');
    text
}

struct InOrder<'a>(&'a Value);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let order = ["openapi", "info", "servers", "tags", "paths", "components"];
        let mut map = serializer.serialize_map(None)?;
        for name in order {
            if let Some(member) = self.0.get(name) {
                map.serialize_entry(name, member)?;
            }
        }
        map.end()
    }
}

/// Path, method and the operation itself.
fn operations(document: &mut Value) -> impl Iterator<Item = (String, String, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let members = item.as_object_mut().into_iter().flatten();
        members
            .filter(|(_, operation)| operation["responses"].is_object())
            .map(|(method, operation)| (path.clone(), method.clone(), operation))
    })
}

/// The items of a member, where it is there and a list. (An index would put a member there.)
fn items_of<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    value
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// The members of a member, where it is there and an object.
fn members_of<'a>(
    value: &'a mut Value,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    value
        .get_mut(name)
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
}

/// The names of the schemas that a part of the document refers to.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| match member.as_str() {
                Some(reference) if name == "$ref" => reference
                    .strip_prefix("#/components/schemas/")
                    .map(|name| vec![name.to_owned()])
                    .unwrap_or_default(),
                _ => references(member),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
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
        "408" => "The body did not arrive in time.",
        "409" => {
            "The present state does not allow it, or the Idempotency-Key was used with another body."
        }
        "413" => "The body is too large.",
        "415" => "The body's media type is not taken here.",
        "429" => "Too many requests; `Retry-After` says when to go on.",
        "500" => "An error on our side; nothing was carried out.",
        "503" => "Temporarily not possible; the request may be repeated.",
        "504" => "It took too long; the request may be repeated with its Idempotency-Key.",
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
