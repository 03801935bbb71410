//! The least that a month's uses come to (最低利用料金).

use std::collections::BTreeSet;

use warikan_types::{BillingMonth, Yen};

use super::{Charges, RatingError, Terms, UsageGroup};
use crate::line::{Category, ChargedFor, Line};

impl Terms<'_> {
    /// The difference up to the minimum for `period`, and what changes in it for the months that are adjusted.
    pub(super) fn minimums(
        &self,
        period: BillingMonth,
        charges: Charges<'_>,
        lines: &[Line],
    ) -> Result<Vec<Line>, RatingError> {
        let mut found = Vec::new();
        let used = operator_amount(lines, period)?;
        let (missing, category) = (self.missing(period, used)?, Category::MinimumCharge);
        found.extend(self.top_up(period, category, missing)?);
        let adjusted: BTreeSet<BillingMonth> = charges
            .groups
            .iter()
            .map(|group| group.month)
            .filter(|month| *month != period)
            .collect();
        for month in adjusted {
            let earlier: Vec<UsageGroup> = charges
                .earlier
                .iter()
                .filter(|group| group.month == month)
                .copied()
                .collect();
            let billed = self.uses(
                month,
                Charges {
                    groups: &earlier,
                    ..Charges::default()
                },
            )?;
            let before = operator_amount(&billed, month)?;
            let after = before.plus(operator_amount(lines, month)?)?;
            let change = self
                .missing(month, after)?
                .plus(Yen(-self.missing(month, before)?.0))?;
            found.extend(self.top_up(month, Category::Adjustment, change)?);
        }
        Ok(found)
    }

    /// What is missing to a month's minimum; zero where none is owed.
    fn missing(&self, month: BillingMonth, used: Yen) -> Result<Yen, RatingError> {
        let Some(on) = self.account.base_day(month) else {
            return Ok(Yen::ZERO);
        };
        let plan = &self.account.plan_on(on).ok_or(RatingError::NoPlan)?.plan;
        let minimum = self.tariff.minimum(plan, on)?.unit;
        Ok(Yen(minimum.0.saturating_sub(used.0).max(0)))
    }

    fn top_up(
        &self,
        month: BillingMonth,
        category: Category,
        amount: Yen,
    ) -> Result<Option<Line>, RatingError> {
        let Some(on) = self.account.base_day(month).filter(|_| amount.0 != 0) else {
            return Ok(None);
        };
        let mut line = self.single(category, ChargedFor::Operator, month, (amount, on))?;
        line.plan = self.account.plan_on(on).map(|plan| plan.plan.clone());
        Ok(Some(line))
    }
}

/// What the operator's charges for uses of a month come to.
fn operator_amount(lines: &[Line], month: BillingMonth) -> Result<Yen, RatingError> {
    let uses = lines.iter().filter(|line| {
        line.counted.is_some()
            && line.charged_for == ChargedFor::Operator
            && line.service_month == month
    });
    Ok(Yen::sum(uses.map(|line| line.amount))?)
}
