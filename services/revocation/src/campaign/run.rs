//! The work: chunk after chunk, each in one transaction with how far the campaign is.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::DatabaseTransaction;
use uuid::Uuid;
use warikan_contracts::facts::{Channel, CheckedCertificate};
use warikan_messaging::{Outbox, begin_write, narrow};
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateId, Id, Request, TenantScope, Timestamp,
};

use super::{
    SelectorKind, State,
    merkle::{self, CHUNK},
    result::{Finding, Found, PACKED},
};
use crate::{
    Revocation,
    entity::{campaign, campaign_change, campaign_chunk, campaign_item, watch},
    error::Error,
    snapshot::Snapshot,
    store::{
        self, campaigns, environment_of, issuer_of, kind_of, partition_of, portfolio, serial_of,
    },
};

/// Chunks of one campaign before others have their turn, and a process that is told to stop stops.
const CHUNKS_A_TURN: usize = 8;
/// Rows of portfolios that are over, removed at a time.
const REMOVED: usize = 5_000;

/// The snapshots that campaigns under way ask, by campaign.
pub(crate) type Pinned = Mutex<HashMap<Uuid, Arc<Snapshot>>>;

/// A certificate to be judged, with the customers it belongs to.
struct Candidate {
    handle: CertificateHandle,
    certificate: CertificateId,
    partition: Option<warikan_types::CrlPartition>,
    kind: String,
    not_after: Timestamp,
    /// Whether this month's check has been told to billing already.
    metered: bool,
    /// Each customer number: of a watch, or as it came with the portfolio.
    customers: Vec<(Option<Uuid>, Option<Vec<u8>>)>,
}

/// A chunk, judged.
struct Judged {
    found: Vec<Found>,
    changes: Vec<campaign_change::Model>,
    checked: Vec<CheckedCertificate>,
}

/// A campaign in work.
struct Work {
    scope: TenantScope,
    by: Uuid,
    row: campaign::Model,
    snapshot: Arc<Snapshot>,
    judged_at: Timestamp,
    started_at: Timestamp,
}

impl Revocation {
    /// One turn of the task: some chunks of the campaign that waits longest. Where there is more, the task is woken again.
    pub(crate) async fn campaigns_turn(&self) -> Result<(), Error> {
        self.key_references().await?;
        self.remove_leftovers().await?;
        let now = self.0.platform.clock().now();
        let by: Id<Request> = self.0.platform.entropy.id(now);
        let by = by.uuid();
        let lease = Duration::from_secs(self.0.config.campaign_lease_seconds);
        let leased = campaigns::lease(self.0.db.worker(), by, now, lease).await?;
        let Some(row) = leased else {
            return self.unpin_idle().await;
        };
        let id = row.id;
        let worked = self.work_on(row, by).await;
        campaigns::release(self.0.db.worker(), by, id).await?;
        if worked? {
            self.unpin(id);
        }
        self.0.relay.wake();
        self.0.campaigns.notify_one();
        Ok(())
    }

