//! Verifying an export from nothing but itself: every record, line, share and total is judged anew.

mod shares;

use std::{
    collections::{BTreeMap, HashSet},
    io::BufRead,
};

use sha2::{Digest, Sha256};
use warikan_contracts::facts::Channel;
use warikan_types::{Environment, TenantId};

use super::{Chain, End, ExportLine, Exported, ExportedRecord, FORMAT, Head};
use crate::{
    billable::Rule,
    calendar::{first_day, jst_date, month_of},
    invoice::{Document, LineView, RecordView},
    line::Line,
    rate::{Charges, Terms, UsageGroup},
    share::{Share, share},
    tariff::{Tariff, TariffError},
    tax::Totals,
    words::Meter,
};

/// The export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be read.
    #[error("the export cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is not of the form.
    #[error("line {line} of the export is not of the form {FORMAT}: {why}")]
    Form {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The tariff in it contradicts itself.
    #[error("the export's tariff cannot be: {0}")]
    Tariff(#[from] TariffError),
    /// The last line is missing, or counts otherwise.
    #[error("the export is not whole: {0}")]
    NotWhole(String),
}

/// What verifying an export came to.
#[derive(Debug, Default)]
pub struct Verified {
    /// Invoices and credit notes in it.
    pub invoices: u64,
    /// Lines that were recomputed.
    pub lines: u64,
    /// Records that were judged.
    pub records: u64,
    /// What is not as it should be. Empty: all of it can be recomputed.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The invoice's number.
    pub invoice: String,
    /// What is wrong, such as `record use_..: ..` or `line 3: ..`.
    pub what: String,
}

/// Judges an export.
///
/// # Errors
/// [`ExportError`]: it is no export, or not a whole one.
pub fn verify(export: impl BufRead) -> Result<Verified, ExportError> {
    let mut reader = Reader::default();
    let mut ended = None;
    for (place, text) in (1..).zip(export.lines()) {
        let form = |why: String| ExportError::Form { line: place, why };
        let line = serde_json::from_str(&text?).map_err(|error| form(error.to_string()))?;
        if ended.is_some() {
            return Err(form("a line after the last".to_owned()));
        }
        match (line, reader.head.is_some()) {
            (ExportLine::Export(head), false) if head.format == FORMAT => reader.begin(head)?,
            (ExportLine::Invoice(exported), true) => reader.invoice(*exported),
            (ExportLine::Record(record), true) => reader.record(*record).map_err(form)?,
            (ExportLine::End(end), true) => ended = Some(end),
            _ => return Err(form("not expected here".to_owned())),
        }
    }
    reader.end(ended)
}

/// An invoice whose records are being read.
struct Open {
    exported: Exported,
    chain: Chain,
    groups: BTreeMap<String, UsageGroup>,
    /// Half of the hash of each operation that was seen: one must not be billed twice.
    seen: HashSet<[u8; 16]>,
}

#[derive(Default)]
struct Reader {
    head: Option<(Head, Tariff)>,
    shares: BTreeMap<TenantId, Vec<Share>>,
    open: Option<Open>,
    verified: Verified,
}

impl Reader {
    fn begin(&mut self, head: Head) -> Result<(), ExportError> {
        let tariff = Tariff::of(head.tariff.clone())?;
        if let Some(sharing) = &head.sharing
            && let Ok(key) = tariff.sharing_key(first_day(head.period))
        {
            self.shares = share(&sharing.costs, key, &sharing.active);
        }
        self.head = Some((head, tariff));
        Ok(())
    }

    fn invoice(&mut self, exported: Exported) {
        self.close();
        self.open = Some(Open {
            chain: Chain::of(exported.invoice.summary.id),
            exported,
            groups: BTreeMap::new(),
            seen: HashSet::new(),
        });
    }

    fn record(&mut self, exported: ExportedRecord) -> Result<(), String> {
        let open = self
            .open
            .as_mut()
            .ok_or_else(|| "a record before any invoice".to_owned())?;
        self.verified.records += 1;
        let record = exported.record;
        let mut wrong: Vec<String> = faults(&record);
        if *open.chain.take(&record) != exported.digest {
            wrong.push("it is not what was exported: its digest differs".to_owned());
            open.chain.go_on_from(exported.digest);
        }
        let key = format!("{}/{}", record.meter.as_str(), record.operation);
        let hash: [u8; 32] = Sha256::digest(key).into();
        let half = <[u8; 16]>::try_from(&hash[..16]).unwrap_or_default();
        if !open.seen.insert(half) {
            wrong.push(format!("operation {} is billed twice", record.operation));
        }
        match group(&record) {
            Some(group) => {
                let place = (group.month, group.priced_on, group.meter, group.purpose);
                let key = format!("{place:?}{:?}{:?}", group.kind, group.channel);
                let sum = open.groups.entry(key).or_insert(UsageGroup {
                    quantity: 0,
                    ..group
                });
                match sum.quantity.checked_add(group.quantity) {
                    Some(quantity) => sum.quantity = quantity,
                    None => wrong.push("its quantity is too large".to_owned()),
                }
            }
            None => wrong.push("it cannot be billed".to_owned()),
        }
        let invoice = open.exported.invoice.summary.number.clone();
        self.verified
            .findings
            .extend(wrong.into_iter().map(|what| Finding {
                invoice: invoice.clone(),
                what: format!("record {}: {what}", record.id),
            }));
        Ok(())
    }

    fn end(mut self, end: Option<End>) -> Result<Verified, ExportError> {
        self.close();
        let end =
            end.ok_or_else(|| ExportError::NotWhole("its last line is missing".to_owned()))?;
        let (invoices, records) = (self.verified.invoices, self.verified.records);
        if (end.invoices, end.records) != (invoices, records) {
            return Err(ExportError::NotWhole(format!(
                "it says {} invoices and {} records, and holds {invoices} and {records}",
                end.invoices, end.records
            )));
        }
        Ok(self.verified)
    }

    /// Recomputes the invoice whose records are all read.
    fn close(&mut self) {
        let (Some(open), Some((head, tariff))) = (self.open.take(), &self.head) else {
            return;
        };
        self.verified.invoices += 1;
        let invoice = &open.exported.invoice;
        self.verified.lines += invoice.lines.len() as u64;
        let mut wrong = Vec::new();
        if invoice.summary.document == Document::Invoice {
            let groups: Vec<UsageGroup> = open.groups.values().copied().collect();
            let tenant = open.exported.tenant;
            let shares = match &head.sharing {
                Some(sharing) => {
                    let units: i64 = groups.iter().map(|group| group.quantity).sum();
                    wrong.extend(shares::faults_of_units(sharing, tenant, units));
                    self.shares.get(&tenant).cloned().unwrap_or_default()
                }
                None => {
                    let told: Vec<Share> =
                        invoice.lines.iter().filter_map(|line| line.share).collect();
                    wrong.extend(shares::faults(&told, tariff, head.period));
                    told
                }
            };
            let terms = Terms {
                tariff,
                account: &open.exported.account,
                taxes: head.taxes,
            };
            let charges = Charges {
                groups: &groups,
                earlier: &open.exported.earlier,
                shares: &shares,
            };
            match terms.rate(invoice.summary.period, charges) {
                Ok(lines) => wrong.extend(compare(&lines, &invoice.lines)),
                Err(error) => wrong.push(format!("its lines cannot be recomputed: {error}")),
            }
        }
        wrong.extend(faults_of_totals(&open.exported));
        let number = &invoice.summary.number;
        self.verified
            .findings
            .extend(wrong.into_iter().map(|what| Finding {
                invoice: number.clone(),
                what,
            }));
    }
}

/// As rating takes it.
fn group(record: &RecordView) -> Option<UsageGroup> {
    (record.billable && record.quantity > 0).then_some(())?;
    Some(UsageGroup {
        month: record.month,
        priced_on: record.priced_on,
        meter: record.meter,
        purpose: record.purpose?,
        kind: record.kind?,
        channel: record.channel,
        quantity: record.quantity,
    })
}

/// Where a record contradicts itself or the published table.
fn faults(record: &RecordView) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let production = Environment::Production;
    let rule = match (record.meter, record.verdict) {
        (Meter::StatusCheck, _) => Some(Rule::of_status_check(production)),
        (Meter::Verification, Some(verdict)) => {
            let (reason, kind) = (record.reason, record.kind);
            Some(Rule::of_verification(production, verdict, reason, kind))
        }
        (Meter::Verification, None) => None,
    };
    expect(rule == Some(record.rule), "another rule applies to it");
    expect(
        record.billable == record.rule.is_billable(),
        "its rule says otherwise whether it is billed",
    );
    let day = jst_date(record.accepted_at);
    let by_list = record.channel == Some(Channel::Crl);
    match record.meter {
        Meter::Verification => {
            let month = month_of(record.accepted_at);
            expect(
                month == Some(record.month),
                "it was accepted in another month",
            );
            expect(record.priced_on == day, "another day's tariff applies");
        }
        Meter::StatusCheck if by_list => {
            let first = first_day(record.month);
            expect(
                record.priced_on == first,
                "the tariff of the month's first day applies",
            );
        }
        Meter::StatusCheck => {
            let either = record.priced_on == day || record.priced_on == first_day(record.month);
            expect(either, "another day's tariff applies");
        }
    }
    expect(record.quantity == 1, "a record counts one operation");
    wrong
}

