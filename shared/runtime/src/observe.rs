//! One span and one measurement for each request, at every listener.
//!
//! A span takes up the trace that the caller names (W3C Trace Context), so a request is one trace through gateway and service. What it
//! holds is method, route pattern, status and request id: no path, no query, no header, and so nobody's data.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::HeaderMap,
    middleware::Next,
};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::metrics;

/// The pattern of a request that no route of this process matched, left by whoever passed it on.
#[derive(Clone)]
pub struct RoutePattern(pub String);

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }
    fn keys(&self) -> Vec<&str> {
        self.0
            .keys()
            .map(actix_web::http::header::HeaderName::as_str)
            .collect()
    }
}

#[derive(Default)]
struct TraceParent(Option<String>);

impl Injector for TraceParent {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = Some(value);
        }
    }
}

/// `traceparent` for a call that this task makes; `None` where nothing is traced.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut found = TraceParent::default();
    TraceContextPropagator::new().inject_context(&context, &mut found);
    found.0
}

/// Middleware; inside the one that gives request ids.
///
/// # Errors
/// As the inner service.
pub async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let begun = Instant::now();
    let method = request.method().to_string();
    let span = tracing::info_span!(
        "http.request",
        otel.kind = "server",
        http.request.method = method,
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        request_id = warikan_http::current_request_id(),
    );
    let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
    // Fails where nothing is exported, and then there is nothing to set.
    let _ = span.set_parent(parent);
    let outcome = next.call(request).instrument(span.clone()).await;
    let (route, status) = match &outcome {
        Ok(response) => {
            let passed_on = response
                .request()
                .extensions()
                .get::<RoutePattern>()
                .cloned();
            let route = passed_on
                .map(|RoutePattern(pattern)| pattern)
                .or_else(|| response.request().match_pattern());
            (route, response.status().as_u16())
        }
        Err(error) => (None, error.as_response_error().status_code().as_u16()),
    };
    let route = route.unwrap_or_else(|| "none".to_owned());
    span.record("http.route", &route);
    span.record("http.response.status_code", status);
    metrics::request(&method, &route, status, begun.elapsed());
    outcome
}
