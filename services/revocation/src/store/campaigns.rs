//! Campaigns and what they found.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;
use warikan_contracts::facts::CampaignCounts;
use warikan_types::{Campaign, CertificateHandle, Id, TenantScope, Timestamp};

use super::CHUNK;
use crate::{
    campaign::State,
    entity::{campaign, campaign_change, campaign_chunk},
};

/// Keeps a new one.
pub(crate) async fn insert<C: ConnectionTrait>(db: &C, row: campaign::Model) -> Result<(), DbErr> {
    campaign::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// One campaign of the tenant.
pub(crate) async fn find<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Campaign>,
) -> Result<Option<campaign::Model>, DbErr> {
    campaign::Entity::find_by_id(id.uuid())
        .filter(campaign::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign::Column::Environment.eq(scope.environment().as_str()))
        .one(db)
        .await
}

/// The same, and nobody else changes it before the transaction ends.
pub(crate) async fn find_to_change(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    id: Id<Campaign>,
) -> Result<Option<campaign::Model>, DbErr> {
    campaign::Entity::find_by_id(id.uuid())
        .filter(campaign::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign::Column::Environment.eq(scope.environment().as_str()))
        .lock_exclusive()
        .one(txn)
        .await
}

/// Writes a row as it is now.
pub(crate) async fn update<C: ConnectionTrait>(db: &C, row: campaign::Model) -> Result<(), DbErr> {
    row.into_active_model().reset_all().update(db).await?;
    Ok(())
}

