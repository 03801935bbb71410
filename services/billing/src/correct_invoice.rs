//! Correcting invoices that stand: by further documents, never by changing one.
//!
//! A **credit note** (適格返還請求書, 消費税法57条の4第3項) gives back something of an invoice's lines; its tax is rounded once per
//! rate like an invoice's. To **void** an invoice (取消) is to give back all that is left of it, with the very tax that is left,
//! so that invoice and credit notes together come to nothing; and, if asked for, to issue it anew with the recipient's and
//! the issuer's present names. What was used is not touched by either.

use std::collections::BTreeMap;

use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::{Answer, Idempotency};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{Client, Id, Invoice, TenantScope, Timestamp, Yen};

use crate::{
    Billing,
    acts::Act,
    calendar::jst_date,
    error::BillingError,
    invoice::{Document, InvoiceView, LineView, Reference},
    line::{Credited, Line},
    store::{
        invoices::{self, NewInvoice},
        recipients,
    },
    tax::{TaxTotal, Totals},
};

/// Something to be given back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCreditNote {
    /// Why, as the document says it; 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: String,
    /// Of which lines, and how much; up to 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<LineCredit>,
}

/// What is given back of a line.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineCredit {
    /// The line's number on the invoice.
    #[schema(minimum = 1, maximum = 10000)]
    pub n: u32,
    /// In yen without tax, above zero; at most what is left of the line.
    #[schema(value_type = i64, minimum = 1, maximum = 1000000000000i64)]
    pub amount: Yen,
}

/// An invoice to be voided.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Voiding {
    /// Why, as the document says it; 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    pub reason: String,
    /// Whether to issue it anew, with the recipient's and the issuer's names as they are now.
    #[serde(default)]
    pub reissue: bool,
}

/// What voiding made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Voided {
    /// The credit note over all that was left.
    pub credit_note: InvoiceView,
    /// The invoice in its place, if it was asked for.
    pub reissued: Option<InvoiceView>,
}

/// An invoice, and what was given back of it before.
struct Standing {
    scope: TenantScope,
    invoice: InvoiceView,
    credit_notes: Vec<InvoiceView>,
}

impl Standing {
    async fn read(txn: &DatabaseTransaction, id: Id<Invoice>) -> Result<Self, BillingError> {
        let scope = invoices::scope_of_any(txn, id).await?;
        let invoice = invoices::find(scope, txn, id).await?;
        if invoice.summary.document != Document::Invoice {
            let why = "a credit note is corrected through the invoice that it refers to";
            return Err(BillingError::NotCreditable(why.to_owned()));
        }
        let mut credit_notes = invoices::referring_to(scope, txn, id).await?;
        credit_notes.retain(|one| one.summary.document == Document::CreditNote);
        Ok(Self {
            scope,
            invoice,
            credit_notes,
        })
    }

    /// What is left of each line.
    fn left(&self) -> Result<BTreeMap<u32, (&LineView, Yen)>, BillingError> {
        let mut left: BTreeMap<u32, (&LineView, Yen)> = BTreeMap::new();
        for line in &self.invoice.lines {
            left.insert(line.n, (line, line.amount));
        }
        for credited in self.credit_notes.iter().flat_map(|note| &note.lines) {
            if let Some((_, amount)) = credited.credits_line.and_then(|n| left.get_mut(&n)) {
                *amount = amount.plus(credited.amount)?;
            }
        }
        Ok(left)
    }

    fn credited_taxes(&self) -> Vec<TaxTotal> {
        self.credit_notes
            .iter()
            .flat_map(|note| note.tax_totals.iter().copied())
            .collect()
    }

    fn reference(&self, reason: &str, voids: bool) -> Reference {
        Reference {
            invoice_id: self.invoice.summary.id,
            number: self.invoice.summary.number.clone(),
            issued_on: self.invoice.summary.issued_on,
            reason: reason.to_owned(),
            voids,
        }
    }
}

/// The line that gives `amount` of another back.
fn credit_line(line: &LineView, amount: Yen) -> Line {
    Line {
        category: line.category,
        charged_for: line.charged_for,
        service_month: line.service_month,
        plan: line.plan.clone(),
        counted: None,
        share: None,
        credits: Some(Credited {
            n: line.n,
            description_ja: line.description_ja.clone(),
            description_en: line.description_en.clone(),
        }),
        quantity: 1,
        unit_price: Yen(-amount.0),
        list_price: None,
        amount: Yen(-amount.0),
        tax_category: line.tax_category,
        tax_rate_percent: line.tax_rate_percent,
    }
}

