//! Budgets: what a tenant means to spend in a month, and at which parts of it the tenant is told.
//!
//! Crossing a threshold is a row, keyed by tenant, month and threshold, and commits with its fact: however often and by
//! however many processes the spending is looked at, the tenant is told once. What counts is what an invoice of the month would
//! come to now, without tax, adjustments and shares of shared costs: `charges.subtotal` of the month's usage.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::{Envelope, facts::BudgetThresholdReached};
use warikan_messaging::Outbox;
use warikan_runtime::TenantAct;
use warikan_types::{BillingMonth, Client, Id, TenantScope, Timestamp, Yen};

use crate::{
    Billing,
    calendar::month_of,
    error::BillingError,
    project_usage::Charges,
    rate::UsageGroup,
    store::{
        budgets, recipients,
        usage::{self, Counted},
    },
};

/// The largest budget: what a mistyped figure must not exceed.
pub(crate) const LARGEST: i64 = 1_000_000_000_000;
/// The highest threshold, in percent of the budget.
pub(crate) const HIGHEST: u16 = 1_000;
/// Thresholds of one budget.
pub(crate) const MOST_THRESHOLDS: usize = 10;
/// For so long after its end a month is looked at too: what was used in its last seconds is heard of later.
const AFTERMATH: Duration = Duration::from_secs(24 * 3_600);

/// What a tenant means to spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewBudget)]
pub(crate) struct Budget {
    /// Yen a month without tax, 1 to 10^12.
    #[schema(value_type = i64, minimum = 1, maximum = 1000000000000i64)]
    pub(crate) monthly_amount: Yen,
    /// Percentages of it at which the tenant is told, ascending, at most ten of 1 to 1000.
    #[schema(min_items = 1, max_items = 10)]
    pub(crate) thresholds: Vec<u16>,
}

/// A tenant's budget, and how far the month has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Budget)]
pub(crate) struct BudgetView {
    /// Yen a month without tax.
    monthly_amount: Yen,
    /// The month in Japan that is running.
    period: BillingMonth,
    /// What its invoice would come to now; `subtotal` is what the thresholds are held against.
    charges: Charges,
    /// The thresholds, ascending.
    thresholds: Vec<ThresholdView>,
}

/// A threshold in the running month.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BudgetThreshold)]
pub(crate) struct ThresholdView {
    /// Percent of the budget.
    percent: u16,
    /// When the tenant was told in this month that it was reached; `null` if not yet. It is told once a month, whatever becomes of
    /// the budget.
    reached_at: Option<Timestamp>,
}

impl Budget {
    /// Where it cannot be meant: the pointer of the field, and what to do.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if !(1..=LARGEST).contains(&self.monthly_amount.0) {
            return Some(("/monthly_amount", "yen, 1 to 1000000000000"));
        }
        let thresholds = &self.thresholds;
        let ascending = thresholds.is_sorted_by(|one, next| one < next);
        let held = thresholds.iter().all(|one| (1..=HIGHEST).contains(one));
        let number = (1..=MOST_THRESHOLDS).contains(&thresholds.len());
        (!ascending || !held || !number).then_some((
            "/thresholds",
            "one to ten different percentages of 1 to 1000, ascending",
        ))
    }

    /// The thresholds that spending has reached.
    fn reached(&self, spent: Yen) -> impl Iterator<Item = u16> {
        // 128 bits hold any amount times any percentage.
        let spent = i128::from(spent.0) * 100;
        let amount = i128::from(self.monthly_amount.0);
        let reached = move |percent: &u16| spent >= amount * i128::from(*percent);
        self.thresholds.iter().copied().filter(reached)
    }
}

impl Billing {
    /// Sets a tenant's budget and looks at once whether a threshold is reached.
    pub(crate) async fn set_budget(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        budget: &Budget,
    ) -> Result<BudgetView, BillingError> {
        let now = self.0.platform.clock().now();
        let txn = self.0.db.begin_write(scope).await?;
        budgets::set(scope, &txn, budget, now).await?;
        let act = TenantAct::new(by, scope, "budget.set");
        act.with("monthly_amount", budget.monthly_amount.0)
            .tell(&txn, &self.0.platform)
            .await?;
        txn.commit().await?;
        self.0.relay.wake();
        self.watch_budget(scope).await?;
        self.budget(scope).await
    }

    pub(crate) async fn budget(&self, scope: TenantScope) -> Result<BudgetView, BillingError> {
        let period = BillingMonth::of(self.0.platform.clock().now());
        let db = self.0.db.begin_read(scope).await?;
        let budget = budgets::find(scope, &db)
            .await?
            .ok_or(BillingError::NotFound)?;
        let crossed = budgets::crossed(scope, &db, period).await?;
        let counted = usage::accepted_in(scope, &db, period).await?;
        let recipient = recipients::find(&db, scope.tenant()).await?;
        let groups: Vec<UsageGroup> = counted.iter().filter_map(Counted::billed).collect();
        let account = recipient.as_ref().map(|recipient| &recipient.account);
        Ok(BudgetView {
            monthly_amount: budget.monthly_amount,
            period,
            charges: self.charges(scope, account, period, &groups).into(),
            thresholds: budget
                .thresholds
                .iter()
                .map(|percent| ThresholdView {
                    percent: *percent,
                    reached_at: crossed.get(percent).copied(),
                })
                .collect(),
        })
    }

