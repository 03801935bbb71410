//! Revoked serials.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, sea_query::Expr,
};
use uuid::Uuid;
use warikan_types::{CertificateId, Environment, RevocationReason, Serial, Timestamp};

use super::{CHUNK, reason_of, serial_of};
use crate::{
    diff::Revocation,
    entity::{crl_partition, entry_change, revoked_entry},
};

/// What a row says.
pub(crate) fn read(row: &revoked_entry::Model) -> Result<(Serial, Revocation), DbErr> {
    let revocation = Revocation {
        reason: reason_of(row.reason)?,
        revoked_at: Timestamp::new(row.revoked_at),
    };
    Ok((serial_of(&row.serial)?, revocation))
}

fn code(reason: RevocationReason) -> i16 {
    i16::from(reason.code())
}

/// Everything a list ever named.
pub(crate) async fn all<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
) -> Result<Vec<revoked_entry::Model>, DbErr> {
    revoked_entry::Entity::find()
        .filter(revoked_entry::Column::PartitionId.eq(list))
        .order_by_asc(revoked_entry::Column::Serial)
        .all(db)
        .await
}

/// What a list newly named after one version up to another, in the order of serials, from after `last` on.
pub(crate) async fn since<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    (after, through): (i64, i64),
    last: Option<Vec<u8>>,
) -> Result<Vec<revoked_entry::Model>, DbErr> {
    let mut query = revoked_entry::Entity::find()
        .filter(revoked_entry::Column::PartitionId.eq(list))
        .filter(revoked_entry::Column::SinceSeq.gt(after))
        .filter(revoked_entry::Column::SinceSeq.lte(through));
    if let Some(last) = last {
        query = query.filter(revoked_entry::Column::Serial.gt(last));
    }
    query
        .order_by_asc(revoked_entry::Column::Serial)
        .limit(CHUNK as u64)
        .all(db)
        .await
}

/// The entry that names a certificate, whichever list of its issuer has it; the earliest where several do.
pub(crate) async fn naming<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
    certificate: &CertificateId,
) -> Result<Option<revoked_entry::Model>, DbErr> {
    let lists = crl_partition::Entity::find()
        .select_only()
        .column(crl_partition::Column::Id)
        .filter(crl_partition::Column::Environment.eq(environment.as_str()))
        .filter(crl_partition::Column::Issuer.eq(certificate.issuer.to_string()))
        .into_query();
    revoked_entry::Entity::find()
        .filter(revoked_entry::Column::Serial.eq(certificate.serial.octets()))
        .filter(revoked_entry::Column::PartitionId.in_subquery(lists))
        .order_by_asc(revoked_entry::Column::RevokedAt)
        .one(db)
        .await
}

/// Adds what a version newly names.
pub(crate) async fn add<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    version: i64,
    added: &[(Serial, Revocation)],
) -> Result<(), DbErr> {
    for chunk in added.chunks(CHUNK) {
        let rows = chunk
            .iter()
            .map(|(serial, revocation)| revoked_entry::ActiveModel {
                partition_id: Set(list),
                serial: Set(serial.octets().to_vec()),
                reason: Set(code(revocation.reason)),
                revoked_at: Set(revocation.revoked_at.utc()),
                since_seq: Set(version),
                gone_seq: Set(None),
            });
        revoked_entry::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// Gives an entry another reason and date, and puts it (back) on the list.
pub(crate) async fn change<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    changed: &[(Serial, Revocation)],
) -> Result<(), DbErr> {
    for (serial, revocation) in changed {
        revoked_entry::Entity::update_many()
            .col_expr(
                revoked_entry::Column::Reason,
                Expr::value(code(revocation.reason)),
            )
            .col_expr(
                revoked_entry::Column::RevokedAt,
                Expr::value(revocation.revoked_at.utc()),
            )
            .col_expr(
                revoked_entry::Column::GoneSeq,
                Expr::value(Option::<i64>::None),
            )
            .filter(revoked_entry::Column::PartitionId.eq(list))
            .filter(revoked_entry::Column::Serial.eq(serial.octets()))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Notes that entries left the list.
pub(crate) async fn leave<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    version: i64,
    vanished: &[(Serial, Revocation)],
) -> Result<(), DbErr> {
    for chunk in vanished.chunks(CHUNK) {
        revoked_entry::Entity::update_many()
            .col_expr(revoked_entry::Column::GoneSeq, Expr::value(Some(version)))
            .filter(revoked_entry::Column::PartitionId.eq(list))
            .filter(
                revoked_entry::Column::Serial
                    .is_in(chunk.iter().map(|(serial, _)| serial.octets().to_vec())),
            )
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Keeps what entries said before a version changed them.
pub(crate) async fn remember<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    version: i64,
    change: &str,
    before: &[(Serial, Revocation)],
) -> Result<(), DbErr> {
    for chunk in before.chunks(CHUNK) {
        let rows = chunk
            .iter()
            .map(|(serial, revocation)| entry_change::ActiveModel {
                partition_id: Set(list),
                serial: Set(serial.octets().to_vec()),
                seq: Set(version),
                change: Set(change.to_owned()),
                reason: Set(code(revocation.reason)),
                revoked_at: Set(revocation.revoked_at.utc()),
            });
        entry_change::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}
