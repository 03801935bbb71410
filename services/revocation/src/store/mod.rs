//! The only place that knows the queries.

pub(crate) mod campaigns;
pub(crate) mod checks;
pub(crate) mod erasure;
pub(crate) mod lists;
pub(crate) mod metering;
pub(crate) mod notices;
pub(crate) mod portfolio;
pub(crate) mod renewals;
pub(crate) mod resealing;
pub(crate) mod snapshots;
pub(crate) mod sources;
pub(crate) mod standing;
pub(crate) mod watches;

use sea_orm::DbErr;
use warikan_types::{
    CertificateKind, CrlPartition, Environment, Id, IssuerKey, RevocationReason, Serial,
    TenantScope,
};

use crate::entity::watch;

/// Rows per statement: SQLite takes 32,766 parameters, and a lock should be held shortly.
pub(crate) const CHUNK: usize = 500;
/// The partition of a list that is not divided.
const UNDIVIDED: &str = "all";

/// A row holds what only a hand could have written.
fn unreadable(what: &str) -> DbErr {
    DbErr::Type(format!("a row holds no {what}"))
}

pub(crate) fn partition_text(partition: Option<CrlPartition>) -> String {
    partition.map_or_else(|| UNDIVIDED.to_owned(), |one| hex::encode(one.0))
}

pub(crate) fn partition_of(text: &str) -> Result<Option<CrlPartition>, DbErr> {
    if text == UNDIVIDED {
        return Ok(None);
    }
    key_of(text).map(|octets| Some(CrlPartition(octets)))
}

pub(crate) fn issuer_of(text: &str) -> Result<IssuerKey, DbErr> {
    key_of(text).map(IssuerKey)
}

fn key_of(text: &str) -> Result<[u8; 32], DbErr> {
    let mut octets = [0; 32];
    hex::decode_to_slice(text, &mut octets).map_err(|_| unreadable("key"))?;
    Ok(octets)
}

pub(crate) fn serial_of(octets: &[u8]) -> Result<Serial, DbErr> {
    Serial::from_octets(octets).map_err(|_| unreadable("serial number"))
}

pub(crate) fn reason_of(code: i16) -> Result<RevocationReason, DbErr> {
    u8::try_from(code)
        .ok()
        .and_then(RevocationReason::from_code)
        .ok_or_else(|| unreadable("revocation reason"))
}

pub(crate) fn kind_of(word: &str) -> Result<CertificateKind, DbErr> {
    CertificateKind::from_word(word).ok_or_else(|| unreadable("certificate kind"))
}

pub(crate) fn environment_of(word: &str) -> Result<Environment, DbErr> {
    Environment::from_word(word).ok_or_else(|| unreadable("environment"))
}

pub(crate) fn scope_of(row: &watch::Model) -> Result<TenantScope, DbErr> {
    Ok(TenantScope::of_event(
        Id::from_uuid(row.tenant),
        environment_of(&row.environment)?,
    ))
}

/// A count as a column carries it.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
