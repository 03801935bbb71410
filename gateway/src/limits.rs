//! How often: buckets per tenant, per credential at the token endpoint, and per address for what the API answers without a token.
//! Whoever guesses at secrets is counted by address alone, one credential or ten thousand (F015): only what was refused counts there, so clients
//! behind one address with good secrets do not notice each other.
//!
//! Every answer of a limited request says how much is left (`RateLimit`, `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers); a refused
//! one is a 429 with `Retry-After`. The buckets are shared through Redis where there is one, and are this process's own where it is
//! not there or too slow: a limit then counts per process, and nothing else changes (F081).

use std::{sync::Arc, time::Duration};

use actix_web::{
    Error, HttpMessage, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{AUTHORIZATION, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use warikan_http::{Authentication, Code, Origin, Problem};
use warikan_runtime::{Cache, Decision, Platform, Quota, metrics};

use crate::{
    crowd::{Room, swallow},
    document::PUBLIC_WITHOUT_TOKEN,
};

const TOKEN_ENDPOINT: &str = "/oauth/token";
/// The buckets of the token endpoint.
const TOKEN: &str = "token";
const REFUSED: &str = "refused";

/// What is limited, and where it is counted.
#[derive(Clone)]
pub struct Limits {
    /// Requests of one tenant in one environment, over all its credentials; `None`: not limited.
    pub tenant: Option<Quota>,
    /// Token requests from one address for one credential; `None`: not limited.
    pub token: Option<Quota>,
    /// Token requests from one address that were refused for their credentials; beyond, it is not asked any more. `None`: not limited.
    pub refused: Option<Quota>,
    /// Requests from one address for what `/v1` answers without a token; `None`: not limited.
    pub public: Option<Quota>,
    /// Room for requests under way at once; `None`: as many as come.
    pub room: Option<Arc<Room>>,
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
            refused: None,
            public: None,
            room: None,
            cache: Cache::memory(),
        }
    }

    /// The bucket that a request is taken from: its name, quota and key.
    fn bucket(&self, request: &ServiceRequest) -> Option<(&'static str, Quota, [String; 3])> {
        if request.path() == TOKEN_ENDPOINT {
            let key = [address(request), credential(request), String::new()];
            return Some((TOKEN, self.token?, key));
        }
        if takes_no_token(request.path()) {
            let key = [address(request), String::new(), String::new()];
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

/// From where it comes; the same for all where that is not known.
fn address(request: &ServiceRequest) -> String {
    let extensions = request.extensions();
    let origin = extensions.get::<Origin>();
    let from = origin.and_then(|origin| Some(origin.address?.to_string()));
    from.unwrap_or_default()
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
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let (Some(limits), Some(platform)) = (
        request.app_data::<Data<Limits>>().cloned(),
        request.app_data::<Data<Platform>>().cloned(),
    ) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let now = platform.clock().now();
    let strikes = Strikes::of(&limits, &request);
    if let Some(strikes) = &strikes {
        let parts = strikes.parts();
        let standing = limits.cache.look(&parts, strikes.quota, now).await;
        if !standing.allowed {
            swallow(&mut request).await;
            return Ok(refuse(request, REFUSED, strikes.quota, standing));
        }
    }
    let mut taken = None;
    if let Some((name, quota, key)) = limits.bucket(&request) {
        let parts = [name, key[0].as_str(), key[1].as_str(), key[2].as_str()];
        let decision = limits.cache.take(&parts, quota, now).await;
        if !decision.allowed {
            swallow(&mut request).await;
            return Ok(refuse(request, name, quota, decision));
        }
        taken = Some((name, quota, decision));
    }
    let mut response = next.call(request).await?.map_into_left_body();
    if let Some(strikes) = strikes.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
        let parts = strikes.parts();
        let standing = limits.cache.take(&parts, strikes.quota, now).await;
        if standing.allowed && standing.remaining == 0 {
            tracing::warn!(
                address = strikes.address,
                refused = strikes.quota.requests,
                "so many token requests from one address were refused that it is not asked any more for now"
            );
        }
    }
    if let Some((name, quota, decision)) = taken {
        tell(response.response_mut().headers_mut(), name, quota, decision);
    }
    Ok(response)
}

/// The bucket of what was refused to an address.
struct Strikes {
    quota: Quota,
    address: String,
}

impl Strikes {
    fn of(limits: &Limits, request: &ServiceRequest) -> Option<Self> {
        let quota = limits.refused?;
        (request.path() == TOKEN_ENDPOINT).then(|| Self {
            quota,
            address: address(request),
        })
    }

    fn parts(&self) -> [&str; 2] {
        [REFUSED, &self.address]
    }
}

fn refuse<B>(
    request: ServiceRequest,
    name: &'static str,
    quota: Quota,
    decision: Decision,
) -> ServiceResponse<EitherBody<B>> {
    metrics::rate_limited(name);
    let seconds = ceil(decision.retry_after).max(1);
    let (most, within) = (quota.requests, quota.window.as_secs());
    let detail = if name == REFUSED {
        format!(
            "More token requests from this address were refused than it may make ({most} in {within} s). Check the credentials, and wait {seconds} s."
        )
    } else {
        format!("More requests than agreed ({most} in {within} s). Wait {seconds} s.")
    };
    let problem = Problem::new(Code::RateLimited, detail).retry_after(seconds);
    let mut response = request.into_response(problem.error_response().map_into_right_body());
    tell(response.response_mut().headers_mut(), name, quota, decision);
    response
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
