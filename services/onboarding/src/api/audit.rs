//! The audit trail: the operator reads all of it, a tenant its own.

use actix_web::{
    HttpResponse, get,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::IntoParams;
use warikan_http::{
    OperatorCaller, Page, PageQuery, Params, Problem, ProblemDocument, TenantCaller, needs,
    streamed,
};
use warikan_types::TenantId;

use crate::{
    Onboarding,
    audit::{Head, Record},
    error::Error,
    store::audit::{self as store, Whose},
};

const NDJSON: &str = "application/x-ndjson";

/// Whose records the operator wants to see.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// `operator` for the operator's own chain, `ten_..` for all chains of that tenant; everybody's where absent.
    of: Option<String>,
    /// Rows per page, 1 to 500; 50 by default.
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Whose records an export is to have.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// `operator` for the operator's own chain, `ten_..` for all chains of that tenant; everybody's where absent.
    of: Option<String>,
}

fn whose(of: Option<&str>) -> Result<Whose, Problem> {
    match of {
        None => Ok(Whose::All),
        Some("operator") => Ok(Whose::Operator),
        Some(text) => text.parse::<TenantId>().map(Whose::Tenant).map_err(|_| {
            let why = "`operator`, or a tenant's id";
            Problem::field("?of", "invalid_value", why)
        }),
    }
}

/// The audit trail
///
/// Who did what, on what, when, and which sign-ins were refused: of all chains together, in the order of recording.
#[utoipa::path(operation_id = "list_audit_records", tag = "operator", params(AuditQuery), security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<Record>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/audit")]
pub(crate) async fn list(
    _caller: OperatorCaller,
    query: Params<AuditQuery>,
    onboarding: Data<Onboarding>,
) -> Result<Json<Page<Record>>, Problem> {
    let whose = whose(query.of.as_deref())?;
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor.clone(),
    };
    let cursors = onboarding.0.platform.keys.cursors();
    let name = format!("audit/{}", query.of.as_deref().unwrap_or_default());
    let limit = page.limit()?;
    let after = cursors.read(None, &name, &page)?;
    let rows = store::list(onboarding.0.db.worker(), whose, after, limit + 1).await?;
    Ok(Json(
        cursors.page(None, &name, limit, rows, |row| row.id.uuid()),
    ))
}

/// Export the audit trail
///
/// As lines of JSON, chain by chain: the records (`type` is `record`), the chain's signed head (`head`), and a last line (`end`).
/// `warikan audit verify --export` finds a record that was changed, removed or moved, and a tail that was cut off.
#[utoipa::path(operation_id = "export_audit_trail", tag = "operator", params(ExportQuery), security(("oauth2" = ["operator"])),
    responses((status = 200, description = "The export; its last line is of type `end`.", body = String, content_type = "application/x-ndjson"),
        (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/audit/export")]
pub(crate) async fn export(
    _caller: OperatorCaller,
    query: Params<ExportQuery>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let whose = whose(query.of.as_deref())?;
    Ok(exported(&onboarding, whose))
}

/// How far each chain of the audit trail goes
///
/// With the platform's signature. Kept where nobody who writes to the database can reach, these show later that nothing was cut off
/// or written anew (`warikan audit verify --heads`).
#[utoipa::path(operation_id = "list_audit_heads", tag = "operator", params(PageQuery), security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<Head>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/audit/heads")]
pub(crate) async fn heads(
    _caller: OperatorCaller,
    query: Params<PageQuery>,
    onboarding: Data<Onboarding>,
) -> Result<Json<Page<Head>>, Problem> {
    let db = onboarding.0.db.worker();
    let cursors = onboarding.0.platform.keys.cursors();
    let limit = query.limit()?;
    // A cursor holds an id: that of the chain's first record.
    let after = match cursors.read(None, "audit/heads", &query)? {
        None => None,
        Some(id) => Some(store::chain_of(db, id).await?.ok_or(Error::NotFound)?),
    };
    let rows = store::heads(db, Whose::All, after.as_deref(), limit + 1)
        .await
        .map_err(Error::from)?;
    let mut told = Vec::with_capacity(rows.len());
    for head in rows {
        let id = store::first_of(db, &head.chain).await?;
        told.push((id.unwrap_or_default(), head));
    }
    let page = cursors.page(None, "audit/heads", limit, told, |(id, _)| *id);
    Ok(Json(Page {
        data: page.data.into_iter().map(|(_, head)| head).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// The tenant's audit trail
///
/// What the operator and the tenant's own credentials did to the tenant as such and in the token's environment, and which sign-ins were
/// refused.
#[utoipa::path(operation_id = "list_own_audit_records", tag = "access", params(PageQuery), security(("oauth2" = ["access"])),
    responses((status = 200, body = Page<Record>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/audit")]
pub(crate) async fn own_list(
    caller: TenantCaller<needs::Access>,
    query: Params<PageQuery>,
    onboarding: Data<Onboarding>,
) -> Result<Json<Page<Record>>, Problem> {
    let scope = caller.scope;
    let cursors = onboarding.0.platform.keys.cursors();
    let limit = query.limit()?;
    let after = cursors.read(Some(scope), "audit", &query)?;
    let db = onboarding.0.db.begin_read(scope).await?;
    let rows = store::list(&db, Whose::Own(scope), after, limit + 1).await?;
    drop(db);
    Ok(Json(cursors.page(
        Some(scope),
        "audit",
        limit,
        rows,
        |row| row.id.uuid(),
    )))
}

/// Export the tenant's audit trail
///
/// As lines of JSON: the records of its chains, their signed heads, and a last line.
#[utoipa::path(operation_id = "export_own_audit_trail", tag = "access", security(("oauth2" = ["access"])),
    responses((status = 200, description = "The export; its last line is of type `end`.", body = String, content_type = "application/x-ndjson"),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/audit/export")]
pub(crate) async fn own_export(
    caller: TenantCaller<needs::Access>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    Ok(exported(&onboarding, Whose::Own(caller.scope)))
}

fn exported(onboarding: &Data<Onboarding>, whose: Whose) -> HttpResponse {
    let onboarding = onboarding.get_ref().clone();
    streamed(NDJSON, "audit.ndjson", move |mut lines| async move {
        onboarding.export_audit(whose, &mut lines).await?;
        Ok::<_, crate::audit::ExportError>(lines)
    })
}
