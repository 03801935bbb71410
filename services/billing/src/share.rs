//! Sharing costs (割り勘): what the certified system costs all together is split among its tenants, to the yen.
//!
//! A month's cost of one category is first parted by the published key into a part that is split **equally** and one that is
//! split **by billed units** (fractions go to the second). Each part is split by largest remainder: everyone gets the whole
//! yen of its exact share, and the yen that are left go one by one to the largest fractions, ties to the smaller tenant id.
//! So the shares add up to the cost exactly, and the same figures always give the same shares. Where nobody used anything,
//! the second part is split equally too.
//!
//! Pure integers: products of two 64-bit numbers fit 128 bits, so no input can overflow or lose a yen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{BillingMonth, TenantId, Yen};

use crate::{tariff::SharingKey, words::grouped};

/// What a shared cost is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CostCategory {
    /// Certification by the ministers and its audits (認定・監査).
    Certification,
    /// Lines to J-LIS (回線).
    Lines,
    /// Hardware security modules.
    Hsm,
    /// Operations (運用).
    Operations,
}

impl CostCategory {
    const ALL: [Self; 4] = [
        Self::Certification,
        Self::Lines,
        Self::Hsm,
        Self::Operations,
    ];

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certification => "certification",
            Self::Lines => "lines",
            Self::Hsm => "hsm",
            Self::Operations => "operations",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    pub(crate) const fn in_japanese(self) -> &'static str {
        match self {
            Self::Certification => "認定・監査費用",
            Self::Lines => "回線費用",
            Self::Hsm => "HSM費用",
            Self::Operations => "運用費用",
        }
    }
}

/// Which part of a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Split equally (均等割).
    Equal,
    /// Split by billed units (利用割).
    Usage,
}

/// One tenant's share of one part of a cost, with everything that it follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// What the cost is for.
    pub category: CostCategory,
    /// The whole cost of the category in the month.
    pub cost: Yen,
    /// The key in force on the month's first day.
    pub key: SharingKey,
    /// Which part of the cost.
    pub part: Part,
    /// What that part comes to.
    pub part_amount: Yen,
    /// Among how many tenants.
    pub tenants: u32,
    /// The tenant's billed units on this month's invoice.
    pub units: i64,
    /// All these tenants' billed units.
    pub total_units: i64,
    /// The tenant's share.
    pub amount: Yen,
}

impl Share {
    /// In Japanese, with everything that it follows from.
    pub(crate) fn description_ja(&self, month: &str) -> String {
        let (category, cost) = (self.category.in_japanese(), grouped(self.cost.0));
        let (part, tenants) = (grouped(self.part_amount.0), self.tenants);
        match self.part {
            Part::Equal => format!(
                "共同費用 {category} 均等割（総額{cost}円のうち{part}円を{tenants}社で等分）{month}"
            ),
            Part::Usage => format!(
                "共同費用 {category} 利用割（総額{cost}円のうち{part}円を{}/{}件で按分）{month}",
                grouped(self.units),
                grouped(self.total_units)
            ),
        }
    }

    /// In English.
    pub(crate) fn description_en(&self, month: BillingMonth) -> String {
        let (category, cost) = (self.category.as_str(), self.cost);
        let (part, tenants) = (self.part_amount, self.tenants);
        match self.part {
            Part::Equal => {
                format!("Share of {category}, {month}: {part} of {cost}, equally among {tenants}")
            }
            Part::Usage => format!(
                "Share of {category}, {month}: {part} of {cost}, for {} of {} units",
                self.units, self.total_units
            ),
        }
    }
}

/// Splits an amount by weights, by largest remainder; ties go to the earlier place. The parts add up to the amount. With
/// weights that are all zero, everyone weighs the same. A negative amount is split as its mirror image.
pub(crate) fn split(amount: Yen, weights: &[u64]) -> Vec<Yen> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if total == 0 {
        return if weights.is_empty() {
            Vec::new()
        } else {
            split(amount, &vec![1; weights.len()])
        };
    }
    let magnitude = u128::from(amount.0.unsigned_abs());
    let mut shares = Vec::with_capacity(weights.len());
    let mut fractions = Vec::with_capacity(weights.len());
    let mut left = magnitude;
    for (place, weight) in weights.iter().enumerate() {
        let exact = magnitude * u128::from(*weight);
        shares.push(exact / total);
        fractions.push((std::cmp::Reverse(exact % total), place));
        left -= exact / total;
    }
    fractions.sort_unstable();
    // Fewer yen are left than there are places: each remainder is less than one.
    for (_, place) in fractions.iter().take(usize::try_from(left).unwrap_or(0)) {
        shares[*place] += 1;
    }
    let signed = |share: u128| {
        let share = i128::try_from(share).unwrap_or(i128::MAX) * i128::from(amount.0.signum());
        // No share is larger than the amount, which fits.
        Yen(i64::try_from(share).unwrap_or(amount.0))
    };
    shares.into_iter().map(signed).collect()
}

/// The two parts of a cost: equal, and by units. They add up to it.
pub(crate) fn parts(cost: Yen, key: SharingKey) -> (Yen, Yen) {
    let (equal, whole) = (
        i128::from(key.equal),
        i128::from(key.equal) + i128::from(key.usage),
    );
    let equal = if whole == 0 {
        0
    } else {
        i128::from(cost.0) * equal / whole
    };
    let equal = i64::try_from(equal).unwrap_or(cost.0);
    (Yen(equal), Yen(cost.0 - equal))
}

