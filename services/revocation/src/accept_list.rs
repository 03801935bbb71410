//! Taking a verified list over: judged against the one in force, written whole in one transaction, swapped in.

use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;
use warikan_messaging::{Hold, begin_write, hold};
use warikan_pki::CrlNumber;
use warikan_types::{Id, Request, RevocationReason, Serial, Timestamp};

use crate::{
    Revocation,
    diff::{Delta, Entries, Revocation as Entry, diff},
    entity::{crl_partition, revoked_entry},
    problem::ListProblem,
    read_list::ReadList,
    start_watch::WATCHES_BEING_STARTED,
    status::ListStatus,
    store::{self, entries, lists, sources, watches},
};

/// A list was not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error("the database cannot be used")]
    Database(#[from] DbErr),
    #[error("{0}")]
    Problem(#[from] ListProblem),
}

/// How an offered list stands to the one in force.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// The same octets.
    Same,
    Newer,
}

/// What a take-over did.
struct Taken {
    version: ListStatus,
    added: usize,
    alarm: Option<ListProblem>,
}

impl Revocation {
    /// Takes a list over that `address` brought, unless it is the one in force already. Returns the list's row.
    ///
    /// The row, the entries and the history commit together; only then does the version in memory change. A crash before
    /// the commit leaves the old version, one after it the new one (F046).
    pub(crate) async fn accept(
        &self,
        address: Uuid,
        url: &str,
        read: ReadList,
    ) -> Result<Uuid, AcceptError> {
        let now = self.0.platform.clock().now();
        let txn = begin_write(self.0.db.worker()).await?;
        // Another process may be taking the same list over: then there is nothing left to do here.
        hold(&txn, &format!("list/{:?}", read.key), Hold::Exclusive).await?;
        let held = lists::find(&txn, &read.key).await?;
        if let Some(held) = &held {
            if sources::claimed_elsewhere(&txn, held.id, address).await? {
                return Err(ListProblem::OtherList.into());
            }
            if judge(held, &read)? == Standing::Same {
                sources::claim(&txn, address, held.id).await?;
                txn.commit().await?;
                if self.0.status.version(&read.key).as_ref() != Some(&held.version) {
                    lists::load_one(self.0.db.worker(), &self.0.status, held).await?;
                }
                return Ok(held.id);
            }
        }
        let first: Id<Request> = self.0.platform.entropy.id(now);
        let id = held.as_ref().map_or(first.uuid(), |held| held.id);
        let taken = write(&txn, id, held.as_ref(), &read, now).await?;
        sources::claim(&txn, address, id).await?;
        if let Some(alarm) = &taken.alarm {
            let entropy = &self.0.platform.entropy;
            sources::report(&txn, read.key.environment, url, alarm, now, entropy).await?;
            tracing::error!(%url, code = alarm.code(), detail = %alarm, "entries left a revocation list early");
        }
        hold(&txn, WATCHES_BEING_STARTED, Hold::Exclusive).await?;
        txn.commit().await?;
        self.0.status.swap_in(read.key, taken.version);
        tracing::info!(
            environment = read.key.environment.as_str(),
            %url,
            number = %read.number,
            this_update = %read.this_update,
            entries = read.entries.len(),
            added = taken.added,
            "revocation list taken over"
        );
        Ok(id)
    }
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
    if offered.number == number {
        return Err(ListProblem::NumberReused(number.to_string()));
    }
    if offered.this_update < Timestamp::new(held.this_update) {
        return Err(ListProblem::EarlierThisUpdate);
    }
    Ok(Standing::Newer)
}

async fn write(
    txn: &DatabaseTransaction,
    id: Uuid,
    held: Option<&crl_partition::Model>,
    read: &ReadList,
    now: Timestamp,
) -> Result<Taken, DbErr> {
    let seq = held.map_or(1, |held| held.seq + 1);
    let rows = match held {
        Some(_) => entries::all(txn, id).await?,
        None => Vec::new(),
    };
    let (listed, gone) = split(&rows)?;
    let mut delta = diff(&listed, &read.entries);
    // Entries that return were never forgotten: they are changed, not added.
    let (returned, added) = std::mem::take(&mut delta.added)
        .into_iter()
        .partition(|(serial, _)| gone.contains(serial));
    delta.added = added;
    entries::add(txn, id, seq, &delta.added).await?;
    entries::change(txn, id, &delta.changed).await?;
    entries::change(txn, id, &returned).await?;
    entries::leave(txn, id, seq, &delta.vanished).await?;
    let before = |of: &[(Serial, Entry)], table: &Entries| -> Vec<(Serial, Entry)> {
        let changed = Entries::new(of.to_vec());
        let rows = table.iter().filter(|row| changed.contains(&row.0));
        rows.cloned().collect()
    };
    let changed = before(&delta.changed, &listed);
    entries::remember(txn, id, seq, "changed", &changed).await?;
    entries::remember(txn, id, seq, "returned", &before(&returned, &gone)).await?;
    entries::remember(txn, id, seq, "vanished", &delta.vanished).await?;
    let list = row(id, seq, held, read);
    let history = lists::history(&list, read.entries.len(), &delta, now);
    let alarm = vanished_early(txn, read, &delta).await?;
    lists::keep(txn, held.is_none(), list, history).await?;
    let kept = listed.iter().chain(gone.iter());
    let left = kept.filter(|row| !read.entries.contains(&row.0));
    Ok(Taken {
        version: ListStatus::new(
            read.this_update,
            read.next_update,
            read.version.clone(),
            read.entries.iter().chain(left).cloned(),
        ),
        added: delta.added.len(),
        alarm,
    })
}

/// What the list in force names, and what left it or one before.
fn split(rows: &[revoked_entry::Model]) -> Result<(Entries, Entries), DbErr> {
    let (mut listed, mut gone) = (Vec::new(), Vec::new());
    for row in rows {
        let side = match row.gone_seq {
            None => &mut listed,
            Some(_) => &mut gone,
        };
        side.push(entries::read(row)?);
    }
    Ok((Entries::new(listed), Entries::new(gone)))
}

fn row(
    id: Uuid,
    seq: i64,
    held: Option<&crl_partition::Model>,
    read: &ReadList,
) -> crl_partition::Model {
    crl_partition::Model {
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
    }
}

/// RFC 5280 3.3: an entry stays until its certificate's end. When a certificate ends we know of the watched ones; a hold that
/// vanished is alarming unless we know that its time was over (F054).
async fn vanished_early(
    txn: &DatabaseTransaction,
    read: &ReadList,
    delta: &Delta,
) -> Result<Option<ListProblem>, DbErr> {
    if delta.vanished.is_empty() {
        return Ok(None);
    }
    let serials: Vec<Vec<u8>> = delta
        .vanished
        .iter()
        .map(|(serial, _)| serial.octets().to_vec())
        .collect();
    let issuer = read.key.issuer.to_string();
    let ends = watches::ends_of(txn, read.key.environment, &issuer, &serials).await?;
    let ends: std::collections::HashMap<Vec<u8>, Timestamp> = ends.into_iter().collect();
    let lives_on = |serial: &Serial| {
        ends.get(serial.octets())
            .map(|not_after| *not_after > read.this_update)
    };
    let (mut early, mut holds) = (0, 0);
    for (serial, entry) in &delta.vanished {
        let known = lives_on(serial);
        early += usize::from(known == Some(true));
        let hold = entry.reason == RevocationReason::CertificateHold;
        holds += usize::from(hold && known != Some(false));
    }
    Ok((early + holds > 0).then_some(ListProblem::EntriesVanished { early, holds }))
}
