//! J-LIS's monthly statement held against what was counted here.
//!
//! How J-LIS lays its statement out is not public. So nothing is guessed: the file is a table with a header, and the
//! configuration says which header means which column and which of its words means which of ours
//! (`billing.jlis_statement`). Nothing of a statement is kept.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_types::{BillingMonth, CertificateKind, MoneyError, Yen};

use crate::{
    Billing,
    error::BillingError,
    store::usage::{self, Counted},
    words::{Purpose, channel_from_word},
};

/// How a statement is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatementLayout {
    /// The header of the column that says how the status was asked.
    pub channel: String,
    /// .. the kind of certificate.
    pub kind: String,
    /// .. what it was asked for.
    pub purpose: String,
    /// .. how many times.
    pub count: String,
    /// .. the fee for them in yen, without tax.
    pub amount: String,
    /// The statement's words for ours: `"失効情報ファイル" = "crl"`.
    pub words: HashMap<String, String>,
}

impl Default for StatementLayout {
    fn default() -> Self {
        let text = |word: &str| word.to_owned();
        Self {
            channel: text("channel"),
            kind: text("kind"),
            purpose: text("purpose"),
            count: text("count"),
            amount: text("amount"),
            words: HashMap::new(),
        }
    }
}

/// Where a statement cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// `/<row>/<column>`: rows count from 1, the header is row 0.
    pub(crate) pointer: String,
    pub(crate) what: String,
}

/// What is asked of J-LIS, as it can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sort {
    channel: &'static str,
    kind: CertificateKind,
    purpose: Purpose,
}

/// What a statement says, by sort: count and amount.
pub(crate) type Statement = BTreeMap<(&'static str, CertificateKind, Purpose), (i64, Yen)>;

/// A month's statement beside what was counted here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementComparison {
    /// The month in Japan.
    pub(crate) period: BillingMonth,
    /// How many lines differ.
    pub(crate) differing: usize,
    /// One line for each sort that either side names.
    pub(crate) lines: Vec<ComparedLine>,
}

/// One sort of confirmation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedLine {
    /// How the status was asked.
    pub(crate) channel: Channel,
    /// Kind of certificate.
    pub(crate) kind: CertificateKind,
    /// Why it was confirmed.
    pub(crate) purpose: Purpose,
    /// What J-LIS states.
    pub(crate) stated_count: i64,
    /// The fee that it states, in yen without tax.
    pub(crate) stated_amount: Yen,
    /// Operations of this sort that were accepted in the month, billed or not: J-LIS counts what it is asked.
    pub(crate) counted: i64,
    /// Those among them that tenants are billed for; the rest is borne by the operator.
    pub(crate) billed: i64,
    /// What they come to by the dated fees; `null` where no tariff row holds.
    pub(crate) reckoned_amount: Option<Yen>,
    /// Stated less counted.
    pub(crate) count_difference: i64,
    /// Stated less reckoned.
    pub(crate) amount_difference: Option<Yen>,
    /// Why it cannot be reckoned.
    pub(crate) unpriced: Option<String>,
}

impl ComparedLine {
    pub(crate) fn differs(&self) -> bool {
        self.count_difference != 0 || self.amount_difference != Some(Yen::ZERO)
    }
}

impl StatementLayout {
    /// Reads a statement: UTF-8, a header, and a row for each sort. Rows of one sort are added up.
    pub(crate) fn read(&self, octets: &[u8]) -> Result<Statement, Unreadable> {
        let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(octets);
        let head = reader
            .headers()
            .map_err(|error| fault(0, "", &error.to_string()))?;
        let place = |name: &str| {
            let mut found = (0..).zip(head).filter(|(_, one)| *one == name);
            match (found.next(), found.next()) {
                (Some((place, _)), None) => Ok(place),
                (None, _) => Err(fault(
                    0,
                    name,
                    "no column has this header; say in `billing.jlis_statement` which one it is",
                )),
                _ => Err(fault(0, name, "two columns have this header")),
            }
        };
        let (channel, kind, purpose) = (
            place(&self.channel)?,
            place(&self.kind)?,
            place(&self.purpose)?,
        );
        let (count, amount) = (place(&self.count)?, place(&self.amount)?);
        let mut statement = Statement::new();
        for (number, row) in (1..).zip(reader.records()) {
            let row = row.map_err(|error| fault(number, "", &error.to_string()))?;
            let cell = |place: usize| row.get(place).unwrap_or_default();
            let channel = self.word(number, &self.channel, cell(channel), channel_from_word)?;
            let kind = self.word(number, &self.kind, cell(kind), CertificateKind::from_word)?;
            let purpose = self.word(number, &self.purpose, cell(purpose), Purpose::from_word)?;
            let count = whole(number, &self.count, cell(count))?;
            let amount = whole(number, &self.amount, cell(amount))?;
            let sum = statement
                .entry((channel.as_str(), kind, purpose))
                .or_insert((0, Yen::ZERO));
            let large = |_| fault(number, &self.amount, "the sums are too large");
            *sum = (
                Yen(sum.0).plus(Yen(count)).map_err(large)?.0,
                sum.1.plus(Yen(amount)).map_err(large)?,
            );
        }
        Ok(statement)
    }

    fn word<T>(
        &self,
        row: usize,
        column: &str,
        text: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Unreadable> {
        let word = self.words.get(text).map_or(text, String::as_str);
        read(word).ok_or_else(|| {
            let why =
                "no such word; say in `billing.jlis_statement.words` which of ours it stands for";
            fault(row, column, why)
        })
    }
}

fn fault(row: usize, column: &str, what: &str) -> Unreadable {
    let column = column.replace('~', "~0").replace('/', "~1");
    Unreadable {
        pointer: format!("/{row}/{column}"),
        what: what.to_owned(),
    }
}

/// A whole number, thousands apart or not: `1,234`. Not below zero.
fn whole(row: usize, column: &str, text: &str) -> Result<i64, Unreadable> {
    let digits: String = text.chars().filter(|one| *one != ',').collect();
    let plain = !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit());
    plain
        .then(|| digits.parse().ok())
        .flatten()
        .ok_or_else(|| fault(row, column, "a whole number, not below zero"))
}

