//! What a completed campaign found: `/v1/campaigns/{id}/changes`, `/results`, `/proofs`.

use actix_web::{
    HttpRequest, HttpResponse, get,
    web::{Data, Json},
};
use warikan_http::{
    Page, PageQuery, Params, PathId, Problem, ProblemDocument, TenantCaller, needs, prefers,
    streamed,
};
use warikan_types::{Campaign, CertificateHandle, Id, TenantScope};

use crate::{
    Revocation,
    campaign::{proof::ProofView, read::ChangeView},
    error::Error,
};

/// Rows that are read at once for a whole list.
const AT_ONCE: u64 = 2_000;
const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";

/// List what a campaign found changed
///
/// Everything that is not good: revoked, expired, or not to be found out; once for each customer number. As JSON in pages, or
/// whole with `Accept: text/csv` (RFC 4180; no cell can be taken for a formula) or `Accept: application/x-ndjson`. There once
/// the campaign is completed.
#[utoipa::path(tag = "campaigns", params(("id" = warikan_types::CampaignId, Path, description = "The campaign."), PageQuery), security(("oauth2" = ["campaigns"])),
    responses((status = 200, content((Page<ChangeView> = "application/json"), (String = "text/csv"), (ChangeView = "application/x-ndjson"))),
        (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, description = "The campaign is not completed.", body = ProblemDocument)))]
#[get("/v1/campaigns/{id}/changes")]
pub(crate) async fn list_changes(
    caller: TenantCaller<needs::Campaigns>,
    id: PathId<Campaign>,
    query: Params<PageQuery>,
    request: HttpRequest,
    revocation: Data<Revocation>,
) -> Result<HttpResponse, Problem> {
    let (scope, id, limit) = (caller.scope, id.0, query.limit()?);
    let cursors = revocation.0.platform.keys.cursors();
    let name = format!("campaigns/{id}/changes");
    let after = cursors.read(Some(scope), &name, &query)?;
    let sealer = revocation.0.data_keys.sealer(scope).await?;
    let db = revocation.0.db.begin_read(scope).await?;
    revocation.completed_campaign(scope, &db, id).await?;
    for media_type in [CSV, NDJSON] {
        if prefers(&request, media_type) {
            drop(db);
            return Ok(whole(revocation.get_ref().clone(), scope, id, media_type));
        }
    }
    let place = (after, limit + 1);
    let rows = revocation
        .campaign_changes(scope, &db, &sealer, id, place)
        .await?;
    let page = cursors.page(Some(scope), &name, limit, rows, |(row, _)| *row);
    Ok(HttpResponse::Ok().json(Page {
        data: page.data.into_iter().map(|(_, change)| change).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// All changes as they are read.
fn whole(
    revocation: Revocation,
    scope: TenantScope,
    id: Id<Campaign>,
    media_type: &'static str,
) -> HttpResponse {
    let csv = media_type == CSV;
    let (declared, ending) = if csv {
        ("text/csv; charset=utf-8", "csv")
    } else {
        (NDJSON, "ndjson")
    };
    let name = format!("{id}-changes.{ending}");
    streamed(declared, &name, move |mut lines| async move {
        if csv {
            lines.text(&ChangeView::csv_head()).await?;
        }
        let mut after = None;
        loop {
            let sealer = revocation.0.data_keys.sealer(scope).await?;
            let db = revocation.0.db.begin_read(scope).await?;
            let place = (after, AT_ONCE);
            let page = revocation
                .campaign_changes(scope, &db, &sealer, id, place)
                .await?;
            drop(db);
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (_, change) in &page {
                if csv {
                    lines.text(&change.csv_row()).await?;
                } else {
                    lines.tell(change).await?;
                }
            }
        }
        Ok::<_, Error>(lines)
    })
}

/// List all results of a campaign
///
/// One line for each certificate, in the order of their handles: `<handle>,<state>,<reason>,<revoked_at>`, the last two empty
/// where there is none. These lines are the entries of the tree whose root the receipt signs (RFC 6962 2.1, SHA-256), so
/// that everyone can recompute it: `warikan campaign verify --results`.
#[utoipa::path(tag = "campaigns", params(("id" = warikan_types::CampaignId, Path, description = "The campaign.")), security(("oauth2" = ["campaigns"])),
    responses((status = 200, content_type = "text/plain", body = String), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, description = "The campaign is not completed.", body = ProblemDocument)))]
#[get("/v1/campaigns/{id}/results")]
pub(crate) async fn list_results(
    caller: TenantCaller<needs::Campaigns>,
    id: PathId<Campaign>,
    revocation: Data<Revocation>,
) -> Result<HttpResponse, Problem> {
    let (scope, id) = (caller.scope, id.0);
    let db = revocation.0.db.begin_read(scope).await?;
    revocation.completed_campaign(scope, &db, id).await?;
    drop(db);
    let revocation = revocation.get_ref().clone();
    let name = format!("{id}-results.txt");
    let produce = move |mut lines: warikan_http::Lines| async move {
        let mut number = 0;
        while let Some(chunk) = revocation.campaign_results(scope, id, number).await? {
            for one in &chunk {
                lines.text(&one.line()).await?;
                lines.text("\n").await?;
            }
            number += 1;
        }
        Ok::<_, Error>(lines)
    };
    Ok(streamed("text/plain; charset=utf-8", &name, produce))
}

/// Prove that a campaign checked a certificate
///
/// Its result and the audit path (RFC 6962 2.1.1) from it to the root that the receipt signs: `warikan campaign verify --proof`.
#[utoipa::path(tag = "campaigns", params(("id" = warikan_types::CampaignId, Path, description = "The campaign."), ("handle" = warikan_types::CertificateHandle, Path, description = "The certificate's handle.")), security(("oauth2" = ["campaigns"])),
    responses((status = 200, body = ProofView), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, description = "No such campaign, or the certificate was not in it.", body = ProblemDocument),
        (status = 409, description = "The campaign is not completed.", body = ProblemDocument)))]
#[get("/v1/campaigns/{id}/proofs/{handle}")]
pub(crate) async fn show_proof(
    caller: TenantCaller<needs::Campaigns>,
    id: PathId<Campaign>,
    request: HttpRequest,
    revocation: Data<Revocation>,
) -> Result<Json<ProofView>, Problem> {
    let handle: CertificateHandle = request
        .match_info()
        .get("handle")
        .and_then(|text| text.parse().ok())
        .ok_or_else(Problem::not_found)?;
    let proof = revocation
        .campaign_proof(caller.scope, id.0, handle)
        .await?;
    Ok(Json(proof))
}
