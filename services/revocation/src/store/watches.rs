//! Watches.

use std::collections::HashSet;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_types::{CertificateHandle, Environment, Id, TenantScope, Timestamp, Watch};

use super::CHUNK;
use crate::{entity::watch, watch::WatchState};

fn of(scope: TenantScope) -> Select<watch::Entity> {
    watch::Entity::find()
        .filter(watch::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(watch::Column::Environment.eq(scope.environment().as_str()))
}

/// Inserts a watch; a second order under the same id changes nothing. Whether it was new.
pub(crate) async fn insert<C: ConnectionTrait>(db: &C, row: watch::Model) -> Result<bool, DbErr> {
    let inserted = watch::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    Ok(inserted == 1)
}

/// One watch of the tenant.
pub(crate) async fn find<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Watch>,
) -> Result<Option<watch::Model>, DbErr> {
    of(scope)
        .filter(watch::Column::Id.eq(id.uuid()))
        .one(db)
        .await
}

/// The tenant's watches of one certificate that have not ended.
pub(crate) async fn of_certificate<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    handle: CertificateHandle,
    limit: u64,
) -> Result<Vec<watch::Model>, DbErr> {
    of(scope)
        .filter(watch::Column::Handle.eq(handle.uuid()))
        .filter(watch::Column::EndedAt.is_null())
        .order_by_asc(watch::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// The tenant's last watch of one certificate, ended or not, unless the person was erased.
pub(crate) async fn last_of_certificate<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    handle: CertificateHandle,
) -> Result<Option<watch::Model>, DbErr> {
    of(scope)
        .filter(watch::Column::Handle.eq(handle.uuid()))
        .filter(watch::Column::Issuer.ne(String::new()))
        .order_by_desc(watch::Column::Id)
        .one(db)
        .await
}

/// A page of the tenant's watches.
pub(crate) async fn page<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    state: Option<WatchState>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<watch::Model>, DbErr> {
    let mut query = of(scope);
    query = match state {
        None => query,
        Some(WatchState::Ended) => query.filter(watch::Column::EndedAt.is_not_null()),
        Some(WatchState::Flagged) => query
            .filter(watch::Column::EndedAt.is_null())
            .filter(watch::Column::FlaggedAt.is_not_null()),
        Some(WatchState::Watching) => query
            .filter(watch::Column::EndedAt.is_null())
            .filter(watch::Column::FlaggedAt.is_null()),
    };
    if let Some(after) = after {
        query = query.filter(watch::Column::Id.gt(after));
    }
    query
        .order_by_asc(watch::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Ends one watch of the tenant; whether there was one. Ending twice is ending.
pub(crate) async fn end<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Watch>,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let Some(row) = find(scope, db, id).await? else {
        return Ok(false);
    };
    if row.ended_at.is_none() {
        watch::Entity::update_many()
            .col_expr(watch::Column::EndedAt, Expr::value(Some(now.utc())))
            .filter(watch::Column::Id.eq(row.id))
            .exec(db)
            .await?;
    }
    Ok(true)
}

/// Watches that have not ended and whose certificates are past their end, those that ended first, at most [`CHUNK`].
pub(crate) async fn expired<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
    at: Timestamp,
) -> Result<Vec<watch::Model>, DbErr> {
    watch::Entity::find()
        .filter(watch::Column::Environment.eq(environment.as_str()))
        .filter(watch::Column::NotAfter.lt(at.utc()))
        .filter(watch::Column::EndedAt.is_null())
        .order_by_asc(watch::Column::NotAfter)
        .limit(CHUNK as u64)
        .all(db)
        .await
}

/// Ends these watches.
pub(crate) async fn end_these<C: ConnectionTrait>(
    db: &C,
    watches: &[Uuid],
    now: Timestamp,
) -> Result<(), DbErr> {
    watch::Entity::update_many()
        .col_expr(watch::Column::EndedAt, Expr::value(Some(now.utc())))
        .filter(watch::Column::Id.is_in(watches.iter().copied()))
        .filter(watch::Column::EndedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// Which of these serials anybody watches without a flag.
pub(crate) async fn watched<C: ConnectionTrait>(
    db: &C,
    environment: &str,
    issuer: &str,
    serials: impl IntoIterator<Item = Vec<u8>> + Send,
) -> Result<HashSet<Vec<u8>>, DbErr> {
    let found: Vec<Vec<u8>> = watch::Entity::find()
        .select_only()
        .column(watch::Column::Serial)
        .filter(watch::Column::Environment.eq(environment))
        .filter(watch::Column::Issuer.eq(issuer))
        .filter(watch::Column::Serial.is_in(serials))
        .filter(watch::Column::FlaggedAt.is_null())
        .filter(watch::Column::EndedAt.is_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().collect())
}

/// Watches of all tenants on these serials that carry no flag yet, at most [`CHUNK`].
pub(crate) async fn unflagged<C: ConnectionTrait>(
    db: &C,
    environment: &str,
    issuer: &str,
    serials: impl IntoIterator<Item = Vec<u8>> + Send,
) -> Result<Vec<watch::Model>, DbErr> {
    watch::Entity::find()
        .filter(watch::Column::Environment.eq(environment))
        .filter(watch::Column::Issuer.eq(issuer))
        .filter(watch::Column::Serial.is_in(serials))
        .filter(watch::Column::FlaggedAt.is_null())
        .filter(watch::Column::EndedAt.is_null())
        .order_by_asc(watch::Column::Id)
        .limit(CHUNK as u64)
        .all(db)
        .await
}

/// The handles among these watches' of which another watch that names a person was flagged before.
pub(crate) async fn flagged_before<C: ConnectionTrait>(
    db: &C,
    rows: &[watch::Model],
) -> Result<HashSet<Uuid>, DbErr> {
    let mut before = HashSet::new();
    for chunk in rows.chunks(CHUNK) {
        let handles: Vec<Uuid> = watch::Entity::find()
            .select_only()
            .column(watch::Column::Handle)
            .filter(watch::Column::Tenant.is_in(chunk.iter().map(|row| row.tenant)))
            // Handles differ by environment in any case; without it the index ends at the tenant, and all its watches are read.
            .filter(
                watch::Column::Environment.is_in(chunk.iter().map(|row| row.environment.as_str())),
            )
            .filter(watch::Column::Handle.is_in(chunk.iter().map(|row| row.handle)))
            .filter(watch::Column::Subject.is_not_null())
            .filter(watch::Column::FlaggedAt.is_not_null())
            .into_tuple()
            .all(db)
            .await?;
        before.extend(handles);
    }
    Ok(before)
}

/// Serials among these that are watched (or were), with the end of their certificates.
pub(crate) async fn ends_of<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
    issuer: &str,
    serials: &[Vec<u8>],
) -> Result<Vec<(Vec<u8>, Timestamp)>, DbErr> {
    let mut found = Vec::new();
    for chunk in serials.chunks(CHUNK) {
        let rows: Vec<(Vec<u8>, chrono::DateTime<chrono::Utc>)> = watch::Entity::find()
            .select_only()
            .column(watch::Column::Serial)
            .column(watch::Column::NotAfter)
            .distinct()
            .filter(watch::Column::Environment.eq(environment.as_str()))
            .filter(watch::Column::Issuer.eq(issuer))
            .filter(watch::Column::Serial.is_in(chunk.iter().cloned()))
            .into_tuple()
            .all(db)
            .await?;
        found.extend(
            rows.into_iter()
                .map(|(serial, end)| (serial, Timestamp::new(end))),
        );
    }
    Ok(found)
}

/// Writes a flag, unless another run was quicker. Whether it was written.
pub(crate) async fn flag<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    flag: &crate::flag::Flag,
) -> Result<bool, DbErr> {
    let done = watch::Entity::update_many()
        .col_expr(watch::Column::FlaggedAt, Expr::value(Some(flag.at.utc())))
        .col_expr(
            watch::Column::FlagReason,
            Expr::value(Some(i16::from(flag.reason.code()))),
        )
        .col_expr(
            watch::Column::RevokedAt,
            Expr::value(Some(flag.revoked_at.utc())),
        )
        .col_expr(
            watch::Column::FlagThisUpdate,
            Expr::value(Some(flag.this_update.utc())),
        )
        .col_expr(
            watch::Column::FlagVersion,
            Expr::value(Some(flag.version.clone())),
        )
        .filter(
            Condition::all()
                .add(watch::Column::Id.eq(id))
                .add(watch::Column::FlaggedAt.is_null())
                .add(watch::Column::EndedAt.is_null()),
        )
        .exec(db)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Whether the tenant watches the certificate or ever did.
pub(crate) async fn ever_watched<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    handle: CertificateHandle,
) -> Result<bool, DbErr> {
    of(scope)
        .filter(watch::Column::Handle.eq(handle.uuid()))
        .one(db)
        .await
        .map(|found| found.is_some())
}
