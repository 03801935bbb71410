//! Usage so far: what a tenant used in a month, what of it is billed, and what that comes to before tax.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, TenantScope, Yen};

use crate::{
    Billing,
    billable::Rule,
    error::BillingError,
    line::ChargedFor,
    project_usage::{Charges, Projection},
    rate::{RatingError, Terms, UsageGroup},
    store::{months, recipients, usage, usage::Counted},
    words::{Meter, Purpose},
};

/// How far a month's billing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MonthState {
    /// Not over in Japan.
    Running,
    /// Over, and not closed yet.
    Over,
    /// Closed: its invoices stand.
    Closed,
}

/// A month's usage.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsageView {
    /// The month in Japan, by the time at which operations were accepted.
    pub period: BillingMonth,
    /// How far its billing is. What is heard of after the close is billed with the next month.
    pub state: MonthState,
    /// By meter, purpose, kind and channel.
    pub usage: Vec<UsageRow>,
    /// By the rule that decided whether operations are billed.
    pub rules: Vec<RuleRow>,
    /// What an invoice over these uses would come to now.
    pub charges: Charges,
    /// Where a running month is going; `null` once it is over.
    pub projection: Option<Projection>,
}

/// Usage of one sort.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsageRow {
    /// What is counted.
    pub meter: Meter,
    /// Why certificates were confirmed; `null` where the certificate's kind could not be told.
    pub purpose: Option<Purpose>,
    /// Kind of certificate.
    pub kind: Option<CertificateKind>,
    /// How the status was learnt.
    pub channel: Option<Channel>,
    /// Operations, billed or not.
    pub quantity: i64,
    /// Operations that are billed.
    pub billable_quantity: i64,
    /// The operator's charge so far, in yen without tax; `null` where it cannot be told, see `unpriced`.
    pub platform_amount: Option<Yen>,
    /// J-LIS fees so far, in yen without tax; `null` where they cannot be told.
    pub jlis_amount: Option<Yen>,
    /// Why amounts cannot be told: no tariff row holds, or the plan is not known yet.
    pub unpriced: Option<String>,
}

/// Operations that one rule decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleRow {
    /// The rule.
    pub rule: Rule,
    /// Whether it bills.
    pub billable: bool,
    /// Operations.
    pub quantity: i64,
}

type Sort = (
    Meter,
    Option<Purpose>,
    Option<CertificateKind>,
    Option<&'static str>,
);

impl Billing {
    pub(crate) async fn usage(
        &self,
        scope: TenantScope,
        period: BillingMonth,
    ) -> Result<UsageView, BillingError> {
        let db = &self.0.db.begin_read(scope).await?;
        let counted = usage::accepted_in(scope, db, period).await?;
        let recipient = recipients::find(db, scope.tenant()).await?;
        let terms = recipient
            .as_ref()
            .map(|recipient| self.terms(&recipient.account));
        let mut rows = by_sort(&counted)?;
        price(&mut rows, period, &counted, terms)?;
        let groups: Vec<UsageGroup> = counted.iter().filter_map(Counted::billed).collect();
        let account = recipient.as_ref().map(|recipient| &recipient.account);
        Ok(UsageView {
            period,
            state: self.month_state(period).await?,
            usage: rows.into_values().collect(),
            rules: by_rule(&counted)?,
            charges: self.charges(scope, account, period, &groups).into(),
            projection: self.project(scope, account, period, &groups)?,
        })
    }

    /// How far a month's billing is.
    pub(crate) async fn month_state(
        &self,
        period: BillingMonth,
    ) -> Result<MonthState, BillingError> {
        let closed = months::closed_through(self.0.db.worker()).await?;
        Ok(if closed.is_some_and(|closed| period <= closed) {
            MonthState::Closed
        } else if self.0.platform.clock().now() >= period.end() {
            MonthState::Over
        } else {
            MonthState::Running
        })
    }
}

/// Adds groups of days up to one row per sort. Pure.
pub(crate) fn by_sort(counted: &[Counted]) -> Result<Sorts, BillingError> {
    let mut rows: BTreeMap<Sort, UsageRow> = BTreeMap::new();
    for group in counted {
        let sort = (
            group.meter,
            group.purpose,
            group.kind,
            group.channel.map(Channel::as_str),
        );
        let row = rows.entry(sort).or_insert_with(|| UsageRow {
            meter: group.meter,
            purpose: group.purpose,
            kind: group.kind,
            channel: group.channel,
            quantity: 0,
            billable_quantity: 0,
            platform_amount: Some(Yen::ZERO),
            jlis_amount: Some(Yen::ZERO),
            unpriced: None,
        });
        row.quantity = plus(row.quantity, group.quantity)?;
        if group.billable {
            row.billable_quantity = plus(row.billable_quantity, group.quantity)?;
        }
    }
    Ok(rows)
}

