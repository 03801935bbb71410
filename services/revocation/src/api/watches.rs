//! Watches: `/v1/watches`.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use warikan_http::{
    Body, Idempotency, Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller,
    needs,
};
use warikan_types::{Base64Bytes, Watch};

use crate::{
    Revocation,
    error::Error,
    store,
    watch::{REFERENCE_LIMIT, WatchState, WatchView},
};

/// A certificate to watch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWatch {
    /// The certificate, DER.
    #[schema(value_type = String, content_encoding = "base64", max_length = 21848)]
    certificate: Base64Bytes,
    /// Your own customer number, 1 to 256 characters; told back with the flag.
    #[serde(default, rename = "ref")]
    #[schema(min_length = 1, max_length = 256)]
    reference: Option<String>,
}

/// Start a watch
///
/// The platform keeps looking at the certificate's revocation list and tells you (`certificate.revoked`) when it is revoked. A
/// certificate that is revoked already is flagged at once. Watching the same certificate under the same reference
/// again answers 200 with the watch that exists.
#[utoipa::path(tag = "watches", request_body = NewWatch, security(("oauth2" = ["watches"])),
    params(warikan_http::IdempotencyKey),
    responses((status = 201, body = WatchView), (status = 200, description = "The same certificate is already watched under the same reference.", body = WatchView),
        (status = 400, description = "`/certificate` is no DER, no certificate, of an unknown issuer or the other environment, of an unserved kind, or expired.", body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/watches")]
pub(crate) async fn start_watch(
    caller: TenantCaller<needs::Watches>,
    request: HttpRequest,
    body: Body<NewWatch>,
    revocation: Data<Revocation>,
) -> Result<HttpResponse, Problem> {
    let digest = body.digest();
    let NewWatch {
        certificate,
        reference,
    } = body.value;
    check_reference(reference.as_deref())?;
    let order = revocation
        .order(caller.scope, &certificate.0, reference)
        .map_err(Error::from)?;
    let sealer = revocation.0.data_keys.sealer(caller.scope).await?;
    let once = Idempotency::of(&request, "start_watch", Some(caller.scope), digest, &sealer)?;
    let answer = revocation.start_watch(caller.scope, order, once).await?;
    Ok(answer.into())
}

fn check_reference(reference: Option<&str>) -> Result<(), Problem> {
    let acceptable = |text: &str| {
        !text.is_empty()
            && text.chars().count() <= REFERENCE_LIMIT
            && !text.chars().any(char::is_control)
    };
    if reference.is_none_or(acceptable) {
        return Ok(());
    }
    Err(Problem::field(
        "/ref",
        "invalid_value",
        format!("1 to {REFERENCE_LIMIT} characters without control characters"),
    ))
}

/// Which watches.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WatchQuery {
    /// Only those in this state.
    state: Option<WatchState>,
    /// Rows per page, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(max_length = 128, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// List watches
///
/// Yours in this environment, oldest first, all or those in one state.
#[utoipa::path(tag = "watches", params(WatchQuery), security(("oauth2" = ["watches"])),
    responses((status = 200, body = Page<WatchView>), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/watches")]
pub(crate) async fn list_watches(
    caller: TenantCaller<needs::Watches>,
    query: Params<WatchQuery>,
    revocation: Data<Revocation>,
) -> Result<Json<Page<WatchView>>, Problem> {
    let Params(WatchQuery {
        state,
        limit,
        cursor,
    }) = query;
    let query = PageQuery { limit, cursor };
    let name = format!("watches?state={}", state.map_or("", WatchState::as_str));
    let (limit, keys) = (query.limit()?, &revocation.0.platform.keys);
    let scope = Some(caller.scope);
    let after = keys.cursors().read(scope, &name, &query)?;
    let sealer = revocation.0.data_keys.sealer(caller.scope).await?;
    let db = &revocation.0.db.begin_read(caller.scope).await?;
    let rows = store::watches::page(caller.scope, db, state, after, limit + 1).await?;
    let page = keys.cursors().page(scope, &name, limit, rows, |row| row.id);
    let data = WatchView::of_all(db, &page.data, &sealer).await?;
    Ok(Json(Page {
        data,
        next_cursor: page.next_cursor,
    }))
}

/// Show a watch
///
/// Its state, and its flag where the certificate was revoked.
#[utoipa::path(tag = "watches", params(("id" = warikan_types::WatchId, Path, description = "The watch.")), security(("oauth2" = ["watches"])),
    responses((status = 200, body = WatchView), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/watches/{id}")]
pub(crate) async fn show_watch(
    caller: TenantCaller<needs::Watches>,
    id: PathId<Watch>,
    revocation: Data<Revocation>,
) -> Result<Json<WatchView>, Problem> {
    let sealer = revocation.0.data_keys.sealer(caller.scope).await?;
    let db = revocation.0.db.begin_read(caller.scope).await?;
    let row = store::watches::find(caller.scope, &db, id.0)
        .await?
        .ok_or(Error::NotFound)?;
    let view = WatchView::of_all(&db, &[row], &sealer).await?.pop();
    Ok(Json(view.ok_or(Error::NotFound)?))
}

/// End a watch
///
/// It stays visible as `ended`, with its flag if it had one. Ending it again changes nothing.
#[utoipa::path(tag = "watches", params(("id" = warikan_types::WatchId, Path, description = "The watch.")), security(("oauth2" = ["watches"])),
    responses((status = 204, description = "Ended."), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[delete("/v1/watches/{id}")]
pub(crate) async fn end_watch(
    caller: TenantCaller<needs::Watches>,
    id: PathId<Watch>,
    revocation: Data<Revocation>,
) -> Result<HttpResponse, Problem> {
    let now = revocation.0.platform.clock().now();
    let txn = revocation.0.db.begin_write(caller.scope).await?;
    let found = store::watches::end(caller.scope, &txn, id.0, now).await?;
    txn.commit().await?;
    if found {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Problem::not_found())
    }
}
