//! Taking a verified list over: judged against the one in force, written whole in one transaction, swapped in.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;
use warikan_messaging::{Hold, begin_write, hold};
use warikan_pki::CrlNumber;
use warikan_types::{Id, Request, RevocationReason, Serial, Timestamp};

use crate::{
    Revocation,
    diff::{Change, Kind, delta, diff},
    entity::crl_partition,
    gently::gently,
    in_force::BringError,
    problem::ListProblem,
    read_list::ReadList,
    source::Validators,
    start_watch::WATCHES_BEING_STARTED,
    status::ListStatus,
    store::{
        self, lists,
        snapshots::{self, Form},
        sources, watches,
    },
    table::{Damaged, Table, change_to_blob, table_to_blob},
};

/// A whole snapshot is written anew when the changes since the last one have as many steps as this part of its rows.
const LOOSE_PART: i64 = 8;
/// ... or as these, if that is more.
const LOOSE_STEPS: i64 = 64;

/// A list was not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error("the database cannot be used")]
    Database(#[from] DbErr),
    #[error("{0}")]
    Problem(#[from] ListProblem),
}

impl From<Damaged> for AcceptError {
    fn from(why: Damaged) -> Self {
        Self::Problem(ListProblem::Damaged(why.0))
    }
}

impl From<BringError> for AcceptError {
    fn from(error: BringError) -> Self {
        match error {
            BringError::Database(error) => Self::Database(error),
            BringError::Damaged(why) => why.into(),
        }
    }
}

/// How an offered list stands to the one in force.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// The same octets.
    Same,
    /// The same number in the other form: RFC 5280 5.2.3 has a complete list and a delta of one moment share it. They must
    /// say the same.
    Twin,
    Newer,
}

/// What a source brought.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    /// The row of the address.
    pub(crate) address: Uuid,
    pub(crate) url: &'a str,
    pub(crate) list: Arc<ReadList>,
    /// SHA-256 of what the address brought before, hexadecimal.
    pub(crate) before: Option<String>,
    /// What the source calls the octets, to be told when it has others.
    pub(crate) validators: Validators,
}

/// A version worked out and not yet written.
struct Prepared {
    table: Table,
    /// From the version before; `None` for the first.
    change: Option<Change>,
    /// The same as octets.
    delta: Option<Bytes>,
    /// The table as octets, where it is time to write it.
    whole: Option<Vec<u8>>,
    /// Steps since the last whole snapshot.
    loose: i64,
}

impl Revocation {
    /// Takes a list over that an address brought, unless it is the one in force already. Returns the list's row.
    ///
    /// What the list changes is worked out before the transaction, from the version in memory. Snapshot, history and number commit
    /// together; only then does the version in memory change. A crash before the commit leaves the old version, one after it
    /// the new one (F046).
    pub(crate) async fn accept(&self, offer: &Offer<'_>) -> Result<Uuid, AcceptError> {
        let (db, read) = (self.0.db.worker(), &offer.list);
        loop {
            let held = lists::find(db, &read.key).await?;
            let mut twin = false;
            if let Some(held) = &held {
                let (id, form) = (held.id, read.form());
                if sources::claimed_elsewhere(db, id, offer.address, form).await? {
                    return Err(ListProblem::OtherList.into());
                }
                // A complete list that deltas have been laid over since: the address has nothing new.
                let again = offer.before.as_ref() == Some(&read.version);
                match if again {
                    Standing::Same
                } else {
                    judge(held, read)?
                } {
                    Standing::Same => {
                        sources::claim(db, offer, id).await?;
                        return self.keep_in_force(held, read).await;
                    }
                    Standing::Twin => twin = true,
                    Standing::Newer => {}
                }
            } else if let Some(base) = &read.base {
                return Err(ListProblem::BaseUnknown(base.to_string()).into());
            }
            let prepared = self.prepare_version(held.as_ref(), read).await?;
            if let (true, Some(held)) = (twin, &held) {
                if prepared.change.as_ref().is_some_and(|one| one.len() > 0) {
                    return Err(ListProblem::NumberReused(read.number.to_string()).into());
                }
                sources::claim(db, offer, held.id).await?;
                return Ok(held.id);
            }
            // `None`: another process took a version over meanwhile, and everything is to be judged again.
            if let Some(list) = self.commit(offer, held, prepared).await? {
                return Ok(list);
            }
        }
    }

