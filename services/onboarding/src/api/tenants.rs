//! The operator's view of tenants and their life.

use actix_web::{HttpRequest, HttpResponse, get, post, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::{
    Envelope,
    facts::{TenantChanged, TenantClosed, TenantResumed, TenantState, TenantSuspended},
};
use warikan_http::{
    Answer, Body, Idempotency, OperatorCaller, Page, PageQuery, Params, PathId, Problem,
    ProblemDocument,
};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{Id, Tenant, TenantId, Timestamp};

use crate::{
    Onboarding,
    error::Error,
    store::{self, ChecklistRow, TenantRow},
    tenant::{ChecklistItem, TenantKind, step},
    text::plain,
};

/// A tenant that asks to be served.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Application {
    /// Legal name, 1 to 200 characters, as invoices will carry it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    name: String,
    /// `business` by default.
    kind: Option<TenantKind>,
    /// The price plan; `standard` by default.
    #[schema(
        min_length = 1,
        max_length = 50,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    plan: Option<String>,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantView {
    id: TenantId,
    name: String,
    kind: TenantKind,
    plan: String,
    state: TenantState,
    /// What stands of the go-live checklist.
    checklist: Vec<ChecklistView>,
    /// What is still missing before production.
    missing: Vec<ChecklistItem>,
    created_at: Timestamp,
}

/// One item of the checklist that stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChecklistView {
    item: ChecklistItem,
    /// Where the proof lies: a document's number, a file's name.
    evidence: String,
    /// The date on the document, JST.
    date: String,
    recorded_at: Timestamp,
}

/// An item of the checklist that stands now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChecklistEntry {
    item: ChecklistItem,
    /// Where the proof lies, 1 to 500 characters.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    evidence: String,
    /// The date on the document, `2026-11-21`; today in Japan where absent.
    date: Option<chrono::NaiveDate>,
}

/// A step in a tenant's life.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// `contracted`, `notified`, `active`, `suspended` or `closed`.
    to: TenantState,
}

fn view(row: TenantRow, checklist: Vec<ChecklistRow>) -> Result<TenantView, Error> {
    let done = store::items(&checklist);
    Ok(TenantView {
        id: Id::from_uuid(row.id),
        kind: TenantKind::from_word(&row.kind).ok_or(Error::Damaged("tenant.kind"))?,
        state: TenantState::from_word(&row.state).ok_or(Error::Damaged("tenant.state"))?,
        name: row.name,
        plan: row.plan,
        missing: ChecklistItem::ALL
            .into_iter()
            .filter(|item| !done.contains(item))
            .collect(),
        checklist: checklist
            .into_iter()
            .map(|entry| {
                Ok(ChecklistView {
                    item: ChecklistItem::from_word(&entry.item)
                        .ok_or(Error::Damaged("checklist.item"))?,
                    evidence: entry.evidence,
                    date: entry.dated,
                    recorded_at: entry.recorded_at.into(),
                })
            })
            .collect::<Result<_, Error>>()?,
        created_at: row.created_at.into(),
    })
}

