//! One line of a portfolio: a row of a table (RFC 4180, UTF-8, with a header) or a JSON object.

use base64::{Engine, engine::general_purpose::STANDARD};
use csv_core::{ReadRecordResult, Reader};
use serde::Deserialize;
use warikan_types::{Base64Bytes, CertificateHandle};

use super::{Names, Row, RowProblem};
use crate::watch::REFERENCE_LIMIT;

/// What a portfolio is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Ndjson,
}

impl Format {
    /// From `Content-Type`.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next()?.trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/csv" => Some(Self::Csv),
            "application/x-ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// The columns and members there are.
const FIELDS: [&str; 3] = ["ref", "handle", "certificate"];

/// Reads lines, knowing the header once it has come.
pub(crate) struct Parser {
    format: Format,
    /// Which field each column is.
    columns: Option<Vec<usize>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "ref")]
    reference: Option<String>,
    handle: Option<CertificateHandle>,
    certificate: Option<Base64Bytes>,
}

impl Parser {
    pub(crate) const fn new(format: Format) -> Self {
        Self {
            format,
            columns: None,
        }
    }

    /// A line; `None` for the header of a table. A header that is wrong makes every line wrong: it is told as `Err` of line 1,
    /// and reading on is of no use.
    pub(crate) fn line(&mut self, number: u64, line: &[u8]) -> Result<Option<Row>, RowProblem> {
        let text = std::str::from_utf8(line).map_err(|_| {
            RowProblem::new(number, "", "not_utf8", "not UTF-8: export it as UTF-8")
        })?;
        let fields = match self.format {
            Format::Ndjson => json(number, text)?,
            Format::Csv => match &self.columns {
                None => {
                    self.columns = Some(header(number, text)?);
                    return Ok(None);
                }
                Some(columns) => row(number, text, columns)?,
            },
        };
        judge(number, fields).map(Some)
    }

    /// Whether a table's header is still missing: then no line can be read.
    pub(crate) const fn lacks_header(&self) -> bool {
        matches!(self.format, Format::Csv) && self.columns.is_none()
    }
}

fn json(number: u64, text: &str) -> Result<Fields, RowProblem> {
    // A list would be read as the members in their order.
    if !text.trim_start().starts_with('{') {
        return Err(RowProblem::new(
            number,
            "",
            "invalid_json",
            "each line is a JSON object",
        ));
    }
    serde_json::from_str(text)
        .map_err(|error| RowProblem::new(number, "", "invalid_json", error.to_string()))
}

fn header(number: u64, text: &str) -> Result<Vec<usize>, RowProblem> {
    let names = cells(number, text)?;
    let mut columns = Vec::new();
    for name in &names {
        let wanted = name.trim().to_ascii_lowercase();
        let field = FIELDS.iter().position(|one| *one == wanted);
        match field {
            Some(field) if !columns.contains(&field) => columns.push(field),
            _ => {
                return Err(RowProblem::new(
                    number,
                    name,
                    "unknown_column",
                    "line 1 names the columns: some of ref, handle, certificate, each once",
                ));
            }
        }
    }
    Ok(columns)
}

fn row(number: u64, text: &str, columns: &[usize]) -> Result<Fields, RowProblem> {
    let cells = cells(number, text)?;
    if cells.len() != columns.len() {
        let (here, wanted) = (cells.len(), columns.len());
        return Err(RowProblem::new(
            number,
            "",
            "wrong_number_of_columns",
            format!("{here} cells, and the header has {wanted}"),
        ));
    }
    let mut fields = Fields::default();
    for (cell, column) in cells.into_iter().zip(columns) {
        if cell.is_empty() {
            continue;
        }
        match column {
            0 => fields.reference = Some(cell),
            1 => {
                let handle = cell.parse().map_err(|error: warikan_types::IdError| {
                    RowProblem::new(number, "handle", "invalid_value", error.to_string())
                })?;
                fields.handle = Some(handle);
            }
            _ => {
                let octets = STANDARD.decode(cell.trim()).map_err(|_| {
                    RowProblem::new(number, "certificate", "not_base64", "DER in base64")
                })?;
                fields.certificate = Some(Base64Bytes(octets));
            }
        }
    }
    Ok(fields)
}

