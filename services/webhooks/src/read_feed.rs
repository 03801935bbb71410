//! Reading a tenant's feed: from a place, in order, waiting if there is nothing yet.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use warikan_types::{TenantScope, Timestamp};

use crate::{
    Webhooks,
    catalogue::{EventData, EventType, Message},
    entity::event,
    error::WebhooksError,
    ids::EventId,
    store::feed,
};

/// How often a waiting reader looks by itself: another process may have appended.
const LOOK: Duration = Duration::from_secs(1);

/// One event of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// The same as in webhooks (`webhook-id`).
    id: EventId,
    #[serde(rename = "type")]
    event_type: EventType,
    /// The version of `data`'s shape.
    version: u16,
    /// 1, 2, 3, .. without gaps, per tenant and environment.
    sequence: i64,
    occurred_at: Timestamp,
    #[schema(value_type = EventData)]
    data: serde_json::Value,
}

/// A part of the feed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Feed {
    /// In order of `sequence`.
    data: Vec<EventView>,
    /// To be given as `after` next time, now or later. Always there; it also passes over events of other types.
    next_cursor: String,
    /// Whether more lies ready behind this part.
    has_more: bool,
    /// The oldest `sequence` that is still kept. What is older was kept for the published time and is gone.
    first_sequence: i64,
}

/// What to read.
pub(crate) struct FeedRequest {
    pub after: After,
    /// Empty for all.
    pub types: Vec<EventType>,
    pub limit: u64,
    pub wait: Duration,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// After this number; 0 is the beginning.
    Sequence(i64),
    /// After this event.
    Event(EventId),
}

impl After {
    /// A cursor is a sequence number in decimal, so that a consumer can also make one from what it has.
    pub(crate) fn read(text: &str) -> Result<Self, WebhooksError> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Event(id));
        }
        // Of zeros in front there is no end, of numbers there is.
        let digits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits
            .then(|| text.parse().ok())
            .flatten()
            .map(Self::Sequence)
            .ok_or_else(|| refused("an event's id, a sequence number or a next_cursor"))
    }
}

fn refused(detail: &str) -> WebhooksError {
    WebhooksError::Field {
        field: "?after",
        code: "invalid_cursor",
        detail: detail.to_owned(),
    }
}

fn gone(first: i64) -> WebhooksError {
    WebhooksError::Field {
        field: "?after",
        code: "cursor_expired",
        detail: format!(
            "events before {first} are no longer kept; go on with after={}, and take what is missing from the resources themselves",
            first - 1
        ),
    }
}

impl Webhooks {
    pub(crate) async fn read_feed(
        &self,
        scope: TenantScope,
        request: FeedRequest,
    ) -> Result<Feed, WebhooksError> {
        let after = self.place(scope, request.after).await?;
        let deadline = Instant::now() + request.wait;
        loop {
            let grown = self.0.grown.notified();
            // The ends first: what commits between the two reads is then left for the next, not passed over.
            let db = self.0.db.begin_read(scope).await?;
            let (first, head) = feed::ends(scope, &db).await?;
            if after > head {
                return Err(refused("lies beyond the end of this tenant's feed"));
            }
            // A reader who asks for what is gone must learn that something is missing; 0 asks for whatever is there.
            if after != 0 && after < first - 1 {
                return Err(gone(first));
            }
            let limit = request.limit;
            let rows = feed::between(scope, &db, after, head, &request.types, limit + 1).await?;
            drop(db);
            let now = Instant::now();
            if !rows.is_empty() || now >= deadline {
                return part(rows, limit, (first, head));
            }
            let pause = LOOK.min(deadline - now);
            // Either way there is another look.
            let _ = tokio::time::timeout(pause, grown).await;
        }
    }

    async fn place(&self, scope: TenantScope, after: After) -> Result<i64, WebhooksError> {
        match after {
            After::Sequence(number) => Ok(number),
            After::Event(id) => feed::event(scope, &self.0.db.begin_read(scope).await?, id.uuid())
                .await?
                .map(|event| event.sequence)
                .ok_or_else(|| refused("no event of this tenant's feed")),
        }
    }
}

fn part(
    mut rows: Vec<event::Model>,
    limit: u64,
    (first, head): (i64, i64),
) -> Result<Feed, WebhooksError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let reached = match rows.last() {
        Some(last) if has_more => last.sequence,
        _ => head,
    };
    let data = rows.iter().map(view).collect::<Result<_, _>>()?;
    Ok(Feed {
        data,
        next_cursor: reached.to_string(),
        has_more,
        first_sequence: first,
    })
}

fn view(row: &event::Model) -> Result<EventView, serde_json::Error> {
    let message: Message = serde_json::from_str(&row.body)?;
    Ok(EventView {
        id: message.id,
        event_type: message.event_type,
        version: message.version,
        sequence: message.sequence,
        occurred_at: message.timestamp,
        data: message.data,
    })
}
