//! The end of a process: requests in flight are finished, and those that would not be in time are told to come again.
//!
//! The server closes what is left when its grace is over, without a word. So a little before that every request that is still under
//! way is answered with a 503: its work is dropped where it stands (a transaction rolls back, or has committed and the same
//! Idempotency-Key tells), and nobody has to guess from a cut connection (F091).

use std::time::Duration;

use actix_web::{
    Error, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    middleware::Next,
    web::Data,
};
use tokio::sync::watch;
use warikan_http::{Code, Problem};

use crate::GRACE_SECONDS;

/// What is left of the grace to send the refusals.
const MARGIN: Duration = Duration::from_secs(5);

/// Tells requests in flight that the time is over. Clones are one.
#[derive(Clone, Debug)]
pub struct Drain {
    over: watch::Sender<bool>,
    patience: Duration,
}

impl Drain {
    /// A drain that leaves requests this long to finish.
    #[must_use]
    pub fn within(patience: Duration) -> Self {
        Self {
            over: watch::Sender::new(false),
            patience,
        }
    }

    /// The process has been told to stop: from here on the time runs. To be called on a tokio runtime.
    pub fn begin(&self) {
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(this.patience).await;
            this.over.send_replace(true);
        });
    }
}

impl Default for Drain {
    /// As long as the server's grace allows.
    fn default() -> Self {
        Self::within(Duration::from_secs(GRACE_SECONDS).saturating_sub(MARGIN))
    }
}

/// Middleware; without a [`Drain`] as application data it does nothing.
pub(crate) async fn middleware<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let Some(drain) = request.app_data::<Data<Drain>>().cloned() else {
        return next.call(request).await;
    };
    let mut over = drain.over.subscribe();
    tokio::select! {
        biased;
        answer = next.call(request) => answer,
        _ = over.wait_for(|over| *over) => {
            let problem = Problem::new(
                Code::Unavailable,
                "This process stops. Repeat the request, with the same Idempotency-Key where it has one.",
            )
            .retry_after(1);
            let mut response = problem.error_response();
            response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
            Err(InternalError::from_response("drain", response).into())
        }
    }
}
