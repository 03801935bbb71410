//! Usage records.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::Func,
};
use uuid::Uuid;
use warikan_contracts::facts::Channel;
use warikan_rows::Known;
use warikan_types::{
    BillingMonth, CertificateKind, Entropy, Environment, Id, Reason, TenantId, TenantScope,
    Timestamp, UsageRecord, Verdict,
};

use super::{month, of, optional, word};
use crate::{
    billable::Rule,
    entity::usage_record::{self, Column},
    error::BillingError,
    invoice::{LineView, RecordView},
    rate::UsageGroup,
    usage::{Operation, bill_month},
    words::{Meter, Purpose, channel_from_word},
};

/// Uses of one sort on one day, billed or not.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) month: BillingMonth,
    pub(crate) priced_on: NaiveDate,
    pub(crate) meter: Meter,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) kind: Option<CertificateKind>,
    pub(crate) channel: Option<Channel>,
    pub(crate) billable: bool,
    pub(crate) rule: Rule,
    pub(crate) quantity: i64,
}

impl Counted {
    /// As rating takes it; `None` for what is not billed. A billed use without purpose or kind cannot be: the rules
    /// refuse it.
    pub(crate) fn billed(&self) -> Option<UsageGroup> {
        self.billable.then_some(())?;
        Some(UsageGroup {
            month: self.month,
            priced_on: self.priced_on,
            meter: self.meter,
            purpose: self.purpose?,
            kind: self.kind?,
            channel: self.channel,
            quantity: self.quantity,
        })
    }
}

#[derive(FromQueryResult)]
struct CountedRow {
    tenant: Uuid,
    month: String,
    priced_on: NaiveDate,
    meter: String,
    purpose: Option<String>,
    kind: Option<String>,
    channel: Option<String>,
    billable: bool,
    rule: String,
    quantity: i64,
}

impl TryFrom<CountedRow> for Counted {
    type Error = BillingError;

    fn try_from(row: CountedRow) -> Result<Self, BillingError> {
        Ok(Self {
            month: month(&row.month)?,
            priced_on: row.priced_on,
            meter: word("meter", &row.meter, Meter::from_word)?,
            purpose: optional("purpose", row.purpose.as_deref(), Purpose::from_word)?,
            kind: optional("kind", row.kind.as_deref(), CertificateKind::from_word)?,
            channel: optional("channel", row.channel.as_deref(), channel_from_word)?,
            billable: row.billable,
            rule: word("rule", &row.rule, Rule::from_word)?,
            quantity: row.quantity,
        })
    }
}

