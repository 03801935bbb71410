//! Liveness and readiness.

use actix_web::{HttpResponse, get, web::Data};
use futures_util::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;
use warikan_runtime::{Module, metrics};

/// Asks a service whether it can work.
pub(crate) type Probe = warikan_runtime::Readiness;

/// The services that are asked.
pub(crate) struct Services(pub(crate) Vec<(&'static str, Probe)>);

impl Services {
    pub(crate) fn of(modules: &[Module]) -> Self {
        let probes = modules
            .iter()
            .map(|module| (module.name, module.ready.clone()));
        Self(probes.collect())
    }

    /// What the only service of an inner listener says.
    pub(crate) async fn first(&self) -> Result<Option<String>, String> {
        match self.0.first() {
            Some((_, probe)) => probe().await,
            None => Ok(None),
        }
    }
}

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
    /// What an operator should know though it can: the age of the revocation lists, for instance.
    note: Option<String>,
}

/// Whether the process runs
///
/// For a supervisor that starts it anew where it does not answer. Says nothing of databases or lists.
#[utoipa::path(tag = "health", security(()), responses((status = 200, body = Liveness)))]
#[get("/health/live")]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "ok" })
}

/// Whether every service can do its work
///
/// For a balancer: 503 with the reasons where a service cannot. A `note` is for the operator, the age of the lists for instance.
#[utoipa::path(tag = "health", security(()),
    responses((status = 200, body = ReadinessReport), (status = 503, body = ReadinessReport)))]
#[get("/health/ready")]
pub(crate) async fn ready(services: Data<Services>) -> HttpResponse {
    report(&services).await
}

pub(crate) async fn report(services: &Services) -> HttpResponse {
    let mut report = ReadinessReport {
        status: "ready",
        services: Vec::new(),
    };
    // All at once: one that does not answer costs its own time and not everybody's.
    let outcomes = join_all(services.0.iter().map(|(_, probe)| probe())).await;
    for ((service, _), outcome) in services.0.iter().zip(outcomes) {
        metrics::ready(service, outcome.is_ok());
        if outcome.is_err() {
            report.status = "not_ready";
        }
        let (able, note, why) = match outcome {
            Ok(note) => (true, note, None),
            Err(why) => (false, None, Some(why)),
        };
        report.services.push(ServiceReadiness {
            service,
            ready: able,
            why,
            note,
        });
    }
    if report.status == "ready" {
        HttpResponse::Ok().json(report)
    } else {
        HttpResponse::ServiceUnavailable().json(report)
    }
}
