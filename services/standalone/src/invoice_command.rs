//! `warikan invoice verify`: judges an export of an invoice or a month from nothing but itself, on any machine.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
};

use warikan_billing::verify_export;

/// What to do with invoices.
#[derive(clap::Subcommand)]
pub enum InvoiceCommand {
    /// Recompute every line, share and total of an export, and name what was changed.
    Verify {
        /// The export; `-` for standard input.
        export: PathBuf,
    },
}

/// Judges an export; false where something is not as it should be.
///
/// # Errors
/// The export cannot be read, or is not whole.
pub fn verify(export: impl BufRead, mut out: impl Write) -> anyhow::Result<bool> {
    let verified = verify_export(export)?;
    for finding in &verified.findings {
        writeln!(out, "invoice {}: {}", finding.invoice, finding.what)?;
    }
    let (invoices, lines, records) = (verified.invoices, verified.lines, verified.records);
    let verdict = if verified.findings.is_empty() {
        "all recomputed, no difference".to_owned()
    } else {
        format!("{} differences", verified.findings.len())
    };
    writeln!(
        out,
        "{invoices} invoices, {lines} lines, {records} records: {verdict}"
    )?;
    Ok(verified.findings.is_empty())
}
