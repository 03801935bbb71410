//! Customer numbers that are sealed under the platform's key, as they were before tenants had keys of their own here.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use uuid::Uuid;
use warikan_runtime::under_platform_key;
use warikan_types::{Id, TenantScope};

use super::{CHUNK, environment_of};
use crate::{
    campaign::reference_place as place_in_campaign,
    entity::{campaign, campaign_change, campaign_item, watch},
    watch::reference_place,
};

/// Where one lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Watch(Uuid),
    Change(Uuid),
    Item { campaign: Uuid, handle: Uuid },
}

/// A customer number that is to be sealed anew.
pub(crate) struct Old {
    pub(crate) place: Place,
    pub(crate) scope: TenantScope,
    /// What it is bound to.
    pub(crate) bound_to: String,
    pub(crate) sealed: Vec<u8>,
}

fn old<C: ConnectionTrait>(db: &C) -> Expr {
    Expr::cust(under_platform_key(db.get_database_backend(), "reference"))
}

/// The next ones of watches.
pub(crate) async fn of_watches<C: ConnectionTrait>(
    db: &C,
    after: Option<Place>,
) -> Result<Vec<Old>, DbErr> {
    let mut find = watch::Entity::find().filter(old(db));
    if let Some(Place::Watch(id)) = after {
        find = find.filter(watch::Column::Id.gt(id));
    }
    let rows = find
        .order_by_asc(watch::Column::Id)
        .limit(CHUNK as u64)
        .all(db)
        .await?;
    rows.into_iter()
        .map(|row| {
            let scope = super::scope_of(&row)?;
            Ok(Old {
                place: Place::Watch(row.id),
                scope,
                bound_to: reference_place(scope, Id::from_uuid(row.id)),
                sealed: row.reference.unwrap_or_default(),
            })
        })
        .collect()
}

/// The next ones of campaigns' changes.
pub(crate) async fn of_changes<C: ConnectionTrait>(
    db: &C,
    after: Option<Place>,
) -> Result<Vec<Old>, DbErr> {
    let mut find = campaign_change::Entity::find().filter(old(db));
    if let Some(Place::Change(id)) = after {
        find = find.filter(campaign_change::Column::Id.gt(id));
    }
    let rows = find
        .order_by_asc(campaign_change::Column::Id)
        .limit(CHUNK as u64)
        .all(db)
        .await?;
    let found = rows.into_iter().map(|row| {
        let sealed = row.reference.unwrap_or_default();
        (Place::Change(row.id), row.campaign, sealed)
    });
    in_campaigns(db, found.collect()).await
}

/// The next ones of portfolios that wait to be checked.
pub(crate) async fn of_items<C: ConnectionTrait>(
    db: &C,
    after: Option<Place>,
) -> Result<Vec<Old>, DbErr> {
    let mut find = campaign_item::Entity::find().filter(old(db));
    if let Some(Place::Item { campaign, handle }) = after {
        let later = campaign_item::Column::Handle.gt(handle);
        let in_this = campaign_item::Column::Campaign.eq(campaign).and(later);
        find = find.filter(campaign_item::Column::Campaign.gt(campaign).or(in_this));
    }
    let rows = find
        .order_by_asc(campaign_item::Column::Campaign)
        .order_by_asc(campaign_item::Column::Handle)
        .limit(CHUNK as u64)
        .all(db)
        .await?;
    let found = rows.into_iter().map(|row| {
        let (campaign, handle) = (row.campaign, row.handle);
        let sealed = row.reference.unwrap_or_default();
        (Place::Item { campaign, handle }, campaign, sealed)
    });
    in_campaigns(db, found.collect()).await
}

async fn in_campaigns<C: ConnectionTrait>(
    db: &C,
    found: Vec<(Place, Uuid, Vec<u8>)>,
) -> Result<Vec<Old>, DbErr> {
    let ids = found.iter().map(|(_, campaign, _)| *campaign);
    let rows = campaign::Entity::find()
        .filter(campaign::Column::Id.is_in(ids))
        .all(db)
        .await?;
    let mut scopes = HashMap::new();
    for row in rows {
        let environment = environment_of(&row.environment)?;
        let scope = TenantScope::of_event(Id::from_uuid(row.tenant), environment);
        scopes.insert(row.id, scope);
    }
    let named = found.into_iter().filter_map(|(place, campaign, sealed)| {
        let scope = *scopes.get(&campaign)?;
        Some(Old {
            place,
            scope,
            bound_to: place_in_campaign(scope, Id::from_uuid(campaign)),
            sealed,
        })
    });
    Ok(named.collect())
}

/// Puts another box, or nothing, in this one's place; one that was erased or changed meanwhile stays.
pub(crate) async fn replace<C: ConnectionTrait>(
    db: &C,
    old: &Old,
    new: Option<Vec<u8>>,
) -> Result<(), DbErr> {
    let (new, before) = (Expr::value(new), old.sealed.clone());
    match old.place {
        Place::Watch(id) => {
            watch::Entity::update_many()
                .col_expr(watch::Column::Reference, new)
                .filter(watch::Column::Id.eq(id))
                .filter(watch::Column::Reference.eq(before))
                .exec(db)
                .await?
        }
        Place::Change(id) => {
            campaign_change::Entity::update_many()
                .col_expr(campaign_change::Column::Reference, new)
                .filter(campaign_change::Column::Id.eq(id))
                .filter(campaign_change::Column::Reference.eq(before))
                .exec(db)
                .await?
        }
        Place::Item { campaign, handle } => {
            campaign_item::Entity::update_many()
                .col_expr(campaign_item::Column::Reference, new)
                .filter(campaign_item::Column::Campaign.eq(campaign))
                .filter(campaign_item::Column::Handle.eq(handle))
                .filter(campaign_item::Column::Reference.eq(before))
                .exec(db)
                .await?
        }
    };
    Ok(())
}
