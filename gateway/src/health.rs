//! Liveness and readiness.

use actix_web::{HttpResponse, get, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use warikan_runtime::Module;

pub(crate) struct Services(pub(crate) Vec<Module>);

/// Whether the process runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Liveness {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the services can work.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadinessReport {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// One line per service.
    services: Vec<ServiceReadiness>,
}

/// Whether one service can work.
#[derive(Serialize, ToSchema)]
struct ServiceReadiness {
    /// Its name.
    service: &'static str,
    /// Whether it can.
    ready: bool,
    /// What is wrong.
    why: Option<String>,
}

/// The process runs.
#[utoipa::path(tag = "health", security(()), responses((status = 200, body = Liveness)))]
#[get("/health/live")]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "ok" })
}

/// Every service can do its work; 503 and the reasons where one cannot.
#[utoipa::path(tag = "health", security(()),
    responses((status = 200, body = ReadinessReport), (status = 503, body = ReadinessReport)))]
#[get("/health/ready")]
pub(crate) async fn ready(services: Data<Services>) -> HttpResponse {
    let mut report = ReadinessReport {
        status: "ready",
        services: Vec::new(),
    };
    for module in &services.0 {
        let outcome = (module.ready)().await;
        if outcome.is_err() {
            report.status = "not_ready";
        }
        report.services.push(ServiceReadiness {
            service: module.name,
            ready: outcome.is_ok(),
            why: outcome.err(),
        });
    }
    if report.status == "ready" {
        HttpResponse::Ok().json(report)
    } else {
        HttpResponse::ServiceUnavailable().json(report)
    }
}
