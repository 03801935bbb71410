//! Joining what is newly revoked with the watches of all tenants.
//!
//! Each list remembers up to which of its versions the join has been made. The join goes over the entries since then in
//! batches; a batch writes its flags and the facts that tell of them in one transaction. So a crash anywhere repeats at most
//! work that finds nothing left to do: a flagged watch is never flagged again.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use warikan_contracts::{
    Envelope,
    facts::{CertificateRevoked, SubjectChange, SubjectChanged},
};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{CertificateHandle, Id, RevocationReason, Timestamp};

use crate::{
    Revocation,
    entity::{crl_partition, crl_version, watch},
    error::Error,
    in_force::BringError,
    named::Named,
    store::{CHUNK, kind_of, lists, reason_of, scope_of, watches},
};

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
            let newly: Vec<Named> = named.by_ref().take(CHUNK).collect();
            if newly.is_empty() {
                return Ok(Some(flagged));
            }
            loop {
                let (seen, written) = self.flag_batch(list, &newly).await?;
                flagged += written;
                if seen < CHUNK {
                    break;
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
        // Nearly no serial of a new list is watched: asking first spares the lock.
        let ahead = watches::unflagged(self.0.db.worker(), environment, issuer, serials()).await?;
        if ahead.is_empty() {
            return Ok((0, 0));
        }
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
        let mut written = 0;
        for row in &found {
            let entry = by_serial.get(row.serial.as_slice());
            let named = entry.and_then(|entry| Some((entry, versions.get(&entry.since_seq)?)));
            let Some((entry, version)) = named else {
                continue;
            };
            let flag = Flag::of(entry, version, now)?;
            if watches::flag(&txn, row.id, &flag).await? {
                facts.push(self.revoked(row, &flag)?);
                facts.extend(self.changed(row, &flag, &mut told)?);
                written += 1;
            }
        }
        Outbox::append(&txn, facts).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok((found.len(), written))
    }

    /// The fact that tells of a flag, for that watch's tenant alone.
    pub(crate) fn revoked(&self, row: &watch::Model, flag: &Flag) -> Result<Envelope, Error> {
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
        };
        let id = self.0.platform.entropy.id(flag.at);
        let scope = Some(scope_of(row)?);
        let aggregate = fact.subject.to_string();
        Ok(Some(Envelope::of(id, scope, flag.at, aggregate, &fact)))
    }
}
