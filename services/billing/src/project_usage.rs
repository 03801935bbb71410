//! Where a running month is going: uses so far carried on at the same pace, and what an invoice would come to.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, Environment, TenantScope, Timestamp, Yen};

use crate::{
    Billing,
    account::Account,
    calendar::jst_date,
    error::BillingError,
    rate::{RatingError, UsageGroup},
    spend::Bill,
    words::{Meter, Purpose},
};

/// What a month's invoice would come to. Adjustments of earlier months and shares of shared costs are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Charges {
    /// Without tax; `null` where something has no price, as are the next two.
    pub subtotal: Option<Yen>,
    /// Tax, rounded once per rate.
    pub tax: Option<Yen>,
    /// With tax.
    pub total: Option<Yen>,
    /// Why it cannot be told.
    pub unpriced: Option<String>,
}

/// A running month, if it goes on as it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Projection {
    /// Seconds of the month that are over.
    pub elapsed_seconds: i64,
    /// Seconds of the month.
    pub month_seconds: i64,
    /// What will have been billed of each sort at the end of the month: uses so far times month by elapsed time, fractions cut
    /// off. Status checks by CRL are counted once a month, so they stay as they are.
    pub usage: Vec<ProjectedRow>,
    /// What the month's invoice would come to.
    pub charges: Charges,
}

/// Billed uses of one sort at the end of the month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProjectedRow {
    /// What is counted.
    pub meter: Meter,
    /// Why certificates are confirmed.
    pub purpose: Purpose,
    /// Kind of certificate.
    pub kind: CertificateKind,
    /// How the status is learnt.
    pub channel: Option<Channel>,
    /// Billed operations.
    pub billable_quantity: i64,
}

impl From<Result<Bill, RatingError>> for Charges {
    fn from(billed: Result<Bill, RatingError>) -> Self {
        match billed {
            Ok(Bill { totals, .. }) => Self {
                subtotal: Some(totals.subtotal),
                tax: Some(totals.tax),
                total: Some(totals.total),
                unpriced: None,
            },
            Err(error) => Self {
                subtotal: None,
                tax: None,
                total: None,
                unpriced: Some(error.to_string()),
            },
        }
    }
}

impl Billing {
    /// What these uses of a month come to; nothing in the sandbox, which is free.
    pub(crate) fn charges(
        &self,
        scope: TenantScope,
        account: Option<&Account>,
        period: BillingMonth,
        groups: &[UsageGroup],
    ) -> Result<Bill, RatingError> {
        let (rounding, nothing) = (self.0.config.tax_rounding, Account::default());
        match (scope.environment(), account) {
            (Environment::Sandbox, _) => self.terms(&nothing).bill_of(period, &[], rounding),
            (Environment::Production, Some(account)) => {
                self.terms(account).bill_of(period, groups, rounding)
            }
            (Environment::Production, None) if groups.is_empty() => {
                self.terms(&nothing).bill_of(period, &[], rounding)
            }
            (Environment::Production, None) => Err(RatingError::NoPlan),
        }
    }

    /// `None` for a month that is over or has not begun.
    pub(crate) fn project(
        &self,
        scope: TenantScope,
        account: Option<&Account>,
        period: BillingMonth,
        groups: &[UsageGroup],
    ) -> Result<Option<Projection>, BillingError> {
        let now = self.0.platform.clock().now();
        let Some(pace) = Pace::of(period, now) else {
            return Ok(None);
        };
        let projected = pace.project(groups, now)?;
        let mut sums: BTreeMap<_, ProjectedRow> = BTreeMap::new();
        for group in &projected {
            let channel = group.channel.map(Channel::as_str);
            let key = (group.meter, group.purpose, group.kind, channel);
            let row = sums.entry(key).or_insert(ProjectedRow {
                meter: group.meter,
                purpose: group.purpose,
                kind: group.kind,
                channel: group.channel,
                billable_quantity: 0,
            });
            // Sums that do not fit were refused when they were projected.
            row.billable_quantity = row.billable_quantity.saturating_add(group.quantity);
        }
        Ok(Some(Projection {
            elapsed_seconds: pace.elapsed / 1_000,
            month_seconds: pace.month / 1_000,
            usage: sums.into_values().collect(),
            charges: self.charges(scope, account, period, &projected).into(),
        }))
    }
}

