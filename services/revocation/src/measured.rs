//! What the benchmarks drive: the functions that the service calls for a list, without the database around them.
//!
//! `benches/ingest` measures these and nothing beside them, so that its figures are the service's. For nobody else.

use uuid::Uuid;
use warikan_contracts::api::StatusAnswer;
use warikan_pki::AnchorSet;
use warikan_types::{CertificateId, CrlPartition, Environment, Timestamp};

use crate::{
    Revocation,
    accept_list::next_version,
    diff::{Listing, Said},
    error::Error,
    flag::LOOKED_UP,
    read_list::{ReadList, read_list},
    status::{ListStatus, StatusStore},
    store::{lists, watches},
    table::{Table, table_from_blob, table_to_blob},
};

/// A list that was read and verified, and nothing more.
pub struct Read(ReadList);

/// A version in memory.
pub struct Version(Table);

/// The versions in force, as the service asks them.
#[derive(Default)]
pub struct Store(StatusStore);

/// Reads and verifies a list.
///
/// # Errors
/// Why it would not be taken over.
pub fn read(octets: &[u8], anchors: &AnchorSet, at: Timestamp) -> Result<Read, String> {
    read_list(octets, anchors, Environment::Production, at)
        .map(Read)
        .map_err(|problem| problem.to_string())
}

impl Read {
    /// How many certificates it names.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.listing.len()
    }

    /// The issuer's key and what part of its certificates it covers.
    #[must_use]
    pub fn scope(&self) -> (warikan_types::IssuerKey, Option<CrlPartition>) {
        (self.0.key.issuer, self.0.key.partition)
    }

    /// The first version of its list.
    ///
    /// # Errors
    /// More entries than a table holds.
    pub fn first(&self) -> Result<Version, String> {
        let table = Table::first(&self.0.listing).map_err(|why| why.to_string())?;
        Ok(Version(table))
    }

    /// The version after `before`, and how many entries it changes.
    ///
    /// # Errors
    /// It does not fit.
    pub fn after(&self, before: &Version, seq: u32) -> Result<(Version, usize), String> {
        let (change, table) =
            next_version(&before.0, &self.0, seq).map_err(|why| why.to_string())?;
        Ok((Version(table), change.len()))
    }
}

impl Version {
    /// As it is stored; about as many octets as it takes in memory.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        table_to_blob(&self.0)
    }

    /// As it was stored.
    ///
    /// # Errors
    /// The octets are damaged.
    pub fn from_octets(octets: &[u8]) -> Result<Self, String> {
        let table = table_from_blob(octets).map_err(|why| why.to_string())?;
        Ok(Self(table))
    }

    /// A first version of these serials, ascending.
    ///
    /// # Errors
    /// They are not in order.
    pub fn of(serials: impl Iterator<Item = u64>) -> Result<Self, String> {
        let said = Said { date: 0, code: 0 };
        let listing = Listing::new(serials.map(|serial| (serial, said)).collect(), Vec::new());
        let table = Table::first(&listing).map_err(|why| why.to_string())?;
        Ok(Self(table))
    }

    /// The serials that it names or ever named, ascending; those of common size.
    pub fn serials(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.narrow().map(|(serial, _)| serial)
    }

    /// Whether it says that this serial is revoked.
    #[must_use]
    pub fn names(&self, serial: u64) -> bool {
        self.0.common(serial).is_some()
    }
}

impl Store {
    /// Takes a list over: compares it with the version in force and puts the next one in its place. How many entries it changes.
    ///
    /// # Errors
    /// It does not fit.
    pub fn take_over(&self, read: &Read) -> Result<usize, String> {
        let list = &read.0;
        let before = self.0.get(&list.key);
        let (seq, Version(table), changes) = match &before {
            None => (1, read.first()?, read.entries()),
            Some(before) => {
                let (seq, table) = (before.seq + 1, &before.table);
                let number = u32::try_from(seq).map_err(|why| why.to_string())?;
                let (change, table) =
                    next_version(table, list, number).map_err(|why| why.to_string())?;
                (seq, Version(table), change.len())
            }
        };
        let version = ListStatus {
            id: Uuid::nil(),
            seq,
            this_update: list.this_update,
            next_update: list.next_update,
            version: list.version.clone(),
            table,
        };
        self.0.swap_in(list.key, version, None);
        Ok(changes)
    }

    /// What a look-up answers.
    #[must_use]
    pub fn ask(
        &self,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
    ) -> Option<StatusAnswer> {
        self.0
            .by_list(Environment::Production, certificate, partition)
    }
}

/// How many entries the lists have newly named since watches were joined with them, and how many of those are watched without a flag;
/// nothing is written.
///
/// # Errors
/// The database failed.
pub async fn find(service: &Revocation) -> Result<(usize, usize), Error> {
    let db = service.0.db.worker();
    let (mut entries, mut found) = (0, 0);
    for list in lists::unflagged(db).await? {
        let Some(in_force) = service.0.status.get(&lists::key_of(&list)?) else {
            continue;
        };
        let mut named = in_force.named((list.flagged_through, list.seq));
        loop {
            let newly: Vec<Vec<u8>> = named
                .by_ref()
                .take(LOOKED_UP)
                .map(|one| one.serial)
                .collect();
            if newly.is_empty() {
                break;
            }
            entries += newly.len();
            let watched = watches::watched(db, &list.environment, &list.issuer, newly).await?;
            found += watched.len();
        }
    }
    Ok((entries, found))
}

/// Joins what is newly named with the watches of all tenants; how many were flagged.
///
/// # Errors
/// The database failed.
pub async fn flag(service: &Revocation) -> Result<u64, Error> {
    service.flag_new().await
}
