//! The end of a process: what was sent to it before it was told to stop is answered, and what would not be in time is told to come again.
//!
//! A server that stops closes what waits to be accepted and what was accepted and not yet read, without a word; a client cannot know then
//! whether its request was carried out. So before the server is told to stop it goes on accepting and reading until it has
//! provably come round once: a connection of our own, made after the signal, was accepted, hence every one before it (the kernel's queue is
//! first in, first out); and then every worker went through its own events several times. What was begun is finished by the
//! server's graceful stop. A little before its grace is over, every request that is still under way is answered with a 503: its work
//! is dropped where it stands (a transaction rolls back, or has committed and the same Idempotency-Key tells), and nobody has to guess
//! from a cut connection (F091).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::ConnectionType,
    middleware::Next,
    web::Data,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};
use warikan_http::{Code, Problem};

use crate::GRACE_SECONDS;

/// What is left of the grace to send the refusals.
const MARGIN: Duration = Duration::from_secs(5);
/// How often a worker goes round after the last connection was accepted. Each round looks at all that can be read.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(20);
/// What the process asks itself. Answered only while it leaves, and by nothing else than this module.
const KNOCK: &str = "/.drain";
/// A process that has not come round by then is not going to: some time before, everything under way was told to come again.
const COME_ROUND: Duration = Duration::from_secs(GRACE_SECONDS);

/// Where the end of a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It has not been told to stop.
    Serving,
    /// It has; clients are told to use another connection next time.
    Leaving,
    /// What was sent before has been accepted; workers go round.
    Reading,
    /// Nothing more is waited for.
    Over,
}

/// Tells requests in flight that the time is over. Clones are one.
#[derive(Clone, Debug)]
pub struct Drain {
    stage: watch::Sender<Stage>,
    patience: Duration,
    workers: Arc<Workers>,
}

#[derive(Debug, Default)]
struct Workers {
    all: AtomicUsize,
    round: AtomicUsize,
}

impl Drain {
    /// A drain that leaves requests this long to finish.
    #[must_use]
    pub fn within(patience: Duration) -> Self {
        Self {
            stage: watch::Sender::new(Stage::Serving),
            patience,
            workers: Arc::default(),
        }
    }

    /// The process has been told to stop: from here on the time runs. To be called on a tokio runtime.
    pub fn begin(&self) {
        self.reach(Stage::Leaving);
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(this.patience).await;
            this.reach(Stage::Over);
        });
    }

    /// Returns when everything that was sent to the server at `address` before this call has been read. The server must still run.
    pub async fn come_round(&self, address: SocketAddr) {
        let round = async {
            if let Err(error) = knock(reachable(address)).await {
                tracing::warn!(%error, "the process could not reach its own listener; what waits there may be closed unread");
            }
            self.reach(Stage::Reading);
            while self.workers.round.load(Ordering::Acquire)
                < self.workers.all.load(Ordering::Acquire)
            {
                tokio::time::sleep(ROUND).await;
            }
        };
        if tokio::time::timeout(COME_ROUND, round).await.is_err() {
            tracing::warn!("the workers did not come round; what they have not read is closed");
        }
    }

    fn reach(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let further = *now < stage;
            *now = stage.max(*now);
            further
        });
    }

    /// To be called on each of the server's workers.
    pub(crate) fn join(&self) {
        let (mut stage, workers) = (self.stage.subscribe(), Arc::clone(&self.workers));
        workers.all.fetch_add(1, Ordering::AcqRel);
        actix_web::rt::spawn(async move {
            if stage.wait_for(|now| *now >= Stage::Reading).await.is_ok() {
                for _ in 0..ROUNDS {
                    tokio::time::sleep(ROUND).await;
                }
            }
            workers.round.fetch_add(1, Ordering::AcqRel);
        });
    }
}

impl Default for Drain {
    /// As long as the server's grace allows.
    fn default() -> Self {
        Self::within(Duration::from_secs(GRACE_SECONDS).saturating_sub(MARGIN))
    }
}

/// A request of the process to itself, on a connection of its own; returns when it was answered.
async fn knock(address: SocketAddr) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET {KNOCK} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut said = Vec::new();
    connection.read_to_end(&mut said).await?;
    Ok(())
}

/// Where a listener on every address is reached from here.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Middleware; without a [`Drain`] as application data it does nothing.
pub(crate) async fn middleware<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(drain) = request.app_data::<Data<Drain>>().cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    if request.path() == KNOCK && *drain.stage.borrow() > Stage::Serving {
        let answer = HttpResponse::NoContent().finish();
        return Ok(request.into_response(answer).map_into_right_body());
    }
    let mut stage = drain.stage.subscribe();
    tokio::select! {
        biased;
        answer = next.call(request) => {
            let mut answer = answer?.map_into_left_body();
            if *drain.stage.borrow() > Stage::Serving {
                answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            Ok(answer)
        }
        _ = stage.wait_for(|now| *now == Stage::Over) => {
            let problem = Problem::new(
                Code::Unavailable,
                "This process stops. Repeat the request, with the same Idempotency-Key where it has one.",
            )
            .retry_after(1);
            let mut response = problem.error_response();
            response.head_mut().set_connection_type(ConnectionType::Close);
            Err(InternalError::from_response("drain", response).into())
        }
    }
}
