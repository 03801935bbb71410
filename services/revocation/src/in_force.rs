//! Which versions this process has in memory, and how it comes to those that another one took over.
//!
//! The database counts the versions that were taken over (`crl_change`). A process that has seen as many knows all of them; one
//! that has not reads the lists that changed since: the changes alone where it holds the version before.

use std::sync::{Arc, atomic::Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use uuid::Uuid;
use warikan_types::{CertificateId, Environment, Timestamp};

use crate::{
    Revocation,
    entity::crl_partition,
    named::Named,
    status::{ListKey, ListStatus, StatusStore},
    store::{lists, snapshots},
    table::{Damaged, Table},
};

/// Octets of snapshots that are read and unpacked at a time.
const BATCH_OCTETS: u64 = 64 << 20;
/// Lists in such a batch: each is two parameters of a statement.
const BATCH_LISTS: usize = 256;
/// Batches at a time: one is unpacked while the next is read.
const BATCHES: usize = 2;

/// A stored version cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BringError {
    #[error("the database cannot be used")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl ListStatus {
    /// A stored version over its table.
    pub(crate) fn of(row: &crl_partition::Model, table: Table) -> Self {
        Self {
            id: row.id,
            seq: row.seq,
            this_update: Timestamp::new(row.this_update),
            next_update: Timestamp::new(row.next_update),
            version: row.version.clone(),
            table,
        }
    }
}

/// Puts every stored version in force: what a restart knows without the network. A list whose snapshots cannot be read is left
/// out and said; the next look at its source brings it back.
pub(crate) async fn load(db: &DatabaseConnection, status: &StatusStore) -> Result<i64, DbErr> {
    let changes = snapshots::changes(db).await?;
    let sizes = snapshots::sizes(db).await?;
    let rows = lists::all(db).await?;
    let size =
        |row: &crl_partition::Model| sizes.get(&(row.id, row.whole_seq)).copied().unwrap_or(0);
    let mut batches: Vec<Vec<crl_partition::Model>> = Vec::new();
    let mut octets = 0;
    for row in rows {
        let fits = octets + size(&row) <= BATCH_OCTETS;
        match batches.last_mut() {
            Some(batch) if fits && batch.len() < BATCH_LISTS => {
                octets += size(&row);
                batch.push(row);
            }
            _ => {
                octets = size(&row);
                batches.push(vec![row]);
            }
        }
    }
    let mut unpacked = stream::iter(batches)
        .map(|batch| unpack(db, batch))
        .buffered(BATCHES);
    while let Some(batch) = unpacked.try_next().await? {
        for (row, table) in batch {
            let table = match table {
                Ok(table) => Ok(table),
                Err(why) => restore(db, &row, why).await,
            };
            match table {
                Ok(table) => {
                    status.swap_in(lists::key_of(&row)?, ListStatus::of(&row, table), None);
                }
                Err(BringError::Database(error)) => return Err(error),
                Err(BringError::Damaged(why)) => said_damaged(&row, why),
            }
        }
    }
    Ok(changes)
}

type Unpacked = Vec<(crl_partition::Model, Result<Table, Damaged>)>;

async fn unpack(
    db: &DatabaseConnection,
    batch: Vec<crl_partition::Model>,
) -> Result<Unpacked, DbErr> {
    let wanted: Vec<(Uuid, i64)> = batch.iter().map(|row| (row.id, row.whole_seq)).collect();
    let stored = snapshots::stored(db, &wanted).await?;
    tokio::task::spawn_blocking(move || {
        batch
            .into_iter()
            .map(|row| {
                let table = stored
                    .get(&row.id)
                    .ok_or(Damaged("its snapshots are missing"))
                    .and_then(|stored| stored.table(row.whole_seq, row.seq));
                (row, table)
            })
            .collect()
    })
    .await
    .map_err(|_| DbErr::Custom("unpacking snapshots ended by panic".to_owned()))
}

