//! Tables that end up in spreadsheets (RFC 4180).

/// A cell: quoted, and with an apostrophe before what a spreadsheet would take for a formula (CSV injection): `= + - @`, a tab, a
/// carriage return, and their full-width forms.
#[must_use]
pub fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A line of cells, with its end.
#[must_use]
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f062_no_cell_is_a_formula_and_none_breaks_out() {
        for (text, safe) in [
            ("C-1", "\"C-1\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("＝1", "\"'＝1\""),
            ("a\",=b", "\"a\"\",=b\""),
        ] {
            assert_eq!(cell(text), safe);
        }
        assert_eq!(line(["a", "b"]), "\"a\",\"b\"\r\n");
    }
}