fn faults_of_totals(exported: &Exported) -> Vec<String> {
    let invoice = &exported.invoice;
    let voids = invoice
        .summary
        .refers_to
        .as_ref()
        .is_some_and(|one| one.voids);
    let of_lines = Totals::of(
        invoice
            .lines
            .iter()
            .map(|line| (line.tax_rate_percent, line.amount)),
        invoice.tax_rounding,
    );
    let Ok(totals) = of_lines else {
        return vec!["its amounts are too large".to_owned()];
    };
    let mut wrong = Vec::new();
    let mut expect = |what: &str, told: i64, recomputed: i64| {
        if told != recomputed {
            wrong.push(format!(
                "{what}: the export says {told}, recomputed {recomputed}"
            ));
        }
    };
    let summary = &invoice.summary;
    expect("subtotal", summary.subtotal.0, totals.subtotal.0);
    // Voiding takes back the very tax that was left, which need not be that of the sum.
    if !voids {
        expect("tax", summary.tax.0, totals.tax.0);
        expect("total", summary.total.0, totals.total.0);
        if invoice.tax_totals != totals.by_rate {
            wrong.push("the totals per tax rate are not those of the lines".to_owned());
        }
    } else if summary.subtotal.plus(summary.tax) != Ok(summary.total) {
        wrong.push("subtotal and tax do not add up to the total".to_owned());
    }
    wrong
}

