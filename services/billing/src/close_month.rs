//! Closing a month: every tenant's invoice for it is issued, and nothing goes into it any more.
//!
//! The operator closes months, oldest first, once they are over in Japan. Before, the month's usage is held against the services' own
//! operations ([`crate::reconcile`]). Everything happens in one transaction:
//! either all invoices stand, each with its fact for the feed, or none does, and the answer says what is missing (a
//! tariff row, a tenant's name). Closing again changes nothing and gives the same answer. What arrives later for a
//! closed month goes on the next invoice as an adjustment.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DatabaseTransaction;
use warikan_contracts::{Envelope, facts::InvoiceFinalized};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{BillingMonth, Client, Environment, Id, TenantId, TenantScope, Timestamp, Yen};

use crate::{
    Billing,
    acts::Act,
    calendar::{first_day, jst_date, last_day},
    config::SAMPLE_NUMBER,
    error::BillingError,
    invoice::Document,
    rate::Charges,
    share::{Share, share},
    spend::Bill,
    store::{
        invoices::{self, NewInvoice},
        months::{self, ClosedMonth},
        recipients::{self, Recipient},
        shared_costs, usage,
    },
};

/// Tenants whose uses are held in memory at once.
const TENANTS_AT_ONCE: usize = 200;

/// What a close knows of everybody.
struct Everybody {
    recipients: BTreeMap<TenantId, Recipient>,
    shares: BTreeMap<TenantId, Vec<Share>>,
    /// Who gets an invoice.
    billed: Vec<TenantId>,
}

impl Billing {
    /// Closes `period` for all tenants in production, if its usage is what the services say, or the operator accepts that it is not.
    pub(crate) async fn close_month(
        &self,
        by: Id<Client>,
        period: BillingMonth,
        accept_differences: bool,
    ) -> Result<ClosedMonth, BillingError> {
        let now = self.0.platform.clock().now();
        if now < period.end() {
            return Err(BillingError::MonthNotOver {
                period,
                ends: period.end(),
            });
        }
        if months::find(self.0.db.worker(), period).await?.is_none() {
            let found = self.reconcile(period, now).await?;
            if let Some(why) = found.objection()
                && !accept_differences
            {
                return Err(BillingError::Unreconciled { period, why });
            }
        }
        let txn = begin_write(self.0.db.worker()).await?;
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
        let act = Act::new(by, "month.closed", period)
            .with("invoices", closed.invoices)
            .with("total", closed.total.0)
            .with("accept_differences", accept_differences);
        self.acted(&txn, act).await?;
        txn.commit().await?;
        self.0.relay.wake();
        tracing::info!(%period, invoices = closed.invoices, total = closed.total.0, "month closed");
        Ok(closed)
    }

    /// Issues everybody's invoices, some tenants at a time: what is held in memory follows from the number of tenants and
    /// days, not from the number of operations.
    async fn issue_all(
        &self,
        txn: &DatabaseTransaction,
        period: BillingMonth,
        now: Timestamp,
    ) -> Result<ClosedMonth, BillingError> {
        let everybody = self.everybody(txn, period).await?;
        let mut closed = ClosedMonth {
            month: period,
            closed_at: now,
            invoices: 0,
            subtotal: Yen::ZERO,
            tax: Yen::ZERO,
            total: Yen::ZERO,
        };
        for tenants in everybody.billed.chunks(TENANTS_AT_ONCE) {
            let drafts = self.drafts(txn, tenants, period, &everybody, now).await?;
            let mut facts = Vec::with_capacity(drafts.len());
            let mut numbered = Vec::with_capacity(drafts.len());
            for mut draft in drafts {
                closed.invoices += 1;
                closed.subtotal = closed.subtotal.plus(draft.totals.subtotal)?;
                closed.tax = closed.tax.plus(draft.totals.tax)?;
                closed.total = closed.total.plus(draft.totals.total)?;
                draft.number = format!("{period}-{:05}", closed.invoices);
                facts.push(self.finalized(&draft, now));
                numbered.push(draft);
            }
            invoices::issue(txn, &numbered).await?;
            Outbox::append(txn, facts).await?;
        }
        let number = &self.0.config.issuer.registration_number;
        if closed.invoices > 0 && number.as_str() == SAMPLE_NUMBER {
            tracing::warn!("the invoices name the sample issuer; set `billing.issuer`");
        }
        Ok(closed)
    }

