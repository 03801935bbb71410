//! Shared costs as the operator enters them.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;
use warikan_types::{BillingMonth, Id, Timestamp, Yen};

use super::{month, word};
use crate::{
    entity::shared_cost::{self, Column},
    error::BillingError,
    share::CostCategory,
    share_costs::{SharedCost, SharedCostView},
};

/// Enters a cost.
pub(crate) async fn enter(txn: &DatabaseTransaction, cost: &SharedCostView) -> Result<(), DbErr> {
    shared_cost::Entity::insert(shared_cost::ActiveModel {
        id: Set(cost.id.uuid()),
        month: Set(cost.month.to_string()),
        category: Set(cost.category.as_str().to_owned()),
        amount: Set(cost.amount.0),
        note: Set(cost.note.clone()),
        entered_at: Set(cost.entered_at.utc()),
    })
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// A month's costs, in the order of entering; up to one more than `limit`.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    period: BillingMonth,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<SharedCostView>, BillingError> {
    let mut rows = shared_cost::Entity::find()
        .filter(Column::Month.eq(period.to_string()))
        .order_by_asc(Column::Id)
        .limit(limit.saturating_add(1));
    if let Some(after) = after {
        rows = rows.filter(Column::Id.gt(after));
    }
    rows.all(db).await?.into_iter().map(view).collect()
}

/// One of them.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    id: Id<SharedCost>,
) -> Result<Option<SharedCostView>, BillingError> {
    let row = shared_cost::Entity::find_by_id(id.uuid()).one(db).await?;
    row.map(view).transpose()
}

/// Takes one away.
pub(crate) async fn remove(txn: &DatabaseTransaction, id: Id<SharedCost>) -> Result<(), DbErr> {
    shared_cost::Entity::delete_by_id(id.uuid())
        .exec(txn)
        .await?;
    Ok(())
}

/// What a month's costs come to by category.
pub(crate) async fn totals(
    db: &impl ConnectionTrait,
    period: BillingMonth,
) -> Result<BTreeMap<CostCategory, Yen>, BillingError> {
    let mut totals: BTreeMap<CostCategory, Yen> = BTreeMap::new();
    // Entered by hand: a month has a handful.
    let rows = shared_cost::Entity::find().filter(Column::Month.eq(period.to_string()));
    for row in rows.all(db).await? {
        let cost = view(row)?;
        let sum = totals.entry(cost.category).or_default();
        *sum = sum.plus(cost.amount)?;
    }
    Ok(totals)
}

fn view(row: shared_cost::Model) -> Result<SharedCostView, BillingError> {
    Ok(SharedCostView {
        id: Id::from_uuid(row.id),
        month: month(&row.month)?,
        category: word("cost category", &row.category, CostCategory::from_word)?,
        amount: Yen(row.amount),
        note: row.note,
        entered_at: Timestamp::new(row.entered_at),
    })
}