/// The table of a version whose newest whole snapshot cannot be read: from the one before it, and more changes.
async fn restore<C: ConnectionTrait>(
    db: &C,
    row: &crl_partition::Model,
    why: Damaged,
) -> Result<Table, BringError> {
    let before = snapshots::whole_before(db, row.id, row.whole_seq).await?;
    let from = before.ok_or(why)?;
    let stored = snapshots::stored(db, &[(row.id, from)]).await?;
    let stored = stored.get(&row.id).ok_or(why)?;
    let table = stored.table(from, row.seq)?;
    tracing::warn!(list = %row.id, detail = %why, "a snapshot cannot be read; the one before it and the changes since make up for it");
    Ok(table)
}

fn said_damaged(row: &crl_partition::Model, why: Damaged) {
    tracing::error!(
        list = %row.id,
        environment = %row.environment,
        detail = %why,
        "a list's snapshots cannot be read; its certificates have no status until its source is looked at again"
    );
}

impl Revocation {
    /// The version of a stored list that is in memory, brought there first where another process took it over. It may be later
    /// than the row.
    pub(crate) async fn bring<C: ConnectionTrait>(
        &self,
        db: &C,
        row: &crl_partition::Model,
    ) -> Result<Arc<ListStatus>, BringError> {
        let key = lists::key_of(row)?;
        let known = self.0.status.get(&key).filter(|known| known.id == row.id);
        if let Some(known) = &known
            && known.seq >= row.seq
        {
            return Ok(Arc::clone(known));
        }
        let table = match known.filter(|known| known.seq >= row.whole_seq) {
            Some(known) => {
                let stored = snapshots::stored(db, &[(row.id, known.seq + 1)]).await?;
                let stored = stored
                    .get(&row.id)
                    .ok_or(Damaged("a snapshot is missing"))?;
                stored.onto(&known.table, known.seq, row.seq)?
            }
            None => None,
        };
        let table = match table {
            Some(table) => table,
            None => {
                let stored = snapshots::stored(db, &[(row.id, row.whole_seq)]).await?;
                let whole = stored
                    .get(&row.id)
                    .ok_or(Damaged("its snapshots are missing"))
                    .and_then(|stored| stored.table(row.whole_seq, row.seq));
                match whole {
                    Ok(table) => table,
                    Err(why) => restore(db, row, why).await?,
                }
            }
        };
        Ok(self.0.status.swap_in(key, ListStatus::of(row, table), None))
    }

    /// Puts in force what other processes have taken over since this one looked.
    pub(crate) async fn catch_up<C: ConnectionTrait>(&self, db: &C) -> Result<(), DbErr> {
        let seen = self.0.caught_up.load(Ordering::Acquire);
        let changes = snapshots::changes(db).await?;
        if changes <= seen {
            return Ok(());
        }
        for row in lists::changed_after(db, seen).await? {
            match self.bring(db, &row).await {
                Ok(_) => {}
                Err(BringError::Damaged(why)) => said_damaged(&row, why),
                Err(BringError::Database(error)) => return Err(error),
            }
        }
        self.0.caught_up.fetch_max(changes, Ordering::AcqRel);
        Ok(())
    }

    /// The entry that names a certificate, whichever list of its issuer has it; the earliest where several do. What was committed
    /// before `db`'s transaction asked is in it.
    pub(crate) async fn naming<C: ConnectionTrait>(
        &self,
        db: &C,
        environment: Environment,
        certificate: &CertificateId,
    ) -> Result<Option<Named>, DbErr> {
        self.catch_up(db).await?;
        let lists = self.0.status.of(environment).into_iter();
        Ok(lists
            .filter(|(key, _)| key.issuer == certificate.issuer)
            .filter_map(|(ListKey { .. }, list)| {
                let row = list.table.find(&certificate.serial)?;
                Some(Named::of(list.id, &certificate.serial, &row))
            })
            .min_by_key(|named| named.revoked_at))
    }
}