    /// Who is billed, and what each has to bear of the shared costs.
    async fn everybody(
        &self,
        txn: &DatabaseTransaction,
        period: BillingMonth,
    ) -> Result<Everybody, BillingError> {
        let recipients = recipients::all(txn).await?;
        let units = usage::all_billed_units(txn, period).await?;
        let active: BTreeMap<TenantId, i64> = recipients
            .iter()
            .filter(|(_, recipient)| recipient.account.is_active_in(period))
            .map(|(tenant, _)| (*tenant, units.get(tenant).copied().unwrap_or(0)))
            .collect();
        let costs = shared_costs::totals(txn, period).await?;
        let shares = if costs.is_empty() {
            BTreeMap::new()
        } else if active.is_empty() {
            return Err(BillingError::NobodyToShare(period));
        } else {
            let key = self.0.tariff.sharing_key(first_day(period))?;
            share(&costs, key, &active)
        };
        let billed: BTreeSet<TenantId> = active.keys().chain(units.keys()).copied().collect();
        Ok(Everybody {
            recipients,
            shares,
            billed: billed.into_iter().collect(),
        })
    }

    async fn drafts(
        &self,
        txn: &DatabaseTransaction,
        tenants: &[TenantId],
        period: BillingMonth,
        everybody: &Everybody,
        now: Timestamp,
    ) -> Result<Vec<NewInvoice>, BillingError> {
        let groups = usage::all_billed_in(txn, tenants, period).await?;
        let adjusted: BTreeSet<BillingMonth> = groups
            .values()
            .flatten()
            .map(|group| group.month)
            .filter(|month| *month != period)
            .collect();
        let earlier = usage::all_billed_before(txn, tenants, &adjusted, period).await?;
        let of = |billed: &usage::Billed, tenant| billed.get(tenant).cloned().unwrap_or_default();
        tenants
            .iter()
            .map(|tenant| {
                let recipient = everybody
                    .recipients
                    .get(tenant)
                    .ok_or(BillingError::RecipientUnknown(*tenant))?;
                let shares = everybody.shares.get(tenant);
                let charges = Charges {
                    groups: &of(&groups, tenant),
                    earlier: &of(&earlier, tenant),
                    shares: shares.map_or(&[], Vec::as_slice),
                };
                self.draft(*tenant, recipient, period, charges, now)
            })
            .collect()
    }

    fn draft(
        &self,
        tenant: TenantId,
        recipient: &Recipient,
        period: BillingMonth,
        charges: Charges<'_>,
        now: Timestamp,
    ) -> Result<NewInvoice, BillingError> {
        let Bill { lines, totals } = self
            .terms(&recipient.account)
            .bill(period, charges, self.0.config.tax_rounding)
            .map_err(BillingError::rating(tenant))?;
        let plan = recipient.account.plan_on(last_day(period));
        Ok(NewInvoice {
            scope: TenantScope::of_event(tenant, Environment::Production),
            id: self.0.platform.entropy.id(now),
            number: String::new(),
            period,
            issued_on: jst_date(now),
            issuer: self.0.config.issuer.clone(),
            recipient_name: recipient.name.clone(),
            plan: plan.map(|plan| plan.plan.clone()).unwrap_or_default(),
            rounding: self.0.config.tax_rounding,
            lines,
            totals,
            document: Document::Invoice,
            issue: 1,
            reference: None,
        })
    }

    /// The fact that an invoice stands.
    pub(crate) fn finalized(&self, invoice: &NewInvoice, now: Timestamp) -> Envelope {
        let fact = InvoiceFinalized {
            invoice: invoice.id,
            period: invoice.period,
            total: invoice.totals.total,
        };
        let event = self.0.platform.entropy.id(now);
        Envelope::of(
            event,
            Some(invoice.scope),
            now,
            invoice.id.to_string(),
            &fact,
        )
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