/// Records operations; those already recorded are left as they are. Returns how many were new.
pub(crate) async fn record(
    txn: &DatabaseTransaction,
    operations: &[(TenantScope, Operation)],
    closed_through: Option<BillingMonth>,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<u64, DbErr> {
    let row = |(scope, operation): &(TenantScope, Operation)| usage_record::ActiveModel {
        id: Set(entropy.id::<UsageRecord>(now).uuid()),
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        meter: Set(operation.meter.as_str().to_owned()),
        operation: Set(operation.key.clone()),
        purpose: Set(operation.purpose.map(|one| one.as_str().to_owned())),
        kind: Set(operation.kind.map(|one| one.as_str().to_owned())),
        channel: Set(operation.channel.map(|one| one.as_str().to_owned())),
        quantity: Set(1),
        accepted_at: Set(operation.accepted_at.utc()),
        month: Set(operation.month.to_string()),
        bill_month: Set(bill_month(operation.month, closed_through).to_string()),
        priced_on: Set(operation.priced_on),
        billable: Set(operation.rule.is_billable()),
        rule: Set(operation.rule.as_str().to_owned()),
        verdict: Set(operation.verdict.map(|one| one.as_str().to_owned())),
        reason: Set(operation.reason.map(|one| one.as_str().to_owned())),
        recorded_at: Set(now.utc()),
        mark: Set(Some(operation.mark)),
    };
    // Tenant, environment, meter and operation are unique together. In their order: two transactions that record the same operations then
    // wait for each other instead of locking each other out.
    let mut told: Vec<_> = operations.iter().collect();
    told.sort_by_cached_key(|(scope, operation)| {
        let environment = scope.environment().as_str();
        let meter = operation.meter.as_str();
        (scope.tenant(), environment, meter, operation.key.clone())
    });
    warikan_rows::insert(txn, told.into_iter().map(row).collect(), Known::Kept).await
}

async fn count_by_tenant(
    db: &impl ConnectionTrait,
    rows: Select<usage_record::Entity>,
) -> Result<Vec<(TenantId, Counted)>, BillingError> {
    // A sum of bigints is numeric on PostgreSQL; the cast makes both databases answer alike, and refuse what does not fit.
    let quantity = Func::cast_as(Column::Quantity.sum(), "bigint");
    let sorts = [
        Column::Tenant,
        Column::Month,
        Column::PricedOn,
        Column::Meter,
        Column::Purpose,
        Column::Kind,
        Column::Channel,
        Column::Billable,
        Column::Rule,
    ];
    let mut query = rows.select_only();
    for column in sorts {
        query = query.column(column).group_by(column);
    }
    query
        .expr_as(quantity, "quantity")
        .into_model::<CountedRow>()
        .all(db)
        .await?
        .into_iter()
        .map(|row| Ok((TenantId::from_uuid(row.tenant), row.try_into()?)))
        .collect()
}

async fn count(
    db: &impl ConnectionTrait,
    rows: Select<usage_record::Entity>,
) -> Result<Vec<Counted>, BillingError> {
    let counted = count_by_tenant(db, rows).await?;
    Ok(counted.into_iter().map(|(_, counted)| counted).collect())
}

/// What a tenant used in a month, by acceptance.
pub(crate) async fn accepted_in(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    month: BillingMonth,
) -> Result<Vec<Counted>, BillingError> {
    let rows = usage_record::Entity::find()
        .filter(of(scope, Column::Tenant, Column::Environment))
        .filter(Column::Month.eq(month.to_string()));
    count(db, rows).await
}

/// Billed uses by tenant.
pub(crate) type Billed = BTreeMap<TenantId, Vec<UsageGroup>>;

fn billed(counted: Vec<(TenantId, Counted)>) -> Billed {
    let mut billed = Billed::new();
    for (tenant, counted) in counted {
        billed.entry(tenant).or_default().extend(counted.billed());
    }
    billed
}

fn all_billable(tenants: &[TenantId]) -> Select<usage_record::Entity> {
    usage_record::Entity::find()
        .filter(Column::Environment.eq(Environment::Production.as_str()))
        .filter(Column::Tenant.is_in(tenants.iter().map(Id::uuid)))
        .filter(Column::Billable.eq(true))
}

/// What goes on these tenants' invoices for a month: its own uses, and late ones of closed months.
pub(crate) async fn all_billed_in(
    db: &impl ConnectionTrait,
    tenants: &[TenantId],
    month: BillingMonth,
) -> Result<Billed, BillingError> {
    let rows = all_billable(tenants).filter(Column::BillMonth.eq(month.to_string()));
    Ok(billed(count_by_tenant(db, rows).await?))
}

/// What of these tenants' uses in some months went on invoices before `month`'s.
pub(crate) async fn all_billed_before(
    db: &impl ConnectionTrait,
    tenants: &[TenantId],
    accepted_in: &BTreeSet<BillingMonth>,
    month: BillingMonth,
) -> Result<Billed, BillingError> {
    if accepted_in.is_empty() {
        return Ok(Billed::new());
    }
    let rows = all_billable(tenants)
        .filter(Column::Month.is_in(accepted_in.iter().map(ToString::to_string)))
        .filter(Column::BillMonth.lt(month.to_string()));
    Ok(billed(count_by_tenant(db, rows).await?))
}

/// What all tenants used in production in a month, by acceptance.
pub(crate) async fn all_accepted_in(
    db: &impl ConnectionTrait,
    month: BillingMonth,
) -> Result<Vec<Counted>, BillingError> {
    let counted = accepted_by_tenant(db, month).await?;
    Ok(counted.into_iter().map(|(_, counted)| counted).collect())
}

/// The same by tenant.
pub(crate) async fn accepted_by_tenant(
    db: &impl ConnectionTrait,
    month: BillingMonth,
) -> Result<Vec<(TenantId, Counted)>, BillingError> {
    let rows = usage_record::Entity::find()
        .filter(Column::Environment.eq(Environment::Production.as_str()))
        .filter(Column::Month.eq(month.to_string()));
    count_by_tenant(db, rows).await
}

/// All tenants with something to bill in a month, and how many units.
pub(crate) async fn all_billed_units(
    db: &impl ConnectionTrait,
    month: BillingMonth,
) -> Result<BTreeMap<TenantId, i64>, DbErr> {
    let units = Func::cast_as(Column::Quantity.sum(), "bigint");
    let rows: Vec<(Uuid, i64)> = usage_record::Entity::find()
        .select_only()
        .column(Column::Tenant)
        .expr_as(units, "units")
        .filter(Column::Environment.eq(Environment::Production.as_str()))
        .filter(Column::BillMonth.eq(month.to_string()))
        .filter(Column::Billable.eq(true))
        .group_by(Column::Tenant)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(tenant, units)| (TenantId::from_uuid(tenant), units))
        .collect())
}

