//! Joining what is newly revoked with the watches of all tenants.
//!
//! Each list remembers up to which of its versions the join has been made. The join goes over the entries since then in
//! batches; a batch writes its flags and the facts that tell of them in one transaction. So a crash anywhere repeats at most
//! work that finds nothing left to do: a flagged watch is never flagged again.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use warikan_contracts::{
    Envelope,
    facts::{CertificateRevoked, Learned, SubjectChange, SubjectChanged},
};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{CertificateHandle, Environment, Id, RevocationReason, Timestamp};

use crate::{
    Revocation,
    entity::{crl_partition, crl_version, watch},
    error::Error,
    in_force::BringError,
    named::Named,
    store::{CHUNK, kind_of, lists, reason_of, renewals, scope_of, watches},
};

/// Serials that are looked up among the watches in one statement; SQLite takes 32,766 values.
pub(crate) const LOOKED_UP: usize = 8_192;

/// What a flag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// When the platform found out.
    pub(crate) at: Timestamp,
    pub(crate) reason: RevocationReason,
    pub(crate) revoked_at: Timestamp,
    /// thisUpdate of the list that said so.
    pub(crate) this_update: Timestamp,
    /// The version that said so.
    pub(crate) version: String,
    /// When that version was taken over.
    pub(crate) accepted_at: Timestamp,
}

impl Flag {
    /// From an entry and the version that named it first.
    pub(crate) fn of(
        entry: &Named,
        version: &crl_version::Model,
        at: Timestamp,
    ) -> Result<Self, Error> {
        Ok(Self {
            at,
            reason: reason_of(entry.reason)?,
            revoked_at: Timestamp::new(entry.revoked_at),
            this_update: Timestamp::new(version.this_update),
            version: version.version.clone(),
            accepted_at: Timestamp::new(version.accepted_at),
        })
    }
}

impl Revocation {
    /// The event path: joins the entries of all versions that have not been joined yet. Returns how many watches it flagged.
    pub(crate) async fn flag_new(&self) -> Result<u64, Error> {
        let _one_at_a_time = self.0.flagging.lock().await;
        let mut flagged = 0;
        for list in lists::unflagged(self.0.db.worker()).await? {
            let joined = self
                .flag_list(&list, (list.flagged_through, list.seq))
                .await?;
            let Some(written) = joined else { continue };
            flagged += written;
            lists::flagged(self.0.db.worker(), list.id, list.seq).await?;
        }
        Ok(flagged)
    }

    /// Joins what a list newly named after one version up to another with the watches. `None`: its snapshots cannot be read; it is
    /// joined when its source has brought it back.
    pub(crate) async fn flag_list(
        &self,
        list: &crl_partition::Model,
        versions: (i64, i64),
    ) -> Result<Option<u64>, Error> {
        let in_force = match self.bring(self.0.db.worker(), list).await {
            Ok(in_force) => in_force,
            Err(BringError::Damaged(_)) => return Ok(None),
            Err(BringError::Database(error)) => return Err(error.into()),
        };
        let mut flagged = 0;
        let mut named = in_force.named(versions);
        loop {
            let newly: Vec<Named> = named.by_ref().take(LOOKED_UP).collect();
            if newly.is_empty() {
                return Ok(Some(flagged));
            }
            // Nearly no serial of a new list is watched: asking first, for many at a time, spares the lock.
            let serials = newly.iter().map(|entry| entry.serial.clone());
            let db = self.0.db.worker();
            let watched = watches::watched(db, &list.environment, &list.issuer, serials).await?;
            let watched: Vec<Named> = newly
                .into_iter()
                .filter(|entry| watched.contains(&entry.serial))
                .collect();
            for some in watched.chunks(CHUNK) {
                loop {
                    let (seen, written) = self.flag_batch(list, some).await?;
                    flagged += written;
                    if seen < CHUNK {
                        break;
                    }
                }
            }
        }
    }

