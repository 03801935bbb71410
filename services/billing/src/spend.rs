//! What uses come to on an invoice: the one way in which invoices, estimates, projections and budgets are reckoned.

use warikan_types::BillingMonth;

use crate::{
    account::{Account, PlanFrom},
    calendar::first_day,
    line::Line,
    rate::{Charges, RatingError, Terms, UsageGroup},
    tax::{Rounding, Totals},
};

/// An invoice's lines and totals before anybody issues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) lines: Vec<Line>,
    pub(crate) totals: Totals,
}

impl Terms<'_> {
    /// Rates charges and adds them up.
    pub(crate) fn bill(
        &self,
        period: BillingMonth,
        charges: Charges<'_>,
        rounding: Rounding,
    ) -> Result<Bill, RatingError> {
        let lines = self.rate(period, charges)?;
        let amounts = lines
            .iter()
            .map(|line| (line.tax_rate_percent, line.amount));
        let totals = Totals::of(amounts, rounding)?;
        Ok(Bill { lines, totals })
    }

    /// The same for a month's own uses alone: without adjustments of earlier months and without shares of shared costs,
    /// which nobody knows before the month is closed.
    pub(crate) fn bill_of(
        &self,
        period: BillingMonth,
        groups: &[UsageGroup],
        rounding: Rounding,
    ) -> Result<Bill, RatingError> {
        let charges = Charges {
            groups,
            ..Charges::default()
        };
        self.bill(period, charges, rounding)
    }
}

impl Account {
    /// A tenant that is under one plan for the whole of a month.
    pub(crate) fn supposed(plan: &str, period: BillingMonth) -> Self {
        Self {
            plans: vec![PlanFrom {
                from: first_day(period),
                plan: plan.to_owned(),
            }],
            activated_at: Some(period.start()),
            ended_at: None,
        }
    }
}
