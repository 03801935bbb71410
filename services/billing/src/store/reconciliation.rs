//! What comparisons with services' operations ask and keep.

use std::collections::{BTreeMap, HashSet};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Func, OnConflict},
};
use warikan_contracts::operations::{Metered, OperationGroup, Tally};
use warikan_types::{BillingMonth, Environment, Id, TenantId, TenantScope, Timestamp, UsageRecord};

use super::{of, word};
use crate::{
    entity::{
        agreed_group, reconciliation,
        usage_record::{self, Column},
    },
    error::BillingError,
    reconciliation::Reconciliation,
};

/// Records at a time.
const PAGE: u64 = 5_000;

/// A group's two tallies at which it was found to be the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) told: Tally,
    pub(crate) held: Tally,
}

/// A usage record, as far as it is compared.
pub(crate) struct Held {
    pub(crate) id: Id<UsageRecord>,
    pub(crate) operation: String,
    pub(crate) accepted_at: Timestamp,
}

/// A tenant's usage records of a month, accepted before a moment, by group. One tenant at a time: on SQLite everybody waits for this.
pub(crate) async fn held(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    month: BillingMonth,
    until: Timestamp,
) -> Result<BTreeMap<OperationGroup, Tally>, BillingError> {
    let count = Func::cast_as(Column::Id.count(), "bigint");
    let marks = Func::cast_as(Column::Mark.sum(), "bigint");
    let rows: Vec<(String, String, i64, Option<i64>)> = usage_record::Entity::find()
        .select_only()
        .column(Column::Environment)
        .column(Column::Meter)
        .expr_as(count, "operations")
        .expr_as(marks, "marks")
        .filter(Column::Environment.is_in(Environment::ALL.map(Environment::as_str)))
        .filter(Column::Month.eq(month.to_string()))
        .filter(Column::Tenant.eq(tenant.uuid()))
        .filter(Column::AcceptedAt.lt(until.utc()))
        .group_by(Column::Environment)
        .group_by(Column::Meter)
        .into_tuple()
        .all(db)
        .await?;
    rows.into_iter()
        .map(|(environment, meter, operations, marks)| {
            let group = OperationGroup {
                tenant,
                environment: word("environment", &environment, Environment::from_word)?,
                meter: word("meter", &meter, Metered::from_word)?,
            };
            let marks = marks.unwrap_or(0);
            Ok((group, Tally { operations, marks }))
        })
        .collect()
}

/// Which of these operations are recorded.
pub(crate) async fn known(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    meter: Metered,
    keys: &[String],
) -> Result<HashSet<String>, DbErr> {
    let found: Vec<String> = usage_record::Entity::find()
        .select_only()
        .column(Column::Operation)
        .filter(of(scope, Column::Tenant, Column::Environment))
        .filter(Column::Meter.eq(meter.as_str()))
        .filter(Column::Operation.is_in(keys.iter().map(String::as_str)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().collect())
}

/// The next records of a group, in the order of their operations' names; none after the last.
pub(crate) async fn records(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    meter: Metered,
    month: BillingMonth,
    after: Option<String>,
) -> Result<Vec<Held>, DbErr> {
    let mut rows = usage_record::Entity::find()
        .filter(of(scope, Column::Tenant, Column::Environment))
        .filter(Column::Meter.eq(meter.as_str()))
        .filter(Column::Month.eq(month.to_string()))
        .order_by_asc(Column::Operation)
        .limit(PAGE);
    if let Some(after) = after {
        rows = rows.filter(Column::Operation.gt(after));
    }
    let rows = rows.all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| Held {
            id: Id::from_uuid(row.id),
            operation: row.operation,
            accepted_at: Timestamp::new(row.accepted_at),
        })
        .collect())
}

/// At which tallies a group was last found to be the same.
pub(crate) async fn agreed(
    db: &impl ConnectionTrait,
    month: BillingMonth,
    group: OperationGroup,
) -> Result<Option<Agreed>, DbErr> {
    let key = (
        month.to_string(),
        group.tenant.uuid(),
        group.environment.as_str().to_owned(),
        group.meter.as_str().to_owned(),
    );
    let row = agreed_group::Entity::find_by_id(key).one(db).await?;
    Ok(row.map(|row| Agreed {
        told: Tally {
            operations: row.told,
            marks: row.told_marks,
        },
        held: Tally {
            operations: row.held,
            marks: row.held_marks,
        },
    }))
}

/// Remembers at which tallies a group was found to be the same.
pub(crate) async fn agree(
    db: &impl ConnectionTrait,
    month: BillingMonth,
    group: OperationGroup,
    agreed: Agreed,
) -> Result<(), DbErr> {
    use agreed_group::Column::{
        Environment, Held, HeldMarks, Meter, Month, Tenant, Told, ToldMarks,
    };
    let again = OnConflict::columns([Month, Tenant, Environment, Meter])
        .update_columns([Told, ToldMarks, Held, HeldMarks])
        .to_owned();
    agreed_group::Entity::insert(agreed_group::ActiveModel {
        month: Set(month.to_string()),
        tenant: Set(group.tenant.uuid()),
        environment: Set(group.environment.as_str().to_owned()),
        meter: Set(group.meter.as_str().to_owned()),
        told: Set(agreed.told.operations),
        told_marks: Set(agreed.told.marks),
        held: Set(agreed.held.operations),
        held_marks: Set(agreed.held.marks),
    })
    .on_conflict(again)
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// What the last comparison of a month found.
pub(crate) async fn last(
    db: &impl ConnectionTrait,
    month: BillingMonth,
) -> Result<Option<Reconciliation>, BillingError> {
    let row = reconciliation::Entity::find_by_id(month.to_string())
        .one(db)
        .await?;
    let read = |text: &str| serde_json::from_str(text).ok();
    row.map(|row| word("reconciliation", &row.result, read))
        .transpose()
}

/// Keeps what a comparison found.
pub(crate) async fn keep(
    db: &impl ConnectionTrait,
    found: &Reconciliation,
) -> Result<(), BillingError> {
    let result = serde_json::to_string(found)
        .map_err(|error| DbErr::Custom(format!("a comparison is plain data: {error}")))?;
    let again = OnConflict::column(reconciliation::Column::Month)
        .update_columns([
            reconciliation::Column::CheckedAt,
            reconciliation::Column::Result,
        ])
        .to_owned();
    let checked_at = found.checked_at.unwrap_or(found.period.start());
    reconciliation::Entity::insert(reconciliation::ActiveModel {
        month: Set(found.period.to_string()),
        checked_at: Set(checked_at.utc()),
        result: Set(result),
    })
    .on_conflict(again)
    .exec_without_returning(db)
    .await?;
    Ok(())
}