/// The earliest month in which anything was used in production.
pub(crate) async fn first_month(
    db: &impl ConnectionTrait,
) -> Result<Option<BillingMonth>, BillingError> {
    let first = usage_record::Entity::find()
        .filter(Column::Environment.eq(Environment::Production.as_str()))
        .order_by_asc(Column::BillMonth)
        .limit(1)
        .one(db)
        .await?;
    first.map(|row| month(&row.bill_month)).transpose()
}

/// Which records stand behind a line.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    /// The month of the invoice.
    pub(crate) period: BillingMonth,
    pub(crate) line: LineView,
    pub(crate) days: (NaiveDate, NaiveDate),
}

impl Behind {
    /// All records of the line's sort, in the order in which they take their places.
    fn sort(&self, scope: TenantScope) -> Select<usage_record::Entity> {
        let line = &self.line;
        usage_record::Entity::find()
            .filter(of(scope, Column::Tenant, Column::Environment))
            .filter(Column::BillMonth.eq(self.period.to_string()))
            .filter(Column::Billable.eq(true))
            .filter(Column::Month.eq(line.service_month.to_string()))
            .filter(Column::Meter.eq(line.meter.map(Meter::as_str)))
            .filter(Column::Purpose.eq(line.purpose.map(Purpose::as_str)))
            .filter(Column::Kind.eq(line.kind.map(CertificateKind::as_str)))
            .filter(match line.channel {
                Some(channel) => Column::Channel.eq(channel.as_str()),
                None => Column::Channel.is_null(),
            })
            .filter(Column::PricedOn.between(self.days.0, self.days.1))
            .order_by_asc(Column::PricedOn)
            .order_by_asc(Column::Id)
    }
}

/// The records behind a line, by day and then in the order in which they were recorded. Each counts one unit: a graduated
/// price parts the records of a sort by their places.
pub(crate) async fn behind_line(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    behind: &Behind,
    page: (Option<Uuid>, u64),
) -> Result<Vec<RecordView>, BillingError> {
    let (after, limit) = page;
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let (skip, held) = (
        number(behind.line.records_before),
        number(behind.line.quantity),
    );
    let mut rows = behind.sort(scope);
    let mut passed = 0;
    if let Some(after) = after {
        let Some(last) = usage_record::Entity::find_by_id(after).one(db).await? else {
            return Ok(Vec::new());
        };
        let beyond = || {
            Condition::any()
                .add(Column::PricedOn.gt(last.priced_on))
                .add(
                    Condition::all()
                        .add(Column::PricedOn.eq(last.priced_on))
                        .add(Column::Id.gt(after)),
                )
        };
        passed = behind
            .sort(scope)
            .filter(beyond().not())
            .count(db)
            .await?
            .saturating_sub(skip);
        rows = rows.filter(beyond());
    } else {
        rows = rows.offset(skip);
    }
    let left = held.saturating_sub(passed);
    let rows = rows
        .limit(limit.saturating_add(1).min(left))
        .all(db)
        .await?;
    rows.into_iter().map(view).collect()
}

/// The records that a tenant's invoice for a month counts, in the order in which they were recorded.
pub(crate) async fn billed_records(
    scope: TenantScope,
    db: &impl ConnectionTrait,
    period: BillingMonth,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<RecordView>, BillingError> {
    let mut rows = usage_record::Entity::find()
        .filter(of(scope, Column::Tenant, Column::Environment))
        .filter(Column::BillMonth.eq(period.to_string()))
        .filter(Column::Billable.eq(true))
        .order_by_asc(Column::Id)
        .limit(limit);
    if let Some(after) = after {
        rows = rows.filter(Column::Id.gt(after));
    }
    rows.all(db).await?.into_iter().map(view).collect()
}

fn view(row: usage_record::Model) -> Result<RecordView, BillingError> {
    let verdict = |text: &str| {
        [Verdict::Valid, Verdict::Invalid, Verdict::Indeterminate]
            .into_iter()
            .find(|one| one.as_str() == text)
    };
    let reason = |text: &str| Reason::ALL.into_iter().find(|one| one.as_str() == text);
    let accepted_at: DateTime<Utc> = row.accepted_at;
    Ok(RecordView {
        id: Id::from_uuid(row.id),
        operation: row.operation,
        meter: word("meter", &row.meter, Meter::from_word)?,
        purpose: optional("purpose", row.purpose.as_deref(), Purpose::from_word)?,
        kind: optional("kind", row.kind.as_deref(), CertificateKind::from_word)?,
        channel: optional("channel", row.channel.as_deref(), channel_from_word)?,
        quantity: row.quantity,
        accepted_at: Timestamp::new(accepted_at),
        month: month(&row.month)?,
        priced_on: row.priced_on,
        billable: row.billable,
        rule: word("rule", &row.rule, Rule::from_word)?,
        verdict: optional("verdict", row.verdict.as_deref(), verdict)?,
        reason: optional("reason", row.reason.as_deref(), reason)?,
    })
}
