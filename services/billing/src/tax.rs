//! Consumption tax on an invoice.
//!
//! On a qualified invoice the tax is computed from the sum of all lines of one rate and rounded **once per rate**
//! (消費税法施行令70条の10); rounding line by line is not allowed. Which way to round is the issuer's choice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{MoneyError, Yen};

/// Which way fractions of a yen go. Applies to the magnitude, so that a credit mirrors its charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// 切捨て
    #[default]
    Floor,
    /// 四捨五入
    HalfUp,
    /// 切上げ
    Ceiling,
}

impl Rounding {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::HalfUp => "half_up",
            Self::Ceiling => "ceiling",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Floor, Self::HalfUp, Self::Ceiling]
            .into_iter()
            .find(|one| one.as_str() == word)
    }

    /// `percent` of `amount`, rounded.
    fn percent_of(self, amount: Yen, percent: u8) -> Result<Yen, MoneyError> {
        // 128 bits hold any i64 times any u8: only the result can be too large.
        let hundredths = i128::from(amount.0) * i128::from(percent);
        let magnitude = hundredths.abs();
        let rounded = match self {
            Self::Floor => magnitude / 100,
            Self::HalfUp => (magnitude + 50) / 100,
            Self::Ceiling => (magnitude + 99) / 100,
        };
        i64::try_from(rounded * hundredths.signum())
            .map(Yen)
            .map_err(|_| MoneyError)
    }
}

/// How a line is taxed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TaxCategory {
    /// At the standard rate of the day.
    #[default]
    Standard,
    /// Outside the scope of consumption tax (不課税): shown at 0 %.
    OutOfScope,
}

impl TaxCategory {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::OutOfScope => "out_of_scope",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Standard, Self::OutOfScope]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

/// The sum of all lines of one rate, and its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaxTotal {
    /// The rate in percent.
    pub tax_rate_percent: u8,
    /// Sum of the lines, without tax.
    pub taxable: Yen,
    /// Tax on that sum, rounded once.
    pub tax: Yen,
}

/// What an invoice adds up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Sum of all lines.
    pub(crate) subtotal: Yen,
    /// By rate, highest first.
    pub(crate) by_rate: Vec<TaxTotal>,
    /// Sum of the taxes.
    pub(crate) tax: Yen,
    /// What is to be paid.
    pub(crate) total: Yen,
}

impl Totals {
    /// Adds up lines given as (rate in percent, amount without tax).
    pub(crate) fn of(
        lines: impl IntoIterator<Item = (u8, Yen)>,
        rounding: Rounding,
    ) -> Result<Self, MoneyError> {
        let mut sums: BTreeMap<u8, Yen> = BTreeMap::new();
        for (percent, amount) in lines {
            let sum = sums.entry(percent).or_default();
            *sum = sum.plus(amount)?;
        }
        let by_rate = sums
            .into_iter()
            .rev()
            .map(|(tax_rate_percent, taxable)| {
                Ok(TaxTotal {
                    tax_rate_percent,
                    taxable,
                    tax: rounding.percent_of(taxable, tax_rate_percent)?,
                })
            })
            .collect::<Result<Vec<_>, MoneyError>>()?;
        let subtotal = Yen::sum(by_rate.iter().map(|one| one.taxable))?;
        let tax = Yen::sum(by_rate.iter().map(|one| one.tax))?;
        Ok(Self {
            subtotal,
            tax,
            total: subtotal.plus(tax)?,
            by_rate,
        })
    }

