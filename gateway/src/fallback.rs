//! What is not published is not there: 404, or 405 with `Allow` where the path exists for other methods.

use std::collections::BTreeSet;

use actix_router::ResourceDef;
use actix_web::{HttpRequest, HttpResponse, ResponseError, http::header::ALLOW, web::Data};
use utoipa::openapi::{OpenApi, PathItem};
use warikan_http::{Code, Problem};

/// The paths of the public document and their methods.
pub(crate) struct Published(Vec<(ResourceDef, BTreeSet<&'static str>)>);

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

    fn methods(&self, path: &str) -> BTreeSet<&'static str> {
        self.0
            .iter()
            .filter(|(pattern, _)| pattern.is_match(path))
            .flat_map(|(_, methods)| methods.iter().copied())
            .collect()
    }
}

fn methods(item: &PathItem) -> BTreeSet<&'static str> {
    [
        ("GET", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("PATCH", item.patch.is_some()),
        ("DELETE", item.delete.is_some()),
    ]
    .into_iter()
    .filter_map(|(method, there)| there.then_some(method))
    .collect()
}

pub(crate) async fn answer(request: HttpRequest, published: Data<Published>) -> HttpResponse {
    let methods = published.methods(request.path());
    if methods.is_empty() {
        return Problem::new(
            Code::NotFound,
            "Nothing is served under this path; the published paths are in /openapi.json.",
        )
        .error_response();
    }
    let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
    let mut response =
        Problem::new(Code::MethodNotAllowed, format!("This path takes {allow}.")).error_response();
    if let Ok(value) = allow.parse() {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
