//! The relay: takes what lies in the outbox and publishes it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
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
use warikan_types::{Clock, Timestamp};

use crate::{
    Bus, Outgoing, PublishError,
    counts::{RelayCounting, RelayCounts},
    entity::outbox,
    outbox::facts,
    parcel::{self, Parcel},
};

/// Facts published together, unless a single parcel has more. A turn is about as many: whoever is told to stop ends after it.
const BATCH: usize = 256;
/// Rows claimed at least: so many full parcels are a batch.
const ROWS: u64 = 4;
/// How long another relay leaves claimed facts alone; renewed while their publication lasts.
const LEASE: Duration = Duration::from_secs(10);
/// Sent facts are kept this long, for an operator's questions.
const KEEP_SENT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sent facts are looked through this often,
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// and this many are removed at a time, so that nobody waits long for the table.
const PRUNE_BATCH: u64 = 200;

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
    /// Rows that are claimed next: more where they hold few facts each.
    rows: Arc<AtomicU64>,
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
    /// It took as many rows as it takes at once: more may be due.
    pub full: bool,
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
            rows: Arc::new(AtomicU64::new(ROWS)),
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
        let most = self.rows.load(Ordering::Relaxed);
        let rows = self.claim(most).await?;
        let all_taken = rows.len() as u64 == most;
        let mut turn = Turn {
            full: all_taken,
            ..Turn::default()
        };
        let mut parcels = Vec::with_capacity(rows.len());
        for row in rows {
            match facts(&row.envelope) {
                Ok(facts) => {
                    turn.claimed += facts.len() as u64;
                    parcels.push(Parcel {
                        id: row.id,
                        attempts: row.attempts,
                        facts,
                    });
                }
                Err(error) => {
                    // Someone wrote to the table by hand. It waits, and stays in the lag, until someone mends it.
                    turn.claimed += 1;
                    let why = format!("the row holds no envelope: {error}");
                    let now = self.clock.now();
                    parcel::postpone(&self.db, row.id, row.attempts, &why, now).await?;
                }
            }
        }
        let batch = BATCH as u64;
        let next = if turn.claimed > batch {
            most / 2
        } else if all_taken && turn.claimed * 2 <= batch {
            most * 2
        } else {
            most
        };
        self.rows.store(next.clamp(ROWS, batch), Ordering::Relaxed);
        let mut left = parcels.as_slice();
        while !left.is_empty() {
            let (now, later) = left.split_at(at_once(left));
            match self.publish(now, later).await {
                Ok(sent) => turn.sent += sent,
                Err(error) => {
                    let later = later.iter().map(|parcel| parcel.id).collect();
                    parcel::put_back(&self.db, later).await?;
                    self.counting.count(turn.sent, turn.claimed - turn.sent);
                    return Err(error);
                }
            }
            left = later;
        }
        self.counting.count(turn.sent, turn.claimed - turn.sent);
        Ok(turn)
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
    async fn claim(&self, most: u64) -> Result<Vec<outbox::Model>, DbErr> {
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
            .limit(most)
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
        rows.sort_by_key(|row| (row.next_attempt_at, row.id));
        Ok(rows)
    }

    /// Publishes claimed facts and writes down what became of each; how many were sent. `later` are claimed too, and wait.
    async fn publish(&self, parcels: &[Parcel], later: &[Parcel]) -> Result<u64, RelayError> {
        let facts: Vec<Outgoing> = parcels
            .iter()
            .flat_map(|parcel| {
                parcel.facts.iter().map(|fact| Outgoing {
                    envelope: fact.clone(),
                    attempt: parcel.attempts,
                })
            })
            .collect();
        let ids: Vec<Uuid> = parcels.iter().chain(later).map(|one| one.id).collect();
        let outcomes = self.while_leased(&ids, self.bus.publish_all(&facts)).await;
        let (mut sent, mut unavailable) = (0, None);
        for (fact, outcome) in facts.iter().zip(&outcomes) {
            match outcome {
                Ok(()) => sent += 1,
                Err(PublishError::Unavailable(why)) => unavailable = Some(why.clone()),
                Err(error) => {
                    let (envelope, attempt) = (&fact.envelope, fact.attempt);
                    tracing::warn!(event = %envelope.id, fact = envelope.fact_type, attempt, %error, "fact not taken yet");
                }
            }
        }
        parcel::settle(&self.db, parcels, &outcomes, self.clock.now()).await?;
        match unavailable {
            None => Ok(sent),
            Some(why) => Err(RelayError::Bus(why)),
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
}

/// How many of these parcels, one at least, are published together.
fn at_once(parcels: &[Parcel]) -> usize {
    let mut facts = 0;
    let fit = parcels.iter().take_while(|parcel| {
        facts += parcel.facts.len();
        facts <= BATCH
    });
    fit.count().max(1)
}
