//! Records as a table (RFC 4180).

use warikan_contracts::facts::Channel;
use warikan_types::{CertificateKind, Reason, Verdict, Yen};

use crate::{compare_statement::StatementComparison, invoice::RecordView, words::Purpose};

const COLUMNS: [&str; 12] = [
    "id",
    "operation",
    "meter",
    "purpose",
    "kind",
    "channel",
    "quantity",
    "accepted_at",
    "month",
    "priced_on",
    "rule",
    "verdict_and_reason",
];

/// A cell that no spreadsheet takes for a formula. A whole number is none, though it be below zero.
fn cell(text: &str) -> String {
    if is_negative_number(text) {
        format!("\"{text}\"")
    } else {
        warikan_http::csv::cell(text)
    }
}

fn is_negative_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit())
}

fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

/// The names of the columns.
pub(crate) fn head() -> String {
    line(COLUMNS)
}

/// A record.
pub(crate) fn row(record: &RecordView) -> String {
    let verdict = record.verdict.map_or("", Verdict::as_str);
    let reason = record.reason.map_or("", Reason::as_str);
    line([
        record.id.to_string().as_str(),
        &record.operation,
        record.meter.as_str(),
        record.purpose.map_or("", Purpose::as_str),
        record.kind.map_or("", CertificateKind::as_str),
        record.channel.map_or("", Channel::as_str),
        &record.quantity.to_string(),
        &record.accepted_at.to_string(),
        &record.month.to_string(),
        &record.priced_on.to_string(),
        record.rule.as_str(),
        format!("{verdict} {reason}").trim(),
    ])
}

/// A statement beside what was counted.
pub(crate) fn comparison(compared: &StatementComparison) -> String {
    let mut text = line([
        "period",
        "channel",
        "kind",
        "purpose",
        "stated_count",
        "counted",
        "count_difference",
        "stated_amount",
        "reckoned_amount",
        "amount_difference",
        "billed",
        "unpriced",
    ]);
    let yen = |amount: Option<Yen>| amount.map(|yen| yen.0.to_string()).unwrap_or_default();
    for one in &compared.lines {
        text += &line([
            compared.period.to_string().as_str(),
            one.channel.as_str(),
            one.kind.as_str(),
            one.purpose.as_str(),
            &one.stated_count.to_string(),
            &one.counted.to_string(),
            &one.count_difference.to_string(),
            &one.stated_amount.0.to_string(),
            &yen(one.reckoned_amount),
            &yen(one.amount_difference),
            &one.billed.to_string(),
            one.unpriced.as_deref().unwrap_or_default(),
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_breaks_out() {
        for (text, safe) in [
            ("ver_1", "\"ver_1\""),
            (
                "=HYPERLINK(\"http://x\")",
                "\"'=HYPERLINK(\"\"http://x\"\")\"",
            ),
            ("+1", "\"'+1\""),
            ("-1", "\"-1\""),
            ("-1+2", "\"'-1+2\""),
            ("-", "\"'-\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "\"'＝1\""),
            ("a,b\nc", "\"a,b\nc\""),
        ] {
            assert_eq!(cell(text), safe);
        }
        assert_eq!(head().matches(',').count(), COLUMNS.len() - 1);
    }
}
