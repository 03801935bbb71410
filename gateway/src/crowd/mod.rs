//! How many requests are under way at once (F087).
//!
//! Of more requests than the cores can do, each takes longer than the last, until nobody's comes in time. So what comes beyond a number is
//! refused before anything is done for it, tokens and bodies unread: that costs a small part of a request, and those that were taken go on as
//! they would. The number follows what the cores do ([`Room`]). Probes are answered always. A reader that waits for events (long poll) does nothing meanwhile, and gives its place back.

mod room;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpMessage, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::CONTENT_LENGTH},
    middleware::Next,
    web::Data,
};
use futures_util::StreamExt;
use warikan_http::{Code, Problem};
use warikan_runtime::metrics;

pub use room::Room;

use crate::Limits;

/// The name under which refusals are counted.
const UNDER_WAY: &str = "under_way";
/// A body of a refused request is read to its end up to this length, which costs less than a new connection;
const SWALLOWED: u64 = 65_536;
/// and for this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a reader that would wait has a place: for looking whether there is something.
const LOOK: Duration = Duration::from_millis(250);

/// Middleware; needs [`Limits`] as application data.
pub(crate) async fn middleware<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let limits = request.app_data::<Data<Limits>>();
    let room = limits.and_then(|limits| limits.room.clone());
    let Some(room) = room.filter(|_| !request.path().starts_with("/health/")) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    if let Some(place) = room.enter(Instant::now()) {
        let waits = waits(&request);
        let mut answer = pin!(next.call(request));
        if waits {
            if let Ok(early) = tokio::time::timeout(LOOK, &mut answer).await {
                return Ok(early?.map_into_left_body());
            }
            place.quit();
            return Ok(answer.await?.map_into_left_body());
        }
        let answer = answer.await;
        drop(place);
        return Ok(answer?.map_into_left_body());
    }
    metrics::rate_limited(UNDER_WAY);
    metrics::places(room.places());
    swallow(&mut request).await;
    let problem = Problem::new(
        Code::Unavailable,
        "More requests are under way than this process takes at once. Wait a second, and repeat this one with the same Idempotency-Key where it has one.",
    )
    .retry_after(1);
    Ok(request.into_response(problem.error_response().map_into_right_body()))
}

/// Whether it asked to wait for what is not there yet.
fn waits(request: &ServiceRequest) -> bool {
    let mut parameters = request.query_string().split('&');
    request.method() == Method::GET && parameters.any(|one| one.starts_with("wait_seconds="))
}

/// Reads a short body, so that the connection can be used again. A long one is not waited for: its connection is closed.
pub(crate) async fn swallow(request: &mut ServiceRequest) {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > 0 && length <= SWALLOWED) {
        let mut body = request.take_payload();
        let all = async { while let Some(Ok(_)) = body.next().await {} };
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }
}
