//! How often: buckets per tenant, per credential at the token endpoint, and per address for what the API answers without a token.
//!
//! Every answer of a limited request says how much is left (`RateLimit`, `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers); a refused
//! one is a 429 with `Retry-After`. The buckets are shared through Redis where there is one, and are this process's own where it is
//! not there or too slow: a limit then counts per process, and nothing else changes (F081).

use std::time::Duration;

use actix_web::{
    Error, HttpMessage, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use warikan_http::{Authentication, Code, Origin, Problem};
use warikan_runtime::{Cache, Decision, Platform, Quota, metrics};

use crate::document::PUBLIC_WITHOUT_TOKEN;

/// What is limited, and where it is counted.
#[derive(Clone)]
pub struct Limits {
    /// Requests of one tenant in one environment, over all its credentials; `None`: not limited.
    pub tenant: Option<Quota>,
    /// Token requests from one address for one credential; `None`: not limited.
    pub token: Option<Quota>,
    /// Requests from one address for what `/v1` answers without a token; `None`: not limited.
    pub public: Option<Quota>,
    /// Where it is counted.
    pub cache: Cache,
}

impl Limits {
    /// No limits.
    #[must_use]
    pub fn none() -> Self {
        Self {
            tenant: None,
            token: None,
            public: None,
            cache: Cache::memory(),
        }
    }

    /// The bucket that a request is taken from: its name, quota and key.
    fn bucket(&self, request: &ServiceRequest) -> Option<(&'static str, Quota, [String; 3])> {
        let address = || {
            let extensions = request.extensions();
            let origin = extensions.get::<Origin>();
            let from = origin.and_then(|origin| Some(origin.address?.to_string()));
            from.unwrap_or_default()
        };
        if request.path() == "/oauth/token" {
            let key = [address(), credential(request), String::new()];
            return Some(("token", self.token?, key));
        }
        if takes_no_token(request.path()) {
            let key = [address(), String::new(), String::new()];
            return Some(("public", self.public?, key));
        }
        let quota = self.tenant?;
        let extensions = request.extensions();
        let Some(Authentication::Granted(principal)) = extensions.get::<Authentication>() else {
            return None;
        };
        let scope = principal.tenant?;
        let key = [
            scope.tenant().to_string(),
            scope.environment().as_str().to_owned(),
            String::new(),
        ];
        Some(("tenant", quota, key))
    }
}

/// What `/v1` answers to anybody. Probes, discovery and the sandbox are not limited here.
fn takes_no_token(path: &str) -> bool {
    path.starts_with("/v1/")
        && PUBLIC_WITHOUT_TOKEN
            .iter()
            .any(|(prefix, _)| path.starts_with(prefix))
}

/// The client id of a Basic header; it is only a name here, the token endpoint judges it.
fn credential(request: &ServiceRequest) -> String {
    let named = || {
        let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (id, _) = decoded.split_once(':')?;
        Some(id.chars().take(64).collect())
    };
    named().unwrap_or_default()
}

/// Middleware; needs [`Limits`] and the [`Platform`] as application data, and authentication before it.
pub(crate) async fn middleware<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let (Some(limits), Some(platform)) = (
        request.app_data::<Data<Limits>>().cloned(),
        request.app_data::<Data<Platform>>().cloned(),
    ) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let Some((name, quota, key)) = limits.bucket(&request) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let parts = [name, key[0].as_str(), key[1].as_str(), key[2].as_str()];
    let decision = limits
        .cache
        .take(&parts, quota, platform.clock().now())
        .await;
    let mut response = if decision.allowed {
        next.call(request).await?.map_into_left_body()
    } else {
        metrics::rate_limited(name);
        let seconds = ceil(decision.retry_after).max(1);
        let problem = Problem::new(
            Code::RateLimited,
            format!(
                "More requests than agreed ({} in {} s). Wait {seconds} s.",
                quota.requests,
                quota.window.as_secs()
            ),
        )
        .retry_after(seconds);
        let refusal = problem.error_response().map_into_right_body();
        request.into_response(refusal)
    };
    tell(response.response_mut().headers_mut(), name, quota, decision);
    Ok(response)
}

fn tell(
    headers: &mut actix_web::http::header::HeaderMap,
    name: &str,
    quota: Quota,
    decision: Decision,
) {
    let policy = format!(
        "\"{name}\";q={};w={}",
        quota.requests,
        quota.window.as_secs()
    );
    let state = format!(
        "\"{name}\";r={};t={}",
        decision.remaining,
        ceil(decision.reset_after)
    );
    for (header, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(header), value);
        }
    }
}

fn ceil(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
