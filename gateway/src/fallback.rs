//! What is not published is not there: 404, or 405 with `Allow` where the path exists for other methods.

use std::collections::BTreeSet;

use actix_router::ResourceDef;
use actix_web::{
    App, Error, HttpRequest, HttpResponse, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::ALLOW,
    middleware::Next,
    web::Data,
};
use utoipa::openapi::{OpenApi, PathItem};
use utoipa_actix_web::AppExt;
use warikan_http::{Code, Problem};
use warikan_runtime::Module;

/// The paths of the public document and their methods.
pub(crate) struct Published(Vec<(ResourceDef, BTreeSet<String>)>);

impl Published {
    pub(crate) fn new(api: &OpenApi) -> Self {
        Self(
            api.paths
                .paths
                .iter()
                .map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item)))
                .collect(),
        )
    }

    pub(crate) fn of_modules(modules: &[Module]) -> Self {
        let (_, api) = App::new()
            .into_utoipa_app()
            .configure(|config| {
                for module in modules {
                    (module.routes)(config);
                }
            })
            .split_for_parts();
        Self::new(&api)
    }

    fn methods(&self, path: &str) -> BTreeSet<String> {
        self.0
            .iter()
            .filter(|(pattern, _)| pattern.is_match(path))
            .flat_map(|(_, methods)| methods.iter().cloned())
            .collect()
    }
}

fn methods(item: &PathItem) -> BTreeSet<String> {
    [
        ("GET", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("PATCH", item.patch.is_some()),
        ("DELETE", item.delete.is_some()),
    ]
    .into_iter()
    .filter(|(_, there)| *there)
    .map(|(method, _)| method.to_owned())
    .collect()
}

/// Middleware: paths that one reads so and another otherwise are nobody's. Whoever resolves them (a proxy, a URL library) takes `/a/..` for `/`, and
/// many take `\\` for `/`; the edge and the service behind it must not differ about what was asked for (F005).
pub(crate) async fn middleware<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if is_ambiguous(request.path()) {
        let answer = nothing_here().error_response();
        return Ok(request.into_response(answer.map_into_right_body()));
    }
    Ok(next.call(request).await?.map_into_left_body())
}

fn is_ambiguous(path: &str) -> bool {
    let dots = |segment: &str| matches!(segment, "." | "..");
    path.contains('\\') || path.split('/').any(dots) || has_needless_escape(path)
}

/// A letter, digit, `-`, `.`, `_` or `~` that is written as `%6f` (RFC 3986 2.3: it never needs to be). Whoever compares before decoding, and
/// whoever compares after it, see different paths.
fn has_needless_escape(path: &str) -> bool {
    path.match_indices('%').any(|(at, _)| {
        let digits = path.get(at + 1..at + 3);
        let octet = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octet.is_some_and(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet))
    })
}

pub(crate) async fn answer(request: HttpRequest, published: Data<Published>) -> HttpResponse {
    let methods = published.methods(request.path());
    if methods.is_empty() {
        nothing_here().error_response()
    } else {
        other_methods(&methods)
    }
}

fn nothing_here() -> Problem {
    Problem::new(
        Code::NotFound,
        "Nothing is served under this path; the published paths are in /openapi.json.",
    )
}

fn other_methods(methods: &BTreeSet<String>) -> HttpResponse {
    let allow = methods.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut response =
        Problem::new(Code::MethodNotAllowed, format!("This path takes {allow}.")).error_response();
    if let Ok(value) = allow.parse() {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f005_a_path_that_can_be_read_in_two_ways_is_nobodys() {
        for path in [
            "/v1/watches/..",
            "/./v1",
            "/v1/%2E%2e/x",
            "/v1/.%2e",
            "/v1/a\\b",
            "/v1/%2e",
            "/v1/%6fperator",
            "/oauth/%74oken",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in [
            "/",
            "/v1/watches",
            "/v1/...",
            "/v1/a..b",
            "/jlis/crl/signature/1/all.crl",
            "/v1/..;/x",
            "/v1/%2f",
            "/v1/%e2%82%ac",
            "//",
        ] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }
}
