//! The reference page: Redoc over the public document, served from the binary. Nothing is fetched from elsewhere, which the page's
//! Content-Security-Policy also says to the browser.

use actix_web::{
    HttpResponse, get,
    http::header::{CACHE_CONTROL, LOCATION},
    web::{Data, Path},
};
use serde_json::Value;
use warikan_http::Problem;

use crate::document;

/// Redoc 2.5.0, MIT; its licences lie beside it.
const REDOC: &[u8] = include_bytes!("../assets/redoc/redoc.standalone.js");
const PAGE: &str = include_str!("../assets/reference.html");
const START: &str = include_str!("../assets/reference.js");

/// Redoc makes its style sheets itself, and searches in a worker that it makes from its own text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) struct Docs {
    specification: String,
}

impl Docs {
    pub(crate) fn new(document: &Value) -> Self {
        Self {
            specification: document::text(document),
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
pub(crate) async fn page(tail: Path<String>) -> Result<HttpResponse, Problem> {
    let (media_type, octets): (_, &'static [u8]) = match tail.as_str() {
        "" => ("text/html; charset=utf-8", PAGE.as_bytes()),
        "reference.js" => ("text/javascript; charset=utf-8", START.as_bytes()),
        "redoc.standalone.js" => ("text/javascript; charset=utf-8", REDOC),
        _ => return Err(Problem::not_found()),
    };
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(octets))
}

#[get("/openapi.json")]
pub(crate) async fn specification(docs: Data<Docs>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(docs.specification.clone())
}
