//! The documentation page: served from the binary, nothing is fetched from elsewhere.

use std::sync::Arc;

use actix_web::{
    HttpResponse, get,
    http::header::LOCATION,
    web::{Data, Path},
};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;
use warikan_http::Problem;

pub(crate) struct Docs {
    specification: String,
    config: Arc<Config<'static>>,
}

impl Docs {
    pub(crate) fn new(api: &OpenApi) -> Self {
        Self {
            specification: api.to_pretty_json().unwrap_or_default(),
            config: Arc::new(Config::from("/openapi.json")),
        }
    }
}

#[get("/docs")]
pub(crate) async fn root() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, "/docs/"))
        .finish()
}

#[get("/docs/{tail:.*}")]
pub(crate) async fn page(tail: Path<String>, docs: Data<Docs>) -> Result<HttpResponse, Problem> {
    match utoipa_swagger_ui::serve(&tail, Arc::clone(&docs.config)) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .content_type(file.content_type)
            .body(file.bytes.into_owned())),
        Ok(None) | Err(_) => Err(Problem::not_found()),
    }
}

#[get("/openapi.json")]
pub(crate) async fn specification(docs: Data<Docs>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(docs.specification.clone())
}
