//! The edge: who calls, may they, and where does it go.
//!
//! In the one binary it wraps the services' routes in its own process; in the split shape it is a process of its own that passes
//! requests on ([`proxy`](Gateway::proxy)), and each service stands behind an [`InnerService`]. What it promises to
//! them in both: a request id, an [`warikan_http::Authentication`] that was checked and not merely claimed, and that nothing
//! reaches them that is not in the public document. Everything it refuses is a problem document.

mod authenticate;
mod clock;
mod crowd;
mod denied_tokens;
mod docs;
mod document;
mod drain;
mod fallback;
mod health;
mod inner;
mod limits;
mod ops;
mod origin;
mod patience;
mod problems;
mod proxy;
mod recall;
mod refusals;

use std::{io, net::TcpListener, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Server,
    middleware::{DefaultHeaders, from_fn},
    web::Data,
};
use ipnet::IpNet;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::AppExt;
use warikan_runtime::{ClockGuard, Module, Platform, RedisServer};

pub use clock::clock_of;
pub use crowd::Room;
pub use denied_tokens::{DenyList, LOOK as LOOK_FOR_DENIED, stamp_denied_tokens};
pub use document::PUBLIC_WITHOUT_TOKEN;
pub use drain::Drain;
pub use inner::{InnerRoutes, InnerService};
pub use limits::Limits;
pub use ops::serve_ops;
pub use proxy::{ProxySettings, Remote};
pub use refusals::{Refusals, TELL_REFUSALS};

/// How long a client may take to send a request's head before the connection is closed (slow clients hold nothing).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests in flight may take when the server stops.
const GRACE_SECONDS: u64 = 30;

/// Connections that wait to be accepted; the system's own bound (`net.core.somaxconn`) is below it or the same.
const BACKLOG: i32 = 4_096;

/// Lets as many connections wait as the system does. Of those beyond the bound the client believes that they stand.
fn deepen(listener: &TcpListener) -> io::Result<()> {
    socket2::SockRef::from(listener).listen(BACKLOG)
}

/// The edge over a set of services.
#[derive(Clone)]
pub struct Gateway {
    platform: Platform,
    behind: Behind,
    workers: usize,
    limits: Option<Limits>,
    drain: Option<Drain>,
    trusted: origin::TrustedProxies,
    denied: Option<DenyList>,
    refusals: Option<Refusals>,
    clock: Option<ClockGuard>,
}

/// Where the services are.
#[derive(Clone)]
enum Behind {
    Here(Vec<Module>),
    Elsewhere(Vec<Remote>, Data<proxy::Proxy>),
}

impl Gateway {
    /// An edge in front of services in this process.
    #[must_use]
    pub const fn new(platform: Platform, modules: Vec<Module>, workers: usize) -> Self {
        Self {
            platform,
            behind: Behind::Here(modules),
            workers,
            limits: None,
            drain: None,
            trusted: origin::TrustedProxies(Vec::new()),
            denied: None,
            refusals: None,
            clock: None,
        }
    }

    /// An edge in front of services in other processes; with a Redis, where answers to repeated requests are found.
    ///
    /// # Errors
    /// No HTTP client can be made on this machine.
    pub fn proxy(
        platform: Platform,
        remotes: Vec<Remote>,
        settings: ProxySettings,
        redis: Option<RedisServer>,
        workers: usize,
    ) -> io::Result<Self> {
        let proxy = proxy::Proxy::new(&platform, &remotes, settings, redis);
        let proxy = proxy.map_err(io::Error::other)?;
        Ok(Self {
            platform,
            behind: Behind::Elsewhere(remotes, Data::new(proxy)),
            workers,
            limits: None,
            drain: None,
            trusted: origin::TrustedProxies::default(),
            denied: None,
            refusals: None,
            clock: None,
        })
    }

