//! Request ids: taken from `X-Request-Id` where it is well-formed, made otherwise, and always answered.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use warikan_types::{Clock, Entropy, Id, Request};

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task serves.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

fn acceptable(text: &str) -> bool {
    (8..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

/// Middleware; needs `Clock` and `Entropy` as application data.
///
/// # Errors
/// As the inner service.
pub async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody + 'static>, Error> {
    let given = request
        .headers()
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|text| acceptable(text))
        .map(str::to_owned);
    let id = given.unwrap_or_else(|| fresh(&request));
    let name = HeaderName::from_static("x-request-id");
    let value = HeaderValue::from_str(&id).ok();
    // Handlers' errors become responses inside the scope, so their documents carry the id.
    CURRENT
        .scope(id, async move {
            let mut response = next.call(request).await?;
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        })
        .await
}

fn fresh(request: &ServiceRequest) -> String {
    let clock = request.app_data::<web::Data<Clock>>();
    let entropy = request.app_data::<web::Data<Entropy>>();
    match (clock, entropy) {
        (Some(clock), Some(entropy)) => {
            let id: Id<Request> = entropy.id(clock.now());
            id.to_string()
        }
        _ => "req_unknown".to_owned(),
    }
}