    /// Some chunks; whether the campaign is over.
    async fn work_on(&self, row: campaign::Model, by: Uuid) -> Result<bool, Error> {
        let Some(mut work) = self.prepare_work(row, by).await? else {
            return Ok(true);
        };
        for _ in 0..CHUNKS_A_TURN {
            if !self.check_chunk(&mut work).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Finds the snapshot that the campaign asks, or lets it begin with the lists of now. `None`: it is no longer ours.
    async fn prepare_work(&self, row: campaign::Model, by: Uuid) -> Result<Option<Work>, Error> {
        let environment = environment_of(&row.environment)?;
        let scope = TenantScope::of_event(Id::from_uuid(row.tenant), environment);
        let pinned = self.lock_pinned().get(&row.id).map(Arc::clone);
        let current = || Arc::new(Snapshot::of(&self.0.status, environment));
        let snapshot = pinned.unwrap_or_else(current);
        let started_at = Timestamp::new(row.started_at.unwrap_or(row.created_at));
        let mut work = Work {
            scope,
            by,
            judged_at: row.judged_at.map_or(started_at, Timestamp::new),
            started_at,
            row,
            snapshot: Arc::clone(&snapshot),
        };
        if work.row.status_version.as_deref() != Some(snapshot.name())
            && !self.begin(&mut work).await?
        {
            return Ok(None);
        }
        self.lock_pinned().insert(work.row.id, snapshot);
        Ok(Some(work))
    }

    /// Begins against the snapshot in hand, forgetting what was found against another.
    async fn begin(&self, work: &mut Work) -> Result<bool, Error> {
        let txn = begin_write(self.0.db.worker()).await?;
        narrow(&txn, work.scope.tenant()).await?;
        let row = &mut work.row;
        if row.status_version.is_some() {
            row.restarts += 1;
            campaigns::begin_anew(&txn, row.id).await?;
            tracing::warn!(
                campaign = %row.id,
                "the lists changed while nobody held those it had begun with: the campaign begins anew"
            );
        }
        if SelectorKind::of(row)? == SelectorKind::All {
            row.total = portfolio::count_watched(work.scope, &txn, work.started_at).await?;
        }
        work.judged_at = self.time_of(work.scope.environment());
        row.judged_at = Some(work.judged_at.utc());
        row.status_version = Some(work.snapshot.name().to_owned());
        row.lists = store::count(work.snapshot.len());
        row.oldest_this_update = work.snapshot.oldest().map(Timestamp::utc);
        row.cursor = None;
        campaigns::put_counts(row, warikan_contracts::facts::CampaignCounts::default());
        if !campaigns::advance(&txn, work.by, row).await? {
            txn.rollback().await?;
            return Ok(false);
        }
        txn.commit().await?;
        Ok(true)
    }

    /// Checks the next chunk, and completes the campaign after the last. Whether there may be more.
    async fn check_chunk(&self, work: &mut Work) -> Result<bool, Error> {
        let txn = begin_write(self.0.db.worker()).await?;
        narrow(&txn, work.scope.tenant()).await?;
        let candidates = candidates(&txn, work, self.month()).await?;
        let count = candidates.len();
        let mut row = work.row.clone();
        if count > 0 {
            let judged = self.judge(work, candidates)?;
            let mut counts = campaigns::counts(&row);
            for one in &judged.found {
                one.finding.count(&mut counts);
            }
            let number = row.checked / store::count(CHUNK);
            let chunk = chunk_of(work, number, &judged.found);
            row.cursor = Some(chunk.last_handle);
            campaigns::put_counts(&mut row, counts);
            campaigns::keep(&txn, chunk, judged.changes).await?;
            // A certificate that a watch was metered for this month is not told again.
            let told = (self.month(), Channel::Crl, judged.checked);
            self.tell_checked(&txn, work.scope, told).await?;
        }
        let more = count == CHUNK;
        if !more {
            self.complete(&txn, work, &mut row).await?;
        }
        if !campaigns::advance(&txn, work.by, &row).await? {
            txn.rollback().await?;
            return Ok(false);
        }
        txn.commit().await?;
        work.row = row;
        Ok(more)
    }

    fn judge(&self, work: &Work, candidates: Vec<Candidate>) -> Result<Judged, Error> {
        let max_age = work
            .row
            .max_age_seconds
            .map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let now = self.0.platform.clock().now();
        let mut judged = Judged {
            found: Vec::with_capacity(candidates.len()),
            changes: Vec::new(),
            checked: Vec::new(),
        };
        for one in candidates {
            let answer = work.snapshot.answer(&one.certificate, one.partition);
            let finding = Finding::of(answer.as_ref(), one.not_after, max_age, work.judged_at);
            judged.found.push(Found {
                handle: one.handle,
                finding,
            });
            let answered = matches!(finding, Finding::Good | Finding::Revoked { .. });
            if answered && !one.metered {
                judged.checked.push(CheckedCertificate {
                    handle: one.handle,
                    kind: kind_of(&one.kind)?,
                });
            }
            if finding == Finding::Good {
                continue;
            }
            for (watch, reference) in one.customers {
                let id: Id<Request> = self.0.platform.entropy.id(now);
                judged.changes.push(campaign_change::Model {
                    id: id.uuid(),
                    tenant: work.row.tenant,
                    campaign: work.row.id,
                    handle: one.handle.uuid(),
                    watch,
                    reference,
                    kind: one.kind.clone(),
                    not_after: one.not_after.utc(),
                    finding: i16::from_be_bytes(finding.codes()),
                    revoked_at: finding.revoked_at().map(Timestamp::utc),
                });
            }
        }
        Ok(judged)
    }

    fn month(&self) -> BillingMonth {
        BillingMonth::of(self.0.platform.clock().now())
    }

    /// Puts what completes a campaign into its row and the outbox.
    async fn complete(
        &self,
        txn: &DatabaseTransaction,
        work: &Work,
        row: &mut campaign::Model,
    ) -> Result<(), Error> {
        let mut roots = Vec::new();
        for root in campaigns::roots(txn, row.id).await? {
            let root = merkle::Hash::try_from(root)
                .map_err(|_| sea_orm::DbErr::Type("a row holds no root".to_owned()))?;
            roots.push(root);
        }
        let now = self.0.platform.clock().now();
        let root = merkle::root(&roots);
        row.state = State::Completed.as_str().to_owned();
        row.total = row.checked;
        row.root = Some(root.to_vec());
        row.completed_at = Some(now.utc());
        row.receipt = Some(self.campaign_receipt(work.scope, row)?);
        Outbox::append(txn, [self.completed(work.scope, row, now)]).await?;
        Ok(())
    }

    /// Portfolios of campaigns that are over go, some rows at a time.
    async fn remove_leftovers(&self) -> Result<(), Error> {
        for _ in 0..CHUNKS_A_TURN {
            let Some(over) = portfolio::leftover(self.0.db.worker()).await? else {
                return Ok(());
            };
            portfolio::remove(self.0.db.worker(), over, REMOVED).await?;
        }
        self.0.campaigns.notify_one();
        Ok(())
    }

    fn lock_pinned(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<Snapshot>>> {
        self.0.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unpin(&self, id: Uuid) {
        self.lock_pinned().remove(&id);
    }

    /// Lets go of the snapshots of campaigns that were given up or that another process has completed.
    async fn unpin_idle(&self) -> Result<(), Error> {
        let pinned: Vec<Uuid> = self.lock_pinned().keys().copied().collect();
        if pinned.is_empty() {
            return Ok(());
        }
        let running = campaigns::running(self.0.db.worker(), &pinned).await?;
        self.lock_pinned().retain(|id, _| running.contains(id));
        Ok(())
    }
}

fn chunk_of(work: &Work, number: i64, found: &[Found]) -> campaign_chunk::Model {
    let mut results = Vec::with_capacity(found.len() * PACKED);
    let mut leaves = Vec::with_capacity(found.len());
    for one in found {
        one.pack(&mut results);
        leaves.push(merkle::leaf(one.line().as_bytes()));
    }
    campaign_chunk::Model {
        campaign: work.row.id,
        number,
        tenant: work.row.tenant,
        last_handle: found
            .last()
            .map(|one| one.handle.uuid())
            .unwrap_or_default(),
        root: merkle::root(&leaves).to_vec(),
        results,
    }
}

async fn candidates(
    txn: &DatabaseTransaction,
    work: &Work,
    month: BillingMonth,
) -> Result<Vec<Candidate>, Error> {
    let cursor = work.row.cursor;
    if SelectorKind::of(&work.row)? == SelectorKind::All {
        let watched = portfolio::watched(work.scope, txn, work.started_at, cursor, CHUNK).await?;
        return of_watches(watched, &month.to_string());
    }
    let named = portfolio::named(txn, work.row.id, cursor, CHUNK).await?;
    named.into_iter().map(of_item).collect()
}

fn of_watches(
    watched: BTreeMap<Uuid, Vec<watch::Model>>,
    month: &str,
) -> Result<Vec<Candidate>, Error> {
    let mut candidates = Vec::with_capacity(watched.len());
    for (handle, rows) in watched {
        let Some(first) = rows.first() else {
            continue;
        };
        candidates.push(Candidate {
            handle: CertificateHandle::from_uuid(handle),
            certificate: CertificateId {
                issuer: issuer_of(&first.issuer)?,
                serial: serial_of(&first.serial)?,
            },
            partition: partition_of(&first.partition)?,
            kind: first.kind.clone(),
            not_after: Timestamp::new(first.not_after),
            metered: rows.iter().any(|row| row.metered_month == month),
            customers: rows.iter().map(|row| (Some(row.id), None)).collect(),
        });
    }
    Ok(candidates)
}

fn of_item(item: campaign_item::Model) -> Result<Candidate, Error> {
    Ok(Candidate {
        handle: CertificateHandle::from_uuid(item.handle),
        certificate: CertificateId {
            issuer: issuer_of(&item.issuer)?,
            serial: serial_of(&item.serial)?,
        },
        partition: partition_of(&item.partition)?,
        kind: item.kind,
        not_after: Timestamp::new(item.not_after),
        metered: false,
        customers: vec![(None, item.reference)],
    })
}
