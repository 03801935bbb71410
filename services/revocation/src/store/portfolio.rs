//! Which certificates belong to a campaign.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;
use warikan_types::{TenantScope, Timestamp};

use super::CHUNK;
use crate::entity::{campaign_item, watch};

/// The tenant's watches at a moment: begun until then, not ended by then, and not erased since.
fn watched_at(scope: TenantScope, moment: Timestamp) -> Select<watch::Entity> {
    watch::Entity::find()
        .filter(watch::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(watch::Column::Environment.eq(scope.environment().as_str()))
        .filter(watch::Column::CreatedAt.lte(moment.utc()))
        .filter(
            Condition::any()
                .add(watch::Column::EndedAt.is_null())
                .add(watch::Column::EndedAt.gt(moment.utc())),
        )
        .filter(watch::Column::Issuer.ne(""))
}

/// Certificates that the tenant watched at a moment.
pub(crate) async fn count_watched<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    moment: Timestamp,
) -> Result<i64, DbErr> {
    let counted: Option<i64> = watched_at(scope, moment)
        .select_only()
        .column_as(Expr::col(watch::Column::Handle).count_distinct(), "handles")
        .into_tuple()
        .one(db)
        .await?;
    Ok(counted.unwrap_or(0))
}

/// Watches in the order of their certificates' handles, from after `cursor` on: those of the next `most` certificates, each with
/// all of its watches.
pub(crate) async fn watched<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    moment: Timestamp,
    cursor: Option<Uuid>,
    most: usize,
) -> Result<BTreeMap<Uuid, Vec<watch::Model>>, DbErr> {
    // Nearly every certificate has one watch; a few more rows find out where the last one's end.
    let limit = most + 64;
    let mut found: BTreeMap<Uuid, Vec<watch::Model>> = BTreeMap::new();
    let mut after = cursor.map(|handle| (handle, Uuid::max()));
    loop {
        let mut query = watched_at(scope, moment);
        if let Some((handle, id)) = after {
            query = query.filter(watch::Column::Handle.gte(handle)).filter(
                Condition::any()
                    .add(watch::Column::Handle.gt(handle))
                    .add(watch::Column::Id.gt(id)),
            );
        }
        let rows = query
            .order_by_asc(watch::Column::Handle)
            .order_by_asc(watch::Column::Id)
            .limit(limit as u64)
            .all(db)
            .await?;
        let whole = rows.len() < limit;
        after = rows.last().map(|row| (row.handle, row.id));
        for row in rows {
            found.entry(row.handle).or_default().push(row);
        }
        if whole || found.len() > most {
            break;
        }
    }
    while found.len() > most {
        found.pop_last();
    }
    Ok(found)
}

/// Certificates that were named for a campaign, in the order of their handles, from after `cursor` on.
pub(crate) async fn named<C: ConnectionTrait>(
    db: &C,
    campaign: Uuid,
    cursor: Option<Uuid>,
    most: usize,
) -> Result<Vec<campaign_item::Model>, DbErr> {
    let mut query =
        campaign_item::Entity::find().filter(campaign_item::Column::Campaign.eq(campaign));
    if let Some(cursor) = cursor {
        query = query.filter(campaign_item::Column::Handle.gt(cursor));
    }
    query
        .order_by_asc(campaign_item::Column::Handle)
        .limit(most as u64)
        .all(db)
        .await
}

/// Adds certificates to a campaign's portfolio; how many were not in it yet. The first customer number stays.
pub(crate) async fn add<C: ConnectionTrait>(
    db: &C,
    items: Vec<campaign_item::Model>,
) -> Result<u64, DbErr> {
    let mut added = 0;
    let mut items = items
        .into_iter()
        .map(|row| row.into_active_model().reset_all());
    loop {
        let some: Vec<_> = items.by_ref().take(CHUNK).collect();
        if some.is_empty() {
            return Ok(added);
        }
        added += campaign_item::Entity::insert_many(some)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(db)
            .await?;
    }
}

