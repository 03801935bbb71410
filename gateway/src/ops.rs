//! The operator's own listener: liveness, readiness, metrics. Never on the public one (F012); by default there is none.

use std::{io, net::TcpListener, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::Server,
    get,
    web::{Data, to},
};
use warikan_runtime::{Module, metrics};

use crate::{Gateway, health};

/// Scrapes are few and small.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

struct Asked(health::Services);

/// Serves `/healthz`, `/readyz` and `/metrics` about these modules (or, for a gateway in front of processes, about those).
///
/// # Errors
/// The listener cannot be used.
pub fn serve_ops(
    listener: TcpListener,
    modules: &[Module],
    edge: Option<&Gateway>,
) -> io::Result<Server> {
    let services = edge.map_or_else(|| health::Services::of(modules), Gateway::services);
    let asked = Data::new(Asked(services));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(asked.clone())
            .service(healthz)
            .service(readyz)
            .service(exposition)
            .default_service(to(HttpResponse::NotFound))
    })
    .workers(1)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

/// The process runs.
#[get("/healthz")]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// Every service of this process can work: as at `/health/ready`.
#[get("/readyz")]
async fn readyz(asked: Data<Asked>) -> HttpResponse {
    health::report(&asked.0).await
}

/// What was counted. Readiness is asked first: its numbers (the age of the lists) are of the moment then.
#[get("/metrics")]
async fn exposition(asked: Data<Asked>) -> HttpResponse {
    drop(health::report(&asked.0).await);
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(metrics::exposition())
}