impl Billing {
    /// Issues a credit note over parts of an invoice.
    pub(crate) async fn credit(
        &self,
        by: Id<Client>,
        id: Id<Invoice>,
        asked: &NewCreditNote,
        once: &Idempotency,
    ) -> Result<Answer, BillingError> {
        let now = self.0.platform.clock().now();
        let txn = begin_write(self.0.db.worker()).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let standing = Standing::read(&txn, id).await?;
        let mut left = standing.left()?;
        let mut lines = Vec::with_capacity(asked.lines.len());
        for credit in &asked.lines {
            let refused = |why: String| Err(BillingError::NotCreditable(why));
            let Some((line, amount)) = left.get_mut(&credit.n) else {
                return refused(format!("the invoice has no line {}", credit.n));
            };
            if *amount < credit.amount {
                let why = format!(
                    "of line {} only {} yen are left to credit",
                    credit.n, amount.0
                );
                return refused(why);
            }
            *amount = Yen(amount.0 - credit.amount.0);
            lines.push(credit_line(line, credit.amount));
        }
        let rates = lines
            .iter()
            .map(|line| (line.tax_rate_percent, line.amount));
        let totals = Totals::of(rates, standing.invoice.tax_rounding)?;
        let reference = standing.reference(&asked.reason, false);
        let note = self
            .issue_credit_note(&txn, &standing, (lines, totals), reference, now)
            .await?;
        let act = Act::new(by, "credit_note.issued", id)
            .of(standing.scope)
            .with("number", &note.summary.number)
            .with("total", note.summary.total.0);
        let answer = Answer::json(201, &note);
        once.keep(&txn, &answer).await?;
        self.acted(&txn, act).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    /// Gives back all that is left of an invoice, and issues it anew if that is asked for.
    pub(crate) async fn void(
        &self,
        by: Id<Client>,
        id: Id<Invoice>,
        asked: &Voiding,
        once: &Idempotency,
    ) -> Result<Answer, BillingError> {
        let now = self.0.platform.clock().now();
        let txn = begin_write(self.0.db.worker()).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let standing = Standing::read(&txn, id).await?;
        let is_void =
            |note: &InvoiceView| note.summary.refers_to.as_ref().is_some_and(|one| one.voids);
        if standing.credit_notes.iter().any(is_void) {
            let why = "the invoice is void already".to_owned();
            return Err(BillingError::NotCreditable(why));
        }
        let left = standing.left()?;
        let lines = left
            .values()
            .filter(|(_, amount)| *amount != Yen::ZERO)
            .map(|(line, amount)| credit_line(line, *amount))
            .collect();
        let taxes = standing.credited_taxes();
        let totals = Totals::remaining_credit(&standing.invoice.tax_totals, &taxes)?;
        let reference = standing.reference(&asked.reason, true);
        let credit_note = self
            .issue_credit_note(&txn, &standing, (lines, totals), reference, now)
            .await?;
        let reissued = if asked.reissue {
            Some(self.reissue(&txn, &standing, &asked.reason, now).await?)
        } else {
            None
        };
        let act = Act::new(by, "invoice.voided", id)
            .of(standing.scope)
            .with("credit_note", &credit_note.summary.number)
            .with("reissued", reissued.is_some());
        let answer = Answer::json(
            201,
            &Voided {
                credit_note,
                reissued,
            },
        );
        once.keep(&txn, &answer).await?;
        self.acted(&txn, act).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    async fn issue_credit_note(
        &self,
        txn: &DatabaseTransaction,
        standing: &Standing,
        (lines, totals): (Vec<Line>, Totals),
        reference: Reference,
        now: Timestamp,
    ) -> Result<InvoiceView, BillingError> {
        let (scope, invoice) = (standing.scope, &standing.invoice);
        let period = invoice.summary.period;
        let note = NewInvoice {
            scope,
            id: self.0.platform.entropy.id(now),
            number: format!(
                "{}-C{}",
                invoice.summary.number,
                standing.credit_notes.len() + 1
            ),
            period,
            issued_on: jst_date(now),
            issuer: self.0.config.issuer.clone(),
            // The document goes to whom the invoice went.
            recipient_name: invoice.recipient.name.clone(),
            plan: invoice.plan.clone(),
            rounding: invoice.tax_rounding,
            lines,
            totals,
            document: Document::CreditNote,
            issue: 1 + invoices::issued(scope, txn, period, Document::CreditNote).await?,
            reference: Some(reference),
        };
        self.stand(txn, &note, now).await
    }

    async fn reissue(
        &self,
        txn: &DatabaseTransaction,
        standing: &Standing,
        reason: &str,
        now: Timestamp,
    ) -> Result<InvoiceView, BillingError> {
        let (scope, invoice) = (standing.scope, &standing.invoice);
        let period = invoice.summary.period;
        let issue = 1 + invoices::issued(scope, txn, period, Document::Invoice).await?;
        let recipient = recipients::find(txn, scope.tenant())
            .await?
            .ok_or(BillingError::RecipientUnknown(scope.tenant()))?;
        let first_number = invoice
            .summary
            .number
            .split("-R")
            .next()
            .unwrap_or_default();
        let again = NewInvoice {
            scope,
            id: self.0.platform.entropy.id(now),
            number: format!("{first_number}-R{issue}"),
            period,
            issued_on: jst_date(now),
            issuer: self.0.config.issuer.clone(),
            recipient_name: recipient.name,
            plan: invoice.plan.clone(),
            rounding: invoice.tax_rounding,
            lines: Vec::new(),
            totals: Totals {
                subtotal: invoice.summary.subtotal,
                by_rate: invoice.tax_totals.clone(),
                tax: invoice.summary.tax,
                total: invoice.summary.total,
            },
            document: Document::Invoice,
            issue,
            reference: Some(standing.reference(reason, false)),
        };
        invoices::copy_lines(scope, txn, invoice.summary.id, again.id).await?;
        self.stand(txn, &again, now).await
    }

    /// Writes a document and its fact, and reads it as it will be read.
    async fn stand(
        &self,
        txn: &DatabaseTransaction,
        new: &NewInvoice,
        now: Timestamp,
    ) -> Result<InvoiceView, BillingError> {
        invoices::issue(txn, std::slice::from_ref(new)).await?;
        Outbox::append(txn, [self.finalized(new, now)]).await?;
        tracing::info!(
            number = new.number,
            total = new.totals.total.0,
            "document issued"
        );
        invoices::find(new.scope, txn, new.id).await
    }
}
