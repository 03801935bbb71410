//! Invoices: qualified ones (適格請求書, 消費税法57条の4), as they are shown.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{
    BillingMonth, CertificateKind, Id, Invoice, Reason, Timestamp, UsageRecord, Verdict, Yen,
};

use crate::{
    billable::Rule,
    line::{Category, ChargedFor},
    share::Share,
    tax::{Rounding, TaxCategory, TaxTotal},
    words::{Meter, Purpose},
};

/// Named without its parameter: the schema derive would ask the marker type for a schema.
pub(crate) type InvoiceId = Id<Invoice>;
/// As above.
pub(crate) type UsageRecordId = Id<UsageRecord>;

/// An invoice in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvoiceSummary {
    /// Its id.
    pub id: InvoiceId,
    /// Its number, as on paper.
    pub number: String,
    /// The month in Japan that it is for.
    pub period: BillingMonth,
    /// The day in Japan on which it was issued.
    pub issued_on: NaiveDate,
    /// Without tax, in yen.
    pub subtotal: Yen,
    /// Tax, in yen.
    pub tax: Yen,
    /// To be paid, in yen; negative on credit notes.
    pub total: Yen,
    /// What it is.
    pub document: Document,
    /// On a credit note, the invoice that it corrects; on a reissued invoice, the one in whose place it stands.
    pub refers_to: Option<Reference>,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Document {
    /// A qualified invoice (適格請求書).
    Invoice,
    /// A qualified return invoice (適格返還請求書): amounts are negative.
    CreditNote,
}

impl Document {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Invoice, Self::CreditNote]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

/// Another document that one refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reference {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its number.
    pub number: String,
    /// The day on which it was issued.
    pub issued_on: NaiveDate,
    /// Why.
    pub reason: String,
    /// Whether all that was left of it is credited: it is void (取消).
    pub voids: bool,
}

/// An invoice. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvoiceView {
    /// Number, period, dates and totals.
    #[serde(flatten)]
    pub summary: InvoiceSummary,
    /// Who issued it.
    pub issuer: IssuerView,
    /// To whom.
    pub recipient: RecipientView,
    /// The tenant's plan at the end of the month.
    pub plan: String,
    /// Always `JPY`.
    pub currency: String,
    /// What is charged. The amounts add up to `subtotal`.
    pub lines: Vec<LineView>,
    /// Per rate: the sum of its lines, and the tax on it, rounded once.
    pub tax_totals: Vec<TaxTotal>,
    /// Which way that rounding went.
    pub tax_rounding: Rounding,
}

/// The issuer of a qualified invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuerView {
    /// Legal name.
    pub name: String,
    /// `T` and 13 digits.
    pub registration_number: String,
}

/// Who pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecipientView {
    /// Legal name when the invoice was issued.
    pub name: String,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// Its number, from 1.
    pub n: u32,
    /// In Japanese.
    pub description_ja: String,
    /// In English.
    pub description_en: String,
    /// What kind of charge.
    pub category: Category,
    /// Whose price: J-LIS fees are passed through without margin.
    pub charged_for: ChargedFor,
    /// The month of the uses; earlier than the invoice's on adjustments.
    pub service_month: BillingMonth,
    /// What was counted; `null` on lines that count no uses, as are the next three.
    pub meter: Option<Meter>,
    /// Why the certificates were confirmed.
    pub purpose: Option<Purpose>,
    /// Kind of certificate.
    pub kind: Option<CertificateKind>,
    /// How the status was learnt.
    pub channel: Option<Channel>,
    /// The plan whose price it is; `null` on J-LIS fees and shares.
    pub plan: Option<String>,
    /// On shares of shared costs: what they follow from.
    pub share: Option<Share>,
    /// On credit notes: the number of the invoice's line that is given back.
    pub credits_line: Option<u32>,
    /// Where a graduated price splits uses of one sort over several lines: how many of their records, by day and order of
    /// recording, stand behind the lines before.
    pub records_before: i64,
    /// Units.
    pub quantity: i64,
    /// Yen per unit, without tax.
    pub unit_price: Yen,
    /// What the fee list names, where it is waived.
    pub list_price: Option<Yen>,
    /// `quantity` times `unit_price`.
    pub amount: Yen,
    /// How it is taxed.
    pub tax_category: TaxCategory,
    /// At which rate.
    pub tax_rate_percent: u8,
}

/// One metered operation behind a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    /// The record's id.
    pub id: UsageRecordId,
    /// The operation: a verification's id, or certificate handle and month of a status check.
    pub operation: String,
    /// What it counts as.
    pub meter: Meter,
    /// Why the certificate was confirmed.
    pub purpose: Option<Purpose>,
    /// Kind of certificate.
    pub kind: Option<CertificateKind>,
    /// How the status was learnt.
    pub channel: Option<Channel>,
    /// Units.
    pub quantity: i64,
    /// When the operation was accepted.
    pub accepted_at: Timestamp,
    /// The month in Japan in which that was.
    pub month: BillingMonth,
    /// The day in Japan whose tariff applies.
    pub priced_on: NaiveDate,
    /// Whether it is billed.
    pub billable: bool,
    /// The rule of the published table that decided.
    pub rule: Rule,
    /// The verification's verdict.
    pub verdict: Option<Verdict>,
    /// The verification's reason.
    pub reason: Option<Reason>,
}
