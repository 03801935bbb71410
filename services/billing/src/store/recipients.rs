//! Tenants, as invoices name them.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use warikan_contracts::facts::{TenantChanged, TenantState};
use warikan_types::{BillingMonth, TenantId, Timestamp};

use crate::entity::recipient;

/// A tenant as billing knows it.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    pub(crate) name: String,
    pub(crate) plan: String,
    activated_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl Recipient {
    /// Whether the base fee is due: the tenant could use production at some time in the month.
    pub(crate) fn owes_base_fee(&self, month: BillingMonth) -> bool {
        self.activated_at.is_some_and(|at| at < month.end())
            && self.ended_at.is_none_or(|at| at >= month.start())
    }
}

impl From<recipient::Model> for Recipient {
    fn from(row: recipient::Model) -> Self {
        Self {
            name: row.name,
            plan: row.plan,
            activated_at: row.activated_at.map(Timestamp::new),
            ended_at: row.ended_at.map(Timestamp::new),
        }
    }
}

/// Takes a change over. Of name, plan and state the highest revision counts; of the activation the earliest, whichever
/// order they come in.
pub(crate) async fn change(
    txn: &DatabaseTransaction,
    fact: &TenantChanged,
    occurred_at: Timestamp,
) -> Result<(), DbErr> {
    let found = recipient::Entity::find_by_id(fact.tenant.uuid())
        .one(txn)
        .await?;
    let at = occurred_at.utc();
    let activated =
        matches!(fact.state, TenantState::Active | TenantState::Suspended).then_some(at);
    let known = found.as_ref().and_then(|row| row.activated_at);
    let activated_at = [known, activated].into_iter().flatten().min();
    let newer = found
        .as_ref()
        .is_none_or(|row| row.revision < fact.revision);
    let mut row = recipient::ActiveModel {
        tenant: Set(fact.tenant.uuid()),
        activated_at: Set(activated_at),
        ..Default::default()
    };
    if newer {
        row.name = Set(fact.name.clone());
        row.plan = Set(fact.plan.clone());
        row.state = Set(fact.state.as_str().to_owned());
        row.revision = Set(fact.revision);
        row.ended_at = Set((fact.state == TenantState::Closed).then_some(at));
    }
    if found.is_none() {
        recipient::Entity::insert(row)
            .exec_without_returning(txn)
            .await?;
    } else {
        recipient::Entity::update(row).exec(txn).await?;
    }
    Ok(())
}

/// One tenant, if onboarding has told of it.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    tenant: TenantId,
) -> Result<Option<Recipient>, DbErr> {
    Ok(recipient::Entity::find_by_id(tenant.uuid())
        .one(db)
        .await?
        .map(Recipient::from))
}

/// All tenants that owe `month`'s base fee.
pub(crate) async fn all_owing_base_fee(
    db: &impl ConnectionTrait,
    month: BillingMonth,
) -> Result<Vec<TenantId>, DbErr> {
    let rows = recipient::Entity::find()
        .filter(recipient::Column::ActivatedAt.is_not_null())
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (TenantId::from_uuid(row.tenant), Recipient::from(row)))
        .filter(|(_, recipient)| recipient.owes_base_fee(month))
        .map(|(tenant, _)| tenant)
        .collect())
}

/// When the first of all tenants was activated.
pub(crate) async fn first_activation(
    db: &impl ConnectionTrait,
) -> Result<Option<Timestamp>, DbErr> {
    let row = recipient::Entity::find()
        .filter(recipient::Column::ActivatedAt.is_not_null())
        .order_by_asc(recipient::Column::ActivatedAt)
        .limit(1)
        .one(db)
        .await?;
    Ok(row.and_then(|row| row.activated_at).map(Timestamp::new))
}