    /// Notes that a tenant used something, so that its budget is looked at soon.
    pub(crate) fn used(&self, scopes: impl IntoIterator<Item = TenantScope>) {
        let mut used = self
            .0
            .used
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        used.extend(scopes);
    }

    /// Looks at the budgets of those who used something since the last time, and at everybody's once an hour: another process may
    /// have metered, and a month may have begun.
    pub(crate) async fn watch_budgets(&self) -> Result<(), BillingError> {
        let now = self.0.platform.clock().now();
        let used: HashSet<TenantScope> = std::mem::take(
            &mut *self
                .0
                .used
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        let everybody = self.hour_has_come(now);
        for scope in budgets::all(self.0.db.worker()).await? {
            if everybody || used.contains(&scope) {
                self.watch_budget(scope).await?;
            }
        }
        Ok(())
    }

    /// Whether an hour has begun since the last time.
    fn hour_has_come(&self, now: Timestamp) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        let hour = now.unix().div_euclid(3_600);
        self.0.budgets_at_hour.swap(hour, Relaxed) != hour
    }

    async fn watch_budget(&self, scope: TenantScope) -> Result<(), BillingError> {
        let now = self.0.platform.clock().now();
        let running = month_of(now);
        let before = month_of(now.minus(AFTERMATH));
        let months: BTreeSet<BillingMonth> = before.into_iter().chain(running).collect();
        for period in months {
            self.watch_month(scope, period, now).await?;
        }
        Ok(())
    }

    async fn watch_month(
        &self,
        scope: TenantScope,
        period: BillingMonth,
        now: Timestamp,
    ) -> Result<(), BillingError> {
        let (budget, spent, told) = {
            let db = self.0.db.begin_read(scope).await?;
            let Some(budget) = budgets::find(scope, &db).await? else {
                return Ok(());
            };
            let told = budgets::crossed(scope, &db, period).await?;
            let counted = usage::accepted_in(scope, &db, period).await?;
            let recipient = recipients::find(&db, scope.tenant()).await?;
            let groups: Vec<UsageGroup> = counted.iter().filter_map(Counted::billed).collect();
            let account = recipient.as_ref().map(|recipient| &recipient.account);
            match self.charges(scope, account, period, &groups) {
                Ok(bill) => (budget, bill.totals.subtotal, told),
                Err(error) => {
                    // The month's close will be refused for the same reason, and name it.
                    tracing::warn!(tenant = %scope.tenant(), %period, %error, "a budget cannot be watched");
                    return Ok(());
                }
            }
        };
        let new: Vec<u16> = budget
            .reached(spent)
            .filter(|percent| !told.contains_key(percent))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let txn = self.0.db.begin_write(scope).await?;
        for percent in new {
            if !budgets::cross(scope, &txn, period, percent, spent, now).await? {
                continue;
            }
            let fact = BudgetThresholdReached {
                period,
                percent,
                budget: budget.monthly_amount,
                spent,
            };
            let id = self.0.platform.entropy.id(now);
            let about = scope.tenant().to_string();
            Outbox::append(&txn, [Envelope::of(id, Some(scope), now, about, &fact)]).await?;
        }
        txn.commit().await?;
        self.0.relay.wake();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f077_a_threshold_is_reached_at_the_yen_and_not_before() {
        let budget = |amount, thresholds: &[u16]| Budget {
            monthly_amount: Yen(amount),
            thresholds: thresholds.to_vec(),
        };
        let reached = |amount, percent, spent| {
            budget(amount, &[percent])
                .reached(Yen(spent))
                .next()
                .is_some()
        };
        assert!(!reached(1_001, 80, 800), "80 % of 1001 is 800.8");
        assert!(reached(1_001, 80, 801));
        assert!(reached(LARGEST, HIGHEST, i64::MAX));
        assert!(!reached(1, 1, 0));
        for (amount, thresholds) in [
            (0, vec![50]),
            (-5, vec![50]),
            (LARGEST + 1, vec![50]),
            (10, vec![]),
            (10, vec![0]),
            (10, vec![1_001]),
            (10, vec![80, 80]),
            (10, vec![100, 80]),
            (10, (1..=11).collect()),
        ] {
            assert!(
                budget(amount, &thresholds).fault().is_some(),
                "{amount} {thresholds:?}"
            );
        }
        assert_eq!(budget(LARGEST, &[1, 1_000]).fault(), None);
    }
}