/// Take on a tenant
///
/// It starts as `applied`: its sandbox is open, production is not.
#[utoipa::path(operation_id = "create_tenant", tag = "operator", params(warikan_http::IdempotencyKey), request_body = Application, security(("oauth2" = ["operator"])),
    responses((status = 201, body = TenantView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/tenants")]
pub(crate) async fn apply(
    _caller: OperatorCaller,
    request: HttpRequest,
    body: Body<Application>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let inner = &onboarding.0;
    let platform = &inner.platform;
    let name = plain("/name", &body.name, 200)?;
    let plan = plain("/plan", body.plan.as_deref().unwrap_or("standard"), 50)?;
    let once = Idempotency::of(
        &request,
        "apply",
        None,
        body.digest(),
        platform.keys.sealer(),
    )?;
    let now = platform.clock().now();
    let transaction = begin_write(inner.db.worker()).await?;
    if let Some(answer) = once.claim(&transaction, now).await? {
        transaction.rollback().await?;
        return Ok(answer.into());
    }
    let id: TenantId = platform.entropy.id(now);
    let row = TenantRow {
        id: id.uuid(),
        name,
        kind: body
            .kind
            .unwrap_or(TenantKind::Business)
            .as_str()
            .to_owned(),
        plan,
        state: TenantState::Applied.as_str().to_owned(),
        revision: 1,
        created_at: now.utc(),
    };
    store::insert_tenant(&transaction, row.clone()).await?;
    Outbox::append(
        &transaction,
        [changed(&onboarding, &row, TenantState::Applied)],
    )
    .await?;
    let answer = Answer::json(201, &view(row, Vec::new())?);
    once.keep(&transaction, &answer).await?;
    transaction.commit().await?;
    inner.relay.wake();
    Ok(answer.into())
}

fn changed(onboarding: &Onboarding, row: &TenantRow, state: TenantState) -> Envelope {
    let platform = &onboarding.0.platform;
    let now = platform.clock().now();
    let tenant = TenantId::from_uuid(row.id);
    Envelope::of(
        platform.entropy.id(now),
        None,
        now,
        tenant.to_string(),
        &TenantChanged {
            tenant,
            name: row.name.clone(),
            plan: row.plan.clone(),
            state,
            revision: row.revision,
        },
    )
}

/// The fact that those want to hear who care for one turn in a tenant's life alone.
fn turned(
    onboarding: &Onboarding,
    row: &TenantRow,
    from: TenantState,
    to: TenantState,
) -> Option<Envelope> {
    let platform = &onboarding.0.platform;
    let now = platform.clock().now();
    let (tenant, revision) = (TenantId::from_uuid(row.id), row.revision);
    let (id, aggregate) = (platform.entropy.id(now), tenant.to_string());
    Some(match (from, to) {
        (_, TenantState::Suspended) => {
            let fact = TenantSuspended { tenant, revision };
            Envelope::of(id, None, now, aggregate, &fact)
        }
        (TenantState::Suspended, TenantState::Active) => {
            let fact = TenantResumed { tenant, revision };
            Envelope::of(id, None, now, aggregate, &fact)
        }
        (_, TenantState::Closed) => {
            let fact = TenantClosed { tenant, revision };
            Envelope::of(id, None, now, aggregate, &fact)
        }
        _ => return None,
    })
}

/// List tenants
///
/// In the order of their application, with what stands of the go-live checklist and what is missing.
#[utoipa::path(operation_id = "list_tenants", tag = "operator", params(PageQuery), security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<TenantView>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/tenants")]
pub(crate) async fn list(
    _caller: OperatorCaller,
    query: Params<PageQuery>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let inner = &onboarding.0;
    let cursors = inner.platform.keys.cursors();
    let limit = query.limit()?;
    let after = cursors.read(None, "tenants", &query)?;
    let rows = store::tenants(inner.db.worker(), after, limit + 1).await?;
    let page = cursors.page(None, "tenants", limit, rows, |row| row.id);
    let mut data = Vec::with_capacity(page.data.len());
    for row in page.data {
        let checklist = store::checklist(inner.db.worker(), Id::from_uuid(row.id)).await?;
        data.push(view(row, checklist)?);
    }
    Ok(HttpResponse::Ok().json(Page {
        data,
        next_cursor: page.next_cursor,
    }))
}

/// Read a tenant
///
/// Its state, what stands of the go-live checklist, and what is missing before production.
#[utoipa::path(operation_id = "read_tenant", tag = "operator", params(("id" = TenantId, Path, description = "The tenant.")), security(("oauth2" = ["operator"])),
    responses((status = 200, body = TenantView), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/operator/tenants/{id}")]
pub(crate) async fn read(
    _caller: OperatorCaller,
    id: PathId<Tenant>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let row = store::tenant(onboarding.0.db.worker(), id.0).await?;
    let checklist = store::checklist(onboarding.0.db.worker(), id.0).await?;
    Ok(HttpResponse::Ok().json(view(row, checklist)?))
}

/// Record an item of the go-live checklist
///
/// With its evidence and the document's date; who recorded it and when is kept. Recording it again replaces it.
#[utoipa::path(operation_id = "record_checklist_item", tag = "operator", params(("id" = TenantId, Path, description = "The tenant.")), request_body = ChecklistEntry, security(("oauth2" = ["operator"])),
    responses((status = 200, body = TenantView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/tenants/{id}/checklist")]
pub(crate) async fn record(
    caller: OperatorCaller,
    id: PathId<Tenant>,
    body: Body<ChecklistEntry>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let inner = &onboarding.0;
    let now = inner.platform.clock().now();
    let evidence = plain("/evidence", &body.evidence, 500)?;
    let today = || (now.utc() + chrono::Duration::hours(9)).date_naive();
    let transaction = begin_write(inner.db.worker()).await?;
    let row = store::tenant(&transaction, id.0).await?;
    store::record_item(
        &transaction,
        ChecklistRow {
            tenant: id.0.uuid(),
            item: body.item.as_str().to_owned(),
            evidence,
            dated: body.date.unwrap_or_else(today).to_string(),
            recorded_at: now.utc(),
            recorded_by: caller.client.uuid(),
        },
    )
    .await?;
    let checklist = store::checklist(&transaction, id.0).await?;
    transaction.commit().await?;
    Ok(HttpResponse::Ok().json(view(row, checklist)?))
}

/// Take a tenant to the next state of its life
///
/// 409 with what is missing while the checklist does not allow it. Repeating a step that is done changes nothing.
#[utoipa::path(operation_id = "advance_tenant", tag = "operator", params(("id" = TenantId, Path, description = "The tenant.")), request_body = Step, security(("oauth2" = ["operator"])),
    responses((status = 200, body = TenantView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/tenants/{id}/state")]
pub(crate) async fn advance(
    _caller: OperatorCaller,
    id: PathId<Tenant>,
    body: Body<Step>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let inner = &onboarding.0;
    let transaction = begin_write(inner.db.worker()).await?;
    let mut row = store::tenant_to_change(&transaction, id.0).await?;
    let checklist = store::checklist(&transaction, id.0).await?;
    let from = TenantState::from_word(&row.state).ok_or(Error::Damaged("tenant.state"))?;
    if from == body.to {
        transaction.rollback().await?;
        return Ok(HttpResponse::Ok().json(view(row, checklist)?));
    }
    step(from, body.to, &store::items(&checklist)).map_err(Error::Step)?;
    row.revision += 1;
    body.to.as_str().clone_into(&mut row.state);
    store::set_state(&transaction, id.0, body.to, row.revision).await?;
    let mut facts = vec![changed(&onboarding, &row, body.to)];
    facts.extend(turned(&onboarding, &row, from, body.to));
    if body.to == TenantState::Closed {
        let now = inner.platform.clock().now();
        let ended = store::clients::revoke_all(&transaction, id.0, now).await?;
        facts.extend(
            ended
                .into_iter()
                .map(|client| onboarding.revoked(client, Some(id.0))),
        );
    }
    Outbox::append(&transaction, facts).await?;
    transaction.commit().await?;
    inner.relay.wake();
    onboarding.tell_denials();
    Ok(HttpResponse::Ok().json(view(row, checklist)?))
}