/// How far a month is, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Pace {
    elapsed: i64,
    month: i64,
}

impl Pace {
    fn of(period: BillingMonth, now: Timestamp) -> Option<Self> {
        let (start, end) = (period.start().unix_millis(), period.end().unix_millis());
        let elapsed = now.unix_millis() - start;
        (elapsed > 0 && now < period.end()).then_some(Self {
            elapsed,
            month: end - start,
        })
    }

    /// The uses so far, and for each sort what is still to come, as if it came today: tariffs announced for later days of the
    /// month are not looked at.
    fn project(
        self,
        groups: &[UsageGroup],
        now: Timestamp,
    ) -> Result<Vec<UsageGroup>, BillingError> {
        let mut sums: BTreeMap<_, UsageGroup> = BTreeMap::new();
        for group in groups {
            let channel = group.channel.map(Channel::as_str);
            let key = (group.meter, group.purpose, group.kind, channel);
            let sum = sums.entry(key).or_insert(UsageGroup {
                priced_on: jst_date(now),
                quantity: 0,
                ..*group
            });
            sum.quantity = sum
                .quantity
                .checked_add(group.quantity)
                .ok_or(warikan_types::MoneyError)?;
        }
        let mut projected = groups.to_vec();
        for mut more in sums.into_values() {
            let once_a_month =
                more.meter == Meter::StatusCheck && more.channel == Some(Channel::Crl);
            if once_a_month {
                continue;
            }
            // 128 bits hold any count times a month's milliseconds.
            let whole = i128::from(more.quantity) * i128::from(self.month);
            let at_the_end = i64::try_from(whole / i128::from(self.elapsed))
                .map_err(|_| warikan_types::MoneyError)?;
            more.quantity = at_the_end - more.quantity;
            if more.quantity > 0 {
                projected.push(more);
            }
        }
        Ok(projected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn groups(quantity: i64, channel: Channel, meter: Meter) -> [UsageGroup; 1] {
        [UsageGroup {
            month: "2026-11".parse().unwrap(),
            priced_on: "2026-11-02".parse().unwrap(),
            meter,
            purpose: Purpose::StatusCheck,
            kind: CertificateKind::CardSignature,
            channel: Some(channel),
            quantity,
        }]
    }

    #[test]
    fn a_third_of_the_month_is_carried_on_three_times() {
        let period: BillingMonth = "2026-11".parse().unwrap();
        let tenth: Timestamp = "2026-11-10T15:00:00Z".parse().unwrap();
        let pace = Pace::of(period, tenth).unwrap();
        let sum = |groups: &[UsageGroup]| groups.iter().map(|one| one.quantity).sum::<i64>();
        let live = groups(7, Channel::Ocsp, Meter::StatusCheck);
        assert_eq!(sum(&pace.project(&live, tenth).unwrap()), 21);
        let listed = groups(7, Channel::Crl, Meter::StatusCheck);
        assert_eq!(
            sum(&pace.project(&listed, tenth).unwrap()),
            7,
            "once a month"
        );
        let verified = groups(7, Channel::Crl, Meter::Verification);
        assert_eq!(sum(&pace.project(&verified, tenth).unwrap()), 21);
        assert!(Pace::of(period, period.end()).is_none());
        assert!(Pace::of(period, period.start()).is_none());
    }

    proptest! {
        #[test]
        fn f077_a_projection_is_exact_to_the_unit(quantity in 1_i64..1_000_000_000_000, elapsed in 1_i64..2_592_000_000) {
            let period: BillingMonth = "2026-11".parse().unwrap();
            let now = Timestamp::from_unix_millis(period.start().unix_millis() + elapsed).unwrap();
            prop_assume!(now < period.end());
            let pace = Pace::of(period, now).unwrap();
            if let Ok(projected) = pace.project(&groups(quantity, Channel::Ocsp, Meter::StatusCheck), now) {
                let whole: i128 = projected.iter().map(|one| i128::from(one.quantity)).sum();
                let rest = i128::from(quantity) * i128::from(pace.month) - whole * i128::from(elapsed);
                prop_assert!((0..i128::from(elapsed)).contains(&rest));
            }
        }
    }
}