/// A page of the tenant's campaigns.
pub(crate) async fn page<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<campaign::Model>, DbErr> {
    let mut query = campaign::Entity::find()
        .filter(campaign::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign::Column::Environment.eq(scope.environment().as_str()));
    if let Some(after) = after {
        query = query.filter(campaign::Column::Id.gt(after));
    }
    query
        .order_by_asc(campaign::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// How many of the tenant's campaigns are not over.
pub(crate) async fn open<C: ConnectionTrait>(scope: TenantScope, db: &C) -> Result<u64, DbErr> {
    campaign::Entity::find()
        .filter(campaign::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign::Column::Environment.eq(scope.environment().as_str()))
        .filter(
            campaign::Column::State.is_in([State::Collecting.as_str(), State::Running.as_str()]),
        )
        .count(db)
        .await
}

/// Which of these campaigns are running.
pub(crate) async fn running<C: ConnectionTrait>(db: &C, ids: &[Uuid]) -> Result<Vec<Uuid>, DbErr> {
    campaign::Entity::find()
        .select_only()
        .column(campaign::Column::Id)
        .filter(campaign::Column::Id.is_in(ids.iter().copied()))
        .filter(campaign::Column::State.eq(State::Running.as_str()))
        .into_tuple()
        .all(db)
        .await
}

/// Takes the running campaign that waits longest and that nobody works on, for `time`.
pub(crate) async fn lease<C: ConnectionTrait>(
    db: &C,
    by: Uuid,
    now: Timestamp,
    time: Duration,
) -> Result<Option<campaign::Model>, DbErr> {
    let free = || {
        Condition::all()
            .add(campaign::Column::State.eq(State::Running.as_str()))
            .add(
                Condition::any()
                    .add(campaign::Column::LeasedUntil.is_null())
                    .add(campaign::Column::LeasedUntil.lt(now.utc())),
            )
    };
    let next = campaign::Entity::find()
        .filter(free())
        .order_by_asc(campaign::Column::ServedAt)
        .order_by_asc(campaign::Column::Id)
        .one(db)
        .await?;
    let Some(next) = next else {
        return Ok(None);
    };
    let until = now.plus(time).utc();
    let taken = campaign::Entity::update_many()
        .col_expr(campaign::Column::Lease, Expr::value(Some(by)))
        .col_expr(campaign::Column::LeasedUntil, Expr::value(Some(until)))
        .col_expr(campaign::Column::ServedAt, Expr::value(now.utc()))
        .filter(campaign::Column::Id.eq(next.id))
        .filter(free())
        .exec(db)
        .await?;
    Ok((taken.rows_affected == 1).then_some(campaign::Model {
        lease: Some(by),
        leased_until: Some(until),
        ..next
    }))
}

/// Writes how far a campaign is, if it is still ours; `false`: another process has it, or it was cancelled.
pub(crate) async fn advance(
    txn: &DatabaseTransaction,
    by: Uuid,
    row: &campaign::Model,
) -> Result<bool, DbErr> {
    let held = campaign::Entity::find_by_id(row.id)
        .filter(campaign::Column::Lease.eq(by))
        .filter(campaign::Column::State.eq(State::Running.as_str()))
        .lock_exclusive()
        .one(txn)
        .await?;
    if held.is_none() {
        return Ok(false);
    }
    update(txn, row.clone()).await?;
    Ok(true)
}

/// Lets go of a campaign; the time of its lease is over.
pub(crate) async fn release<C: ConnectionTrait>(db: &C, by: Uuid, id: Uuid) -> Result<(), DbErr> {
    campaign::Entity::update_many()
        .col_expr(campaign::Column::Lease, Expr::value(Option::<Uuid>::None))
        .col_expr(
            campaign::Column::LeasedUntil,
            Expr::value(Option::<chrono::DateTime<chrono::Utc>>::None),
        )
        .filter(campaign::Column::Id.eq(id))
        .filter(campaign::Column::Lease.eq(by))
        .exec(db)
        .await?;
    Ok(())
}

/// Forgets what was found so far.
pub(crate) async fn begin_anew<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<(), DbErr> {
    campaign_chunk::Entity::delete_many()
        .filter(campaign_chunk::Column::Campaign.eq(id))
        .exec(db)
        .await?;
    campaign_change::Entity::delete_many()
        .filter(campaign_change::Column::Campaign.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Keeps a chunk and its changes.
pub(crate) async fn keep<C: ConnectionTrait>(
    db: &C,
    chunk: campaign_chunk::Model,
    changes: Vec<campaign_change::Model>,
) -> Result<(), DbErr> {
    campaign_chunk::Entity::insert(chunk.into_active_model())
        .exec_without_returning(db)
        .await?;
    let mut changes = changes
        .into_iter()
        .map(|row| row.into_active_model().reset_all());
    loop {
        let some: Vec<_> = changes.by_ref().take(CHUNK).collect();
        if some.is_empty() {
            return Ok(());
        }
        campaign_change::Entity::insert_many(some)
            .exec_without_returning(db)
            .await?;
    }
}

/// The roots of all chunks, in their order.
pub(crate) async fn roots<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Vec<Vec<u8>>, DbErr> {
    campaign_chunk::Entity::find()
        .select_only()
        .column(campaign_chunk::Column::Root)
        .filter(campaign_chunk::Column::Campaign.eq(id))
        .order_by_asc(campaign_chunk::Column::Number)
        .into_tuple()
        .all(db)
        .await
}

/// The chunk that holds a handle, if any does: the first whose last handle is not before it.
pub(crate) async fn chunk_with<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Campaign>,
    handle: CertificateHandle,
) -> Result<Option<campaign_chunk::Model>, DbErr> {
    campaign_chunk::Entity::find()
        .filter(campaign_chunk::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign_chunk::Column::Campaign.eq(id.uuid()))
        .filter(campaign_chunk::Column::LastHandle.gte(handle.uuid()))
        .order_by_asc(campaign_chunk::Column::Number)
        .one(db)
        .await
}

/// A chunk by its number.
pub(crate) async fn chunk<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Campaign>,
    number: i64,
) -> Result<Option<campaign_chunk::Model>, DbErr> {
    campaign_chunk::Entity::find_by_id((id.uuid(), number))
        .filter(campaign_chunk::Column::Tenant.eq(scope.tenant().uuid()))
        .one(db)
        .await
}

/// A page of a campaign's changes.
pub(crate) async fn changes<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    id: Id<Campaign>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<campaign_change::Model>, DbErr> {
    let mut query = campaign_change::Entity::find()
        .filter(campaign_change::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign_change::Column::Campaign.eq(id.uuid()));
    if let Some(after) = after {
        query = query.filter(campaign_change::Column::Id.gt(after));
    }
    query
        .order_by_asc(campaign_change::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// The counts as columns carry them.
pub(crate) fn counts(row: &campaign::Model) -> CampaignCounts {
    let read = |column: i64| u64::try_from(column).unwrap_or(0);
    CampaignCounts {
        checked: read(row.checked),
        good: read(row.good),
        revoked: read(row.revoked),
        expired: read(row.expired),
        unknown: read(row.unknown),
    }
}

/// Puts counts into their columns.
pub(crate) fn put_counts(row: &mut campaign::Model, counts: CampaignCounts) {
    let write = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    row.checked = write(counts.checked);
    row.good = write(counts.good);
    row.revoked = write(counts.revoked);
    row.expired = write(counts.expired);
    row.unknown = write(counts.unknown);
}

/// Rows added to a portfolio.
pub(crate) async fn add_to_total<C: ConnectionTrait>(
    db: &C,
    id: Id<Campaign>,
    added: u64,
) -> Result<(), DbErr> {
    let added = i64::try_from(added).unwrap_or(i64::MAX);
    campaign::Entity::update_many()
        .col_expr(
            campaign::Column::Total,
            Expr::col(campaign::Column::Total).add(added),
        )
        .filter(campaign::Column::Id.eq(id.uuid()))
        .exec(db)
        .await?;
    Ok(())
}
