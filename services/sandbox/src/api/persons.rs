//! Persons: making them and looking at them.

use actix_web::{HttpRequest, HttpResponse, get, post, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::{Body, Idempotency, PathId, Problem, ProblemDocument};
use warikan_types::{Person, Reason};

use super::views::{CreatedPopulation, DemonstrationView, Demonstrations, PersonView, SexWord};
use crate::{
    Sandbox,
    error::Error,
    named::DEMONSTRATIONS,
    people::{LARGEST_POPULATION, Wanted},
};

/// What is left out is made up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    /// Family and given name with U+3000 between them, 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    name: Option<String>,
    /// With full-width digits as registers write them, 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    address: Option<String>,
    /// `1980-02-17`; `00` for an unknown month or day. Under 15 there is no signature certificate.
    birth_date: Option<String>,
    sex: Option<SexWord>,
    /// Decides the partition of the revocation lists: a partition, a code, or a name in either script as in
    /// `GET /sandbox/municipalities`. If absent, the one that the address begins with.
    municipality: Option<String>,
    /// Makes a person whose signature certificate shows this reason, like the named ones.
    named: Option<Reason>,
}

pub(super) fn once(
    request: &HttpRequest,
    operation: &str,
    digest: [u8; 32],
    sandbox: &Sandbox,
) -> Result<Idempotency, Problem> {
    Idempotency::of(
        request,
        operation,
        None,
        digest,
        sandbox.inner.on.keys.sealer(),
    )
}

/// Make a person
///
/// Synthetic, with a card and both certificates. Everything may be left out.
#[utoipa::path(tag = "sandbox", params(warikan_http::IdempotencyKey), request_body = NewPerson, security(()),
    responses((status = 201, body = PersonView), (status = 400, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/sandbox/persons")]
pub(crate) async fn create_person(
    request: HttpRequest,
    body: Body<NewPerson>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let once = once(&request, "sandbox_create_person", body.digest(), &sandbox)?;
    let new = body.value;
    let wanted = Wanted {
        name: new.name,
        address: new.address,
        birth_date: new.birth_date,
        sex: new.sex.map(Into::into),
        municipality: new.municipality,
        named: new.named,
    };
    Ok(sandbox.create_person(wanted, &once).await?.into())
}

/// List the named persons
///
/// One for each reason of the closed list, with what to send to see it.
#[utoipa::path(tag = "sandbox", security(()), responses((status = 200, body = Demonstrations)))]
#[get("/sandbox/persons")]
pub(crate) async fn list_named_persons(sandbox: Data<Sandbox>) -> Result<HttpResponse, Problem> {
    let view = sandbox
        .read(|state| {
            let mut data = Vec::new();
            for line in &DEMONSTRATIONS {
                // Who shows a reason only by what is done with the card is the ordinary person.
                let shown = if line.person.is_some() {
                    line.reason
                } else {
                    None
                };
                let holder = state
                    .listed()
                    .find(|one| one.demonstrates == shown)
                    .ok_or(Error::Damaged("a named person is missing"))?;
                data.push(DemonstrationView {
                    demonstrates: line.reason,
                    id: holder.id,
                    name: state.record(*holder)?.person.name.clone(),
                    by_itself: line.person.is_some(),
                    how_to: line.how_to,
                });
            }
            Ok(Demonstrations { data })
        })
        .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// Read a person
///
/// With every certificate ever issued to them.
#[utoipa::path(tag = "sandbox", params(("id" = warikan_types::PersonId, Path, description = "The person.")), security(()),
    responses((status = 200, body = PersonView), (status = 404, body = ProblemDocument)))]
#[get("/sandbox/persons/{id}")]
pub(crate) async fn person(
    id: PathId<Person>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let now = sandbox.now();
    let view = sandbox.state().await.and_then(|mut guard| {
        let state = guard.as_mut().ok_or(Error::NotFound)?;
        state.now = now;
        let holder = state.holder(id.0)?;
        PersonView::of(state, holder)
    })?;
    Ok(HttpResponse::Ok().json(view))
}

/// How many.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPopulation {
    /// 1 to 5,000.
    #[schema(minimum = 1, maximum = 5000)]
    size: usize,
}

/// Make many persons
///
/// With signature certificates, whose cards share four keys so that it is done in seconds.
#[utoipa::path(tag = "sandbox", params(warikan_http::IdempotencyKey), request_body = NewPopulation, security(()),
    responses((status = 201, body = CreatedPopulation), (status = 400, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/sandbox/populations")]
pub(crate) async fn create_population(
    request: HttpRequest,
    body: Body<NewPopulation>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let once = once(
        &request,
        "sandbox_create_population",
        body.digest(),
        &sandbox,
    )?;
    if !(1..=LARGEST_POPULATION).contains(&body.size) {
        return Err(Problem::field(
            "/size",
            "out_of_range",
            format!("1 to {LARGEST_POPULATION}"),
        ));
    }
    Ok(sandbox.create_population(body.size, &once).await?.into())
}

/// A municipality of the sandbox.
#[derive(Debug, Serialize, ToSchema)]
struct MunicipalityView {
    partition: String,
    code: String,
    prefecture: String,
    name: String,
    prefecture_ja: String,
    name_ja: String,
}

/// The municipalities of the sandbox.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Municipalities {
    data: Vec<MunicipalityView>,
}

/// List the municipalities
///
/// Where persons can be registered. Each has a partition of the revocation lists.
#[utoipa::path(tag = "sandbox", security(()), responses((status = 200, body = Municipalities)))]
#[get("/sandbox/municipalities")]
pub(crate) async fn municipalities(sandbox: Data<Sandbox>) -> Result<HttpResponse, Problem> {
    let data = sandbox
        .read(|state| {
            let known = state.simulator.municipalities().iter();
            Ok(known
                .map(|one| MunicipalityView {
                    partition: one.partition(),
                    code: one.code.clone(),
                    prefecture: one.prefecture.clone(),
                    name: one.name.clone(),
                    prefecture_ja: one.prefecture_ja.clone(),
                    name_ja: one.name_ja.clone(),
                })
                .collect())
        })
        .await?;
    Ok(HttpResponse::Ok().json(Municipalities { data }))
}
