//! `GET /v1/events`.

use std::time::Duration;

use actix_web::{
    get,
    web::{Data, Json},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use warikan_http::{PageQuery, Params, Problem, ProblemDocument, TenantCaller, needs};

use crate::{
    Webhooks,
    catalogue::{EventType, TypeView, catalogue},
    error::WebhooksError,
    read_feed::{After, Feed, FeedRequest},
};

/// Seconds a reader may wait; below the idle limits of common proxies.
const WAIT_LIMIT: u64 = 20;

/// The query of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// Read after this: a `next_cursor`, an event's id or a sequence number. From the beginning without it.
    #[param(max_length = 36)]
    after: Option<String>,
    /// Event types, separated by commas; all without it.
    types: Option<String>,
    /// Events per part, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Seconds to wait for an event where there is none, up to 20 (long poll).
    #[param(maximum = 20)]
    wait_seconds: Option<u64>,
}

impl FeedQuery {
    fn request(&self) -> Result<FeedRequest, Problem> {
        let page = PageQuery {
            limit: self.limit,
            cursor: None,
        };
        let after = self
            .after
            .as_deref()
            .map_or(Ok(After::Sequence(0)), After::read)?;
        let wait = self.wait_seconds.unwrap_or(0);
        if wait > WAIT_LIMIT {
            return Err(Problem::field(
                "?wait_seconds",
                "out_of_range",
                format!("wait_seconds is 0 to {WAIT_LIMIT}"),
            ));
        }
        Ok(FeedRequest {
            after,
            types: self.types()?,
            limit: page.limit()?,
            wait: Duration::from_secs(wait),
        })
    }

    fn types(&self) -> Result<Vec<EventType>, WebhooksError> {
        let Some(text) = &self.types else {
            return Ok(Vec::new());
        };
        text.split(',')
            .map(|word| {
                EventType::from_word(word).ok_or_else(|| WebhooksError::Field {
                    field: "?types",
                    code: "unknown_type",
                    detail: format!(
                        "one of {}, separated by commas",
                        EventType::ALL.map(EventType::as_str).join(", ")
                    ),
                })
            })
            .collect()
    }
}

/// The catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalogue {
    data: Vec<TypeView>,
}

/// List the event types
///
/// Each with the version of its payload, the JSON Schema of its message, and an example.
#[utoipa::path(tag = "events", security(("oauth2" = ["events"])),
    responses((status = 200, body = Catalogue), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument)))]
#[get("/v1/event-types")]
pub(crate) async fn list_event_types(_caller: TenantCaller<needs::Events>) -> Json<Catalogue> {
    Json(Catalogue { data: catalogue() })
}

/// Read the event feed
///
/// The truth about everything that happened for this tenant in this environment: ordered, without gaps, each event once. Keep
/// `next_cursor` and give it as `after` next time. Webhooks are hints from the same log with the same ids. Events stay for 90
/// days unless the operator says otherwise; a place further back is refused with `cursor_expired`.
#[utoipa::path(tag = "events", params(FeedQuery), security(("oauth2" = ["events"])),
    responses((status = 200, body = Feed), (status = 400, body = ProblemDocument),
        (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
#[get("/v1/events")]
pub(crate) async fn list_events(
    caller: TenantCaller<needs::Events>,
    query: Params<FeedQuery>,
    webhooks: Data<Webhooks>,
) -> Result<Json<Feed>, Problem> {
    let request = query.request()?;
    Ok(Json(webhooks.read_feed(caller.scope, request).await?))
}
