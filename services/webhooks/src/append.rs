//! Appending to tenants' feeds: sequences, events and deliveries in the caller's transaction, many with few statements.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;
use warikan_types::{TenantScope, Timestamp};

use crate::{
    Webhooks,
    catalogue::{EventData, Message},
    consumers::TooLarge,
    endpoint,
    entity::{delivery, event},
    error::WebhooksError,
    ids::EventId,
    store,
};

/// Octets a message may have. Thin payloads stay far below; a longer one is a fault of ours that must not reach tenants.
const MESSAGE_LIMIT: usize = 20_000;

/// What is to be appended.
pub(crate) struct NewEvent {
    pub scope: TenantScope,
    pub id: EventId,
    pub occurred_at: Timestamp,
    pub data: EventData,
    /// Since when it could have been told, where that is measured.
    pub published_at: Option<Timestamp>,
}

impl Webhooks {
    /// Gives each event its feed's next sequence number, in the order given, and stores it; those that a feed holds already stay as they
    /// are. Gives what was new, and its rows. The numbers are taken in the transaction that stores the events, so a rollback gives them
    /// back: no gaps.
    pub(crate) async fn append(
        &self,
        txn: &DatabaseTransaction,
        mut events: Vec<NewEvent>,
    ) -> Result<(Vec<NewEvent>, Vec<event::Model>), WebhooksError> {
        if events.is_empty() {
            return Ok((events, Vec::new()));
        }
        let mut next = store::feed::claim_sequences(txn, &counts(&events)).await?;
        // Asked under the locks of the feeds: another transaction may just now be telling the same fact.
        let ids = events.iter().map(|event| event.id.uuid());
        let known = store::feed::known(txn, ids).await?;
        if !known.is_empty() {
            let (told, new): (Vec<_>, Vec<_>) = events
                .into_iter()
                .partition(|event| known.contains(&event.id.uuid()));
            store::feed::give_back(txn, &counts(&told)).await?;
            events = new;
        }
        let mut rows = Vec::with_capacity(events.len());
        for event in &events {
            let (tenant, environment) = feed_of(event.scope);
            let sequence = next
                .get_mut(&(tenant, environment.to_owned()))
                .ok_or_else(|| DbErr::RecordNotFound("the head of a feed".to_owned()))?;
            rows.push(row(event, *sequence)?);
            *sequence += 1;
        }
        store::feed::insert(txn, &rows).await?;
        Ok((events, rows))
    }

    /// Puts events on their way to all endpoints of their tenants that want them.
    pub(crate) async fn enqueue_all(
        &self,
        txn: &DatabaseTransaction,
        new: &[NewEvent],
        events: &[event::Model],
    ) -> Result<(), DbErr> {
        let tenants = new.iter().map(|event| event.scope.tenant().uuid());
        let mut endpoints: HashMap<(Uuid, String), Vec<_>> = HashMap::new();
        for row in store::endpoints::enabled(txn, tenants).await? {
            let feed = (row.tenant, row.environment.clone());
            endpoints.entry(feed).or_default().push(row);
        }
        let now = self.now();
        let mut rows = Vec::new();
        for (new, event) in new.iter().zip(events) {
            let feed = (event.tenant, event.environment.clone());
            let theirs = endpoints.get(&feed).map_or(&[][..], Vec::as_slice);
            let wanting = theirs
                .iter()
                .filter(|row| endpoint::wants(row, new.data.event_type()));
            rows.extend(wanting.map(|endpoint| delivery::Model {
                published_at: new.published_at.map(Timestamp::utc),
                ..self.new_delivery(new.scope, endpoint.id, event.id, &event.event_type, now)
            }));
        }
        store::deliveries::insert(txn, rows).await
    }

    /// A delivery that is due at once.
    pub(crate) fn new_delivery(
        &self,
        scope: TenantScope,
        endpoint: Uuid,
        event: Uuid,
        event_type: &str,
        now: Timestamp,
    ) -> delivery::Model {
        delivery::Model {
            id: self
                .0
                .platform
                .entropy
                .id::<warikan_types::Delivery>(now)
                .uuid(),
            tenant: scope.tenant().uuid(),
            environment: scope.environment().as_str().to_owned(),
            endpoint,
            event,
            event_type: event_type.to_owned(),
            state: store::deliveries::PENDING.to_owned(),
            attempts: 0,
            round_start: 0,
            next_attempt_at: now.utc(),
            lease_until: None,
            created_at: now.utc(),
            finished_at: None,
            published_at: None,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.platform.clock().now()
    }
}

/// How many events come into each feed.
fn counts(events: &[NewEvent]) -> BTreeMap<(Uuid, &'static str), i64> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(feed_of(event.scope)).or_default() += 1;
    }
    counts
}

fn feed_of(scope: TenantScope) -> (Uuid, &'static str) {
    (scope.tenant().uuid(), scope.environment().as_str())
}

fn row(event: &NewEvent, sequence: i64) -> Result<event::Model, WebhooksError> {
    let event_type = event.data.event_type();
    let body = serde_json::to_string(&Message {
        id: event.id,
        event_type,
        version: event_type.version(),
        sequence,
        timestamp: event.occurred_at,
        data: serde_json::to_value(&event.data)?,
    })?;
    if body.len() >= MESSAGE_LIMIT {
        return Err(TooLarge(body.len()).into());
    }
    Ok(event::Model {
        id: event.id.uuid(),
        tenant: event.scope.tenant().uuid(),
        environment: event.scope.environment().as_str().to_owned(),
        sequence,
        event_type: event_type.as_str().to_owned(),
        occurred_at: event.occurred_at.utc(),
        body,
    })
}
