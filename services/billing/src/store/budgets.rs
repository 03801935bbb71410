//! Budgets, and the thresholds that tenants were told of.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;
use warikan_types::{BillingMonth, Environment, TenantId, TenantScope, Timestamp, Yen};

use super::{of, word};
use crate::{
    budget::Budget,
    entity::{budget, budget_crossing},
    error::BillingError,
};

/// Sets a tenant's budget.
pub(crate) async fn set(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    new: &Budget,
    now: Timestamp,
) -> Result<(), DbErr> {
    let thresholds: Vec<String> = new.thresholds.iter().map(ToString::to_string).collect();
    let replaced = OnConflict::columns([budget::Column::Tenant, budget::Column::Environment])
        .update_columns([
            budget::Column::Amount,
            budget::Column::Thresholds,
            budget::Column::ChangedAt,
        ])
        .to_owned();
    budget::Entity::insert(budget::ActiveModel {
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        amount: Set(new.monthly_amount.0),
        thresholds: Set(thresholds.join(" ")),
        changed_at: Set(now.utc()),
    })
    .on_conflict(replaced)
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// A tenant's budget, if it has one.
pub(crate) async fn find(
    scope: TenantScope,
    db: &impl ConnectionTrait,
) -> Result<Option<Budget>, BillingError> {
    let row = budget::Entity::find()
        .filter(of(
            scope,
            budget::Column::Tenant,
            budget::Column::Environment,
        ))
        .one(db)
        .await?;
    row.map(|row| {
        let percent = |text: &str| word("threshold", text, |text| text.parse().ok());
        Ok(Budget {
            monthly_amount: Yen(row.amount),
            thresholds: row
                .thresholds
                .split(' ')
                .map(percent)
                .collect::<Result<_, BillingError>>()?,
        })
    })
    .transpose()
}

/// Takes a tenant's budget away; false where there is none.
pub(crate) async fn remove(scope: TenantScope, txn: &DatabaseTransaction) -> Result<bool, DbErr> {
    let done = budget::Entity::delete_many()
        .filter(of(
            scope,
            budget::Column::Tenant,
            budget::Column::Environment,
        ))
        .exec(txn)
        .await?;
    Ok(done.rows_affected > 0)
}

/// All tenants that have a budget.
pub(crate) async fn all(db: &impl ConnectionTrait) -> Result<Vec<TenantScope>, BillingError> {
    let rows: Vec<(Uuid, String)> = budget::Entity::find()
        .select_only()
        .column(budget::Column::Tenant)
        .column(budget::Column::Environment)
        .order_by_asc(budget::Column::Tenant)
        .into_tuple()
        .all(db)
        .await?;
    rows.into_iter()
        .map(|(tenant, environment)| {
            let environment = word("environment", &environment, Environment::from_word)?;
            Ok(TenantScope::of_event(
                TenantId::from_uuid(tenant),
                environment,
            ))
        })
        .collect()
}

/// Notes that a threshold was reached; false where that was noted before.
pub(crate) async fn cross(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    period: BillingMonth,
    percent: u16,
    spent: Yen,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let new = budget_crossing::Entity::insert(budget_crossing::ActiveModel {
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        month: Set(period.to_string()),
        percent: Set(i32::from(percent)),
        spent: Set(spent.0),
        crossed_at: Set(now.utc()),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(txn)
    .await?;
    Ok(new > 0)
}

/// The thresholds that a tenant was told of in a month, and when.
pub(crate) async fn crossed(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    period: BillingMonth,
) -> Result<BTreeMap<u16, Timestamp>, BillingError> {
    let rows = budget_crossing::Entity::find()
        .filter(of(
            scope,
            budget_crossing::Column::Tenant,
            budget_crossing::Column::Environment,
        ))
        .filter(budget_crossing::Column::Month.eq(period.to_string()))
        .all(db)
        .await?;
    rows.into_iter()
        .map(|row| {
            let text = row.percent.to_string();
            let percent = word("threshold", &text, |text| text.parse().ok())?;
            Ok((percent, Timestamp::new(row.crossed_at)))
        })
        .collect()
}
