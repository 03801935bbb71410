//! The relay: takes what lies in the outbox and publishes it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{Expr, LockBehavior, LockType},
};
use tokio::sync::Notify;
use uuid::Uuid;
use warikan_contracts::Envelope;
use warikan_rows::padded;
use warikan_types::{Clock, Timestamp};

use crate::{
    Bus, Outgoing, PublishError,
    counts::{RelayCounting, RelayCounts},
    entity::outbox,
};

/// Facts taken in one turn.
const BATCH: u64 = 256;
/// How long another relay leaves claimed facts alone; renewed while their publication lasts.
const LEASE: Duration = Duration::from_secs(10);
/// Sent facts are kept this long, for an operator's questions.
const KEEP_SENT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sent facts are looked through this often,
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// and this many are removed at a time, so that nobody waits long for the table.
const PRUNE_BATCH: u64 = 2_000;

/// Publishes one service's outbox. Several may run on one outbox: a lease column keeps them apart, and where a
/// lease ran out the consumers' inboxes make the second publication harmless.
#[derive(Clone)]
pub struct Relay {
    db: DatabaseConnection,
    bus: Bus,
    clock: Clock,
    wake: Arc<Notify>,
    lease: Duration,
    counting: Arc<RelayCounting>,
    /// When sent facts were last looked through, in milliseconds.
    pruned: Arc<AtomicI64>,
}

/// The relay could not work.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Its database failed.
    #[error("the outbox cannot be read or written")]
    Database(#[from] DbErr),
    /// The bus takes nothing at present; the facts wait.
    #[error("the bus takes nothing: {0}")]
    Bus(String),
}