    /// The list is the version in force. If its snapshots cannot be read, it brings them back.
    async fn keep_in_force(
        &self,
        held: &crl_partition::Model,
        read: &ReadList,
    ) -> Result<Uuid, AcceptError> {
        let why = match self.bring(self.0.db.worker(), held).await {
            Ok(_) => return Ok(held.id),
            Err(BringError::Damaged(why)) => why,
            Err(BringError::Database(error)) => return Err(error.into()),
        };
        if held.version != read.version || read.base.is_some() {
            // Not the octets of the version that is lost: what deltas said since is lost with it.
            return Err(why.into());
        }
        let txn = begin_write(self.0.db.worker()).await?;
        hold(&txn, &format!("list/{:?}", read.key), Hold::Exclusive).await?;
        let stored = snapshots::stored(&txn, &[(held.id, 0)]).await?;
        let (changes, lost) = match stored.get(&held.id) {
            Some(stored) => stored.readable_changes(),
            None => (Vec::new(), 0),
        };
        let table = Table::rebuilt(&read.listing, &changes)?;
        snapshots::forget_wholes(&txn, held.id, i64::MAX).await?;
        snapshots::keep(&txn, held.id, held.seq, Form::Whole, &table_to_blob(&table)).await?;
        let change = snapshots::next_change(&txn).await?;
        lists::settled(&txn, held.id, held.seq, change).await?;
        // Watches that were started while nothing could be read found nothing.
        lists::unflag(&txn, held.id).await?;
        txn.commit().await?;
        tracing::error!(
            list = %held.id,
            detail = %why,
            unreadable_changes = lost,
            "a list's snapshots could not be read; it was built anew from its source and its changes"
        );
        let version = ListStatus::of(held, table);
        self.0.status.swap_in(read.key, version, None);
        Ok(held.id)
    }

    /// Works out what the list makes of the version in force: work for a thread that may block.
    async fn prepare_version(
        &self,
        held: Option<&crl_partition::Model>,
        read: &Arc<ReadList>,
    ) -> Result<Prepared, AcceptError> {
        let known = match held {
            Some(held) => {
                let known = self.bring(self.0.db.worker(), held).await?;
                Some((known, snapshots::version(held.seq + 1)?, held.loose))
            }
            None => None,
        };
        let read = Arc::clone(read);
        let prepared = gently(move || match known {
            None => first(&read),
            Some((known, seq, loose)) => next(&known, &read, seq, loose),
        });
        Ok(prepared.await.ok_or(ListProblem::Panicked)??)
    }

    async fn commit(
        &self,
        offer: &Offer<'_>,
        held: Option<crl_partition::Model>,
        prepared: Prepared,
    ) -> Result<Option<Uuid>, AcceptError> {
        let (read, url) = (&offer.list, offer.url);
        let now = self.0.platform.clock().now();
        let txn = begin_write(self.0.db.worker()).await?;
        hold(&txn, &format!("list/{:?}", read.key), Hold::Exclusive).await?;
        let seq_of = |row: &crl_partition::Model| row.seq;
        let before = held.as_ref().map(seq_of);
        let held = lists::find(&txn, &read.key).await?;
        if held.as_ref().map(seq_of) != before {
            txn.rollback().await?;
            return Ok(None);
        }
        if let Some(held) = &held
            && sources::claimed_elsewhere(&txn, held.id, offer.address, read.form()).await?
        {
            return Err(ListProblem::OtherList.into());
        }
        let fresh: Id<Request> = self.0.platform.entropy.id(now);
        let id = held.as_ref().map_or(fresh.uuid(), |held| held.id);
        let alarm = match &prepared.change {
            Some(change) => vanished_early(&txn, read, change).await?,
            None => None,
        };
        sources::claim(&txn, offer, id).await?;
        if let Some(alarm) = &alarm {
            let entropy = &self.0.platform.entropy;
            sources::report(&txn, read.key.environment, url, alarm, now, entropy).await?;
            tracing::error!(%url, code = alarm.code(), detail = %alarm, "entries left a revocation list early");
        }
        let row = write(&txn, id, held.as_ref(), read, &prepared, now).await?;
        // Whoever starts a watch from here on sees this version, or is seen by its join.
        hold(&txn, WATCHES_BEING_STARTED, Hold::Exclusive).await?;
        txn.commit().await?;
        let added = prepared.change.as_ref();
        let added = added.map_or(read.listing.len(), |change| change.count(Kind::Added));
        let version = ListStatus::of(&row, prepared.table);
        self.0.status.swap_in(read.key, version, prepared.delta);
        tracing::info!(
            environment = read.key.environment.as_str(),
            %url,
            form = read.form().as_str(),
            number = %read.number,
            this_update = %read.this_update,
            entries = read.listing.len() + read.removed.len(),
            added,
            "revocation list taken over"
        );
        Ok(Some(id))
    }
}

fn first(read: &ReadList) -> Result<Prepared, Damaged> {
    let table = Table::first(&read.listing)?;
    Ok(Prepared {
        whole: Some(table_to_blob(&table)),
        table,
        change: None,
        delta: None,
        loose: 0,
    })
}

/// What the list changes, and the version that it leads to.
pub(crate) fn next_version(
    known: &Table,
    read: &ReadList,
    seq: u32,
) -> Result<(Change, Table), Damaged> {
    let change = match read.base {
        None => diff(known, &read.listing),
        Some(_) => delta(known, &read.listing, &read.removed),
    };
    let table = known.apply(&[(seq, &change)])?;
    Ok((change, table))
}

