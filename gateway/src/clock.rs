//! A process whose clock is not to be believed decides nothing (F055).
//!
//! Every request but the probes' is refused with 503. At an inner listener the refusal carries [`NOT_BEGUN`], so that the edge asks
//! the next replica: nothing was done.

use std::time::Duration;

use actix_web::{
    Error, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};
use futures_util::future::BoxFuture;
use warikan_http::{Code, Problem};
use warikan_runtime::{ClockGuard, INTERNAL_TOKEN_HEADER, Peer, Reference, metrics};
use warikan_types::Timestamp;

/// The header of an inner answer that says that the request was not begun. It ends at the edge.
pub(crate) const NOT_BEGUN: &str = "x-warikan-not-begun";
/// What answers all the same: it decides nothing, and operators need it most now.
const ALL_THE_SAME: [&str; 3] = ["/health/", "/inner/ready", "/docs"];
const PATIENCE: Duration = Duration::from_secs(1);
/// `Date` has whole seconds (RFC 9110 5.6.7), and the server writes it anew every half second: what it says is up to 1.5 s old.
const DATE: (Duration, Duration) = (Duration::from_millis(750), Duration::from_millis(750));

/// Middleware; without a [`ClockGuard`] as application data it does nothing.
pub(crate) async fn middleware<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let guard = request.app_data::<Data<ClockGuard>>();
    let doubted = guard.is_some_and(|guard| guard.doubt().is_some());
    let probe = ALL_THE_SAME
        .iter()
        .any(|path| request.path().starts_with(path));
    if !doubted || probe {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    metrics::clock_refused();
    let problem = Problem::new(
        Code::Unavailable,
        "This process's clock is wrong, and it decides nothing until it is right. Repeat the request.",
    )
    .retry_after(1);
    let mut response = problem.error_response();
    if request.headers().contains_key(INTERNAL_TOKEN_HEADER) {
        let header = HeaderName::from_static(NOT_BEGUN);
        response
            .headers_mut()
            .insert(header, HeaderValue::from_static("1"));
    }
    Ok(request.into_response(response).map_into_right_body())
}

/// The clock of a service's process, by the `Date` of its answers: whoever is wrong by a day gets no token accepted there, and hears
/// it all the same.
#[must_use]
pub fn clock_of(name: &'static str, peer: Peer) -> Reference {
    Reference::new(name, move || {
        let peer = peer.clone();
        Box::pin(async move {
            let date = date(&peer).await;
            if date.is_none() {
                peer.turn_elsewhere();
            }
            date.map(|date| date.plus(DATE.0))
        }) as BoxFuture<'static, _>
    })
    .within(DATE.1)
}

async fn date(peer: &Peer) -> Option<Timestamp> {
    let answer = peer.get("/inner/ready", PATIENCE).ok()?.send().await.ok()?;
    let date = answer.headers().get("date")?.to_str().ok()?;
    let date = chrono::DateTime::parse_from_rfc2822(date).ok()?;
    Timestamp::from_unix_millis(date.timestamp_millis())
}
