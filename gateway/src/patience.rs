//! How long a body may take, and that nobody reads on after the answer (F058).
//!
//! A client that sends its body octet by octet would hold a connection, and what its request has begun, for as long as it likes. And one
//! that goes on sending chunks after it was answered would be read for ever: the server throws away what nobody wants any more, so that the next request
//! can be found behind it. It does so only where the body was let go; so the body is held until the answer is written, and a connection whose
//! body has not ended by then is closed.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage, ResponseError,
    body::{BodySize, BoxBody, EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    middleware::Next,
    web::Bytes,
};
use futures_util::Stream;
use tokio::time::{Instant, Sleep};
use warikan_http::{Code, Problem};

/// A client that sends nothing for so long is told so and closed; and so is one that was waited for longer than this in all, unless it sent
/// at least as much as the rate below for the rest.
const IDLE: Duration = Duration::from_secs(10);
/// Octets a second that a body has to make on the average. The slowest lines of today make a hundred times as many.
const RATE: u64 = 1_024;

/// What a body has made so far.
#[derive(Default)]
struct Credit {
    octets: u64,
    waited: Duration,
}

impl Credit {
    /// How long it may be waited for now.
    fn patience(&self) -> Duration {
        let earned = IDLE + Duration::from_millis(self.octets.saturating_mul(1_000) / RATE);
        earned.saturating_sub(self.waited).min(IDLE)
    }
}

/// A body that is waited for as long as it deserves.
struct Timed {
    body: Rc<RefCell<Payload>>,
    ended: Rc<Cell<bool>>,
    credit: Credit,
    /// Since when nothing came, and the alarm that ends it.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    slow: Arc<AtomicBool>,
}

/// An answer, and the body that it does not wait for: held until the answer is written.
struct Held {
    answer: BoxBody,
    _body: Rc<RefCell<Payload>>,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

impl Stream for Timed {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut *self.body.borrow_mut()).poll_next(context);
        if let Poll::Ready(item) = polled {
            if let Some((since, _)) = self.waiting.take() {
                self.credit.waited += since.elapsed();
            }
            match &item {
                Some(Ok(chunk)) => self.credit.octets += chunk.len() as u64,
                Some(Err(_)) => {}
                None => self.ended.set(true),
            }
            return Poll::Ready(item);
        }
        let patience = self.credit.patience();
        let (_, alarm) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(patience))));
        if alarm.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.slow.store(true, Ordering::Release);
        let why = std::io::Error::from(std::io::ErrorKind::TimedOut);
        Poll::Ready(Some(Err(PayloadError::Io(why))))
    }
}

/// Middleware: whatever reads a body that does not come is told that it broke off, and its client that it was too slow.
pub(crate) async fn middleware<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let headers = request.headers();
    if !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let slow = Arc::new(AtomicBool::new(false));
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let ended = Rc::new(Cell::new(false));
    let body_of_request = Rc::new(RefCell::new(request.take_payload()));
    let timed = Timed {
        body: Rc::clone(&body_of_request),
        ended: Rc::clone(&ended),
        credit: Credit::default(),
        waiting: None,
        slow: Arc::clone(&slow),
    };
    request.set_payload(Payload::Stream {
        payload: Box::pin(timed),
    });
    let response = next.call(request).await?;
    let holding = |answer: BoxBody| {
        let held = Held {
            answer,
            _body: body_of_request,
        };
        EitherBody::right(BoxBody::new(held))
    };
    if !slow.load(Ordering::Acquire) {
        if !chunked || ended.get() {
            return Ok(response.map_into_left_body());
        }
        return Ok(response.map_body(|_, body| holding(body.boxed())));
    }
    let problem = Problem::new(Code::RequestTimeout, "The body did not arrive in time.");
    let mut refusal = problem.error_response();
    refusal
        .head_mut()
        .set_connection_type(actix_web::http::ConnectionType::Close);
    Ok(response.into_response(refusal.map_body(|_, body| holding(body))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets that came before it was given up, or all; and whether it was.
    fn read(pauses: &[(u64, u64)]) -> (u64, bool) {
        let mut credit = Credit::default();
        for (seconds, octets) in pauses {
            let pause = Duration::from_secs(*seconds);
            if pause > credit.patience() {
                return (credit.octets, true);
            }
            credit.waited += pause;
            credit.octets += octets;
        }
        (credit.octets, false)
    }

    #[test]
    fn f058_a_body_is_waited_for_as_long_as_it_deserves() {
        // All at once, and with a pause that anyone may make.
        assert_eq!(read(&[(0, 10), (9, 10)]), (20, false));
        assert_eq!(read(&[(0, 10), (11, 10)]), (10, true));
        // Each pause is short, and it would never end.
        assert_eq!(read(&[(3, 1); 100]), (3, true));
        // A slow line that goes on is good for hours.
        assert_eq!(read(&[(5, 8 * 1_024); 1_000]), (8 * 1_024 * 1_000, false));
        // What came fast at first buys no long silence.
        assert_eq!(read(&[(0, 1 << 20), (11, 1)]), (1 << 20, true));
    }
}
