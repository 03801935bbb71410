//! Rating: from counted uses to the lines of an invoice. Pure: the same uses, tariff and account give the same lines,
//! whatever the order in which they came.
//!
//! Graduated prices count the uses of one purpose under one plan through the calendar month, by day; on one day by kind and
//! channel. A use of a closed month that became known late takes the places after those already billed, and the minimum
//! of its month is reckoned anew: what was charged up to it is given back.

mod minimum;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, MoneyError, Yen};

use crate::{
    account::Account,
    calendar::first_day,
    line::{Category, ChargedFor, Counted, Line},
    share::Share,
    tariff::{MissingTariff, Price, Tariff},
    tax::TaxCategory,
    words::{Meter, Purpose},
};

/// Billed uses of one sort on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct UsageGroup {
    /// The month in which they were accepted.
    pub(crate) month: BillingMonth,
    /// The day in Japan whose tariff applies.
    pub(crate) priced_on: NaiveDate,
    pub(crate) meter: Meter,
    pub(crate) purpose: Purpose,
    pub(crate) kind: CertificateKind,
    pub(crate) channel: Option<Channel>,
    pub(crate) quantity: i64,
}

impl UsageGroup {
    /// The order in which uses take their places among graduated prices.
    fn place(&self) -> impl Ord + use<> {
        (
            self.month,
            self.priced_on,
            self.purpose,
            self.kind,
            self.channel.map(Channel::as_str),
            self.meter,
        )
    }
}

/// Under which conditions one tenant is charged.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) tariff: &'a Tariff,
    pub(crate) account: &'a Account,
    pub(crate) taxes: Taxes,
}

/// How charges are taxed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
pub struct Taxes {
    /// The operator's own charges.
    pub platform: TaxCategory,
    /// J-LIS fees passed through.
    pub jlis_fees: TaxCategory,
    /// Shares of shared costs.
    pub shared_costs: TaxCategory,
}

/// What one tenant's invoice for a month is made of.
#[derive(Clone, Copy, Default)]
pub(crate) struct Charges<'a> {
    /// Uses to be billed with this month.
    pub(crate) groups: &'a [UsageGroup],
    /// Uses of the months among them that are adjusted, as far as they were billed before.
    pub(crate) earlier: &'a [UsageGroup],
    /// Its shares of the month's shared costs.
    pub(crate) shares: &'a [Share],
}

/// Uses cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RatingError {
    #[error(transparent)]
    MissingTariff(#[from] MissingTariff),
    #[error("the tenant's plan is not known yet")]
    NoPlan,
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// The uses whose records one or, where a price is graduated, several lines share. They lie in one stretch of days: the
/// first day of the row (or plan) keeps prices apart that only look alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sort {
    category: Category,
    month: BillingMonth,
    charged_for: ChargedFor,
    meter: Meter,
    purpose: Purpose,
    kind: CertificateKind,
    channel: Option<&'static str>,
    since: NaiveDate,
    percent: u8,
}

/// Lines in the making.
#[derive(Default)]
struct Tally {
    /// By sort and step.
    lines: BTreeMap<(Sort, usize), Line>,
    /// The days of each sort, and its units so far.
    sorts: BTreeMap<Sort, ((NaiveDate, NaiveDate), i64)>,
}

/// The places that uses have taken, by month, plan and purpose.
type Places = BTreeMap<(BillingMonth, String, Purpose), i64>;

