//! The costs that all tenants bear together: entered by the operator while their month is open, split when it is closed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::{Answer, Idempotency};
use warikan_messaging::begin_write;
use warikan_types::{BillingMonth, Client, Id, IdKind, Timestamp, Yen};

use crate::{
    Billing,
    acts::Act,
    error::BillingError,
    share::CostCategory,
    store::{months, shared_costs},
};

/// A shared cost.
pub enum SharedCost {}
impl IdKind for SharedCost {
    const PREFIX: &'static str = "shc";
}
/// Named without its parameter: the schema derive would ask the marker type for a schema.
pub(crate) type SharedCostId = Id<SharedCost>;

/// A cost to be shared.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSharedCost {
    /// The month in Japan on whose invoices it is split.
    pub month: BillingMonth,
    /// What it is for.
    pub category: CostCategory,
    /// In yen without tax; negative for what was paid back. At most 10^12 either way.
    #[schema(value_type = i64, minimum = 1, maximum = 1000000000000i64)]
    pub amount: Yen,
    /// What the operator wants to remember of it, up to 200 characters. Not shown to tenants.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub note: String,
}

/// A shared cost.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SharedCostView {
    /// Its id.
    pub id: SharedCostId,
    /// The month in Japan on whose invoices it is split.
    pub month: BillingMonth,
    /// What it is for.
    pub category: CostCategory,
    /// In yen without tax.
    pub amount: Yen,
    /// The operator's note.
    pub note: String,
    /// When it was entered.
    pub entered_at: Timestamp,
}

impl Billing {
    /// Enters a cost for a month that is not closed.
    pub(crate) async fn enter_cost(
        &self,
        by: Id<Client>,
        new: &NewSharedCost,
        once: &Idempotency,
    ) -> Result<Answer, BillingError> {
        let now = self.0.platform.clock().now();
        let txn = begin_write(self.0.db.worker()).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let closed = months::closed_through_while_metering(&txn).await?;
        if closed.is_some_and(|closed| new.month <= closed) {
            return Err(BillingError::MonthClosed(new.month));
        }
        let cost = SharedCostView {
            id: self.0.platform.entropy.id(now),
            month: new.month,
            category: new.category,
            amount: new.amount,
            note: new.note.clone(),
            entered_at: now,
        };
        shared_costs::enter(&txn, &cost).await?;
        self.acted(&txn, act(by, "shared_cost.entered", &cost))
            .await?;
        let answer = Answer::json(201, &cost);
        once.keep(&txn, &answer).await?;
        txn.commit().await?;
        self.0.relay.wake();
        tracing::info!(month = %cost.month, category = cost.category.as_str(), amount = cost.amount.0, "shared cost entered");
        Ok(answer)
    }

    /// Takes a cost of a month that is not closed away.
    pub(crate) async fn remove_cost(
        &self,
        by: Id<Client>,
        id: Id<SharedCost>,
    ) -> Result<(), BillingError> {
        let txn = begin_write(self.0.db.worker()).await?;
        let closed = months::closed_through_while_metering(&txn).await?;
        let cost = shared_costs::find(&txn, id)
            .await?
            .ok_or(BillingError::NotFound)?;
        if closed.is_some_and(|closed| cost.month <= closed) {
            return Err(BillingError::MonthClosed(cost.month));
        }
        shared_costs::remove(&txn, id).await?;
        self.acted(&txn, act(by, "shared_cost.removed", &cost))
            .await?;
        txn.commit().await?;
        self.0.relay.wake();
        tracing::info!(month = %cost.month, category = cost.category.as_str(), amount = cost.amount.0, "shared cost removed");
        Ok(())
    }
}

fn act(by: Id<Client>, what: &'static str, cost: &SharedCostView) -> Act {
    Act::new(by, what, cost.id)
        .with("month", cost.month)
        .with("category", cost.category.as_str())
        .with("amount", cost.amount.0)
}