/// Removes what was named for campaigns that are over, some at a time; how many were removed.
pub(crate) async fn remove<C: ConnectionTrait>(
    db: &C,
    campaign: Uuid,
    most: usize,
) -> Result<u64, DbErr> {
    let last = named(db, campaign, None, most).await?.pop();
    let Some(last) = last else {
        return Ok(0);
    };
    campaign_item::Entity::delete_many()
        .filter(campaign_item::Column::Campaign.eq(campaign))
        .filter(campaign_item::Column::Handle.lte(last.handle))
        .exec(db)
        .await
        .map(|done| done.rows_affected)
}

/// A campaign that is over and still has a portfolio.
pub(crate) async fn leftover<C: ConnectionTrait>(db: &C) -> Result<Option<Uuid>, DbErr> {
    use crate::{campaign::State, entity::campaign};
    let over = [State::Completed.as_str(), State::Cancelled.as_str()];
    campaign_item::Entity::find()
        .select_only()
        .column(campaign_item::Column::Campaign)
        .filter(
            campaign_item::Column::Campaign.in_subquery(sea_orm::QueryTrait::into_query(
                campaign::Entity::find()
                    .select_only()
                    .column(campaign::Column::Id)
                    .filter(campaign::Column::State.is_in(over)),
            )),
        )
        .limit(1)
        .into_tuple()
        .one(db)
        .await
}

/// The tenant's watches of these certificates, ended ones too, one for each.
pub(crate) async fn by_handles<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    handles: &[Uuid],
) -> Result<BTreeMap<Uuid, watch::Model>, DbErr> {
    let mut found = BTreeMap::new();
    for some in handles.chunks(CHUNK) {
        let rows = watch::Entity::find()
            .filter(watch::Column::Tenant.eq(scope.tenant().uuid()))
            .filter(watch::Column::Environment.eq(scope.environment().as_str()))
            .filter(watch::Column::Handle.is_in(some.iter().copied()))
            .filter(watch::Column::Issuer.ne(""))
            .all(db)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.handle, row)));
    }
    Ok(found)
}

/// The tenant's watches that have not ended under these customer numbers (their fingerprints).
pub(crate) async fn by_references<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    keys: &[Vec<u8>],
) -> Result<Vec<watch::Model>, DbErr> {
    let mut found = Vec::new();
    for some in keys.chunks(CHUNK) {
        let rows = watch::Entity::find()
            .filter(watch::Column::Tenant.eq(scope.tenant().uuid()))
            .filter(watch::Column::Environment.eq(scope.environment().as_str()))
            .filter(watch::Column::ReferenceKey.is_in(some.iter().cloned()))
            .filter(watch::Column::EndedAt.is_null())
            .order_by_asc(watch::Column::Id)
            .all(db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Watches whose customer number cannot be found by yet.
pub(crate) async fn unkeyed<C: ConnectionTrait>(db: &C) -> Result<Vec<watch::Model>, DbErr> {
    watch::Entity::find()
        .filter(watch::Column::Reference.is_not_null())
        .filter(watch::Column::ReferenceKey.is_null())
        .order_by_asc(watch::Column::Id)
        .limit(CHUNK as u64)
        .all(db)
        .await
}

/// Writes a customer number's fingerprint beside it, unless the number was erased meanwhile.
pub(crate) async fn key<C: ConnectionTrait>(
    db: &C,
    watch: Uuid,
    key: Vec<u8>,
) -> Result<(), DbErr> {
    watch::Entity::update_many()
        .col_expr(watch::Column::ReferenceKey, Expr::value(Some(key)))
        .filter(watch::Column::Id.eq(watch))
        .filter(watch::Column::Reference.is_not_null())
        .exec(db)
        .await?;
    Ok(())
}

/// The tenant's watches by their ids.
pub(crate) async fn watches<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, watch::Model>, DbErr> {
    let mut found = BTreeMap::new();
    for some in ids.chunks(CHUNK) {
        let rows = watch::Entity::find()
            .filter(watch::Column::Tenant.eq(scope.tenant().uuid()))
            .filter(watch::Column::Id.is_in(some.iter().copied()))
            .all(db)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(found)
}
