//! Closing a month: every tenant's invoice for it is issued, and nothing goes into it any more.
//!
//! The operator closes months, oldest first, once they are over in Japan. Everything happens in one transaction:
//! either all invoices stand, each with its fact for the feed, or none does, and the answer says what is missing (a
//! tariff row, a tenant's name). Closing again changes nothing and gives the same answer. What arrives later for a
//! closed month goes on the next invoice as an adjustment.

use std::collections::BTreeSet;

use sea_orm::DatabaseTransaction;
use warikan_contracts::{Envelope, facts::InvoiceFinalized};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{BillingMonth, Environment, Id, TenantId, TenantScope, Timestamp, Yen};

use crate::{
    Billing,
    calendar::jst_date,
    config::SAMPLE_NUMBER,
    error::BillingError,
    line::Line,
    store::{
        invoices::{self, NewInvoice},
        months::{self, ClosedMonth},
        recipients::{self, Recipient},
        usage,
    },
    tax::Totals,
};

/// One tenant's charges, ready to be issued.
struct Draft {
    scope: TenantScope,
    recipient: Recipient,
    lines: Vec<Line>,
    totals: Totals,
}

impl Billing {
    /// Closes `period` for all tenants in production.
    pub(crate) async fn close_month(
        &self,
        period: BillingMonth,
    ) -> Result<ClosedMonth, BillingError> {
        let now = self.0.platform.clock().now();
        if now < period.end() {
            return Err(BillingError::MonthNotOver {
                period,
                ends: period.end(),
            });
        }
        let txn = begin_write(&self.0.db).await?;
        let closed_through = months::closed_through_while_closing(&txn).await?;
        if closed_through.is_some_and(|closed| period <= closed) {
            let closed = months::find(&txn, period).await?;
            txn.rollback().await?;
            return closed.ok_or(BillingError::BeforeFirstClose { period });
        }
        if let Some(open) = oldest_open(&txn, closed_through).await?
            && open < period
        {
            return Err(BillingError::EarlierMonthOpen { period, open });
        }
        let closed = self.issue_all(&txn, period, now).await?;
        months::close(&txn, &closed).await?;
        txn.commit().await?;
        self.0.relay.wake();
        tracing::info!(%period, invoices = closed.invoices, total = closed.total.0, "month closed");
        Ok(closed)
    }

    async fn issue_all(
        &self,
        txn: &DatabaseTransaction,
        period: BillingMonth,
        now: Timestamp,
    ) -> Result<ClosedMonth, BillingError> {
        let mut tenants: BTreeSet<TenantId> = usage::all_billed_tenants(txn, period)
            .await?
            .into_iter()
            .collect();
        tenants.extend(recipients::all_owing_base_fee(txn, period).await?);
        let mut closed = ClosedMonth {
            month: period,
            closed_at: now,
            invoices: 0,
            subtotal: Yen::ZERO,
            tax: Yen::ZERO,
            total: Yen::ZERO,
        };
        for tenant in tenants {
            let draft = self.draft(txn, tenant, period).await?;
            closed.invoices += 1;
            closed.subtotal = closed.subtotal.plus(draft.totals.subtotal)?;
            closed.tax = closed.tax.plus(draft.totals.tax)?;
            closed.total = closed.total.plus(draft.totals.total)?;
            self.issue(txn, &draft, period, closed.invoices, now)
                .await?;
        }
        let number = &self.0.config.issuer.registration_number;
        if closed.invoices > 0 && number.as_str() == SAMPLE_NUMBER {
            tracing::warn!("the invoices name the sample issuer; set `billing.issuer`");
        }
        Ok(closed)
    }

    async fn draft(
        &self,
        txn: &DatabaseTransaction,
        tenant: TenantId,
        period: BillingMonth,
    ) -> Result<Draft, BillingError> {
        let scope = TenantScope::of_event(tenant, Environment::Production);
        let recipient = recipients::find(txn, tenant)
            .await?
            .ok_or(BillingError::RecipientUnknown(tenant))?;
        let groups = usage::billed_in(scope, txn, period).await?;
        let lines = self
            .terms(&recipient.plan)
            .rate(period, recipient.owes_base_fee(period), &groups)
            .map_err(BillingError::rating(tenant))?;
        let totals = Totals::of(
            lines
                .iter()
                .map(|line| (line.tax_rate_percent, line.amount)),
            self.0.config.tax_rounding,
        )?;
        Ok(Draft {
            scope,
            recipient,
            lines,
            totals,
        })
    }

    async fn issue(
        &self,
        txn: &DatabaseTransaction,
        draft: &Draft,
        period: BillingMonth,
        sequence: i64,
        now: Timestamp,
    ) -> Result<(), BillingError> {
        let entropy = &self.0.platform.entropy;
        let id = entropy.id(now);
        let invoice = NewInvoice {
            id,
            number: format!("{period}-{sequence:05}"),
            period,
            issued_on: jst_date(now),
            issuer: &self.0.config.issuer,
            recipient_name: &draft.recipient.name,
            plan: &draft.recipient.plan,
            rounding: self.0.config.tax_rounding,
            lines: &draft.lines,
            totals: &draft.totals,
        };
        invoices::issue(draft.scope, txn, &invoice).await?;
        let fact = InvoiceFinalized {
            invoice: id,
            period,
            total: draft.totals.total,
        };
        let event: Id<_> = entropy.id(now);
        let envelope = Envelope::of(event, Some(draft.scope), now, id.to_string(), &fact);
        Outbox::append(txn, [envelope]).await?;
        Ok(())
    }
}

/// The month that has to be closed next; `None` while there is nothing to bill at all.
async fn oldest_open(
    txn: &DatabaseTransaction,
    closed_through: Option<BillingMonth>,
) -> Result<Option<BillingMonth>, BillingError> {
    if let Some(closed) = closed_through {
        return Ok(Some(closed.next()));
    }
    let used = usage::first_month(txn).await?;
    let activated = recipients::first_activation(txn).await?;
    Ok([used, activated.map(BillingMonth::of)]
        .into_iter()
        .flatten()
        .min())
}
