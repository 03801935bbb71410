//! Exports: everything that an invoice follows from, as lines of JSON (NDJSON), so that anyone can recompute it.
//!
//! The first line holds the tariff, how charges are taxed and, over a whole month, what the shared costs are split by. Then
//! comes each invoice with its tenant's account and, where months are adjusted, the uses billed for them before; after it,
//! its records, each with a digest that is chained over the records before. The last line counts: where it is missing, the
//! export was cut off. [`verify`] recomputes all of it from nothing else.

pub(crate) mod csv;
pub(crate) mod verify;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use warikan_types::{BillingMonth, Id, Invoice, TenantId, TenantScope, Yen};

use crate::{
    Billing,
    account::Account,
    error::BillingError,
    invoice::{Document, InvoiceView, RecordView},
    rate::{Taxes, UsageGroup},
    share::CostCategory,
    store::{invoices, recipients, shared_costs, usage},
    tariff::TariffRows,
};

pub(crate) use warikan_http::{Lines, streamed};

/// Names the form of these lines; raised when an old reader could misread them.
pub(crate) const FORMAT: &str = "warikan-billing-export/1";
/// The media type of exports.
pub(crate) const MEDIA_TYPE: &str = "application/x-ndjson";
/// Records that are read at once.
const RECORDS_AT_ONCE: u64 = 2_000;
/// Invoices that are read at once.
const INVOICES_AT_ONCE: u64 = 100;

/// One line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ExportLine {
    /// First.
    Export(Head),
    /// An invoice, before its records.
    Invoice(Box<Exported>),
    /// A billed operation.
    Record(Box<ExportedRecord>),
    /// Last.
    End(End),
}

/// What holds for all invoices of the export.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) format: String,
    pub(crate) period: BillingMonth,
    pub(crate) tariff: TariffRows,
    pub(crate) taxes: Taxes,
    /// Over a whole month: what its shared costs were split by.
    pub(crate) sharing: Option<Sharing>,
}

/// What shared costs were split by.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sharing {
    pub(crate) costs: BTreeMap<CostCategory, Yen>,
    /// The tenants active in the month, with their billed units.
    pub(crate) active: BTreeMap<TenantId, i64>,
}

/// An invoice with what its lines follow from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exported {
    pub(crate) tenant: TenantId,
    pub(crate) account: Account,
    /// Uses of the months that this invoice adjusts, as far as they were billed before it.
    pub(crate) earlier: Vec<UsageGroup>,
    pub(crate) invoice: InvoiceView,
}

/// A record with its place in the chain.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportedRecord {
    #[serde(flatten)]
    pub(crate) record: RecordView,
    /// SHA-256 over the digest before and this record.
    pub(crate) digest: String,
}

/// The end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) invoices: u64,
    pub(crate) records: u64,
}

/// The digests of one invoice's records.
pub(crate) struct Chain(String);

impl Chain {
    /// It begins with the invoice.
    pub(crate) fn of(invoice: Id<Invoice>) -> Self {
        Self(hex::encode(Sha256::digest(invoice.to_string())))
    }

    /// Takes a record in: SHA-256 over the digest so far, a line feed, and the record's JSON with its members in the order
    /// of the export and without white space.
    pub(crate) fn take(&mut self, record: &RecordView) -> &str {
        let mut hash = Sha256::new();
        hash.update(self.0.as_bytes());
        hash.update(b"\n");
        hash.update(serde_json::to_vec(record).expect("a record is plain data"));
        self.0 = hex::encode(hash.finalize());
        &self.0
    }

    /// Goes on from a digest that an export states.
    pub(crate) fn go_on_from(&mut self, stated: String) {
        self.0 = stated;
    }
}

impl Billing {
    /// Tells one invoice with all its records.
    pub(crate) async fn export_invoice(
        &self,
        scope: TenantScope,
        invoice: InvoiceView,
        lines: &mut Lines,
    ) -> Result<(), BillingError> {
        lines.tell(&self.head(invoice.summary.period, None)).await?;
        let records = self.tell_invoice(scope, invoice, lines).await?;
        let end = End {
            invoices: 1,
            records,
        };
        Ok(lines.tell(&ExportLine::End(end)).await?)
    }

    /// Tells a closed month: every invoice issued when it was closed, with all records.
    pub(crate) async fn export_month(
        &self,
        period: BillingMonth,
        lines: &mut Lines,
    ) -> Result<(), BillingError> {
        let db = self.0.db.worker();
        let units = usage::all_billed_units(db, period).await?;
        let active = recipients::all(db)
            .await?
            .into_iter()
            .filter(|(_, recipient)| recipient.account.is_active_in(period))
            .map(|(tenant, _)| (tenant, units.get(&tenant).copied().unwrap_or(0)))
            .collect();
        let costs = shared_costs::totals(db, period).await?;
        let sharing = Sharing { costs, active };
        lines.tell(&self.head(period, Some(sharing))).await?;
        let mut end = End {
            invoices: 0,
            records: 0,
        };
        let mut after = None;
        loop {
            let page = invoices::all_of_month(db, period, after, INVOICES_AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.tenant());
            for (scope, invoice) in page {
                end.invoices += 1;
                end.records += self.tell_invoice(scope, invoice, lines).await?;
            }
        }
        Ok(lines.tell(&ExportLine::End(end)).await?)
    }

    fn head(&self, period: BillingMonth, sharing: Option<Sharing>) -> ExportLine {
        ExportLine::Export(Head {
            format: FORMAT.to_owned(),
            period,
            tariff: self.0.tariff.rows().clone(),
            taxes: self.taxes(),
            sharing,
        })
    }

    /// Tells an invoice and its records; how many there were.
    async fn tell_invoice(
        &self,
        scope: TenantScope,
        invoice: InvoiceView,
        lines: &mut Lines,
    ) -> Result<u64, BillingError> {
        let (id, period) = (invoice.summary.id, invoice.summary.period);
        let is_invoice = invoice.summary.document == Document::Invoice;
        let adjusted: BTreeSet<BillingMonth> = invoice
            .lines
            .iter()
            .map(|line| line.service_month)
            .filter(|month| *month != period)
            .collect();
        let tenant = scope.tenant();
        // Given back before anything is told: a slow reader must not hold it.
        let db = self.0.db.begin_read(scope).await?;
        let mut earlier = usage::all_billed_before(&db, &[tenant], &adjusted, period).await?;
        let recipient = recipients::find(&db, tenant)
            .await?
            .ok_or(BillingError::RecipientUnknown(tenant))?;
        drop(db);
        lines
            .tell(&ExportLine::Invoice(Box::new(Exported {
                tenant,
                account: recipient.account,
                earlier: earlier.remove(&tenant).unwrap_or_default(),
                invoice,
            })))
            .await?;
        let mut chain = Chain::of(id);
        let mut told = 0;
        let mut after = None;
        // A credit note gives back money, not uses.
        let mut more = is_invoice;
        while more {
            let db = self.0.db.begin_read(scope).await?;
            let page = usage::billed_records(scope, &db, period, after, RECORDS_AT_ONCE).await?;
            drop(db);
            after = page.last().map(|last| last.id.uuid());
            more = after.is_some();
            for record in page {
                told += 1;
                let digest = chain.take(&record).to_owned();
                let line = ExportLine::Record(Box::new(ExportedRecord { record, digest }));
                lines.tell(&line).await?;
            }
        }
        Ok(told)
    }
}
