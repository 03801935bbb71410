//! What is said where a request cannot be passed on.

use warikan_http::{Code, Problem};
use warikan_runtime::metrics;

use super::{
    body::{Cut, Fate, LIMIT},
    upstream::{Refusal, Upstream},
};

/// Says in seconds when to try again after an outage; processes restart faster than a person reads this.
const RETRY_AFTER: u64 = 1;

pub(super) fn refused(upstream: &Upstream, refusal: Refusal) -> Problem {
    let (reason, why) = match refusal {
        Refusal::Full => ("full", "has too many requests under way"),
        Refusal::Resting => ("resting", "is not reachable"),
    };
    metrics::upstream_failure(upstream.name(), reason);
    unavailable(why)
}

pub(super) fn too_large() -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("No operation takes a body of more than {LIMIT} octets."),
    )
}

pub(super) fn unavailable(why: &str) -> Problem {
    Problem::new(
        Code::Unavailable,
        format!("The service behind this operation {why}. Repeat the request, with the same Idempotency-Key where it has one."),
    )
    .retry_after(RETRY_AFTER)
}

pub(super) fn overdue(fate: &Fate) -> Problem {
    cut(fate).unwrap_or_else(|| {
        Problem::new(
            Code::DeadlineExceeded,
            "The service behind this operation did not answer in time. Repeat the request, with the same Idempotency-Key where it has one.",
        )
        .retry_after(RETRY_AFTER)
    })
}

pub(super) fn cut(fate: &Fate) -> Option<Problem> {
    match fate.cut()? {
        Cut::Slow => Some(Problem::new(
            Code::RequestTimeout,
            "The body did not arrive in time.",
        )),
        Cut::TooLarge => Some(too_large()),
        Cut::Broken => Some(Problem::new(
            Code::RequestTimeout,
            "The body did not arrive whole.",
        )),
    }
}

pub(super) fn failed(upstream: &Upstream, fate: &Fate, error: &reqwest::Error) -> Problem {
    if let Some(problem) = cut(fate) {
        return problem;
    }
    let reason = if error.is_connect() {
        "refused"
    } else {
        "broken"
    };
    metrics::upstream_failure(upstream.name(), reason);
    tracing::warn!(
        request_id = warikan_http::current_request_id(),
        service = upstream.name(),
        error = %error.without_url_text(),
        "service not reached"
    );
    unavailable(if error.is_connect() {
        "is not reachable"
    } else {
        "broke off"
    })
}

/// An error in words that hold no address of a client's making.
trait WithoutUrl {
    fn without_url_text(&self) -> String;
}

impl WithoutUrl for reqwest::Error {
    fn without_url_text(&self) -> String {
        let mut words = String::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(self);
        while let Some(one) = cause {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&one.to_string());
            cause = one.source();
        }
        words
    }
}