impl Terms<'_> {
    fn tax_of(&self, charged_for: ChargedFor) -> TaxCategory {
        match charged_for {
            ChargedFor::Operator => self.taxes.platform,
            ChargedFor::Jlis => self.taxes.jlis_fees,
            ChargedFor::SharedCosts => self.taxes.shared_costs,
        }
    }

    /// What J-LIS takes for a use; `None` where it was not asked.
    fn jlis_fee(&self, group: &UsageGroup) -> Result<Option<Price>, MissingTariff> {
        let fee = |channel| {
            self.tariff
                .jlis_fee(channel, group.kind, group.purpose, group.priced_on)
        };
        group.channel.map(fee).transpose()
    }

    /// The lines of `period`'s invoice: base fee and minimum if they are due, one line per sort of use and price, the
    /// shares. Lines of zero yen are shown too.
    pub(crate) fn rate(
        &self,
        period: BillingMonth,
        charges: Charges<'_>,
    ) -> Result<Vec<Line>, RatingError> {
        let mut lines: Vec<Line> = self.base_fee(period)?.into_iter().collect();
        lines.extend(self.uses(period, charges)?);
        lines.extend(self.minimums(period, charges, &lines)?);
        for share in charges.shares {
            lines.push(self.share(period, *share)?);
        }
        lines.sort_by_key(|line| line.category);
        Ok(lines)
    }

    /// One charge that counts no uses.
    fn single(
        &self,
        category: Category,
        charged_for: ChargedFor,
        month: BillingMonth,
        (amount, on): (Yen, NaiveDate),
    ) -> Result<Line, MissingTariff> {
        let tax_category = self.tax_of(charged_for);
        Ok(Line {
            category,
            charged_for,
            service_month: month,
            plan: None,
            counted: None,
            share: None,
            credits: None,
            quantity: 1,
            unit_price: amount,
            list_price: None,
            amount,
            tax_category,
            tax_rate_percent: self.tariff.tax_percent(tax_category, on)?,
        })
    }

    fn base_fee(&self, period: BillingMonth) -> Result<Option<Line>, RatingError> {
        let Some(on) = self.account.base_day(period) else {
            return Ok(None);
        };
        let plan = &self.account.plan_on(on).ok_or(RatingError::NoPlan)?.plan;
        let fee = self.tariff.base_fee(plan, on)?.unit;
        let (category, charged_for) = (Category::PlatformBase, ChargedFor::Operator);
        let mut line = self.single(category, charged_for, period, (fee, on))?;
        line.plan = Some(plan.clone());
        Ok(Some(line))
    }

    fn share(&self, period: BillingMonth, share: Share) -> Result<Line, RatingError> {
        let what = (share.amount, first_day(period));
        let mut line = self.single(Category::SharedCost, ChargedFor::SharedCosts, period, what)?;
        line.share = Some(share);
        Ok(line)
    }

    /// The lines that count uses.
    fn uses(&self, period: BillingMonth, charges: Charges<'_>) -> Result<Vec<Line>, RatingError> {
        let mut places = Places::new();
        for group in charges.earlier {
            let plan = self.plan_of(group)?.plan.clone();
            let place = places
                .entry((group.month, plan, group.purpose))
                .or_default();
            *place = plus(*place, group.quantity)?;
        }
        let mut groups = charges.groups.to_vec();
        groups.sort_by_key(UsageGroup::place);
        let mut tally = Tally::default();
        for group in &groups {
            self.count_for_operator(&mut tally, &mut places, period, group)?;
            self.count_for_jlis(&mut tally, period, group)?;
        }
        tally.lines()
    }

    /// The lines that count uses for one of the two.
    pub(crate) fn uses_for(
        &self,
        period: BillingMonth,
        groups: &[UsageGroup],
        charged_for: ChargedFor,
    ) -> Result<Vec<Line>, RatingError> {
        let mut groups = groups.to_vec();
        groups.sort_by_key(UsageGroup::place);
        let (mut tally, mut places) = (Tally::default(), Places::new());
        for group in &groups {
            match charged_for {
                ChargedFor::Jlis => self.count_for_jlis(&mut tally, period, group)?,
                _ => self.count_for_operator(&mut tally, &mut places, period, group)?,
            }
        }
        tally.lines()
    }

    fn count_for_jlis(
        &self,
        tally: &mut Tally,
        period: BillingMonth,
        group: &UsageGroup,
    ) -> Result<(), RatingError> {
        let Some(fee) = self.jlis_fee(group)? else {
            return Ok(());
        };
        let sort = self.sort(period, group, ChargedFor::Jlis, fee.valid_from)?;
        tally.days(&sort, group);
        let line = self.line(&sort, group, (fee.unit, fee.list));
        tally.add((sort, 0), line, group.quantity)?;
        Ok(())
    }

    fn plan_of(&self, group: &UsageGroup) -> Result<&crate::account::PlanFrom, RatingError> {
        self.account
            .plan_on(group.priced_on)
            .ok_or(RatingError::NoPlan)
    }

    fn count_for_operator(
        &self,
        tally: &mut Tally,
        places: &mut Places,
        period: BillingMonth,
        group: &UsageGroup,
    ) -> Result<(), RatingError> {
        let plan = self.plan_of(group)?;
        let steps = self
            .tariff
            .per_use(&plan.plan, group.purpose, group.priced_on)?;
        let since = steps.valid_from.max(plan.from);
        let sort = self.sort(period, group, ChargedFor::Operator, since)?;
        tally.days(&sort, group);
        let place = places
            .entry((group.month, plan.plan.clone(), group.purpose))
            .or_default();
        let mut left = group.quantity;
        while left > 0 {
            let stretch = steps.after(*place);
            let taken = left.min(stretch.room);
            if taken <= 0 {
                return Err(MoneyError.into());
            }
            let mut line = self.line(&sort, group, (stretch.unit, None));
            line.plan = Some(plan.plan.clone());
            tally.add((sort.clone(), stretch.step), line, taken)?;
            *place = plus(*place, taken)?;
            left -= taken;
        }
        Ok(())
    }

    fn sort(
        &self,
        period: BillingMonth,
        group: &UsageGroup,
        charged_for: ChargedFor,
        since: NaiveDate,
    ) -> Result<Sort, MissingTariff> {
        let percent = self
            .tariff
            .tax_percent(self.tax_of(charged_for), group.priced_on)?;
        Ok(Sort {
            category: match charged_for {
                _ if group.month != period => Category::Adjustment,
                ChargedFor::Jlis => Category::JlisFee,
                ChargedFor::Operator | ChargedFor::SharedCosts => Category::PlatformUsage,
            },
            month: group.month,
            charged_for,
            meter: group.meter,
            purpose: group.purpose,
            kind: group.kind,
            channel: group.channel.map(Channel::as_str),
            since,
            percent,
        })
    }

    /// A line of a sort that counts nothing yet.
    fn line(&self, sort: &Sort, group: &UsageGroup, (unit, list): (Yen, Option<Yen>)) -> Line {
        Line {
            category: sort.category,
            charged_for: sort.charged_for,
            service_month: sort.month,
            plan: None,
            counted: Some(Counted {
                meter: group.meter,
                purpose: group.purpose,
                kind: group.kind,
                channel: group.channel,
                days: (group.priced_on, group.priced_on),
                skip: 0,
            }),
            share: None,
            credits: None,
            quantity: 0,
            unit_price: unit,
            list_price: list,
            amount: Yen::ZERO,
            tax_category: self.tax_of(sort.charged_for),
            tax_rate_percent: sort.percent,
        }
    }
}

