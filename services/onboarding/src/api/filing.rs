//! The draft of a filing.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
    web::Data,
};
use warikan_http::{OperatorCaller, PathId, Problem, ProblemDocument, prefers};
use warikan_types::{Tenant, TenantId};

use crate::{Onboarding, filing::FilingDraft, store, tenant_view::TenantView};

/// Nothing on the page is fetched, run or sent.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The draft of a tenant's filing
///
/// What the operator notifies J-LIS of (届出), from what is recorded: as JSON, or with `Accept: text/html` as a page to be printed. `missing` names
/// what is not there yet.
#[utoipa::path(operation_id = "read_filing_draft", tag = "operator", params(("id" = TenantId, Path, description = "The tenant.")), security(("oauth2" = ["operator"])),
    responses((status = 200, description = "The draft.", content((FilingDraft = "application/json"), (String = "text/html"))),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/operator/tenants/{id}/filing")]
pub(crate) async fn read(
    _caller: OperatorCaller,
    id: PathId<Tenant>,
    request: HttpRequest,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    let inner = &onboarding.0;
    let row = store::tenant(inner.db.worker(), id.0).await?;
    let checklist = store::checklist(inner.db.worker(), id.0).await?;
    let tenant = TenantView::of(row, checklist)?;
    let now = inner.platform.clock().now();
    let draft = FilingDraft::of(tenant, inner.filer.clone(), now);
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store"));
    if prefers(&request, "text/html") {
        return Ok(answer
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .body(draft.html()));
    }
    Ok(answer.json(draft))
}
