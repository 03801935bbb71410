//! Freshness: for everybody and for tenants in sum, for the operator list by list.

use actix_web::{
    HttpResponse, get,
    http::header::{CacheControl, CacheDirective},
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::{
    OperatorCaller, PageQuery, Params, Problem, ProblemDocument, TenantCaller, needs,
};
use warikan_pki::CrlNumber;
use warikan_types::{Environment, Timestamp};

use crate::{
    Revocation,
    entity::source_problem,
    error::Error,
    freshness::{Freshness, StatusFreshness},
    store::{environment_of, sources},
};

/// Show the freshness of revocation information
///
/// Of your environment: how many lists there are, how old the oldest is, how many are past their nextUpdate.
#[utoipa::path(tag = "watches", security(("oauth2" = ["watches"])),
    responses((status = 200, body = Freshness), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/freshness")]
pub(crate) async fn show_freshness(
    caller: TenantCaller<needs::Watches>,
    revocation: Data<Revocation>,
) -> Json<Freshness> {
    Json(revocation.freshness(caller.scope.environment()))
}

/// Seconds an answer may be kept for others: it says of which moment it is.
const KEPT_SECONDS: u32 = 10;

/// Show how fresh the platform's revocation information is
///
/// For everybody, without a token: sums over all lists of an environment, and the name of the version that they make together.
/// Nothing of a tenant, a municipality or a certificate.
#[utoipa::path(tag = "watches", security(()), responses((status = 200, body = StatusFreshness)))]
#[get("/v1/status-freshness")]
pub(crate) async fn show_status_freshness(revocation: Data<Revocation>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(CacheControl(vec![
            CacheDirective::Public,
            CacheDirective::MaxAge(KEPT_SECONDS),
        ]))
        .json(revocation.status_freshness())
}

/// How a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceState {
    /// In force.
    Fresh,
    /// Past its nextUpdate.
    Stale,
    /// Never accepted.
    Missing,
}

/// An oddity of a list, or of a whole source where the address is its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SourceProblem {
    /// The environment.
    environment: Environment,
    /// The address of the list or the index.
    url: String,
    /// Stable word.
    code: String,
    /// In plain words.
    detail: String,
    /// When it was first met.
    first_at: Timestamp,
    /// When it was last met.
    last_at: Timestamp,
    /// How often it was met.
    times: i64,
    /// When it was gone; `null` while it lasts. Entries that vanished early stay open.
    resolved_at: Option<Timestamp>,
}

impl SourceProblem {
    fn of(row: &source_problem::Model) -> Result<Self, Error> {
        Ok(Self {
            environment: environment_of(&row.environment)?,
            url: row.url.clone(),
            code: row.code.clone(),
            detail: row.detail.clone(),
            first_at: Timestamp::new(row.first_at),
            last_at: Timestamp::new(row.last_at),
            times: row.times,
            resolved_at: row.resolved_at.map(Timestamp::new),
        })
    }
}

/// An address that an index names or named, and the list it brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SourceView {
    /// Whose anchors must have signed it.
    environment: Environment,
    /// The address.
    url: String,
    /// Whether the last index named it.
    listed: bool,
    /// SHA-256 of the issuer's SubjectPublicKeyInfo, hexadecimal.
    issuer: Option<String>,
    /// SHA-256 of the distribution point's name, hexadecimal; `all` for an undivided list.
    partition: Option<String>,
    /// cRLNumber, hexadecimal.
    number: Option<String>,
    /// As of when it speaks.
    this_update: Option<Timestamp>,
    /// Until when it is in force.
    next_update: Option<Timestamp>,
    /// Seconds since `this_update`, by the environment's clock.
    age_seconds: Option<u64>,
    /// How it stands.
    state: SourceState,
    /// What was odd last.
    last_problem: Option<SourceProblem>,
}

/// A page of the lists, and what is odd at present.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourcePage {
    /// The lists, in the order in which an index first named them.
    data: Vec<SourceView>,
    /// Where the next page starts; `null` at the end.
    next_cursor: Option<String>,
    /// Oddities that last, of all lists and sources, the newest first; at most 500.
    open_problems: Vec<SourceProblem>,
}

/// List the sources of revocation lists
///
/// With their freshness, and what is odd about one.
#[utoipa::path(tag = "operator", params(PageQuery), security(("oauth2" = ["operator"])),
    responses((status = 200, body = SourcePage), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/sources")]
pub(crate) async fn list_sources(
    _caller: OperatorCaller,
    query: Params<PageQuery>,
    revocation: Data<Revocation>,
) -> Result<Json<SourcePage>, Problem> {
    let (limit, db) = (query.limit()?, revocation.0.db.worker());
    let cursors = revocation.0.platform.keys.cursors();
    let after = cursors.read(None, "sources", &query)?;
    let rows = sources::page(db, after, limit + 1).await?;
    let page = cursors.page(None, "sources", limit, rows, |(row, _)| row.id);
    let urls: Vec<String> = page.data.iter().map(|(row, _)| row.url.clone()).collect();
    let problems = sources::last_problems(db, &urls).await?;
    let data = page
        .data
        .into_iter()
        .map(|known| {
            let place = (known.0.environment.clone(), known.0.url.clone());
            view(&revocation, known, problems.get(&place))
        })
        .collect::<Result<_, _>>()?;
    let open_problems = sources::open_problems(db)
        .await?
        .iter()
        .map(SourceProblem::of)
        .collect::<Result<_, _>>()?;
    Ok(Json(SourcePage {
        data,
        next_cursor: page.next_cursor,
        open_problems,
    }))
}

fn view(
    revocation: &Revocation,
    (row, list): sources::Known,
    problem: Option<&source_problem::Model>,
) -> Result<SourceView, Error> {
    let environment = environment_of(&row.environment)?;
    let at = revocation.time_of(environment);
    let this_update = list.as_ref().map(|list| Timestamp::new(list.this_update));
    let next_update = list.as_ref().map(|list| Timestamp::new(list.next_update));
    let number = list
        .as_ref()
        .and_then(|list| CrlNumber::from_octets(&list.number).ok());
    Ok(SourceView {
        environment,
        url: row.url,
        listed: row.listed,
        number: number.map(|number| number.to_string()),
        this_update,
        next_update,
        age_seconds: this_update.map(|from| at.since(from).as_secs()),
        state: match next_update {
            None => SourceState::Missing,
            Some(end) if end < at => SourceState::Stale,
            Some(_) => SourceState::Fresh,
        },
        issuer: list.as_ref().map(|list| list.issuer.clone()),
        partition: list.map(|list| list.partition),
        last_problem: problem.map(SourceProblem::of).transpose()?,
    })
}