/// Where an invoice's lines differ from recomputed ones.
fn compare(recomputed: &[Line], told: &[LineView]) -> Vec<String> {
    let mut wrong = Vec::new();
    if recomputed.len() != told.len() {
        let (there, should) = (told.len(), recomputed.len());
        wrong.push(format!("it has {there} lines, recomputed {should}"));
    }
    for (line, told) in recomputed.iter().zip(told) {
        let counted = line.counted;
        let same_sort = (line.category, line.charged_for, line.service_month)
            == (told.category, told.charged_for, told.service_month)
            && counted.map(|one| (one.meter, one.purpose, one.kind))
                == told
                    .meter
                    .zip(told.purpose)
                    .zip(told.kind)
                    .map(|((meter, purpose), kind)| (meter, purpose, kind))
            && counted.and_then(|one| one.channel) == told.channel
            && line.plan == told.plan
            && line.share == told.share;
        if !same_sort {
            let should = line.description_en();
            wrong.push(format!("line {}: it should be \"{should}\"", told.n));
            continue;
        }
        for (what, told_value, value) in [
            ("quantity", told.quantity, line.quantity),
            ("unit price", told.unit_price.0, line.unit_price.0),
            ("amount", told.amount.0, line.amount.0),
            (
                "tax rate",
                told.tax_rate_percent.into(),
                line.tax_rate_percent.into(),
            ),
            (
                "records before",
                told.records_before,
                counted.map_or(0, |one| one.skip),
            ),
        ] {
            if told_value != value {
                let n = told.n;
                wrong.push(format!(
                    "line {n}: {what}: the export says {told_value}, recomputed {value}"
                ));
            }
        }
    }
    wrong
}
