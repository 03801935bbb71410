//! `/v1/verifications`.

use actix_web::{HttpRequest, HttpResponse, get, post, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::{
    Body, Idempotency, Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller,
    needs,
};
use warikan_runtime::TenantAct;
use warikan_types::{
    Reason, Sealer, TenantScope, Verification as VerificationKind, VerificationId,
};

use crate::{
    Verification,
    conclude::VerificationAnswer,
    error::Error,
    evidence::Kept,
    request::VerificationRequest,
    revalidate::{Revalidation, RevalidationRequest},
    store::{self, VerificationRow},
    view::VerificationView,
};

/// Verify a signature
///
/// A certificate that is merely not good is a 201 with a verdict; only malformed requests are refused. The attributes are
/// in this answer (and in its replay under the same Idempotency-Key) and nowhere else.
#[utoipa::path(operation_id = "create_verification", tag = "verification", params(warikan_http::IdempotencyKey), request_body = VerificationRequest, security(("oauth2" = ["verifications"])),
    responses((status = 201, body = VerificationAnswer), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument),
        (status = 503, body = ProblemDocument)))]
#[post("/v1/verifications")]
pub(crate) async fn create(
    caller: TenantCaller<needs::Verifications>,
    request: HttpRequest,
    body: Body<VerificationRequest>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let sealer = verification.0.data_keys.sealer(caller.scope).await?;
    let once = Idempotency::of(
        &request,
        "create_verification",
        Some(caller.scope),
        body.digest(),
        &sealer,
    )?;
    let answer = verification
        .verify(caller.scope, caller.client, &body, once, sealer)
        .await?;
    Ok(answer.into())
}

fn open(
    sealer: &Sealer,
    scope: TenantScope,
    row: &VerificationRow,
) -> Result<VerificationView, Error> {
    Ok(Kept::open(sealer, scope, row)?.view)
}

/// List verifications
///
/// Yours in this environment, oldest first, without attributes.
#[utoipa::path(operation_id = "list_verifications", tag = "verification", params(PageQuery), security(("oauth2" = ["verifications"])),
    responses((status = 200, body = Page<VerificationView>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/verifications")]
pub(crate) async fn list(
    caller: TenantCaller<needs::Verifications>,
    query: Params<PageQuery>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let cursors = verification.0.platform.keys.cursors();
    let scope = Some(caller.scope);
    let limit = query.limit()?;
    let after = cursors.read(scope, "verifications", &query)?;
    let db = verification.0.db.begin_read(caller.scope).await?;
    let rows = store::verifications(&db, caller.scope, after, limit + 1).await?;
    drop(db);
    let sealer = verification.0.data_keys.sealer(caller.scope).await?;
    let page = cursors.page(scope, "verifications", limit, rows, |row| row.id);
    let data = page
        .data
        .iter()
        .map(|row| open(&sealer, caller.scope, row))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(HttpResponse::Ok().json(Page {
        data,
        next_cursor: page.next_cursor,
    }))
}

/// Read a verification
///
/// As it was answered, without the attributes: they were told once.
#[utoipa::path(operation_id = "read_verification", tag = "verification", params(("id" = VerificationId, Path, description = "The verification.")), security(("oauth2" = ["verifications"])),
    responses((status = 200, body = VerificationView), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/verifications/{id}")]
pub(crate) async fn read(
    caller: TenantCaller<needs::Verifications>,
    id: PathId<VerificationKind>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let row = {
        let db = verification.0.db.begin_read(caller.scope).await?;
        store::verification(&db, caller.scope, id.0).await?
    };
    let sealer = verification.0.data_keys.sealer(caller.scope).await?;
    Ok(HttpResponse::Ok().json(open(&sealer, caller.scope, &row)?))
}

/// Decide the stored evidence again
///
/// Without `at` it must come out as it was recorded; with `at` the same evidence is judged for another moment.
#[utoipa::path(operation_id = "revalidate_verification", tag = "verification", params(("id" = VerificationId, Path, description = "The verification.")), request_body = RevalidationRequest, security(("oauth2" = ["verifications"])),
    responses((status = 200, body = Revalidation), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/verifications/{id}/revalidate")]
pub(crate) async fn revalidate(
    caller: TenantCaller<needs::Verifications>,
    id: PathId<VerificationKind>,
    body: Body<RevalidationRequest>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let outcome = verification.revalidate(caller.scope, id.0, body.at).await?;
    let inner = &verification.0;
    let act = TenantAct::new(caller.client, caller.scope, "evidence.revalidated").about(id.0);
    act.tell_alone(&inner.db, &inner.platform).await?;
    inner.relay.wake();
    Ok(HttpResponse::Ok().json(outcome))
}

/// The closed list of reasons
#[derive(Serialize, ToSchema)]
pub(crate) struct Reasons {
    /// In the order in which the first that applies becomes *the* reason.
    reasons: Vec<Reason>,
}

/// List the reasons
///
/// The closed list of what a verification can give as its reason, in the published order: the first that applies becomes *the* reason.
#[utoipa::path(operation_id = "list_reasons", tag = "verification", security(()), responses((status = 200, body = Reasons)))]
#[get("/v1/reasons")]
pub(crate) async fn reasons() -> HttpResponse {
    HttpResponse::Ok().json(Reasons {
        reasons: Reason::ALL.to_vec(),
    })
}
