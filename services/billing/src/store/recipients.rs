//! Tenants, as invoices name them.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;
use warikan_contracts::facts::{TenantChanged, TenantState};
use warikan_messaging::{Hold, hold};
use warikan_types::{TenantId, Timestamp};

use crate::{
    account::Account,
    calendar::jst_date,
    entity::{recipient, recipient_plan},
};

/// A tenant as billing knows it.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    pub(crate) name: String,
    pub(crate) account: Account,
}

impl Recipient {
    fn of(row: recipient::Model, plans: Vec<recipient_plan::Model>) -> Self {
        let told = plans.into_iter().map(|plan| (plan.from_day, plan.plan));
        Self {
            name: row.name,
            account: Account {
                plans: Account::of_revisions(told),
                activated_at: row.activated_at.map(Timestamp::new),
                ended_at: row.ended_at.map(Timestamp::new),
            },
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
    // Two facts of one tenant at once: the second reads what the first wrote, or an older revision could overwrite a newer.
    let name = format!("recipient/{}", fact.tenant);
    hold(txn, &name, Hold::Exclusive).await?;
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
    recipient_plan::Entity::insert(recipient_plan::ActiveModel {
        tenant: Set(fact.tenant.uuid()),
        revision: Set(fact.revision),
        plan: Set(fact.plan.clone()),
        from_day: Set(jst_date(occurred_at)),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// One tenant, if onboarding has told of it.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    tenant: TenantId,
) -> Result<Option<Recipient>, DbErr> {
    let Some(row) = recipient::Entity::find_by_id(tenant.uuid()).one(db).await? else {
        return Ok(None);
    };
    let plans = recipient_plan::Entity::find()
        .filter(recipient_plan::Column::Tenant.eq(tenant.uuid()))
        .order_by_asc(recipient_plan::Column::Revision)
        .all(db)
        .await?;
    Ok(Some(Recipient::of(row, plans)))
}

/// All tenants that onboarding has told of: a close needs each of them.
pub(crate) async fn all(db: &impl ConnectionTrait) -> Result<BTreeMap<TenantId, Recipient>, DbErr> {
    let mut plans: BTreeMap<Uuid, Vec<recipient_plan::Model>> = BTreeMap::new();
    let told = recipient_plan::Entity::find()
        .order_by_asc(recipient_plan::Column::Tenant)
        .order_by_asc(recipient_plan::Column::Revision);
    for row in told.all(db).await? {
        plans.entry(row.tenant).or_default().push(row);
    }
    let rows = recipient::Entity::find().all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let told = plans.remove(&row.tenant).unwrap_or_default();
            (TenantId::from_uuid(row.tenant), Recipient::of(row, told))
        })
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

/// Everybody that onboarding has told of.
pub(crate) async fn known(db: &impl ConnectionTrait) -> Result<BTreeSet<TenantId>, DbErr> {
    let rows: Vec<Uuid> = recipient::Entity::find()
        .select_only()
        .column(recipient::Column::Tenant)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(TenantId::from_uuid).collect())
}
