//! Sending at a tenant's wish: a test, one delivery again, a range of the feed again.

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use warikan_http::{Answer, Idempotency};
use warikan_types::{Environment, Id, TenantScope, Timestamp};

use crate::{
    Webhooks,
    append::NewEvent,
    catalogue::{EventType, sample},
    endpoint,
    entity::{attempt, delivery, endpoint as row},
    error::WebhooksError,
    ids::{DeliveryId, EndpointId, EventId},
    store::{deliveries, endpoints, feed},
};

/// Events one replay may cover.
const REPLAY_LIMIT: usize = 10_000;
/// Events handled per statement.
const CHUNK: u64 = 500;

/// One attempt to deliver.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// From 1. A number that is missing belongs to an attempt whose outcome the platform did not live to see.
    number: i32,
    at: Timestamp,
    /// The endpoint's HTTP status; `null` where no answer came.
    status: Option<i32>,
    /// Why no answer came: `timeout`, `connection_failed`, `protocol_error`, `address_refused`, `url_refused`,
    /// `secret_unreadable`.
    error: Option<String>,
    duration_ms: i64,
    /// What was sent; its body is the delivery's `message`.
    request: RequestView,
    /// The beginning of the answer's body as text, 1,024 octets at most; `null` where no answer came.
    answer: Option<String>,
    /// Whether the answer's body went on, or broke off.
    answer_cut: bool,
}

/// The request of an attempt: a POST.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestView {
    /// Where it went.
    url: Option<String>,
    /// `webhook-id`: the event's id.
    webhook_id: EventId,
    /// `webhook-timestamp`: when, in seconds since 1970.
    webhook_timestamp: i64,
    /// `webhook-signature`; `null` where it could not be signed.
    webhook_signature: Option<String>,
}

/// One delivery with what was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryDetail {
    #[serde(flatten)]
    pub delivery: DeliveryView,
    /// The body of every attempt, to the octet.
    pub message: String,
}

/// One event on its way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    pub id: DeliveryId,
    endpoint_id: EndpointId,
    event_id: EventId,
    #[serde(rename = "type")]
    event_type: String,
    /// `pending`, `delivered` or `failed`.
    state: String,
    /// `null` unless pending.
    next_attempt_at: Option<Timestamp>,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    attempts: Vec<AttemptView>,
}

impl DeliveryView {
    pub(crate) fn of(row: &delivery::Model, attempts: &[attempt::Model]) -> Self {
        Self {
            id: Id::from_uuid(row.id),
            endpoint_id: Id::from_uuid(row.endpoint),
            event_id: Id::from_uuid(row.event),
            event_type: row.event_type.clone(),
            next_attempt_at: (row.state == deliveries::PENDING).then(|| row.next_attempt_at.into()),
            state: row.state.clone(),
            created_at: row.created_at.into(),
            finished_at: row.finished_at.map(Into::into),
            attempts: attempts
                .iter()
                .filter(|attempt| attempt.delivery == row.id)
                .map(|attempt| AttemptView {
                    number: attempt.number,
                    at: attempt.at.into(),
                    status: attempt.status,
                    error: attempt.error.clone(),
                    duration_ms: attempt.duration_ms,
                    request: RequestView {
                        url: attempt.url.clone(),
                        webhook_id: Id::from_uuid(row.event),
                        webhook_timestamp: Timestamp::new(attempt.at).unix(),
                        webhook_signature: attempt.signature.clone(),
                    },
                    answer: attempt.answer.clone(),
                    answer_cut: attempt.answer_cut,
                })
                .collect(),
        }
    }
}

/// What to test with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestRequest {
    /// `endpoint.tested` without it; in the sandbox any type.
    #[serde(rename = "type", default)]
    event_type: Option<EventType>,
}

/// A range of the feed, by when its events became true.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// From this moment on.
    since: Timestamp,
    /// Up to, not including.
    until: Timestamp,
    /// Only count.
    #[serde(default)]
    preview: bool,
}

/// What a replay covers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// Events of the endpoint's types in the range.
    count: usize,
    /// `true` where they were only counted.
    preview: bool,
}

impl Webhooks {
    /// Appends an event and sends it to this endpoint alone. What is said to have happened must have happened, except in the
    /// sandbox: in production only `endpoint.tested` is true.
    pub(crate) async fn test_endpoint(
        &self,
        scope: TenantScope,
        id: EndpointId,
        request: &TestRequest,
        once: &Idempotency,
    ) -> Result<Answer, WebhooksError> {
        let now = self.now();
        let event_type = request.event_type.unwrap_or(EventType::EndpointTested);
        let txn = self.0.db.begin_write(scope).await?;
        let row = find_enabled(scope, &txn, id).await?;
        let sandbox = scope.environment() == Environment::Sandbox;
        if event_type != EventType::EndpointTested && !sandbox {
            return Err(WebhooksError::Field {
                field: "/type",
                code: "sandbox_only",
                detail: "in production an endpoint is tested with endpoint.tested alone".to_owned(),
            });
        }
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let data = sample(event_type, id, &self.0.platform.entropy, now);
        let new = NewEvent {
            scope,
            id: self.0.platform.entropy.id(now),
            occurred_at: now,
            data,
            published_at: None,
        };
        let kind = event_type.as_str();
        let made = self.new_delivery(scope, row.id, new.id.uuid(), kind, now);
        self.append(&txn, vec![new]).await?;
        deliveries::insert(&txn, vec![made.clone()]).await?;
        let answer = Answer::json(202, &DeliveryView::of(&made, &[]));
        once.keep(&txn, &answer).await?;
        txn.commit().await?;
        self.0.grown.notify_waiters();
        self.0.due.notify_one();
        Ok(answer)
    }