    /// What remains of a charge after credits (whose amounts are negative), as the credit that takes it back: with the tax
    /// that the charge bore, not with tax reckoned anew, so that both together come to nothing.
    pub(crate) fn remaining_credit(
        charged: &[TaxTotal],
        credited: &[TaxTotal],
    ) -> Result<Self, MoneyError> {
        let mut sums: BTreeMap<u8, (Yen, Yen)> = BTreeMap::new();
        for one in charged.iter().chain(credited) {
            let (taxable, tax) = sums.entry(one.tax_rate_percent).or_default();
            *taxable = taxable.plus(one.taxable)?;
            *tax = tax.plus(one.tax)?;
        }
        let negated = |yen: Yen| yen.0.checked_neg().map(Yen).ok_or(MoneyError);
        let by_rate = sums
            .into_iter()
            .rev()
            .map(|(tax_rate_percent, (taxable, tax))| {
                Ok(TaxTotal {
                    tax_rate_percent,
                    taxable: negated(taxable)?,
                    tax: negated(tax)?,
                })
            })
            .collect::<Result<Vec<_>, MoneyError>>()?;
        let subtotal = Yen::sum(by_rate.iter().map(|one| one.taxable))?;
        let tax = Yen::sum(by_rate.iter().map(|one| one.tax))?;
        Ok(Self {
            subtotal,
            tax,
            total: subtotal.plus(tax)?,
            by_rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_lines_of_105_yen_are_taxed_once() {
        let totals = Totals::of([(10, Yen(105)); 3], Rounding::Floor).unwrap();
        assert_eq!(totals.subtotal, Yen(315));
        assert_eq!(
            totals.tax,
            Yen(31),
            "31.5 rounded down once, not 10 three times"
        );
        assert_eq!(totals.total, Yen(346));
        let tax = |rounding| Totals::of([(10, Yen(105)); 3], rounding).unwrap().tax;
        assert_eq!(tax(Rounding::HalfUp), Yen(32));
        assert_eq!(tax(Rounding::Ceiling), Yen(32));
    }

    #[test]
    fn f077_totals_that_do_not_fit_are_an_error() {
        let of = |lines: &[(u8, i64)]| {
            Totals::of(
                lines.iter().map(|(rate, amount)| (*rate, Yen(*amount))),
                Rounding::Ceiling,
            )
        };
        assert_eq!(of(&[(10, i64::MAX), (10, 1)]), Err(MoneyError));
        assert_eq!(
            of(&[(10, i64::MAX), (0, 1)]),
            Err(MoneyError),
            "across rates"
        );
        assert_eq!(
            of(&[(10, i64::MAX)]),
            Err(MoneyError),
            "with the tax on top"
        );
        assert_eq!(of(&[(0, i64::MAX)]).unwrap().total, Yen(i64::MAX));
        assert_eq!(of(&[(255, i64::MIN)]), Err(MoneyError));
    }

    proptest! {
        #[test]
        fn lines_add_up_and_tax_is_rounded_once_per_rate(
            lines in prop::collection::vec((prop::sample::select(vec![0_u8, 8, 10]), -1_000_000_000_i64..1_000_000_000), 0..40),
            rounding in prop::sample::select(vec![Rounding::Floor, Rounding::HalfUp, Rounding::Ceiling]),
        ) {
            let totals = Totals::of(lines.iter().map(|(rate, amount)| (*rate, Yen(*amount))), rounding).unwrap();
            prop_assert_eq!(totals.subtotal.0, lines.iter().map(|(_, amount)| amount).sum::<i64>());
            prop_assert_eq!(totals.total.0, totals.subtotal.0 + totals.tax.0);
            for one in &totals.by_rate {
                let sum: i64 = lines.iter().filter(|(rate, _)| *rate == one.tax_rate_percent).map(|(_, amount)| amount).sum();
                prop_assert_eq!(one.taxable.0, sum);
                let exact = sum * i64::from(one.tax_rate_percent);
                let error = one.tax.0 * 100 - exact;
                prop_assert!(error.abs() < 100, "less than one yen off");
                match rounding {
                    Rounding::Floor => prop_assert!(error * exact.signum() <= 0),
                    Rounding::Ceiling => prop_assert!(error * exact.signum() >= 0),
                    Rounding::HalfUp => prop_assert!(error.abs() <= 50),
                }
            }
        }

        #[test]
        fn a_credit_mirrors_its_charge(amount in 0_i64..1_000_000_000) {
            for rounding in [Rounding::Floor, Rounding::HalfUp, Rounding::Ceiling] {
                let tax = |amount| Totals::of([(10, Yen(amount))], rounding).unwrap().tax.0;
                prop_assert_eq!(tax(amount), -tax(-amount));
            }
        }
    }
}