/// Splits a month's costs among its active tenants, given with their billed units.
pub(crate) fn share(
    costs: &BTreeMap<CostCategory, Yen>,
    key: SharingKey,
    active: &BTreeMap<TenantId, i64>,
) -> BTreeMap<TenantId, Vec<Share>> {
    let units: Vec<u64> = active
        .values()
        .map(|units| u64::try_from(*units).unwrap_or(0))
        .collect();
    let total_units = active
        .values()
        .fold(0_i64, |sum, units| sum.saturating_add(*units));
    let everyone = vec![1; units.len()];
    let mut shares: BTreeMap<TenantId, Vec<Share>> = BTreeMap::new();
    for (category, cost) in costs {
        let (equal, usage) = parts(*cost, key);
        for (part, part_amount, weights) in [
            (Part::Equal, equal, &everyone),
            (Part::Usage, usage, &units),
        ] {
            if part_amount == Yen::ZERO {
                continue;
            }
            for ((tenant, units), amount) in active.iter().zip(split(part_amount, weights)) {
                shares.entry(*tenant).or_default().push(Share {
                    category: *category,
                    cost: *cost,
                    key,
                    part,
                    part_amount,
                    tenants: u32::try_from(active.len()).unwrap_or(u32::MAX),
                    units: *units,
                    total_units,
                    amount,
                });
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(equal: u32, usage: u32) -> SharingKey {
        SharingKey {
            valid_from: "2023-01-01".parse().unwrap(),
            equal,
            usage,
        }
    }

    fn yen(amounts: &[i64]) -> Vec<Yen> {
        amounts.iter().copied().map(Yen).collect()
    }

    #[test]
    fn yen_that_are_left_go_to_the_largest_fractions_and_ties_to_the_first() {
        assert_eq!(split(Yen(100), &[1, 1, 1]), yen(&[34, 33, 33]));
        assert_eq!(split(Yen(101), &[1, 1, 1]), yen(&[34, 34, 33]));
        assert_eq!(split(Yen(-100), &[1, 1, 1]), yen(&[-34, -33, -33]));
        // 100 x 1/6 = 16.67, 100 x 2/6 = 33.33, 100 x 3/6 = 50.
        assert_eq!(split(Yen(100), &[1, 2, 3]), yen(&[17, 33, 50]));
        assert_eq!(split(Yen(7), &[0, 5, 0]), yen(&[0, 7, 0]));
        assert_eq!(split(Yen(7), &[0, 0]), yen(&[4, 3]), "nobody used anything");
        assert_eq!(split(Yen(7), &[]), yen(&[]));
        assert_eq!(
            split(Yen(i64::MAX), &[u64::MAX, u64::MAX]),
            yen(&[i64::MAX / 2 + 1, i64::MAX / 2])
        );
        assert_eq!(split(Yen(i64::MIN), &[1]), yen(&[i64::MIN]));
    }

    #[test]
    fn a_cost_is_parted_by_the_key() {
        assert_eq!(parts(Yen(101), key(50, 50)), (Yen(50), Yen(51)));
        assert_eq!(parts(Yen(100), key(30, 70)), (Yen(30), Yen(70)));
        assert_eq!(parts(Yen(100), key(1, 0)), (Yen(100), Yen(0)));
        assert_eq!(parts(Yen(100), key(0, 1)), (Yen(0), Yen(100)));
    }

    proptest! {
        #[test]
        fn f077_shares_add_up_to_the_cost_for_any_input(
            cost in any::<i64>(),
            weights in prop::collection::vec(any::<u64>(), 1..60),
        ) {
            let shares = split(Yen(cost), &weights);
            prop_assert_eq!(shares.iter().map(|share| i128::from(share.0)).sum::<i128>(), i128::from(cost));
            // Nobody is a whole yen off its exact share, and who weighs more never gets less.
            let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
            prop_assume!(total > 0);
                for (share, weight) in shares.iter().zip(&weights) {
                    let got = u128::from(share.0.unsigned_abs());
                    let exact = u128::from(cost.unsigned_abs()) * u128::from(*weight);
                    prop_assert!(got.abs_diff(exact / total) <= 1);
                    for (other, heavier) in shares.iter().zip(&weights) {
                        prop_assert!(heavier < weight || other.0.unsigned_abs() + 1 > share.0.unsigned_abs() || heavier == weight);
                    }
                }
        }

        #[test]
        fn every_tenants_shares_together_are_every_cost(
            costs in prop::collection::btree_map(prop::sample::select(CostCategory::ALL.to_vec()), any::<i64>().prop_map(Yen), 0..5),
            (equal, usage) in (any::<u32>(), any::<u32>()),
            units in prop::collection::btree_map(any::<u128>(), 0_i64..=i64::MAX, 1..30),
        ) {
            let key = key(equal, usage);
            let active: BTreeMap<TenantId, i64> = units
                .iter()
                .map(|(id, units)| (TenantId::from_uuid(uuid::Uuid::from_u128(*id)), *units))
                .collect();
            let shares = share(&costs, key, &active);
            for (category, cost) in &costs {
                let sum: i128 = shares
                    .values()
                    .flatten()
                    .filter(|share| share.category == *category)
                    .map(|share| i128::from(share.amount.0))
                    .sum();
                prop_assert_eq!(sum, i128::from(cost.0));
            }
            prop_assert_eq!(&shares, &share(&costs, key, &active), "the same again");
        }
    }
}
