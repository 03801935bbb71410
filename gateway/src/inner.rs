//! A service's own listener in the split shape: it serves the gateway, and other services, and nobody else.
//!
//! Every request must carry an internal token for this service (F006). What the token says about the caller is put where
//! handlers look for it, so they do not know which shape they run in; what any other header claims is not read at all.
//! A request that has not been answered by its deadline is given up: nobody waits for it any more.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, Error, HttpMessage, HttpResponse, HttpServer, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{Server, ServiceRequest, ServiceResponse},
    error::InternalError,
    get,
    http::header::{HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    web::{Data, ServiceConfig},
};
use utoipa_actix_web::AppExt;
use warikan_http::{Authentication, Code, KEPT_HEADER, Kept, ORIGIN_HEADER, Origin, Problem};
use warikan_runtime::{
    AskingService, ClockGuard, INTERNAL_TOKEN_HEADER, InternalCall, Module, Platform,
};

use crate::{Drain, GRACE_SECONDS, HEAD_TIMEOUT, clock, drain, fallback, health};

/// Above the time after which the gateway closes idle connections: the side that uses a connection closes it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Routes that only other processes of the platform may ask.
pub type InnerRoutes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// One service, served to the platform.
#[derive(Clone)]
pub struct InnerService {
    platform: Platform,
    module: Module,
    workers: usize,
    routes: Option<InnerRoutes>,
    open_prefix: Option<&'static str>,
    drain: Option<Drain>,
    clock: Option<ClockGuard>,
}

struct Door {
    service: &'static str,
    open_prefix: Option<&'static str>,
    platform: Platform,
}

impl InnerService {
    /// This service.
    #[must_use]
    pub const fn new(platform: Platform, module: Module, workers: usize) -> Self {
        Self {
            platform,
            module,
            workers,
            routes: None,
            open_prefix: None,
            drain: None,
            clock: None,
        }
    }

    /// With routes beside the public ones.
    #[must_use]
    pub fn with_routes(mut self, routes: InnerRoutes) -> Self {
        self.routes = Some(routes);
        self
    }

    /// With paths that anyone may read: what a CA publishes, whose stand-in the sandbox is, is fetched without credentials.
    #[must_use]
    pub const fn with_open_prefix(mut self, prefix: &'static str) -> Self {
        self.open_prefix = Some(prefix);
        self
    }

    /// With somebody who tells requests in flight that the process ends.
    #[must_use]
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.drain = Some(drain);
        self
    }

    /// With somebody who watches this process's clock.
    #[must_use]
    pub fn with_clock(mut self, clock: ClockGuard) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Serves on a bound listener until the returned server is stopped.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Server> {
        let this = self.clone();
        let door = Data::new(Door {
            service: self.module.name,
            open_prefix: self.open_prefix,
            platform: self.platform.clone(),
        });
        let probe = Data::new(health::Services::of(std::slice::from_ref(&self.module)));
        let published = Data::new(fallback::Published::of_modules(std::slice::from_ref(
            &self.module,
        )));
        let drain = self.drain.clone().unwrap_or_default();
        crate::deepen(&listener)?;
        let server = HttpServer::new(move || {
            drain.join();
            let (app, _) = App::new()
                .into_utoipa_app()
                .configure(|config| (this.module.routes)(config))
                .split_for_parts();
            let app = match &this.clock {
                Some(clock) => app.app_data(Data::new(clock.clone())),
                None => app,
            };
            app.configure(|config| {
                if let Some(routes) = &this.routes {
                    routes(config);
                }
            })
            .app_data(probe.clone())
            .app_data(published.clone())
            .service(ready)
            .default_service(actix_web::web::to(fallback::answer))
            .wrap(from_fn(admit))
            .wrap(from_fn(clock::middleware))
            .wrap(from_fn(drain::middleware))
            .app_data(Data::new(drain.clone()))
            .wrap(from_fn(warikan_runtime::observe))
            .wrap(from_fn(warikan_http::request_id_middleware))
            .app_data(door.clone())
            .app_data(Data::new(this.platform.clone()))
            .app_data(Data::new(this.platform.clock().clone()))
            .app_data(Data::new(this.platform.entropy.clone()))
        })
        .workers(self.workers)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(GRACE_SECONDS)
        .disable_signals()
        .listen(listener)?
        .run();
        Ok(server)
    }
}

/// Whether the service can work; the text is for the gateway's report.
#[get("/inner/ready")]
async fn ready(services: Data<health::Services>) -> HttpResponse {
    match services.first().await {
        Ok(note) => HttpResponse::Ok().body(note.unwrap_or_default()),
        Err(why) => HttpResponse::ServiceUnavailable().body(why),
    }
}

async fn admit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(door) = request.app_data::<Data<Door>>().cloned() else {
        return Ok(refuse(request, nobody()));
    };
    let now = door.platform.clock().now();
    let call = token(&request)
        .and_then(|token| InternalCall::read(token, door.service, &door.platform.keys, now).ok());
    let Some(call) = call else {
        let open = door
            .open_prefix
            .is_some_and(|prefix| request.path().starts_with(prefix));
        if open {
            request.extensions_mut().insert(Authentication::Missing);
            return Ok(next.call(request).await?.map_into_left_body());
        }
        warikan_runtime::metrics::inner_refused(door.service);
        tracing::warn!(
            service = door.service,
            "a request without a valid internal token was refused"
        );
        return Ok(refuse(request, nobody()));
    };
    let authentication = call
        .principal
        .map_or(Authentication::Missing, Authentication::Granted);
    // Whoever has an internal token is the platform itself, and knows where the request came from.
    let origin = request
        .headers()
        .get(ORIGIN_HEADER)
        .and_then(|value| Origin::from_header(value.to_str().ok()?))
        .unwrap_or_default();
    request.extensions_mut().insert(origin);
    request.extensions_mut().insert(authentication);
    request.extensions_mut().insert(AskingService(call.from));
    let left = call.deadline.since(now);
    match tokio::time::timeout(left, next.call(request)).await {
        Ok(answer) => {
            let mut answer = answer?;
            let kept = answer.response().extensions().contains::<Kept>();
            if kept {
                let header = HeaderName::from_static(KEPT_HEADER);
                let yes = HeaderValue::from_static("1");
                answer.headers_mut().insert(header, yes);
            }
            Ok(answer.map_into_left_body())
        }
        Err(_) => {
            let problem = Problem::new(
                Code::DeadlineExceeded,
                "The request was given up: its time was over.",
            );
            // Made here, where the request's id is known; the request itself went into the handler and is gone with it.
            let response = problem.error_response();
            Err(InternalError::from_response("deadline", response).into())
        }
    }
}

/// The internal token, if there is exactly one.
fn token(request: &ServiceRequest) -> Option<&str> {
    let mut values = request.headers().get_all(INTERNAL_TOKEN_HEADER);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

fn nobody() -> Problem {
    Problem::new(
        Code::InvalidToken,
        "This is an inner listener of the platform; clients use the gateway.",
    )
}

fn refuse<B>(request: ServiceRequest, problem: Problem) -> ServiceResponse<EitherBody<B>> {
    let response = problem.error_response().map_into_right_body();
    request.into_response(response)
}
