//! What of a tenant's life decides its charges: when it could use production, and under which plan on which day.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{BillingMonth, Timestamp};

use crate::calendar::{first_day, jst_date};

/// A tenant as rating sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its plans, each from a day in Japan on, the oldest first. The oldest also holds before its day.
    pub plans: Vec<PlanFrom>,
    /// When it first could use production.
    pub activated_at: Option<Timestamp>,
    /// When it was closed.
    pub ended_at: Option<Timestamp>,
}

/// A plan from a day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanFrom {
    /// The first day in Japan.
    pub from: NaiveDate,
    /// The plan's name.
    pub plan: String,
}

impl Account {
    /// Whether the tenant could use production at some time in the month: then it owes the base fee, the minimum, and its
    /// share of the shared costs.
    pub(crate) fn is_active_in(&self, month: BillingMonth) -> bool {
        self.activated_at.is_some_and(|at| at < month.end())
            && self.ended_at.is_none_or(|at| at >= month.start())
    }

    /// The day whose plan and prices decide a month's base fee and minimum: its first, or that of the activation. `None` if
    /// nothing is owed.
    pub(crate) fn base_day(&self, month: BillingMonth) -> Option<NaiveDate> {
        let activated = self.activated_at.filter(|_| self.is_active_in(month))?;
        Some(jst_date(activated).max(first_day(month)))
    }

    /// The plan on a day, and since when it holds.
    pub(crate) fn plan_on(&self, day: NaiveDate) -> Option<&PlanFrom> {
        self.plans
            .iter()
            .rev()
            .find(|plan| plan.from <= day)
            .or_else(|| self.plans.first())
    }

    /// Takes over what was told: (day, plan) by ascending revision. A later revision wins over all days from its own on.
    pub(crate) fn of_revisions(
        told: impl IntoIterator<Item = (NaiveDate, String)>,
    ) -> Vec<PlanFrom> {
        let mut plans: Vec<PlanFrom> = Vec::new();
        for (from, plan) in told {
            plans.retain(|earlier| earlier.from < from);
            if plans.last().is_none_or(|last| last.plan != plan) {
                plans.push(PlanFrom { from, plan });
            }
        }
        plans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn f076_a_plan_holds_from_its_day_and_the_past_does_not_move() {
        let told = [
            ("2026-11-02", "standard"),
            ("2026-11-05", "standard"),
            ("2026-12-03", "large"),
            ("2026-12-03", "free"),
        ];
        let account = Account {
            plans: Account::of_revisions(told.map(|(from, plan)| (day(from), plan.to_owned()))),
            ..Account::default()
        };
        let on = |text: &str| account.plan_on(day(text)).unwrap().plan.as_str();
        assert_eq!(on("2026-10-31"), "standard", "before anything was told");
        assert_eq!(on("2026-12-02"), "standard");
        assert_eq!(on("2026-12-03"), "free", "the later revision of one day");
        assert_eq!(account.plans.len(), 2);
        assert_eq!(
            account.plan_on(day("2026-11-30")).unwrap().from,
            day("2026-11-02")
        );
    }

    #[test]
    fn f076_the_base_fee_is_owed_for_months_with_a_moment_of_life() {
        let month = |text: &str| text.parse::<BillingMonth>().unwrap();
        let account = Account {
            activated_at: Some("2026-11-30T14:59:59.999Z".parse().unwrap()),
            ended_at: Some("2027-01-31T15:00:00Z".parse().unwrap()),
            ..Account::default()
        };
        assert_eq!(account.base_day(month("2026-10")), None);
        assert_eq!(account.base_day(month("2026-11")), Some(day("2026-11-30")));
        assert_eq!(account.base_day(month("2026-12")), Some(day("2026-12-01")));
        assert!(
            account.is_active_in(month("2027-02")),
            "it ended as February began"
        );
        assert!(!account.is_active_in(month("2027-03")));
    }
}