    /// A delivery with its attempts and the message.
    pub(crate) async fn delivery(
        &self,
        scope: TenantScope,
        id: DeliveryId,
    ) -> Result<DeliveryDetail, WebhooksError> {
        let db = &self.0.db.begin_read(scope).await?;
        let found = deliveries::find(scope, db, id).await?;
        let row = found.ok_or(WebhooksError::NotFound)?;
        let event = feed::event(scope, db, row.event).await?;
        let attempts = deliveries::attempts(db, std::slice::from_ref(&row)).await?;
        Ok(DeliveryDetail {
            delivery: DeliveryView::of(&row, &attempts),
            message: event.ok_or(WebhooksError::NotFound)?.body,
        })
    }

    /// Makes a delivery due again, with the ladder from its start.
    pub(crate) async fn resend(
        &self,
        scope: TenantScope,
        id: DeliveryId,
        once: &Idempotency,
    ) -> Result<Answer, WebhooksError> {
        let now = self.now();
        let txn = self.0.db.begin_write(scope).await?;
        let found = deliveries::find(scope, &txn, id).await?;
        let row = found.ok_or(WebhooksError::NotFound)?;
        find_enabled(scope, &txn, Id::from_uuid(row.endpoint)).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        deliveries::reopen(scope, &txn, row.endpoint, &[row.event], now).await?;
        let row = deliveries::find(scope, &txn, id)
            .await?
            .ok_or(WebhooksError::NotFound)?;
        let attempts = deliveries::attempts(&txn, std::slice::from_ref(&row)).await?;
        let answer = Answer::json(202, &DeliveryView::of(&row, &attempts));
        once.keep(&txn, &answer).await?;
        txn.commit().await?;
        self.0.due.notify_one();
        Ok(answer)
    }

    /// Sends the endpoint everything of a range, whether it had it before or not, or only counts it.
    pub(crate) async fn replay(
        &self,
        scope: TenantScope,
        id: EndpointId,
        request: &ReplayRequest,
        once: &Idempotency,
    ) -> Result<Answer, WebhooksError> {
        if request.since >= request.until {
            return Err(range_refused("must be before until".to_owned()));
        }
        let now = self.now();
        let txn = self.0.db.begin_write(scope).await?;
        let row = if request.preview {
            endpoints::find(scope, &txn, id)
                .await?
                .ok_or(WebhooksError::NotFound)?
        } else {
            find_enabled(scope, &txn, id).await?
        };
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let events = wanted(scope, &txn, &row, (request.since, request.until)).await?;
        if !request.preview {
            let missing = events
                .iter()
                .map(|(event, kind)| self.new_delivery(scope, row.id, *event, kind, now))
                .collect();
            deliveries::insert(&txn, missing).await?;
            let ids: Vec<Uuid> = events.iter().map(|(event, _)| *event).collect();
            for chunk in ids.chunks(CHUNK as usize) {
                deliveries::reopen(scope, &txn, row.id, chunk, now).await?;
            }
        }
        let answer = Answer::json(
            202,
            &Replayed {
                count: events.len(),
                preview: request.preview,
            },
        );
        once.keep(&txn, &answer).await?;
        txn.commit().await?;
        self.0.due.notify_one();
        Ok(answer)
    }
}

async fn find_enabled(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    id: EndpointId,
) -> Result<row::Model, WebhooksError> {
    let row = endpoints::find(scope, txn, id)
        .await?
        .ok_or(WebhooksError::NotFound)?;
    if row.enabled {
        Ok(row)
    } else {
        Err(WebhooksError::Disabled)
    }
}

fn range_refused(detail: String) -> WebhooksError {
    WebhooksError::Field {
        field: "/since",
        code: "invalid_range",
        detail,
    }
}

/// The events in a range that the endpoint asked for. Tests of endpoints are not replayed: each was for one endpoint.
async fn wanted(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    endpoint: &row::Model,
    range: (Timestamp, Timestamp),
) -> Result<Vec<(Uuid, String)>, WebhooksError> {
    let mut wanted = Vec::new();
    let mut after = 0;
    loop {
        let rows = feed::in_time(scope, txn, range, after, CHUNK).await?;
        let Some((_, _, last)) = rows.last() else {
            return Ok(wanted);
        };
        after = *last;
        wanted.extend(rows.into_iter().filter_map(|(id, kind, _)| {
            EventType::from_word(&kind)
                .filter(|one| *one != EventType::EndpointTested)
                .filter(|one| endpoint::wants(endpoint, *one))
                .map(|_| (id, kind))
        }));
        if wanted.len() > REPLAY_LIMIT {
            return Err(range_refused(format!(
                "the range holds more than {REPLAY_LIMIT} events; replay it in parts"
            )));
        }
    }
}
