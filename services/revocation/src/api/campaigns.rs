//! Campaigns: `/v1/campaigns`.

use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header::CONTENT_TYPE,
    post,
    web::{Data, Json, Payload},
};
use serde::Deserialize;
use utoipa::ToSchema;
use warikan_http::{
    Body, Code, Idempotency, Page, PageQuery, Params, PathId, Problem, ProblemDocument,
    TenantCaller, needs,
};
use warikan_types::{Campaign, Id, TenantScope};

use crate::{
    Revocation,
    campaign::{
        CampaignView, NewCampaign, REFS, Selector,
        portfolio::{Format, LineError, LineReader, Parser, Row, Taken},
    },
    error::Error,
    store::campaigns,
    watch::REFERENCE_LIMIT,
};

/// Lines that go into the portfolio in one transaction.
const BATCH: usize = 500;

/// Order a campaign
///
/// Checks a whole portfolio against one status version: everything you watch (`"all"`), the customers whose numbers you name
/// (`{"refs": [..]}`), or a portfolio that you upload (`"upload"`; it waits until you start it). The end is told by the event
/// `campaign.completed`; then changes, results and the signed receipt are there. A certificate counts once in a campaign, and
/// a check by list once per certificate and calendar month (JST) on the bill, however often it is checked.
#[utoipa::path(tag = "campaigns", request_body = NewCampaign, security(("oauth2" = ["campaigns"])),
    params(warikan_http::IdempotencyKey),
    responses((status = 201, body = CampaignView), (status = 400, description = "Among others `unknown_ref`: nothing is watched under that customer number.", body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 409, description = "Twenty campaigns are open already.", body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/campaigns")]
pub(crate) async fn create_campaign(
    caller: TenantCaller<needs::Campaigns>,
    request: HttpRequest,
    body: Body<NewCampaign>,
    revocation: Data<Revocation>,
) -> Result<HttpResponse, Problem> {
    let digest = body.digest();
    check_refs(&body.value.selector)?;
    let scope = caller.scope;
    let sealer = revocation.0.data_keys.sealer(scope).await?;
    let once = Idempotency::of(&request, "create_campaign", Some(scope), digest, &sealer)?;
    let answer = revocation
        .create_campaign(scope, caller.client, body.value, once)
        .await?;
    Ok(answer.into())
}

fn check_refs(selector: &Selector) -> Result<(), Problem> {
    let Selector::Named(named) = selector else {
        return Ok(());
    };
    if named.refs.is_empty() || named.refs.len() > REFS {
        return Err(Problem::field(
            "/selector/refs",
            "out_of_range",
            format!("1 to {REFS} customer numbers; upload a portfolio of more"),
        ));
    }
    let acceptable = |text: &str| (1..=REFERENCE_LIMIT).contains(&text.chars().count());
    match named.refs.iter().position(|text| !acceptable(text)) {
        None => Ok(()),
        Some(place) => Err(Problem::field(
            format!("/selector/refs/{place}"),
            "invalid_value",
            format!("1 to {REFERENCE_LIMIT} characters"),
        )),
    }
}

/// List campaigns
///
/// Yours in this environment, oldest first, with their progress.
#[utoipa::path(tag = "campaigns", params(PageQuery), security(("oauth2" = ["campaigns"])),
    responses((status = 200, body = Page<CampaignView>), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/campaigns")]
pub(crate) async fn list_campaigns(
    caller: TenantCaller<needs::Campaigns>,
    query: Params<PageQuery>,
    revocation: Data<Revocation>,
) -> Result<Json<Page<CampaignView>>, Problem> {
    let (scope, limit) = (caller.scope, query.limit()?);
    let cursors = revocation.0.platform.keys.cursors();
    let after = cursors.read(Some(scope), "campaigns", &query)?;
    let db = revocation.0.db.begin_read(scope).await?;
    let rows = campaigns::page(scope, &db, after, limit + 1).await?;
    let page = cursors.page(Some(scope), "campaigns", limit, rows, |row| row.id);
    let data = page
        .data
        .iter()
        .map(CampaignView::of)
        .collect::<Result<_, _>>()?;
    Ok(Json(Page {
        data,
        next_cursor: page.next_cursor,
    }))
}

/// Show a campaign
///
/// How far it is, what it has found so far, and at the end its receipt.
#[utoipa::path(tag = "campaigns", params(("id" = warikan_types::CampaignId, Path, description = "The campaign.")), security(("oauth2" = ["campaigns"])),
    responses((status = 200, body = CampaignView), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/campaigns/{id}")]
pub(crate) async fn show_campaign(
    caller: TenantCaller<needs::Campaigns>,
    id: PathId<Campaign>,
    revocation: Data<Revocation>,
) -> Result<Json<CampaignView>, Problem> {
    let db = revocation.0.db.begin_read(caller.scope).await?;
    let row = campaigns::find(caller.scope, &db, id.0)
        .await?
        .ok_or(Error::NotFound)?;
    Ok(Json(CampaignView::of(&row)?))
}

/// The shape of one line, for the document.
#[derive(Deserialize, ToSchema)]
#[allow(
    dead_code,
    reason = "the document's shape; lines are read by the parser"
)]
pub(crate) struct PortfolioLine {
    /// Your customer number, 1 to 256 characters; told back with the change. Alone it names what you watch under it.
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// A certificate that you watch or watched.
    handle: Option<String>,
    /// A certificate's DER in base64.
    certificate: Option<String>,
}

/// Add to a campaign's portfolio
///
/// A table (`text/csv`, UTF-8, the first line names the columns `ref`, `handle`, `certificate`) or objects
/// (`application/x-ndjson`, one a line), in as many parts as you like, 10 million certificates in all. Lines have at most 16,384
/// octets. What is wrong with a line is told by its number, and the other lines are taken. A certificate that is in the portfolio
/// already stays as it is, so a part whose answer was lost may be sent again.
#[utoipa::path(tag = "campaigns", params(("id" = warikan_types::CampaignId, Path, description = "The campaign.")), security(("oauth2" = ["campaigns"])),
    request_body(content((String = "text/csv"), (PortfolioLine = "application/x-ndjson"))),
    responses((status = 200, body = Taken), (status = 400, description = "The body broke off, or its table names no column it may.", body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, description = "The campaign does not wait for a portfolio, or has 10 million certificates.", body = ProblemDocument),
        (status = 413, description = "A line is too long.", body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/campaigns/{id}/portfolio")]
pub(crate) async fn upload_portfolio(
    caller: TenantCaller<needs::Campaigns>,
    id: PathId<Campaign>,
    request: HttpRequest,
    body: Payload,
    revocation: Data<Revocation>,
) -> Result<Json<Taken>, Problem> {
    let declared = |name| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap_or("?").to_owned())
    };
    let encoded = declared(actix_web::http::header::CONTENT_ENCODING);
    let format = declared(CONTENT_TYPE)
        .filter(|_| encoded.is_none_or(|one| one == "identity"))
        .and_then(|media_type| Format::of(&media_type))
        .ok_or_else(|| {
            Problem::new(
                Code::UnsupportedMediaType,
                "Send the portfolio as text/csv or application/x-ndjson, without Content-Encoding.",
            )
        })?;
    let mut taken = Taken::default();
    let mut parser = Parser::new(format);
    let mut lines = LineReader::new(body);
    let (scope, id) = (caller.scope, id.0);
    let mut batch = Vec::with_capacity(BATCH);
    while let Some((number, line)) = lines.next().await.map_err(broken)? {
        match parser.line(number, &line) {
            Ok(None) => continue,
            Ok(Some(row)) => batch.push(row),
            Err(problem) if parser.lacks_header() => {
                // Who may not see the campaign is told that first.
                take(&revocation, scope, id, Vec::new(), &mut taken).await?;
                let detail = format!("line {}: {}", problem.line, problem.detail);
                return Err(Problem::field("", &problem.code, detail));
            }
            Err(problem) => taken.refuse(problem),
        }
        taken.lines += 1;
        if batch.len() == BATCH {
            let batch = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            take(&revocation, scope, id, batch, &mut taken).await?;
        }
    }
    take(&revocation, scope, id, batch, &mut taken).await?;
    Ok(Json(taken))
}

async fn take(
    revocation: &Revocation,
    scope: TenantScope,
    id: Id<Campaign>,
    batch: Vec<Row>,
    taken: &mut Taken,
) -> Result<(), Problem> {
    Ok(revocation.take_batch(scope, id, batch, taken).await?)
}

fn broken(error: LineError) -> Problem {
    match error {
        LineError::Broken => Problem::new(
            Code::InvalidRequest,
            "The body ended before it was complete. What came before is in the portfolio; send the part again.",
        ),
        LineError::TooLong(_) => Problem::new(Code::BodyTooLarge, format!("{error}.")),
    }
}

/// Nothing to say. The body may be absent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignStart {}

/// Start a campaign over an uploaded portfolio
///
/// Starting it again changes nothing.
#[utoipa::path(tag = "campaigns", params(("id" = warikan_types::CampaignId, Path, description = "The campaign.")), request_body = CampaignStart,
    security(("oauth2" = ["campaigns"])),
    responses((status = 200, body = CampaignView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/campaigns/{id}/start")]
pub(crate) async fn start_campaign(
    caller: TenantCaller<needs::Campaigns>,
    id: PathId<Campaign>,
    _body: Body<CampaignStart>,
    revocation: Data<Revocation>,
) -> Result<Json<CampaignView>, Problem> {
    let view = revocation.start_campaign(caller.scope, caller.client, id.0);
    Ok(Json(view.await?))
}

/// Give a campaign up
///
/// One that is completed stays. Giving it up again changes nothing.
#[utoipa::path(tag = "campaigns", params(("id" = warikan_types::CampaignId, Path, description = "The campaign.")), security(("oauth2" = ["campaigns"])),
    responses((status = 204, description = "Given up."), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, description = "It is completed.", body = ProblemDocument)))]
#[delete("/v1/campaigns/{id}")]
pub(crate) async fn cancel_campaign(
    caller: TenantCaller<needs::Campaigns>,
    id: PathId<Campaign>,
    revocation: Data<Revocation>,
) -> Result<HttpResponse, Problem> {
    revocation
        .cancel_campaign(caller.scope, caller.client, id.0)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
