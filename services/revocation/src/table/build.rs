//! Filling the columns, row by row in the order of serials.

use std::collections::BTreeMap;

use warikan_types::Serial;

use super::{Damaged, GONE, OTHERWISE, Row, Table};
use crate::diff::{Listing, Revocation, Said};

/// A table being filled.
pub(crate) struct Builder {
    table: Table,
    last: Option<u64>,
}

impl Builder {
    /// For about so many rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            table: Table {
                lows: Vec::with_capacity(rows),
                dates: Vec::with_capacity(rows),
                codes: Vec::with_capacity(rows),
                since: Vec::with_capacity(rows),
                ..Table::default()
            },
            last: None,
        }
    }

    /// Adds the next row; its serial must be above the last one's.
    pub(crate) fn push(&mut self, serial: u64, row: Row<Said>) -> Result<(), Damaged> {
        if self.last.is_some_and(|last| last >= serial) || serial == 0 {
            return Err(Damaged("serials are not in order"));
        }
        self.last = Some(serial);
        let place =
            u32::try_from(self.table.lows.len()).map_err(|_| Damaged("a list is too long"))?;
        let head = serial >> 16;
        if self.table.heads.last() != Some(&head) {
            self.table.heads.push(head);
            self.table.starts.push(place);
        }
        self.table.lows.push((serial & 0xffff) as u16);
        self.table.dates.push(row.said.date);
        let mut code = row.said.code;
        if let Some(gone) = row.gone {
            code |= GONE;
            self.table.gone.push((serial, gone));
        }
        if row.otherwise {
            code |= OTHERWISE;
        }
        self.table.codes.push(code);
        self.table.since.push(row.since);
        Ok(())
    }

    pub(crate) fn finish(
        mut self,
        wide: BTreeMap<Serial, Row<Revocation>>,
    ) -> Result<Table, Damaged> {
        let end =
            u32::try_from(self.table.lows.len()).map_err(|_| Damaged("a list is too long"))?;
        self.table.starts.push(end);
        self.table.heads.shrink_to_fit();
        self.table.starts.shrink_to_fit();
        self.table.wide = wide;
        Ok(self.table.guided())
    }
}

impl Table {
    /// The first version of a list.
    pub(crate) fn first(listing: &Listing) -> Result<Self, Damaged> {
        let mut builder = Builder::with_capacity(listing.narrow.len());
        for (serial, said) in &listing.narrow {
            builder.push(*serial, listed(*said, 1))?;
        }
        let wide = listing.wide.iter();
        builder.finish(
            wide.map(|(serial, said)| (serial.clone(), listed(*said, 1)))
                .collect(),
        )
    }
}

/// An entry that a version names and every one since.
pub(crate) const fn listed<S: Copy>(said: S, since: u32) -> Row<S> {
    Row {
        said,
        since,
        gone: None,
        otherwise: false,
    }
}
