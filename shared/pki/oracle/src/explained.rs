//! The table of explained differences.
//!
//! One row a difference: `case side class: reason`. A row for mutants may say `kind/word` in place of a case: all mutants of
//! that kind which this engine refuses with that word. That is only open to `only-theirs`, so that whatever this engine
//! accepts alone is looked at one by one.

use std::collections::BTreeMap;

use crate::cases::Case;

/// What a difference comes from.
const CLASSES: [&str; 5] = [
    // Documented as not supported by certval.
    "certval-unsupported",
    // certval deviates from RFC 5280 or PKITS.
    "certval-wrong",
    // Octets that are no DER or a structure RFC 5280 forbids, which certval reads.
    "certval-lenient",
    // Octets that certval's readers refuse, though nothing in RFC 5280 does.
    "certval-stricter",
    // A rule of this engine beyond RFC 5280.
    "own-policy",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    OnlyOurs,
    OnlyTheirs,
}

impl Side {
    pub fn of(ours: bool, theirs: bool) -> Option<Self> {
        match (ours, theirs) {
            (true, false) => Some(Self::OnlyOurs),
            (false, true) => Some(Self::OnlyTheirs),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnlyOurs => "only-ours",
            Self::OnlyTheirs => "only-theirs",
        }
    }
}

struct Row {
    subject: String,
    side: Side,
    class: &'static str,
    text: String,
    used: usize,
}

pub struct Table(Vec<Row>);

impl Table {
    /// The file's rows; the first line that is none is the error.
    pub fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim);
        let rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        rows.map(|line| row(line).ok_or_else(|| line.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Class and reason of this difference; a row of its own goes before a row for many.
    pub fn explain(&mut self, case: &Case, side: Side, our_word: &str) -> Option<String> {
        let many = format!("{}/{our_word}", case.kind);
        let place = [case.id.as_str(), many.as_str()]
            .into_iter()
            .find_map(|subject| {
                self.0
                    .iter()
                    .position(|row| row.subject == subject && row.side == side)
            })?;
        let row = &mut self.0[place];
        row.used += 1;
        Some(row.text.clone())
    }

    pub fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.0.iter().filter(|row| row.used == 0);
        unused.map(|row| format!("{} {}", row.subject, row.text))
    }

    pub fn classes(&self) -> BTreeMap<&'static str, usize> {
        let mut classes = BTreeMap::new();
        for row in &self.0 {
            *classes.entry(row.class).or_default() += row.used;
        }
        classes
    }
}

fn row(line: &str) -> Option<Row> {
    let (head, reason) = line.split_once(": ")?;
    let [subject, side, class] = head
        .split_whitespace()
        .collect::<Vec<_>>()
        .try_into()
        .ok()?;
    let side = match side {
        "only-ours" if !subject.contains('/') => Side::OnlyOurs,
        "only-theirs" => Side::OnlyTheirs,
        _ => return None,
    };
    let class = CLASSES.into_iter().find(|known| *known == class)?;
    Some(Row {
        subject: subject.to_owned(),
        side,
        class,
        text: format!("{class}: {reason}"),
        used: 0,
    })
}
