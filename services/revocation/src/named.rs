//! An entry of a list as those see it who join lists with watches.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use warikan_types::Serial;

use crate::{diff::Revocation, status::ListStatus, store::snapshots, table::Row};

/// A named certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// The list that names it.
    pub(crate) partition_id: Uuid,
    /// Its serial number, big-endian.
    pub(crate) serial: Vec<u8>,
    /// CRLReason, as rows carry it.
    pub(crate) reason: i16,
    pub(crate) revoked_at: DateTime<Utc>,
    /// The version that named it first.
    pub(crate) since_seq: i64,
}

impl Named {
    pub(crate) fn of(list: Uuid, serial: &Serial, row: &Row<Revocation>) -> Self {
        Self {
            partition_id: list,
            serial: serial.octets().to_vec(),
            reason: i16::from(row.said.reason.code()),
            revoked_at: row.said.revoked_at.utc(),
            since_seq: i64::from(row.since),
        }
    }
}

impl ListStatus {
    /// What versions after one up to another newly named, in the order of serials.
    pub(crate) fn named(
        &self,
        (after, through): (i64, i64),
    ) -> impl Iterator<Item = Named> + Send + '_ {
        let version = |seq: i64| snapshots::version(seq.max(0)).unwrap_or(u32::MAX);
        self.table
            .named_since((version(after), version(through)))
            .map(|(serial, row)| Named::of(self.id, &serial, &row))
    }
}
