//! Judging shares of shared costs.

use warikan_types::{BillingMonth, TenantId, Yen};

use super::super::Sharing;
use crate::{
    calendar::first_day,
    share::{Part, Share, parts},
    tariff::Tariff,
};

/// Whether the units that a tenant's share was reckoned by are those of its records.
pub(super) fn faults_of_units(sharing: &Sharing, tenant: TenantId, units: i64) -> Option<String> {
    let told = *sharing.active.get(&tenant)?;
    (told != units).then(|| format!("its shares are by {told} units, and its records are {units}"))
}

/// Shares of one tenant alone: each must be its exact share with the fraction cut off, or one yen more (the largest remainders,
/// which only the whole month shows).
pub(super) fn faults(told: &[Share], tariff: &Tariff, period: BillingMonth) -> Vec<String> {
    let mut wrong = Vec::new();
    for share in told {
        if tariff.sharing_key(first_day(period)) != Ok(share.key) {
            wrong.push(format!(
                "the key of {} is not the tariff's",
                share.category.as_str()
            ));
        }
        let (equal, usage) = parts(share.cost, share.key);
        let (part, weight, total) = match share.part {
            Part::Usage if share.total_units > 0 => (usage, share.units, share.total_units),
            Part::Usage => (usage, 1, i64::from(share.tenants)),
            Part::Equal => (equal, 1, i64::from(share.tenants)),
        };
        let exact =
            i128::from(part.0.unsigned_abs()) * i128::from(weight) / i128::from(total.max(1));
        let above = i128::from(share.amount.0.unsigned_abs()) - exact;
        let signs_agree = share.amount == Yen::ZERO || share.amount.0.signum() == part.0.signum();
        if share.part_amount != part || !(0..=1).contains(&above) || !signs_agree {
            wrong.push(format!(
                "the share of {} ({:?}) does not follow from cost, key and units",
                share.category.as_str(),
                share.part
            ));
        }
    }
    wrong
}
