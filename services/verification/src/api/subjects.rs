//! `/v1/subjects`.

use actix_web::{HttpResponse, delete, get, post, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::{
    Body, Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller, needs,
};
use warikan_messaging::Reading;
use warikan_types::{
    CertificateHandle, CertificateKind, Sealer, Subject as SubjectKind, SubjectId, TenantScope,
    Timestamp,
};

use crate::{
    Verification,
    check_subject::{NewCheck, SubjectCheck},
    error::Error,
    store::{self, SubjectRow},
};

/// A natural person, as this tenant knows them.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubjectView {
    id: SubjectId,
    /// Your customer number.
    #[serde(rename = "ref")]
    reference: Option<String>,
    created_at: Timestamp,
    /// When it was erased; nothing else is known then.
    erased_at: Option<Timestamp>,
    certificates: Vec<CertificateOfSubject>,
}

/// One of a subject's certificates.
#[derive(Serialize, ToSchema)]
pub(crate) struct CertificateOfSubject {
    handle: CertificateHandle,
    kind: CertificateKind,
    not_after: Timestamp,
}

async fn view(
    sealer: &Sealer,
    db: &Reading,
    scope: TenantScope,
    row: SubjectRow,
) -> Result<SubjectView, Error> {
    let certificates = store::certificates_of(db, scope, row.id)
        .await?
        .into_iter()
        .map(|row| {
            Ok(CertificateOfSubject {
                handle: CertificateHandle::from_uuid(row.handle),
                kind: CertificateKind::from_word(&row.kind)
                    .ok_or(Error::Damaged("subject_certificate.kind"))?,
                not_after: row.not_after.into(),
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(SubjectView {
        id: SubjectId::from_uuid(row.id),
        reference: store::reference(sealer, scope, &row)?,
        created_at: row.created_at.into(),
        erased_at: row.erased_at.map(Into::into),
        certificates,
    })
}

/// List subjects
///
/// The persons that you know, by your customer numbers and their certificates' handles, oldest first. Of one that was erased only that is told.
#[utoipa::path(operation_id = "list_subjects", tag = "subjects", params(PageQuery), security(("oauth2" = ["subjects"])),
    responses((status = 200, body = Page<SubjectView>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/subjects")]
pub(crate) async fn list(
    caller: TenantCaller<needs::Subjects>,
    query: Params<PageQuery>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let cursors = verification.0.platform.keys.cursors();
    let limit = query.limit()?;
    let after = cursors.read(Some(caller.scope), "subjects", &query)?;
    let sealer = verification.0.data_keys.sealer(caller.scope).await?;
    let db = verification.0.db.begin_read(caller.scope).await?;
    let rows = store::subjects(&db, caller.scope, after, limit + 1).await?;
    let page = cursors.page(Some(caller.scope), "subjects", limit, rows, |row| row.id);
    let mut data = Vec::with_capacity(page.data.len());
    for row in page.data {
        data.push(view(&sealer, &db, caller.scope, row).await?);
    }
    Ok(HttpResponse::Ok().json(Page {
        data,
        next_cursor: page.next_cursor,
    }))
}

/// Read a subject
///
/// Customer number and certificates of one person as you know them. Attributes are not kept and so not told.
#[utoipa::path(operation_id = "read_subject", tag = "subjects", params(("id" = SubjectId, Path, description = "The subject.")), security(("oauth2" = ["subjects"])),
    responses((status = 200, body = SubjectView), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[get("/v1/subjects/{id}")]
pub(crate) async fn read(
    caller: TenantCaller<needs::Subjects>,
    id: PathId<SubjectKind>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let sealer = verification.0.data_keys.sealer(caller.scope).await?;
    let db = verification.0.db.begin_read(caller.scope).await?;
    let row = store::subject(&db, caller.scope, id.0).await?;
    Ok(HttpResponse::Ok().json(view(&sealer, &db, caller.scope, row).await?))
}

/// Check a subject's certificates now (現況確認)
///
/// By the lists in force, each with its age; `channel` and `max_age` ask for a younger answer, as in `POST /v1/verifications`. A list past its
/// `next_update`, or older than `max_age`, says *good* of nothing: the state is `unknown` then. Once per certificate and calendar month
/// (JST) on the bill; a live answer (OCSP) each time.
#[utoipa::path(operation_id = "check_subject", tag = "subjects", params(("id" = SubjectId, Path, description = "The subject.")), request_body = NewCheck, security(("oauth2" = ["subjects"])),
    responses((status = 200, body = SubjectCheck), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/subjects/{id}/check")]
pub(crate) async fn check(
    caller: TenantCaller<needs::Subjects>,
    id: PathId<SubjectKind>,
    wanted: Body<NewCheck>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let outcome = verification
        .check_subject(caller.scope, id.0, &wanted.value)
        .await?;
    Ok(HttpResponse::Ok().json(outcome))
}

/// Erase a subject
///
/// Its reference, certificate identities, answers and evidence are gone; a tombstone with its id and dates stays. Its watches, and
/// those of its certificates, end at once and lose their references.
#[utoipa::path(operation_id = "erase_subject", tag = "subjects", params(("id" = SubjectId, Path, description = "The subject.")), security(("oauth2" = ["subjects"])),
    responses((status = 204), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
#[delete("/v1/subjects/{id}")]
pub(crate) async fn erase(
    caller: TenantCaller<needs::Subjects>,
    id: PathId<SubjectKind>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    verification
        .erase_subject(caller.scope, caller.client, id.0)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
