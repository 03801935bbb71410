//! The relay: takes what lies in the outbox and publishes it.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, sea_query::Expr,
};
use tokio::sync::Notify;
use warikan_contracts::Envelope;
use warikan_types::{Clock, Timestamp};

use crate::{Bus, entity::outbox};

/// Facts taken in one turn.
const BATCH: u64 = 64;
/// How long a turn may take before another relay may take the same facts.
const LEASE: Duration = Duration::from_secs(30);
/// Sent facts are kept this long, for an operator's questions.
const KEEP_SENT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Publishes one service's outbox. Several may run on one outbox: a lease column keeps them apart, and where a
/// lease ran out the consumers' inboxes make the second publication harmless.
#[derive(Clone)]
pub struct Relay {
    db: DatabaseConnection,
    bus: Bus,
    clock: Clock,
    wake: Arc<Notify>,
}

/// The relay could not work.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Its database failed.
    #[error("the outbox cannot be read or written")]
    Database(#[from] DbErr),
    /// A row holds no envelope: someone wrote to the table by hand.
    #[error("an outbox row holds no envelope")]
    Envelope(#[from] serde_json::Error),
}

impl Relay {
    /// A relay over a service's database.
    #[must_use]
    pub fn new(db: DatabaseConnection, bus: Bus, clock: Clock) -> Self {
        Self {
            db,
            bus,
            clock,
            wake: Arc::new(Notify::new()),
        }
    }

    /// To be called after a commit that appended facts.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The signal that [`Relay::wake`] gives.
    #[must_use]
    pub fn signal(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Publishes everything that is due, in order of the facts' ids, and returns how many were sent. A fact that is
    /// not taken waits (1 s, doubling, at most 5 min) and does not hold up the others.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn drain(&self) -> Result<u64, RelayError> {
        let mut sent = 0;
        loop {
            let rows = self.claim().await?;
            if rows.is_empty() {
                return Ok(sent);
            }
            for row in rows {
                if self.publish(row).await? {
                    sent += 1;
                }
            }
        }
    }

    /// Facts not yet sent, and since when the oldest waits.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lag(&self) -> Result<(u64, Option<Timestamp>), DbErr> {
        let unsent = outbox::Entity::find().filter(outbox::Column::SentAt.is_null());
        let count = unsent.clone().count(&self.db).await?;
        let oldest = unsent
            .order_by_asc(outbox::Column::Id)
            .one(&self.db)
            .await?;
        let since = oldest
            .and_then(|row| serde_json::from_str::<Envelope>(&row.envelope).ok())
            .map(|envelope| envelope.occurred_at);
        Ok((count, since))
    }

    /// Removes facts sent more than a week ago.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self) -> Result<u64, DbErr> {
        let before = self.clock.now().minus(KEEP_SENT).utc();
        Ok(outbox::Entity::delete_many()
            .filter(outbox::Column::SentAt.lt(before))
            .exec(&self.db)
            .await?
            .rows_affected)
    }

    /// One statement leases the batch: what PostgreSQL would do with SKIP LOCKED, on both databases.
    async fn claim(&self) -> Result<Vec<outbox::Model>, DbErr> {
        let now = self.clock.now();
        let due = outbox::Entity::find()
            .select_only()
            .column(outbox::Column::Id)
            .filter(outbox::Column::SentAt.is_null())
            .filter(outbox::Column::NextAttemptAt.lte(now.utc()))
            .filter(
                Condition::any()
                    .add(outbox::Column::LeaseUntil.is_null())
                    .add(outbox::Column::LeaseUntil.lt(now.utc())),
            )
            .order_by_asc(outbox::Column::Id)
            .limit(BATCH)
            .into_query();
        let mut rows = outbox::Entity::update_many()
            .col_expr(
                outbox::Column::LeaseUntil,
                Expr::value(Some(now.plus(LEASE).utc())),
            )
            .col_expr(
                outbox::Column::Attempts,
                sea_orm::ExprTrait::add(Expr::col(outbox::Column::Attempts), 1),
            )
            .filter(outbox::Column::Id.in_subquery(due))
            .exec_with_returning(&self.db)
            .await?;
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    async fn publish(&self, row: outbox::Model) -> Result<bool, RelayError> {
        let envelope: Envelope = serde_json::from_str(&row.envelope)?;
        let outcome = self.bus.publish(&envelope, row.attempts).await;
        let now = self.clock.now();
        let update = outbox::Entity::update_many().filter(outbox::Column::Id.eq(row.id));
        match &outcome {
            Ok(()) => {
                update
                    .col_expr(outbox::Column::SentAt, Expr::value(Some(now.utc())))
                    .exec(&self.db)
                    .await?;
            }
            Err(error) => {
                tracing::warn!(event = %envelope.id, fact = envelope.fact_type, attempt = row.attempts, %error, "fact not taken yet");
                update
                    .col_expr(
                        outbox::Column::NextAttemptAt,
                        Expr::value(now.plus(backoff(row.attempts)).utc()),
                    )
                    .col_expr(
                        outbox::Column::LeaseUntil,
                        Expr::value(Option::<chrono::DateTime<chrono::Utc>>::None),
                    )
                    .col_expr(
                        outbox::Column::LastError,
                        Expr::value(Some(error.to_string())),
                    )
                    .exec(&self.db)
                    .await?;
            }
        }
        Ok(outcome.is_ok())
    }
}

fn backoff(attempts: i32) -> Duration {
    let doublings = u32::try_from(i32::clamp(attempts - 1, 0, 9)).unwrap_or(0);
    Duration::from_secs(u64::clamp(1 << doublings, 1, 300))
}
