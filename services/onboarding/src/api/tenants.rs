//! The operator's view of tenants and their life.

use actix_web::{
    HttpRequest, HttpResponse, get, post, put,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::ToSchema;
use warikan_contracts::facts::TenantState;
use warikan_http::{
    Body, Idempotency, OperatorCaller, Page, PageQuery, Params, PathId, Problem, ProblemDocument,
};
use warikan_types::{Id, Tenant, TenantId};

use crate::{
    Onboarding,
    particulars::Particulars,
    store,
    tenant::{ChecklistItem, TenantKind},
    tenant_life::{NewItem, NewTenant},
    tenant_view::TenantView,
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
    /// Why, for the audit trail; 1 to 300 characters.
    #[schema(min_length = 1, max_length = 300)]
    reason: Option<String>,
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
    caller: OperatorCaller,
    request: HttpRequest,
    body: Body<Application>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let new = NewTenant {
        name: plain("/name", &body.name, 200)?,
        kind: body.kind.unwrap_or(TenantKind::Business),
        plan: plain("/plan", body.plan.as_deref().unwrap_or("standard"), 50)?,
    };
    let sealer = onboarding.0.platform.keys.sealer();
    let once = Idempotency::of(&request, "apply", None, body.digest(), sealer)?;
    Ok(onboarding.take_on(caller.client, new, &once).await?.into())
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
        data.push(TenantView::of(row, checklist)?);
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
    Ok(HttpResponse::Ok().json(TenantView::of(row, checklist)?))
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
) -> Result<Json<TenantView>, Problem> {
    let new = NewItem {
        item: body.item,
        evidence: plain("/evidence", &body.evidence, 500)?,
        date: body.date,
    };
    let view = onboarding.record_item(caller.client, id.0, new).await?;
    Ok(Json(view))
}

/// Record a tenant's particulars
///
/// Who it is and for which business it verifies, as the filing says it; of an association also its members. They replace those before.
#[utoipa::path(operation_id = "record_particulars", tag = "operator", params(("id" = TenantId, Path, description = "The tenant.")), request_body = Particulars, security(("oauth2" = ["operator"])),
    responses((status = 200, body = TenantView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[put("/v1/operator/tenants/{id}/particulars")]
pub(crate) async fn set_particulars(
    caller: OperatorCaller,
    id: PathId<Tenant>,
    body: Body<Particulars>,
    onboarding: Data<Onboarding>,
) -> Result<Json<TenantView>, Problem> {
    let view = onboarding.set_particulars(caller.client, id.0, &body);
    Ok(Json(view.await?))
}

/// Take a tenant to the next state of its life
///
/// 409 with what is missing while the checklist does not allow it; an association's members are wanted before it is notified. Repeating a
/// step that is done changes nothing. *Suspended*: nothing of production is accepted, watched or delivered until it is active again. *Closed* is
/// final: credentials, watches and webhook endpoints end, and what was used is invoiced when its month is closed.
#[utoipa::path(operation_id = "advance_tenant", tag = "operator", params(("id" = TenantId, Path, description = "The tenant.")), request_body = Step, security(("oauth2" = ["operator"])),
    responses((status = 200, body = TenantView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/operator/tenants/{id}/state")]
pub(crate) async fn advance(
    caller: OperatorCaller,
    id: PathId<Tenant>,
    body: Body<Step>,
    onboarding: Data<Onboarding>,
) -> Result<Json<TenantView>, Problem> {
    let reason = body.reason.as_deref();
    let reason = reason.map(|text| plain("/reason", text, 300)).transpose()?;
    let view = onboarding.advance(caller.client, id.0, body.to, reason.as_deref());
    Ok(Json(view.await?))
}
