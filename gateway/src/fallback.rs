//! What is not published is not there: 404, or 405 with `Allow` where the path exists for other methods.

use std::collections::BTreeSet;

use actix_router::ResourceDef;
use actix_web::{App, HttpRequest, HttpResponse, ResponseError, http::header::ALLOW, web::Data};
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