/// What one turn of the relay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// Facts that were due and taken up.
    pub claimed: u64,
    /// Facts among them for which responsibility has moved.
    pub sent: u64,
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
            lease: LEASE,
            counting: Arc::default(),
            pruned: Arc::default(),
        }
    }

    /// With another lease than ten seconds.
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
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

    /// What it did since the process started.
    #[must_use]
    pub fn counts(&self) -> RelayCounts {
        self.counting.read()
    }

    /// Publishes everything that is due, in order of the facts' ids, and returns how many were sent. A fact that is
    /// not taken waits (1 s, doubling, at most 5 min) and does not hold up the others.
    ///
    /// # Errors
    /// As [`Relay::turn`].
    pub async fn drain(&self) -> Result<u64, RelayError> {
        let mut sent = 0;
        loop {
            let turn = self.turn().await?;
            sent += turn.sent;
            if turn.claimed == 0 {
                return Ok(sent);
            }
        }
    }

    /// Publishes the next batch of what is due, so that a caller can stop in between.
    ///
    /// # Errors
    /// The database failed, or the bus takes nothing at present. In the latter case the facts lie as if they had not been
    /// touched: nobody's fault counts towards a fact's tries, and the order stays.
    pub async fn turn(&self) -> Result<Turn, RelayError> {
        let rows = self.claim().await?;
        let claimed = rows.len() as u64;
        let mut ids = Vec::with_capacity(rows.len());
        let mut facts = Vec::with_capacity(rows.len());
        for row in rows {
            match serde_json::from_str::<Envelope>(&row.envelope) {
                Ok(envelope) => {
                    ids.push(row.id);
                    facts.push(Outgoing {
                        envelope,
                        attempt: row.attempts,
                    });
                }
                Err(error) => {
                    // Someone wrote to the table by hand. It waits, and stays in the lag, until someone mends it.
                    let why = format!("the row holds no envelope: {error}");
                    self.postpone(row.id, row.attempts, &why).await?;
                }
            }
        }
        let sent = self.publish(&ids, &facts).await?;
        self.counting.count(sent, claimed - sent);
        Ok(Turn { claimed, sent })
    }

    /// By what it judges what is due.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Facts not yet sent, and since when the oldest waits.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lag(&self) -> Result<(u64, Option<Timestamp>), DbErr> {
        crate::backlog::waiting(&self.db).await
    }

    /// Removes facts sent more than a week ago, a bounded number at a time and at most once a minute unless there are more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn prune(&self) -> Result<u64, DbErr> {
        let now = self.clock.now();
        let since = now.unix_millis() - self.pruned.load(Ordering::Relaxed);
        if since < i64::try_from(PRUNE_EVERY.as_millis()).unwrap_or(i64::MAX) {
            return Ok(0);
        }
        let old = outbox::Entity::find()
            .select_only()
            .column(outbox::Column::Id)
            .filter(outbox::Column::SentAt.lt(now.minus(KEEP_SENT).utc()))
            .limit(PRUNE_BATCH)
            .into_query();
        let removed = outbox::Entity::delete_many()
            .filter(outbox::Column::Id.in_subquery(old))
            .exec(&self.db)
            .await?
            .rows_affected;
        if removed < PRUNE_BATCH {
            self.pruned.store(now.unix_millis(), Ordering::Relaxed);
        }
        Ok(removed)
    }

    /// One statement leases the batch, in the order of the index on what is due (a fact is first due when it is made, so that is
    /// also the order of the ids).
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
            .order_by_asc(outbox::Column::NextAttemptAt)
            .order_by_asc(outbox::Column::Id)
            .limit(BATCH)
            // PostgreSQL would otherwise let two relays choose the same rows; SQLite has one writer and no such clause.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .into_query();
        let mut rows = outbox::Entity::update_many()
            .col_expr(
                outbox::Column::LeaseUntil,
                Expr::value(Some(now.plus(self.lease).utc())),
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

    /// Publishes claimed facts and writes down what became of each.
    async fn publish(&self, ids: &[Uuid], facts: &[Outgoing]) -> Result<u64, RelayError> {
        if facts.is_empty() {
            return Ok(0);
        }
        let outcomes = self.while_leased(ids, self.bus.publish_all(facts)).await;
        let mut sent = Vec::with_capacity(ids.len());
        let mut untouched = Vec::new();
        let mut unavailable = None;
        for ((id, fact), outcome) in ids.iter().zip(facts).zip(outcomes) {
            match outcome {
                Ok(()) => sent.push(*id),
                Err(PublishError::Unavailable(why)) => {
                    untouched.push(*id);
                    unavailable = Some(why);
                }
                Err(error) => {
                    let (envelope, attempt) = (&fact.envelope, fact.attempt);
                    tracing::warn!(event = %envelope.id, fact = envelope.fact_type, attempt, %error, "fact not taken yet");
                    self.postpone(*id, attempt, &error.to_string()).await?;
                }
            }
        }
        if !sent.is_empty() {
            outbox::Entity::update_many()
                .filter(outbox::Column::Id.is_in(padded(sent.iter().copied())))
                .col_expr(
                    outbox::Column::SentAt,
                    Expr::value(Some(self.clock.now().utc())),
                )
                .exec(&self.db)
                .await?;
        }
        match unavailable {
            None => Ok(sent.len() as u64),
            Some(why) => {
                self.counting
                    .count(sent.len() as u64, untouched.len() as u64);
                self.put_back(untouched).await?;
                Err(RelayError::Bus(why))
            }
        }
    }

    /// Waits for a publication however long it takes, and keeps other relays off its facts meanwhile.
    async fn while_leased<T>(&self, ids: &[Uuid], publication: impl Future<Output = T>) -> T {
        let mut publication = pin!(publication);
        loop {
            tokio::select! {
                outcome = &mut publication => return outcome,
                () = tokio::time::sleep(self.lease / 3) => {
                    let until = self.clock.now().plus(self.lease).utc();
                    let renewed = outbox::Entity::update_many()
                        .filter(outbox::Column::Id.is_in(ids.iter().copied()))
                        .col_expr(outbox::Column::LeaseUntil, Expr::value(Some(until)))
                        .exec(&self.db)
                        .await;
                    if let Err(error) = renewed {
                        tracing::warn!(%error, "a lease was not renewed; another relay may publish the same facts again");
                    }
                }
            }
        }
    }

    /// A fact that failed waits for its next try.
    async fn postpone(&self, id: Uuid, attempts: i32, why: &str) -> Result<(), DbErr> {
        let due = self.clock.now().plus(backoff(attempts)).utc();
        outbox::Entity::update_many()
            .filter(outbox::Column::Id.eq(id))
            .col_expr(outbox::Column::NextAttemptAt, Expr::value(due))
            .col_expr(outbox::Column::LeaseUntil, no_lease())
            .col_expr(outbox::Column::LastError, Expr::value(Some(why.to_owned())))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Undoes a claim.
    async fn put_back(&self, ids: Vec<Uuid>) -> Result<(), DbErr> {
        outbox::Entity::update_many()
            .filter(outbox::Column::Id.is_in(ids))
            .col_expr(outbox::Column::LeaseUntil, no_lease())
            .col_expr(
                outbox::Column::Attempts,
                sea_orm::ExprTrait::sub(Expr::col(outbox::Column::Attempts), 1),
            )
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

fn no_lease() -> Expr {
    Expr::value(Option::<chrono::DateTime<chrono::Utc>>::None)
}

fn backoff(attempts: i32) -> Duration {
    let doublings = u32::try_from(i32::clamp(attempts - 1, 0, 9)).unwrap_or(0);
    Duration::from_secs(u64::clamp(1 << doublings, 1, 300))
}
