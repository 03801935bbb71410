//! From one version to a later one.

use std::collections::BTreeMap;

use warikan_types::Serial;

use super::{Builder, Damaged, Row, Table, build::listed};
use crate::diff::{Change, Kind, Listing, Revocation, Said, walk};

/// What a step makes of a row.
fn take<S: Copy>(row: Option<Row<S>>, seq: u32, kind: Kind, now: S) -> Result<Row<S>, Damaged> {
    match (kind, row) {
        (Kind::Added, None) => Ok(listed(now, seq)),
        (Kind::Changed, Some(row)) if row.gone.is_none() => Ok(Row {
            said: now,
            otherwise: true,
            ..row
        }),
        (Kind::Returned, Some(row)) if row.gone.is_some() => Ok(Row {
            said: now,
            gone: None,
            otherwise: true,
            ..row
        }),
        (Kind::Left, Some(row)) if row.gone.is_none() => Ok(Row {
            gone: Some(seq),
            ..row
        }),
        _ => Err(Damaged("a change that does not fit its version")),
    }
}

impl Table {
    /// The version that these changes lead to, each with its version's number, in their order.
    pub(crate) fn apply(&self, changes: &[(u32, &Change)]) -> Result<Self, Damaged> {
        let mut steps: Vec<(u64, u32, Kind, Said)> = Vec::new();
        let mut wide = self.wide.clone();
        for (seq, change) in changes {
            let narrow = change.narrow.iter();
            steps.extend(narrow.map(|step| (step.serial, *seq, step.kind, step.now)));
            for step in &change.wide {
                let row = take(wide.get(&step.serial).copied(), *seq, step.kind, step.now)?;
                wide.insert(step.serial.clone(), row);
            }
        }
        // Stable: the steps of one serial stay in the order of their versions. One change alone is in order already.
        steps.sort_by_key(|step| step.0);
        let mut builder = Builder::with_capacity(self.lows.len() + steps.len());
        let mut failed = None;
        let taken = steps
            .chunk_by(|a, b| a.0 == b.0)
            .map(|steps| (steps[0].0, steps));
        walk(self.narrow(), taken, |serial, row, steps| {
            let row = steps
                .unwrap_or_default()
                .iter()
                .try_fold(row.copied(), |row, step| {
                    take(row, step.1, step.2, step.3).map(Some)
                });
            let pushed = match row {
                Ok(Some(row)) => builder.push(serial, row),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = pushed {
                failed.get_or_insert(error);
            }
        });
        match failed {
            Some(error) => Err(error),
            None => builder.finish(wide),
        }
    }

    /// A version whose snapshots are lost, from the list itself and the changes that can still be read: those say since when an
    /// entry was named, and which ones have left.
    pub(crate) fn rebuilt(listing: &Listing, changes: &[(u32, Change)]) -> Result<Self, Damaged> {
        let mut narrow: BTreeMap<u64, Row<Said>> = BTreeMap::new();
        let mut wide: BTreeMap<Serial, Row<Revocation>> = BTreeMap::new();
        for (seq, change) in changes {
            for step in &change.narrow {
                let was = narrow.get(&step.serial).copied();
                let row = remember(was, *seq, step.kind, step.now);
                narrow.insert(step.serial, row);
            }
            for step in &change.wide {
                let was = wide.get(&step.serial).copied();
                let row = remember(was, *seq, step.kind, step.now);
                wide.insert(step.serial.clone(), row);
            }
        }
        let mut builder = Builder::with_capacity(listing.narrow.len() + narrow.len());
        let mut failed = None;
        walk(
            narrow.into_iter(),
            listing.narrow.iter().copied(),
            |serial, known, said| {
                if let Some(row) = settled(known.copied(), said)
                    && let Err(error) = builder.push(serial, row)
                {
                    failed.get_or_insert(error);
                }
            },
        );
        if let Some(error) = failed {
            return Err(error);
        }
        let mut rows = BTreeMap::new();
        walk(
            wide.iter(),
            listing.wide.iter().map(|(serial, said)| (serial, *said)),
            |serial, known, said| {
                if let Some(row) = settled(known.map(|row| **row), said) {
                    rows.insert(serial.clone(), row);
                }
            },
        );
        builder.finish(rows)
    }
}

/// What a step says of an entry whose earlier steps may be lost.
fn remember<S: Copy>(was: Option<Row<S>>, seq: u32, kind: Kind, now: S) -> Row<S> {
    let known = was.unwrap_or(listed(now, 1));
    match kind {
        Kind::Added => listed(now, seq),
        Kind::Left => Row {
            said: now,
            gone: Some(seq),
            ..known
        },
        Kind::Changed | Kind::Returned => Row {
            said: now,
            gone: None,
            otherwise: true,
            ..known
        },
    }
}

/// What is remembered of an entry, held against the list: named it is listed, not named it counts only where it is known to
/// have left.
fn settled<S: Copy>(known: Option<Row<S>>, said: Option<S>) -> Option<Row<S>> {
    match (known, said) {
        (Some(row), Some(said)) => Some(Row {
            said,
            gone: None,
            ..row
        }),
        (None, Some(said)) => Some(listed(said, 1)),
        (Some(row), None) => row.gone.map(|_| row),
        (None, None) => None,
    }
}