    /// With limits on how often.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// With somebody who tells requests in flight that the process ends.
    #[must_use]
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.drain = Some(drain);
        self
    }

    /// With a list of callers whose tokens are denied.
    #[must_use]
    pub fn with_denied(mut self, denied: DenyList) -> Self {
        self.denied = Some(denied);
        self
    }

    /// With somebody who notes which known callers are refused.
    #[must_use]
    pub fn with_refusals(mut self, refusals: Refusals) -> Self {
        self.refusals = Some(refusals);
        self
    }

    /// With somebody who watches this process's clock.
    #[must_use]
    pub fn with_clock(mut self, clock: ClockGuard) -> Self {
        self.clock = Some(clock);
        self
    }

    /// With proxies in front of it whose word about the client's address is taken.
    #[must_use]
    pub fn with_trusted_proxies(mut self, networks: Vec<IpNet>) -> Self {
        self.trusted = origin::TrustedProxies(networks);
        self
    }

    /// What the handlers say: what is served, and nothing else is.
    #[must_use]
    pub fn openapi(&self) -> OpenApi {
        let (_, api) = App::new()
            .into_utoipa_app()
            .openapi(document::base())
            .configure(|config| {
                match &self.behind {
                    Behind::Here(modules) => {
                        modules.iter().for_each(|module| (module.routes)(config));
                    }
                    Behind::Elsewhere(remotes, _) => {
                        remotes.iter().for_each(|remote| (remote.routes)(config));
                    }
                }
                self.own(config);
            })
            .split_for_parts();
        document::finish(api)
    }

    /// The same, completed with what holds for every operation: errors, headers, bounds, examples. This is what is published.
    #[must_use]
    pub fn document(&self) -> serde_json::Value {
        document::complete(&self.openapi())
    }

    /// [`Gateway::document`] as text.
    #[must_use]
    pub fn document_text(&self) -> String {
        document::text(&self.document())
    }

    /// Serves on a bound listener until the returned server is stopped.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Server> {
        let gateway = self.clone();
        let api = self.openapi();
        let docs = Data::new(docs::Docs::new(&document::complete(&api)));
        let published = Data::new(fallback::Published::new(&api));
        let drain = self.drain.clone().unwrap_or_default();
        deepen(&listener)?;
        let server = HttpServer::new(move || {
            drain.join();
            let drain = drain.clone();
            let (app, _) = App::new()
                .into_utoipa_app()
                .configure(|config| {
                    if let Behind::Here(modules) = &gateway.behind {
                        modules.iter().for_each(|module| (module.routes)(config));
                    }
                    gateway.own(config);
                })
                .split_for_parts();
            let app = app
                .app_data(docs.clone())
                .app_data(published.clone())
                .service(docs::page)
                .service(docs::root)
                .service(docs::specification);
            let app = match &gateway.behind {
                Behind::Here(_) => app.default_service(actix_web::web::to(fallback::answer)),
                Behind::Elsewhere(_, proxy) => app
                    .app_data(proxy.clone())
                    .default_service(actix_web::web::to(proxy::forward)),
            };
            let app = match &gateway.denied {
                Some(denied) => app.app_data(Data::new(denied.clone())),
                None => app,
            };
            let app = match &gateway.refusals {
                Some(refusals) => app.app_data(Data::new(refusals.clone())),
                None => app,
            };
            let app = match &gateway.clock {
                Some(clock) => app.app_data(Data::new(clock.clone())),
                None => app,
            };
            let limits = gateway.limits.clone().unwrap_or_else(Limits::none);
            app.app_data(Data::new(gateway.trusted.clone()))
                .app_data(Data::new(limits))
                .app_data(Data::new(drain))
                .wrap(from_fn(patience::middleware))
                .wrap(from_fn(limits::middleware))
                .wrap(from_fn(authenticate::middleware))
                .wrap(from_fn(fallback::middleware))
                .wrap(from_fn(clock::middleware))
                .wrap(from_fn(crowd::middleware))
                .wrap(from_fn(drain::middleware))
                .wrap(from_fn(warikan_runtime::observe))
                .wrap(from_fn(warikan_http::request_id_middleware))
                .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
                .app_data(Data::new(gateway.platform.clone()))
                .app_data(Data::new(gateway.platform.clock().clone()))
                .app_data(Data::new(gateway.platform.entropy.clone()))
        })
        .workers(self.workers)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(GRACE_SECONDS)
        // The process decides about signals: it has tasks to finish too.
        .disable_signals()
        .listen(listener)?
        .run();
        Ok(server)
    }

    /// Who is asked whether the platform is ready: the services, and of a process that is the edge alone its own clock.
    fn services(&self) -> health::Services {
        let mut probes = match &self.behind {
            Behind::Here(modules) => return health::Services::of(modules),
            Behind::Elsewhere(_, proxy) => proxy.probes(),
        };
        if let Some(clock) = self.clock.clone() {
            let probe: health::Probe = std::sync::Arc::new(move || {
                let doubt = clock.doubt();
                Box::pin(async move { doubt.map_or(Ok(None), |doubt| Err(doubt.to_string())) })
            });
            probes.push(("gateway", probe));
        }
        health::Services(probes)
    }

    /// What the edge answers itself.
    fn own(&self, config: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {
        config
            .app_data(Data::new(self.services()))
            .service(problems::list)
            .service(problems::read)
            .service(health::live)
            .service(health::ready);
    }
}