/// The cells of one line.
fn cells(number: u64, text: &str) -> Result<Vec<String>, RowProblem> {
    let mut line = Vec::with_capacity(text.len() + 1);
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    let (mut octets, mut ends) = (vec![0; line.len()], [0; FIELDS.len() + 1]);
    let (result, _, _, count) = Reader::new().read_record(&line, &mut octets, &mut ends);
    let detail = match result {
        ReadRecordResult::Record => {
            let mut start = 0;
            let mut cells = Vec::with_capacity(count);
            for end in &ends[..count] {
                cells.push(String::from_utf8_lossy(&octets[start..*end]).into_owned());
                start = *end;
            }
            return Ok(cells);
        }
        ReadRecordResult::OutputEndsFull => "more columns than there can be",
        _ => "a quotation mark that is not closed on the line",
    };
    Err(RowProblem::new(number, "", "invalid_csv", detail))
}

fn judge(number: u64, fields: Fields) -> Result<Row, RowProblem> {
    if let Some(text) = &fields.reference {
        let length = text.chars().count();
        if length == 0 || length > REFERENCE_LIMIT || text.chars().any(char::is_control) {
            return Err(RowProblem::new(
                number,
                "ref",
                "invalid_value",
                format!("1 to {REFERENCE_LIMIT} characters without control characters"),
            ));
        }
    }
    let names = match (fields.handle, fields.certificate) {
        (Some(_), Some(_)) => {
            return Err(RowProblem::new(
                number,
                "certificate",
                "named_twice",
                "name the certificate by its handle or by its octets, not both",
            ));
        }
        (Some(handle), None) => Names::Handle(handle),
        (None, Some(octets)) => Names::Certificate(octets.0),
        (None, None) if fields.reference.is_some() => Names::Reference,
        (None, None) => {
            return Err(RowProblem::new(
                number,
                "",
                "missing",
                "name a certificate by ref, handle or certificate",
            ));
        }
    };
    Ok(Row {
        line: number,
        reference: fields.reference,
        names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: &str = "crt_00000000000000000000000000000007";

    fn codes(format: Format, lines: &[&str]) -> Vec<String> {
        let mut parser = Parser::new(format);
        (1..)
            .zip(lines)
            .map(
                |(number, line)| match parser.line(number, line.as_bytes()) {
                    Ok(None) => "header".to_owned(),
                    Ok(Some(row)) => format!(
                        "{:?} {}",
                        row.reference,
                        match row.names {
                            Names::Handle(_) => "handle",
                            Names::Certificate(_) => "certificate",
                            Names::Reference => "alone",
                        }
                    ),
                    Err(problem) => format!("{} {}", problem.line, problem.code),
                },
            )
            .collect()
    }

    #[test]
    fn a_table_is_read_and_its_errors_named_by_line() {
        let quoted = format!("\"C,\"\"1\"\"\",{HANDLE}");
        let handle_only = format!(",{HANDLE}");
        assert_eq!(
            codes(
                Format::Csv,
                &[
                    "Ref,handle",
                    &quoted,
                    "C-2,",
                    &handle_only,
                    "C-3",
                    "a,b,c,d",
                    "\"x,1",
                    "C,crt_1",
                    ","
                ]
            ),
            [
                "header",
                "Some(\"C,\\\"1\\\"\") handle",
                "Some(\"C-2\") alone",
                "None handle",
                "5 wrong_number_of_columns",
                "6 wrong_number_of_columns",
                "7 invalid_csv",
                "8 invalid_value",
                "9 missing",
            ]
        );
        assert_eq!(codes(Format::Csv, &["ref,name"]), ["1 unknown_column"]);
        assert_eq!(codes(Format::Csv, &["ref,ref"]), ["1 unknown_column"]);
        assert!(Parser::new(Format::Csv).lacks_header());
        let mut parser = Parser::new(Format::Csv);
        assert_eq!(parser.line(1, b"\xff").unwrap_err().code, "not_utf8");
    }

    #[test]
    fn objects_are_read_strictly() {
        let both = format!(r#"{{"handle":"{HANDLE}","certificate":"MAA="}}"#);
        let long = format!(r#"{{"ref":"{}"}}"#, "x".repeat(257));
        assert_eq!(
            codes(
                Format::Ndjson,
                &[
                    r#"{"ref":"C-1"}"#,
                    &both,
                    r#"["C-1"]"#,
                    r#"{"ref":"a","tenant":1}"#,
                    r#"{"ref":"a\u0000"}"#,
                    &long,
                    "{}",
                    r#"{"certificate":"MAA="}"#
                ]
            ),
            [
                "Some(\"C-1\") alone",
                "2 named_twice",
                "3 invalid_json",
                "4 invalid_json",
                "5 invalid_value",
                "6 invalid_value",
                "7 missing",
                "None certificate",
            ]
        );
        assert_eq!(Format::of("Text/CSV; charset=utf-8"), Some(Format::Csv));
        assert_eq!(Format::of("application/json"), None);
    }
}
