//! Everything that one list ever named, in columns: who, what, since which version and until which.
//!
//! This is the interval store: a version is not a copy of the list, it is a pair of numbers on each entry. An entry that left
//! its list stays and keeps answering *revoked*; what the list said at an earlier version is read from the same columns.
//!
//! Serials are sorted and cut into a head (all but the last sixteen bits, each head once) and a low half. That is a roaring
//! bitmap's array form laid flat, with one difference that decides: an entry's place is its index into the other columns, so a
//! look-up needs no rank over the containers before it, and there is one structure where there would be two. `BENCH.md` has both
//! beside each other. Where a serial would stand says a guide ([`guide`]), made when the table is.

mod blob;
mod build;
mod guide;
mod merge;
mod past;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use warikan_types::Serial;

use crate::diff::{Revocation, Said};
use guide::Guide;

pub(crate) use blob::{change_from_blob, change_to_blob, table_from_blob, table_to_blob};
pub(crate) use build::Builder;
pub(crate) use past::Past;

/// Stored or sent octets are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stored or sent status information is damaged: {0}")]
pub struct Damaged(pub(crate) &'static str);

/// What is known of one serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row<S> {
    pub(crate) said: S,
    /// The version that named it first.
    pub(crate) since: u32,
    /// The first version that no longer named it.
    pub(crate) gone: Option<u32>,
    /// Whether an earlier version said something else of it, or did not name it in between.
    pub(crate) otherwise: bool,
}

/// On a code: the entry has left the list.
const GONE: u8 = 0x80;
/// On a code: an earlier version said something else.
const OTHERWISE: u8 = 0x40;
/// The rest of a code: CRLReason.
const REASON: u8 = 0x0f;

/// The columns. Built once, never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// `serial >> 16`, ascending, each once.
    heads: Vec<u64>,
    /// Where each head's rows begin, and the number of rows at the end.
    starts: Vec<u32>,
    /// The last sixteen bits of each serial.
    lows: Vec<u16>,
    /// As in [`Said`].
    dates: Vec<u32>,
    /// CRLReason, [`GONE`], [`OTHERWISE`].
    codes: Vec<u8>,
    /// The version that named it first.
    since: Vec<u32>,
    /// The version at which each [`GONE`] serial left, ascending by serial.
    gone: Vec<(u64, u32)>,
    /// Rows of uncommon size.
    pub(crate) wide: BTreeMap<Serial, Row<Revocation>>,
    /// Made of the serials; not stored.
    guide: Guide,
}

impl Table {
    /// Serials, those that left included.
    pub(crate) fn len(&self) -> usize {
        self.lows.len() + self.wide.len()
    }

    /// Serials that the version itself names.
    pub(crate) fn listed(&self) -> usize {
        let wide = self.wide.values().filter(|row| row.gone.is_none()).count();
        self.lows.len() - self.gone.len() + wide
    }

    /// What is known of a serial; `None`: no version ever named it.
    pub(crate) fn find(&self, serial: &Serial) -> Option<Row<Revocation>> {
        let found = serial.as_u64().and_then(|number| {
            let row = self.common(number)?;
            Some(Row {
                said: row.said.revocation()?,
                since: row.since,
                gone: row.gone,
                otherwise: row.otherwise,
            })
        });
        if found.is_some() || self.wide.is_empty() {
            return found;
        }
        self.wide.get(serial).copied()
    }

    /// What is said of a serial, whether it is still listed or has left; `None`: nothing, so it is good.
    pub(crate) fn said(&self, serial: &Serial) -> Option<Revocation> {
        if let Some(number) = serial.as_u64()
            && let Some(place) = self.place(number)
        {
            return self.said_at(place).revocation();
        }
        if self.wide.is_empty() {
            return None;
        }
        self.wide.get(serial).map(|row| row.said)
    }

    /// What is known of a serial of common size.
    pub(crate) fn common(&self, serial: u64) -> Option<Row<Said>> {
        Some(self.row(serial, self.place(serial)?))
    }

    fn place(&self, serial: u64) -> Option<usize> {
        let (from, to) = match self.guide.rows(serial) {
            Some(rows) => rows,
            None => {
                let head = self.heads.binary_search(&(serial >> 16)).ok()?;
                (self.starts[head] as usize, self.starts[head + 1] as usize)
            }
        };
        let low = (serial & 0xffff) as u16;
        Some(from + self.lows[from..to].binary_search(&low).ok()?)
    }

    /// The table, once its rows are all there.
    fn guided(mut self) -> Self {
        let last = self.heads.last().zip(self.lows.last());
        let last = last.map_or(0, |(head, low)| (head << 16) | u64::from(*low));
        self.guide = Guide::of(self.serials(), self.lows.len(), last);
        self
    }

    fn said_at(&self, place: usize) -> Said {
        Said {
            date: self.dates[place],
            code: self.codes[place] & REASON,
        }
    }

    fn row(&self, serial: u64, place: usize) -> Row<Said> {
        let gone = || {
            let at = self.gone.binary_search_by_key(&serial, |one| one.0).ok()?;
            Some(self.gone[at].1)
        };
        let code = self.codes[place];
        Row {
            said: self.said_at(place),
            since: self.since[place],
            gone: if code & GONE == 0 { None } else { gone() },
            otherwise: code & OTHERWISE != 0,
        }
    }

    /// The rows of common size in the order of serials.
    pub(crate) fn narrow(&self) -> impl Iterator<Item = (u64, Row<Said>)> + '_ {
        let mut gone = self.gone.iter();
        self.serials().enumerate().map(move |(place, serial)| {
            let code = self.codes[place];
            let row = Row {
                said: self.said_at(place),
                since: self.since[place],
                gone: if code & GONE == 0 {
                    None
                } else {
                    gone.next().map(|one| one.1)
                },
                otherwise: code & OTHERWISE != 0,
            };
            (serial, row)
        })
    }

    fn serials(&self) -> impl Iterator<Item = u64> + '_ {
        let heads = self.heads.iter().zip(self.starts.windows(2));
        heads.flat_map(|(head, bounds)| {
            let lows = &self.lows[bounds[0] as usize..bounds[1] as usize];
            lows.iter().map(move |low| (head << 16) | u64::from(*low))
        })
    }

    /// The entries that versions after `after` up to `through` named first, and what is said of them.
    pub(crate) fn named_since(
        &self,
        (after, through): (u32, u32),
    ) -> impl Iterator<Item = (Serial, Row<Revocation>)> + '_ {
        let new = move |since: u32| after < since && since <= through;
        let narrow = self
            .serials()
            .zip(&self.since)
            .filter(move |(_, since)| new(**since));
        let narrow = narrow.filter_map(|(serial, _)| {
            let serial = Serial::from_u64(serial).ok()?;
            let row = self.find(&serial)?;
            Some((serial, row))
        });
        let wide = self.wide.iter().filter(move |(_, row)| new(row.since));
        narrow.chain(wide.map(|(serial, row)| (serial.clone(), *row)))
    }
}
