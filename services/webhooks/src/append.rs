//! Appending to a tenant's feed: sequence, event and deliveries in the caller's transaction.

use sea_orm::{DatabaseTransaction, DbErr};
use warikan_types::{TenantScope, Timestamp};

use crate::{
    Webhooks,
    catalogue::{EventData, Message},
    consumers::TooLarge,
    entity::{delivery, event},
    error::WebhooksError,
    ids::EventId,
    store,
};

/// Octets a message may have. Thin payloads stay far below; a longer one is a fault of ours that must not reach tenants.
const MESSAGE_LIMIT: usize = 20_000;

impl Webhooks {
    /// Gives the event the feed's next sequence number and stores it. The number is taken in the transaction that
    /// stores the event, so a rollback gives it back: no gaps.
    pub(crate) async fn append(
        &self,
        scope: TenantScope,
        txn: &DatabaseTransaction,
        id: EventId,
        occurred_at: Timestamp,
        data: &EventData,
    ) -> Result<event::Model, WebhooksError> {
        let sequence = store::feed::next_sequence(scope, txn).await?;
        let event_type = data.event_type();
        let body = serde_json::to_string(&Message {
            id,
            event_type,
            version: event_type.version(),
            sequence,
            timestamp: occurred_at,
            data: serde_json::to_value(data)?,
        })?;
        if body.len() >= MESSAGE_LIMIT {
            return Err(TooLarge(body.len()).into());
        }
        let row = event::Model {
            id: id.uuid(),
            tenant: scope.tenant().uuid(),
            environment: scope.environment().as_str().to_owned(),
            sequence,
            event_type: event_type.as_str().to_owned(),
            occurred_at: occurred_at.utc(),
            body,
        };
        store::feed::insert(txn, row.clone()).await?;
        Ok(row)
    }

    /// Puts an event on its way to these endpoints of its tenant.
    pub(crate) async fn enqueue(
        &self,
        scope: TenantScope,
        txn: &DatabaseTransaction,
        event: &event::Model,
        endpoints: &[uuid::Uuid],
    ) -> Result<Vec<delivery::Model>, DbErr> {
        let now = self.now();
        let rows: Vec<delivery::Model> = endpoints
            .iter()
            .map(|endpoint| self.new_delivery(scope, *endpoint, event.id, &event.event_type, now))
            .collect();
        store::deliveries::insert(txn, rows.clone()).await?;
        Ok(rows)
    }

    /// A delivery that is due at once.
    pub(crate) fn new_delivery(
        &self,
        scope: TenantScope,
        endpoint: uuid::Uuid,
        event: uuid::Uuid,
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
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.platform.clock().now()
    }
}
