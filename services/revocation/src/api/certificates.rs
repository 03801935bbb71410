//! A tenant's certificates by their handles: `/v1/certificates/{handle}`.

use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Json},
};
use warikan_http::{
    Body, Idempotency, Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller,
    needs,
};
use warikan_status::AskedChannel;
use warikan_types::Certificate;

use crate::{
    Revocation, check_certificate::NewCheck, error::Error, status_view::StatusView, store,
};

/// Check a watched certificate now
///
/// Answers from the revocation list in force, with its age. A list past its `next_update`, or older than `max_age`, no longer says that a
/// certificate is good: the state is `unknown` then. Counts once per certificate and calendar month (JST).
///
/// `channel` asks for a live answer (OCSP), as in `POST /v1/verifications`: *revoked* wins whoever says it, `sources` has everything that was
/// heard, and a live answer counts each time.
///
/// With `at`, from the archive: what was known then, also of certificates that have ended and left the lists since. What became known
/// later is not in it. Of a time before the first list nothing is known: `unknown`, with `known_since`.
#[utoipa::path(tag = "watches", request_body = NewCheck, security(("oauth2" = ["watches"])),
    params(("id" = warikan_types::CertificateHandle, Path, description = "The certificate's handle."),
        warikan_http::IdempotencyKey),
    responses((status = 200, body = StatusView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument),
        (status = 503, description = "No revocation information is at hand.", body = ProblemDocument)))]
#[post("/v1/certificates/{id}/check")]
pub(crate) async fn check_certificate(
    caller: TenantCaller<needs::Watches>,
    request: HttpRequest,
    id: PathId<Certificate>,
    body: Body<NewCheck>,
    revocation: Data<Revocation>,
) -> Result<HttpResponse, Problem> {
    let sealer = revocation.0.data_keys.sealer(caller.scope).await?;
    // The path says which certificate, so it belongs to what the key stands for.
    let operation = format!("check_certificate/{}", id.0);
    let digest = body.digest();
    let once = Idempotency::of(&request, &operation, Some(caller.scope), digest, &sealer)?;
    let wanted = body.value;
    if wanted.at.is_some() && wanted.channel.is_some_and(|one| one != AskedChannel::Crl) {
        return Err(Problem::field(
            "/channel",
            "invalid_value",
            "Of a moment of the past only the lists tell: leave `channel` out, or say `crl`."
                .to_owned(),
        ));
    }
    if wanted
        .at
        .is_some_and(|at| at > revocation.time_of(caller.scope.environment()))
    {
        return Err(Problem::field(
            "/at",
            "invalid_value",
            "A moment of the past: nobody knows what a list will say.".to_owned(),
        ));
    }
    let answer = revocation
        .check_certificate(caller.scope, id.0, wanted, once)
        .await?;
    Ok(answer.into())
}

/// List a certificate's checks
///
/// Those that you asked for, oldest first, with what was answered then.
#[utoipa::path(tag = "watches", params(("id" = warikan_types::CertificateHandle, Path, description = "The certificate's handle."), PageQuery),
    security(("oauth2" = ["watches"])),
    responses((status = 200, body = Page<StatusView>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/certificates/{id}/statuses")]
pub(crate) async fn list_statuses(
    caller: TenantCaller<needs::Watches>,
    id: PathId<Certificate>,
    query: Params<PageQuery>,
    revocation: Data<Revocation>,
) -> Result<Json<Page<StatusView>>, Problem> {
    let scope = caller.scope;
    let db = &revocation.0.db.begin_read(scope).await?;
    if !store::watches::ever_watched(scope, db, id.0).await? {
        return Err(Error::NotFound.into());
    }
    let name = format!("statuses/{}", id.0);
    let limit = query.limit()?;
    let cursors = revocation.0.platform.keys.cursors();
    let after = cursors.read(Some(scope), &name, &query)?;
    let rows = store::checks::page(scope, db, id.0, after, limit + 1).await?;
    let page = cursors.page(Some(scope), &name, limit, rows, |row| row.id);
    let data = page
        .data
        .iter()
        .map(StatusView::of)
        .collect::<Result<_, _>>()?;
    Ok(Json(Page {
        data,
        next_cursor: page.next_cursor,
    }))
}