    /// Flags at most [`CHUNK`] watches of these serials; how many it saw and how many it flagged.
    async fn flag_batch(
        &self,
        list: &crl_partition::Model,
        newly: &[Named],
    ) -> Result<(usize, u64), Error> {
        let serials = || newly.iter().map(|entry| entry.serial.clone());
        let (environment, issuer) = (&list.environment, &list.issuer);
        let now = self.0.platform.clock().now();
        let txn = begin_write(self.0.db.worker()).await?;
        let found = watches::unflagged(&txn, environment, issuer, serials()).await?;
        let by_serial: HashMap<&[u8], &Named> = newly
            .iter()
            .map(|entry| (entry.serial.as_slice(), entry))
            .collect();
        let numbers = newly.iter().map(|entry| entry.since_seq);
        let versions: HashMap<i64, crl_version::Model> = lists::versions(&txn, list.id, numbers)
            .await?
            .into_iter()
            .map(|version| (version.seq, version))
            .collect();
        let mut facts = Vec::new();
        let mut told = watches::flagged_before(&txn, &found).await?;
        let certificates = found
            .iter()
            .map(|row| (Id::from_uuid(row.tenant), row.handle));
        let renewed = renewals::of(&txn, certificates).await?;
        let mut written = 0;
        for row in &found {
            let entry = by_serial.get(row.serial.as_slice());
            let named = entry.and_then(|entry| Some((entry, versions.get(&entry.since_seq)?)));
            let Some((entry, version)) = named else {
                continue;
            };
            let flag = Flag::of(entry, version, now)?;
            if watches::flag(&txn, row.id, &flag).await? {
                let learned = self.learned(scope_of(row)?.environment(), &flag);
                let renewed_by = renewed.get(&row.handle).copied();
                facts.push(self.revoked(row, &flag, renewed_by, Some(learned))?);
                facts.extend(self.changed(row, &flag, &mut told)?);
                written += 1;
            }
        }
        Outbox::append(&txn, facts).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok((found.len(), written))
    }

    /// Since when a tenant could have been told, by the platform's clock: the list has the age that it has, by whichever clock.
    fn learned(&self, environment: Environment, flag: &Flag) -> Learned {
        let age = self.time_of(environment).since(flag.this_update);
        Learned {
            published_at: flag.at.minus(age),
            accepted_at: flag.accepted_at,
        }
    }

    /// The fact that tells of a flag, for that watch's tenant alone.
    pub(crate) fn revoked(
        &self,
        row: &watch::Model,
        flag: &Flag,
        renewed_by: Option<CertificateHandle>,
        learned: Option<Learned>,
    ) -> Result<Envelope, Error> {
        let watch = Id::from_uuid(row.id);
        let fact = CertificateRevoked {
            watch,
            handle: CertificateHandle::from_uuid(row.handle),
            kind: kind_of(&row.kind)?,
            subject: row.subject.map(|subject: Uuid| Id::from_uuid(subject)),
            reason: flag.reason,
            revoked_at: flag.revoked_at,
            this_update: flag.this_update,
            source_version: flag.version.clone(),
            learned,
            renewed_by,
        };
        let id = self.0.platform.entropy.id(flag.at);
        let scope = Some(scope_of(row)?);
        Ok(Envelope::of(id, scope, flag.at, watch.to_string(), &fact))
    }

    /// The fact that a person's attributes changed, where the flag says so and names a person; once per certificate, however many
    /// watches it has.
    fn changed(
        &self,
        row: &watch::Model,
        flag: &Flag,
        told: &mut HashSet<Uuid>,
    ) -> Result<Option<Envelope>, Error> {
        let Some(subject) = row
            .subject
            .filter(|_| flag.reason == RevocationReason::AffiliationChanged)
        else {
            return Ok(None);
        };
        if !told.insert(row.handle) {
            return Ok(None);
        }
        let fact = SubjectChanged {
            subject: Id::from_uuid(subject),
            change: SubjectChange::AttributesChanged,
            handle: CertificateHandle::from_uuid(row.handle),
            kind: kind_of(&row.kind)?,
            verification: None,
            replaces: None,
        };
        let id = self.0.platform.entropy.id(flag.at);
        let scope = Some(scope_of(row)?);
        let aggregate = fact.subject.to_string();
        Ok(Some(Envelope::of(id, scope, flag.at, aggregate, &fact)))
    }
}