fn next(known: &ListStatus, read: &ReadList, seq: u32, loose: i64) -> Result<Prepared, Damaged> {
    let (change, table) = next_version(&known.table, read, seq)?;
    let loose = loose + store::count(change.len());
    let due = loose > (store::count(table.len()) / LOOSE_PART).max(LOOSE_STEPS);
    Ok(Prepared {
        whole: due.then(|| table_to_blob(&table)),
        delta: Some(change_to_blob(&change).into()),
        table,
        change: Some(change),
        loose: if due { 0 } else { loose },
    })
}

/// RFC 5280 5.2.3: numbers rise. An older list that is still current must not bring revoked certificates back (F042).
fn judge(held: &crl_partition::Model, offered: &ReadList) -> Result<Standing, ListProblem> {
    if held.version == offered.version {
        return Ok(Standing::Same);
    }
    let number = CrlNumber::from_octets(&held.number)
        .map_err(|_| ListProblem::NumberReused(offered.number.to_string()))?;
    if offered.number < number {
        return Err(ListProblem::NotNewer {
            held: number.to_string(),
            offered: offered.number.to_string(),
        });
    }
    if let Some(base) = &offered.base
        && *base > number
    {
        // RFC 5280 5.2.4 (c): the list that it is laid over must not be older than the one it starts from.
        return Err(ListProblem::BaseUnknown(base.to_string()));
    }
    if offered.number == number {
        if held.form != offered.form().as_str() {
            return Ok(Standing::Twin);
        }
        return Err(ListProblem::NumberReused(number.to_string()));
    }
    if offered.this_update < Timestamp::new(held.this_update) {
        return Err(ListProblem::EarlierThisUpdate);
    }
    Ok(Standing::Newer)
}

/// Writes the version: its snapshots, its row and its line in the history.
async fn write(
    txn: &DatabaseTransaction,
    id: Uuid,
    held: Option<&crl_partition::Model>,
    read: &ReadList,
    prepared: &Prepared,
    now: Timestamp,
) -> Result<crl_partition::Model, DbErr> {
    let seq = held.map_or(1, |held| held.seq + 1);
    if let Some(delta) = &prepared.delta {
        snapshots::keep(txn, id, seq, Form::Delta, delta).await?;
    }
    let whole_before = held.map_or(0, |held| held.whole_seq);
    if let Some(whole) = &prepared.whole {
        snapshots::keep(txn, id, seq, Form::Whole, whole).await?;
        snapshots::forget_wholes(txn, id, whole_before).await?;
    }
    let list = crl_partition::Model {
        id,
        environment: read.key.environment.as_str().to_owned(),
        issuer: read.key.issuer.to_string(),
        partition: store::partition_text(read.key.partition),
        seq,
        number: read.number.octets().to_vec(),
        this_update: read.this_update.utc(),
        next_update: read.next_update.utc(),
        version: read.version.clone(),
        flagged_through: held.map_or(0, |held| held.flagged_through),
        confirmed_month: held.map_or_else(String::new, |held| held.confirmed_month.clone()),
        change: snapshots::next_change(txn).await?,
        whole_seq: if prepared.whole.is_some() {
            seq
        } else {
            whole_before
        },
        loose: prepared.loose,
        form: read.form().as_str().to_owned(),
    };
    let listed = store::count(prepared.table.listed());
    let history = lists::history(&list, listed, prepared.change.as_ref(), now);
    lists::keep(txn, held.is_none(), list.clone(), history).await?;
    Ok(list)
}

/// RFC 5280 3.3: an entry stays until its certificate's end. When a certificate ends we know of the watched ones; a hold that
/// vanished is alarming unless we know that its time was over (F054).
async fn vanished_early(
    txn: &DatabaseTransaction,
    read: &ReadList,
    change: &Change,
) -> Result<Option<ListProblem>, DbErr> {
    let vanished: Vec<_> = change.left().collect();
    if vanished.is_empty() {
        return Ok(None);
    }
    let octets = vanished.iter().map(|(serial, _)| serial.octets().to_vec());
    let serials: Vec<Vec<u8>> = octets.collect();
    let issuer = read.key.issuer.to_string();
    let ends = watches::ends_of(txn, read.key.environment, &issuer, &serials).await?;
    let ends: HashMap<Vec<u8>, Timestamp> = ends.into_iter().collect();
    let lives_on = |serial: &Serial| {
        ends.get(serial.octets())
            .map(|not_after| *not_after > read.this_update)
    };
    let (mut early, mut holds) = (0, 0);
    for (serial, entry) in &vanished {
        let known = lives_on(serial);
        early += usize::from(known == Some(true));
        let hold = entry.reason == RevocationReason::CertificateHold;
        holds += usize::from(hold && known != Some(false));
    }
    Ok((early + holds > 0).then_some(ListProblem::EntriesVanished { early, holds }))
}
