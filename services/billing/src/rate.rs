//! Rating: from counted uses to the lines of an invoice. Pure: the same uses, tariff and plan give the same lines,
//! whatever the order in which they came.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, MoneyError, Yen};

use crate::{
    calendar::first_day,
    line::{Category, ChargedFor, Counted, Line},
    tariff::{MissingTariff, Price, Tariff},
    tax::TaxCategory,
    words::{Meter, Purpose},
};

/// Billed uses of one sort on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Under which conditions one tenant is charged.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) tariff: &'a Tariff,
    pub(crate) plan: &'a str,
    pub(crate) platform_tax: TaxCategory,
    pub(crate) jlis_fee_tax: TaxCategory,
}

/// Uses cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RatingError {
    #[error(transparent)]
    MissingTariff(#[from] MissingTariff),
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// What makes two groups one line. The row's first day keeps prices apart that only look alike, so that a line's uses
/// lie in one stretch of days.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct LineKey {
    category: Category,
    month: BillingMonth,
    charged_for: ChargedFor,
    meter: Meter,
    purpose: Purpose,
    kind: CertificateKind,
    channel: Option<&'static str>,
    row: NaiveDate,
    percent: u8,
}

impl Terms<'_> {
    fn tax_of(&self, charged_for: ChargedFor) -> TaxCategory {
        match charged_for {
            ChargedFor::Operator => self.platform_tax,
            ChargedFor::Jlis => self.jlis_fee_tax,
        }
    }

    /// The price of a use; `None` where J-LIS was not asked.
    pub(crate) fn price(
        &self,
        group: &UsageGroup,
        charged_for: ChargedFor,
    ) -> Result<Option<Price>, MissingTariff> {
        let on = group.priced_on;
        match (charged_for, group.channel) {
            (ChargedFor::Operator, _) => {
                self.tariff.per_use(self.plan, group.purpose, on).map(Some)
            }
            (ChargedFor::Jlis, Some(channel)) => self
                .tariff
                .jlis_fee(channel, group.kind, group.purpose, on)
                .map(Some),
            (ChargedFor::Jlis, None) => Ok(None),
        }
    }

    /// The lines of `period`'s invoice: the base fee if it is due, then one line per sort of use and price. Lines of
    /// zero yen are shown too.
    pub(crate) fn rate(
        &self,
        period: BillingMonth,
        base_fee_due: bool,
        groups: &[UsageGroup],
    ) -> Result<Vec<Line>, RatingError> {
        let mut lines = Vec::new();
        if base_fee_due {
            lines.push(self.base_fee(period)?);
        }
        let mut uses: BTreeMap<LineKey, Line> = BTreeMap::new();
        for group in groups {
            for charged_for in [ChargedFor::Operator, ChargedFor::Jlis] {
                if let Some(price) = self.price(group, charged_for)? {
                    self.count(&mut uses, period, group, charged_for, price)?;
                }
            }
        }
        for (_, mut line) in uses {
            line.amount = line.unit_price.times(line.quantity)?;
            lines.push(line);
        }
        Ok(lines)
    }

    fn base_fee(&self, period: BillingMonth) -> Result<Line, RatingError> {
        let on = first_day(period);
        let price = self.tariff.base_fee(self.plan, on)?;
        Ok(Line {
            category: Category::PlatformBase,
            charged_for: ChargedFor::Operator,
            service_month: period,
            counted: None,
            quantity: 1,
            unit_price: price.unit,
            list_price: None,
            amount: price.unit,
            tax_category: self.platform_tax,
            tax_rate_percent: self.tariff.tax_percent(self.platform_tax, on)?,
        })
    }

    fn count(
        &self,
        uses: &mut BTreeMap<LineKey, Line>,
        period: BillingMonth,
        group: &UsageGroup,
        charged_for: ChargedFor,
        price: Price,
    ) -> Result<(), RatingError> {
        let tax_category = self.tax_of(charged_for);
        let day = group.priced_on;
        let percent = self.tariff.tax_percent(tax_category, day)?;
        let category = match charged_for {
            _ if group.month != period => Category::Adjustment,
            ChargedFor::Operator => Category::PlatformUsage,
            ChargedFor::Jlis => Category::JlisFee,
        };
        let key = LineKey {
            category,
            month: group.month,
            charged_for,
            meter: group.meter,
            purpose: group.purpose,
            kind: group.kind,
            channel: group.channel.map(Channel::as_str),
            row: price.valid_from,
            percent,
        };
        let line = uses.entry(key).or_insert_with(|| Line {
            category,
            charged_for,
            service_month: group.month,
            counted: None,
            quantity: 0,
            unit_price: price.unit,
            list_price: price.list,
            amount: Yen::ZERO,
            tax_category,
            tax_rate_percent: percent,
        });
        line.quantity = line
            .quantity
            .checked_add(group.quantity)
            .ok_or(MoneyError)?;
        let (first, last) = line.counted.map_or((day, day), |counted| counted.days);
        line.counted = Some(Counted {
            meter: group.meter,
            purpose: group.purpose,
            kind: group.kind,
            channel: group.channel,
            days: (first.min(day), last.max(day)),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
