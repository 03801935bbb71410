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
    rate::{RatingError, Terms},
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
        let db = &self.0.db;
        let counted = usage::accepted_in(scope, db, period).await?;
        let recipient = recipients::find(db, scope.tenant()).await?;
        let terms = recipient
            .as_ref()
            .map(|recipient| self.terms(&recipient.plan));
        Ok(UsageView {
            period,
            state: self.month_state(period).await?,
            usage: by_sort(&counted, terms)?,
            rules: by_rule(&counted)?,
        })
    }

    /// How far a month's billing is.
    pub(crate) async fn month_state(
        &self,
        period: BillingMonth,
    ) -> Result<MonthState, BillingError> {
        let closed = months::closed_through(&self.0.db).await?;
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
pub(crate) fn by_sort(
    counted: &[Counted],
    terms: Option<Terms<'_>>,
) -> Result<Vec<UsageRow>, BillingError> {
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
            price(row, group, terms);
        }
    }
    Ok(rows.into_values().collect())
}

/// Adds a group's price to its row, or says why that cannot be done.
fn price(row: &mut UsageRow, group: &Counted, terms: Option<Terms<'_>>) {
    let (Some(terms), Some(uses)) = (terms, group.billed()) else {
        row.platform_amount = None;
        row.jlis_amount = None;
        row.unpriced = Some("the tenant's plan is not known yet".to_owned());
        return;
    };
    for charged_for in [ChargedFor::Operator, ChargedFor::Jlis] {
        let amount = match charged_for {
            ChargedFor::Operator => &mut row.platform_amount,
            ChargedFor::Jlis => &mut row.jlis_amount,
        };
        let Some(so_far) = *amount else { continue };
        let added = terms
            .price(&uses, charged_for)
            .map_err(RatingError::from)
            .and_then(|price| {
                let unit = price.map_or(Yen::ZERO, |price| price.unit);
                Ok(so_far.plus(unit.times(uses.quantity)?)?)
            });
        match added {
            Ok(sum) => *amount = Some(sum),
            Err(error) => {
                *amount = None;
                row.unpriced = Some(error.to_string());
            }
        }
    }
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