type Sorts = BTreeMap<Sort, UsageRow>;

fn sort_of(group: &UsageGroup) -> Sort {
    (
        group.meter,
        Some(group.purpose),
        Some(group.kind),
        group.channel.map(Channel::as_str),
    )
}

/// Says what the billed uses of each sort come to. What cannot be priced says why, and the others still are.
fn price(
    rows: &mut Sorts,
    period: BillingMonth,
    counted: &[Counted],
    terms: Option<Terms<'_>>,
) -> Result<(), BillingError> {
    let groups: Vec<UsageGroup> = counted.iter().filter_map(Counted::billed).collect();
    let Some(terms) = terms else {
        let why = RatingError::NoPlan.to_string();
        for group in &groups {
            refuse(rows, group, ChargedFor::Operator, &why);
            refuse(rows, group, ChargedFor::Jlis, &why);
        }
        return Ok(());
    };
    // Graduated prices look at all uses of a purpose; a fee of J-LIS at each sort alone.
    for purpose in Purpose::ALL {
        let of: Vec<_> = groups
            .iter()
            .filter(|group| group.purpose == purpose)
            .copied()
            .collect();
        add(rows, terms, period, &of, ChargedFor::Operator)?;
    }
    let sorts: std::collections::BTreeSet<Sort> = groups.iter().map(sort_of).collect();
    for sort in sorts {
        let of: Vec<_> = groups
            .iter()
            .filter(|group| sort_of(group) == sort)
            .copied()
            .collect();
        add(rows, terms, period, &of, ChargedFor::Jlis)?;
    }
    Ok(())
}

fn amount_of(row: &mut UsageRow, charged_for: ChargedFor) -> &mut Option<Yen> {
    match charged_for {
        ChargedFor::Jlis => &mut row.jlis_amount,
        ChargedFor::Operator | ChargedFor::SharedCosts => &mut row.platform_amount,
    }
}

fn refuse(rows: &mut Sorts, group: &UsageGroup, charged_for: ChargedFor, why: &str) {
    if let Some(row) = rows.get_mut(&sort_of(group)) {
        *amount_of(row, charged_for) = None;
        row.unpriced = Some(why.to_owned());
    }
}

/// Adds what groups come to to their rows.
fn add(
    rows: &mut Sorts,
    terms: Terms<'_>,
    period: BillingMonth,
    groups: &[UsageGroup],
    charged_for: ChargedFor,
) -> Result<(), BillingError> {
    match terms.uses_for(period, groups, charged_for) {
        Ok(lines) => {
            for line in lines {
                let Some(row) = line
                    .counted
                    .and_then(|counted| rows.get_mut(&counted_sort(&counted)))
                else {
                    continue;
                };
                let amount = amount_of(row, charged_for);
                *amount = Some(amount.unwrap_or(Yen::ZERO).plus(line.amount)?);
            }
        }
        Err(error) => {
            let why = error.to_string();
            for group in groups {
                refuse(rows, group, charged_for, &why);
            }
        }
    }
    Ok(())
}

fn counted_sort(counted: &crate::line::Counted) -> Sort {
    let channel = counted.channel.map(Channel::as_str);
    (
        counted.meter,
        Some(counted.purpose),
        Some(counted.kind),
        channel,
    )
}

pub(crate) fn by_rule(counted: &[Counted]) -> Result<Vec<RuleRow>, BillingError> {
    let mut rows: BTreeMap<Rule, RuleRow> = BTreeMap::new();
    for group in counted {
        let row = rows.entry(group.rule).or_insert(RuleRow {
            rule: group.rule,
            billable: group.billable,
            quantity: 0,
        });
        row.quantity = plus(row.quantity, group.quantity)?;
    }
    Ok(rows.into_values().collect())
}

fn plus(a: i64, b: i64) -> Result<i64, BillingError> {
    a.checked_add(b)
        .ok_or(BillingError::Money(warikan_types::MoneyError))
}