impl Tally {
    /// Widens the days of a sort.
    fn days(&mut self, sort: &Sort, group: &UsageGroup) {
        let day = group.priced_on;
        let ((first, last), _) = self.sorts.entry(sort.clone()).or_insert(((day, day), 0));
        (*first, *last) = ((*first).min(day), (*last).max(day));
    }

    /// Counts units on the line of a sort and step; `fresh` is that line if it is not there yet.
    fn add(&mut self, key: (Sort, usize), fresh: Line, quantity: i64) -> Result<(), MoneyError> {
        let so_far = self.sorts.get_mut(&key.0).map(|(_, units)| {
            let before = *units;
            plus(before, quantity).map(|sum| {
                *units = sum;
                before
            })
        });
        let before = so_far.transpose()?.unwrap_or(0);
        let line = self.lines.entry(key).or_insert_with(|| {
            let mut line = fresh;
            if let Some(counted) = &mut line.counted {
                counted.skip = before;
            }
            line
        });
        line.quantity = plus(line.quantity, quantity)?;
        Ok(())
    }

    fn lines(self) -> Result<Vec<Line>, RatingError> {
        let mut lines = Vec::with_capacity(self.lines.len());
        for ((sort, _), mut line) in self.lines {
            if let (Some(counted), Some((days, _))) = (&mut line.counted, self.sorts.get(&sort)) {
                counted.days = *days;
            }
            line.amount = line.unit_price.times(line.quantity)?;
            lines.push(line);
        }
        Ok(lines)
    }
}

fn plus(a: i64, b: i64) -> Result<i64, MoneyError> {
    a.checked_add(b).ok_or(MoneyError)
}

#[cfg(test)]
mod tests;
