//! The tester's controls: clock, publication, faults.

use actix_web::{HttpResponse, get, post, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::{Body, Problem, ProblemDocument};
use warikan_types::{Span, Timestamp};

use crate::{
    Sandbox,
    publish::PublishedLists,
    published::{Fault, FaultKind},
};

/// The sandbox's time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClockView {
    now: Timestamp,
}

/// Read the sandbox's clock
///
/// Certificates and lists of the sandbox are judged by it. Production has the machine's.
#[utoipa::path(tag = "sandbox", security(()), responses((status = 200, body = ClockView)))]
#[get("/sandbox/clock")]
pub(crate) async fn clock(sandbox: Data<Sandbox>) -> HttpResponse {
    HttpResponse::Ok().json(ClockView { now: sandbox.now() })
}

/// How far.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advance {
    /// ISO 8601, `P1D`, `PT6H`.
    advance: Span,
}

/// Move the sandbox's clock
///
/// Forward only, never back; nothing is published by it. Lists grow old and certificates end as they would.
#[utoipa::path(tag = "sandbox", request_body = Advance, security(()),
    responses((status = 200, body = ClockView), (status = 400, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/sandbox/clock")]
pub(crate) async fn advance_clock(
    body: Body<Advance>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let now = sandbox.advance(body.advance.duration()).await?;
    Ok(HttpResponse::Ok().json(ClockView { now }))
}

/// Nothing to choose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {}

/// Publish the revocation lists
///
/// Those of this moment. Answers when the platform has been told.
#[utoipa::path(tag = "sandbox", request_body = Publish, security(()),
    responses((status = 200, body = PublishedLists), (status = 400, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/sandbox/publish-crl")]
pub(crate) async fn publish_crl(
    _body: Body<Publish>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(sandbox.publish().await?))
}

/// A fault to put into force, or `clear`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFault {
    fault: FaultKind,
    /// For faults of a single list: which municipality's; all of them if absent.
    partition: Option<String>,
}

/// The faults in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Faults {
    data: Vec<Fault>,
}

/// List the faults in force
///
/// What goes wrong at the stand-in for J-LIS at the moment because somebody asked for it.
#[utoipa::path(tag = "sandbox", security(()), responses((status = 200, body = Faults)))]
#[get("/sandbox/faults")]
pub(crate) async fn faults(sandbox: Data<Sandbox>) -> HttpResponse {
    HttpResponse::Ok().json(Faults {
        data: sandbox.served().faults.clone(),
    })
}

/// Set a fault
///
/// Makes something go wrong at the stand-in for J-LIS, until `clear`: lists frozen, truncated, swapped, a responder that is silent.
#[utoipa::path(tag = "sandbox", request_body = NewFault, security(()),
    responses((status = 200, body = Faults), (status = 400, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/sandbox/faults")]
pub(crate) async fn set_fault(
    body: Body<NewFault>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let NewFault { fault, partition } = body.value;
    let data = sandbox.set_fault(Fault { fault, partition }).await?;
    Ok(HttpResponse::Ok().json(Faults { data }))
}
