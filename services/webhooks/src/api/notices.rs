//! `GET /v1/operator/notices`.

use actix_web::{
    get,
    web::{Data, Json},
};
use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::{OperatorCaller, Page, PageQuery, Params, Problem, ProblemDocument};
use warikan_types::{Environment, Id, TenantId, Timestamp};

use crate::{Webhooks, entity::notice, error::WebhooksError, ids::EndpointId, store};

const LIST: &str = "operator_notices";

/// Something a person should look at: an endpoint was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticeView {
    /// Always `endpoint.disabled`; more kinds may come.
    kind: &'static str,
    tenant_id: TenantId,
    environment: Environment,
    endpoint_id: EndpointId,
    /// `gone` (it answered 410) or `failing` (days without one success).
    cause: String,
    /// Since when every attempt had failed.
    failing_since: Option<Timestamp>,
    at: Timestamp,
}

impl NoticeView {
    fn of(row: notice::Model) -> Option<Self> {
        Some(Self {
            kind: "endpoint.disabled",
            tenant_id: Id::from_uuid(row.tenant),
            environment: Environment::from_word(&row.environment)?,
            endpoint_id: Id::from_uuid(row.endpoint),
            cause: row.cause,
            failing_since: row.failing_since.map(Into::into),
            at: row.at.into(),
        })
    }
}

/// List the operator's notices
///
/// Endpoints that the platform stopped sending to, oldest first. The tenant's feed says the same; the operator hears of it too,
/// because a tenant whose receiver is broken may not be reading its feed either.
#[utoipa::path(tag = "operator", params(PageQuery), security(("oauth2" = ["operator"])),
    responses((status = 200, body = Page<NoticeView>), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/operator/notices")]
pub(crate) async fn list_notices(
    _operator: OperatorCaller,
    query: Params<PageQuery>,
    webhooks: Data<Webhooks>,
) -> Result<Json<Page<NoticeView>>, Problem> {
    let cursors = webhooks.0.platform.keys.cursors();
    let limit = query.limit()?;
    let after = cursors.read(None, LIST, &query)?;
    let rows = store::notices::list(webhooks.0.db.worker(), after, limit + 1)
        .await
        .map_err(WebhooksError::from)?;
    let page = cursors.page(None, LIST, limit, rows, |row| row.id);
    Ok(Json(Page {
        data: page.data.into_iter().filter_map(NoticeView::of).collect(),
        next_cursor: page.next_cursor,
    }))
}