impl Billing {
    /// Holds a statement against the month's operations.
    pub(crate) async fn compare(
        &self,
        period: BillingMonth,
        statement: &Statement,
    ) -> Result<StatementComparison, BillingError> {
        let counted = usage::all_accepted_in(self.0.db.worker(), period).await?;
        let mut ours: BTreeMap<Sort, Vec<&Counted>> = BTreeMap::new();
        for group in &counted {
            if let (Some(channel), Some(kind), Some(purpose)) =
                (group.channel, group.kind, group.purpose)
            {
                let sort = Sort {
                    channel: channel.as_str(),
                    kind,
                    purpose,
                };
                ours.entry(sort).or_default().push(group);
            }
        }
        for (channel, kind, purpose) in statement.keys().copied() {
            ours.entry(Sort {
                channel,
                kind,
                purpose,
            })
            .or_default();
        }
        let mut lines = Vec::with_capacity(ours.len());
        for (sort, groups) in &ours {
            let key = (sort.channel, sort.kind, sort.purpose);
            let (count, amount) = statement.get(&key).copied().unwrap_or((0, Yen::ZERO));
            lines.push(self.compared(*sort, groups, count, amount)?);
        }
        Ok(StatementComparison {
            period,
            differing: lines.iter().filter(|line| line.differs()).count(),
            lines,
        })
    }

    fn compared(
        &self,
        sort: Sort,
        groups: &[&Counted],
        stated_count: i64,
        stated_amount: Yen,
    ) -> Result<ComparedLine, BillingError> {
        let channel = channel_from_word(sort.channel).unwrap_or(Channel::Crl);
        let (mut counted, mut billed) = (0_i64, 0_i64);
        let (mut reckoned, mut unpriced) = (Some(Yen::ZERO), None);
        for group in groups {
            counted = counted.checked_add(group.quantity).ok_or(MoneyError)?;
            if group.billable {
                billed = billed.checked_add(group.quantity).ok_or(MoneyError)?;
            }
            let fee = self
                .0
                .tariff
                .jlis_fee(channel, sort.kind, sort.purpose, group.priced_on);
            match (fee, reckoned) {
                (Ok(fee), Some(sum)) => {
                    reckoned = Some(sum.plus(fee.unit.times(group.quantity)?)?);
                }
                (Ok(_), None) => {}
                (Err(missing), _) => {
                    reckoned = None;
                    unpriced = Some(missing.to_string());
                }
            }
        }
        let amount_difference = reckoned
            .map(|reckoned| stated_amount.plus(Yen(-reckoned.0)))
            .transpose()?;
        Ok(ComparedLine {
            channel,
            kind: sort.kind,
            purpose: sort.purpose,
            stated_count,
            stated_amount,
            counted,
            billed,
            reckoned_amount: reckoned,
            count_difference: stated_count.checked_sub(counted).ok_or(MoneyError)?,
            amount_difference,
            unpriced,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_words_are_what_the_configuration_says() {
        let layout: StatementLayout = toml::from_str(
            "channel = \"提供方法\"\nkind = \"証明書\"\npurpose = \"目的\"\ncount = \"件数\"\namount = \"手数料\"\n\
             [words]\n\"失効情報ファイル\" = \"crl\"\n\"署名用\" = \"card_signature\"\n\"署名検証\" = \"signature_verification\"\n",
        )
        .unwrap();
        let text = "\u{feff}提供方法,証明書,目的,備考,件数,手数料\r\n失効情報ファイル,署名用,署名検証,\"a,\"\"b\",\"1,234\",0\r\n\
                    crl,card_signature,signature_verification,,6,20\r\n";
        let read = layout.read(text.as_bytes()).unwrap();
        let key = (
            "crl",
            CertificateKind::CardSignature,
            Purpose::SignatureVerification,
        );
        assert_eq!(read, Statement::from([(key, (1_240, Yen(20)))]));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_row_and_column() {
        let layout = StatementLayout::default();
        let head = "channel,kind,purpose,count,amount\n";
        let fault = |text: &str| layout.read(text.as_bytes()).unwrap_err().pointer;
        assert_eq!(fault(""), "/0/channel");
        assert_eq!(fault("channel,kind,purpose,count\n"), "/0/amount");
        assert_eq!(fault("channel,kind,purpose,count,amount,kind\n"), "/0/kind");
        let row = |row: &str| {
            fault(&format!(
                "{head}crl,card_signature,status_check,1,0\n{row}\n"
            ))
        };
        assert_eq!(row("fax,card_signature,status_check,1,0"), "/2/channel");
        assert_eq!(row("crl,card,status_check,1,0"), "/2/kind");
        assert_eq!(row("crl,card_signature,fun,1,0"), "/2/purpose");
        for count in ["-1", "1.5", "", "=1", "１", "99999999999999999999"] {
            let told = row(&format!("crl,card_signature,status_check,{count},0"));
            assert_eq!(told, "/2/count", "{count}");
        }
        assert_eq!(row("crl,card_signature,status_check,1"), "/2/");
        assert_eq!(
            row(
                "crl,card_signature,status_check,1,9223372036854775807\ncrl,card_signature,status_check,1,1"
            ),
            "/3/amount"
        );
        assert!(layout.read(b"\xff\xfe").is_err());
    }
}
