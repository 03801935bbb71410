//! What a list says, and what changed between two lists: pure functions over sorted rows.
//!
//! J-LIS serials are dense integers and its dates are seconds, so nearly every entry fits into sixteen octets ([`Narrow`]); the
//! few that do not (serials beyond 64 bits, dates beyond the years 1950 to 2086) stand beside them ([`Wide`]).

use std::{cmp::Ordering, collections::BTreeMap};

use warikan_types::{RevocationReason, Serial, Timestamp};

use crate::{
    gently::breathe,
    table::{Row, Table},
};

/// What an entry says about its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) reason: RevocationReason,
    pub(crate) revoked_at: Timestamp,
}

/// 1950-01-01T00:00:00Z, the first second that a UTCTime can say (RFC 5280 4.1.2.5.1).
const FIRST_SECOND: i64 = -631_152_000;

/// A [`Revocation`] in five octets. Ordered by date, so that of two for one serial the earlier one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    /// Seconds since [`FIRST_SECOND`].
    pub(crate) date: u32,
    /// CRLReason.
    pub(crate) code: u8,
}

impl Said {
    /// `None` where the date does not fit.
    pub(crate) fn of(revocation: Revocation) -> Option<Self> {
        let date = revocation.revoked_at.unix().checked_sub(FIRST_SECOND)?;
        Some(Self {
            date: u32::try_from(date).ok()?,
            code: revocation.reason.code(),
        })
    }

    /// `None` where the code is no reason: never for what [`Self::of`] made.
    pub(crate) fn revocation(self) -> Option<Revocation> {
        Some(Revocation {
            reason: RevocationReason::from_code(self.code)?,
            revoked_at: Timestamp::from_unix(FIRST_SECOND + i64::from(self.date))?,
        })
    }
}

/// A row of the common size.
pub(crate) type Narrow = (u64, Said);
/// A row of any size.
pub(crate) type Wide = (Serial, Revocation);

/// The common form of a row, or the row as it is.
pub(crate) fn narrow(serial: &Serial, revocation: Revocation) -> Option<Narrow> {
    Some((serial.as_u64()?, Said::of(revocation)?))
}

/// What a list names, sorted by serial, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) narrow: Vec<Narrow>,
    pub(crate) wide: BTreeMap<Serial, Revocation>,
}

impl Listing {
    /// Sorts. A serial that a list names twice (RFC 5280 does not forbid it) counts from its earliest date.
    pub(crate) fn new(mut narrow: Vec<Narrow>, wide: Vec<Wide>) -> Self {
        if !narrow.is_sorted() {
            narrow.sort_unstable();
        }
        narrow.dedup_by_key(|row| row.0);
        let mut beside: BTreeMap<Serial, Revocation> = BTreeMap::new();
        for (serial, revocation) in wide {
            let kept = beside.entry(serial).or_insert(revocation);
            if revocation.revoked_at < kept.revoked_at {
                *kept = revocation;
            }
        }
        // A serial of common size may stand on both sides, once with a date that is not common: one is enough.
        beside.retain(|serial, _| {
            serial
                .as_u64()
                .is_none_or(|number| narrow.binary_search_by_key(&number, |row| row.0).is_err())
        });
        Self {
            narrow,
            wide: beside,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.narrow.len() + self.wide.len()
    }

    fn names(&self, serial: &Serial) -> bool {
        let common = |number: u64| {
            self.narrow
                .binary_search_by_key(&number, |row| row.0)
                .is_ok()
        };
        serial.as_u64().is_some_and(common) || self.wide.contains_key(serial)
    }
}

/// What happened to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Newly revoked.
    Added,
    /// Revoked before, and now for another reason or since another date: a hold that became a loss, for instance.
    Changed,
    /// No longer on the list.
    Left,
    /// On the list again after it had left.
    Returned,
}

/// One entry's step from one version to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step<N, S> {
    pub(crate) serial: N,
    pub(crate) kind: Kind,
    /// What the entry says now; for one that left, what it said last.
    pub(crate) now: S,
    /// What it said before; for a new one, the same as now.
    pub(crate) before: S,
}

/// The way from one version to the next, in the order of serials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) narrow: Vec<Step<u64, Said>>,
    pub(crate) wide: Vec<Step<Serial, Revocation>>,
}

impl Change {
    pub(crate) fn len(&self) -> usize {
        self.narrow.len() + self.wide.len()
    }

    /// How many entries took such a step.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        let narrow = self.narrow.iter().filter(|step| step.kind == kind).count();
        narrow + self.wide.iter().filter(|step| step.kind == kind).count()
    }

    /// The entries that left, with what they said last.
    pub(crate) fn left(&self) -> impl Iterator<Item = Wide> + '_ {
        let narrow = self.narrow.iter().filter(|step| step.kind == Kind::Left);
        let narrow = narrow.filter_map(|step| {
            let serial = Serial::from_u64(step.serial).ok()?;
            Some((serial, step.now.revocation()?))
        });
        let wide = self.wide.iter().filter(|step| step.kind == Kind::Left);
        narrow.chain(wide.map(|step| (step.serial.clone(), step.now)))
    }
}

/// How an entry that a list names stands to what was known of it.
fn named<N, S: Copy + PartialEq>(serial: N, now: S, was: Option<&Row<S>>) -> Option<Step<N, S>> {
    let kind = match was {
        None => Kind::Added,
        Some(row) if row.gone.is_some() => Kind::Returned,
        Some(row) if row.said != now => Kind::Changed,
        Some(_) => return None,
    };
    Some(Step {
        serial,
        kind,
        now,
        before: was.map_or(now, |row| row.said),
    })
}

/// How an entry that a list does not name stands to what was known of it.
fn unnamed<N, S: Copy>(serial: N, was: &Row<S>) -> Option<Step<N, S>> {
    was.gone.is_none().then_some(Step {
        serial,
        kind: Kind::Left,
        now: was.said,
        before: was.said,
    })
}

/// What leads from everything ever named to a complete list: one walk over both.
pub(crate) fn diff(old: &Table, new: &Listing) -> Change {
    let mut narrow = Vec::new();
    walk(
        old.narrow(),
        new.narrow.iter().copied(),
        |serial, was, now| {
            narrow.extend(match (now, was) {
                (Some(now), was) => named(serial, now, was),
                (None, Some(was)) => unnamed(serial, was),
                (None, None) => None,
            });
        },
    );
    let mut wide = Vec::new();
    let left = old.wide.iter().map(|(serial, row)| (serial, *row));
    walk(
        left,
        new.wide.iter().map(|(serial, now)| (serial, *now)),
        |serial, was, now| {
            wide.extend(match (now, was) {
                (Some(now), was) => named(serial.clone(), now, was),
                (None, Some(was)) => unnamed(serial.clone(), was),
                (None, None) => None,
            });
        },
    );
    Change { narrow, wide }
}

/// What a delta list (RFC 5280 5.2.4) changes: it names what was revoked or changed since its base, and what left the list.
pub(crate) fn delta(old: &Table, new: &Listing, removed: &[Serial]) -> Change {
    let mut change = Change::default();
    for (serial, now) in &new.narrow {
        change
            .narrow
            .extend(named(*serial, *now, old.common(*serial).as_ref()));
    }
    for (serial, now) in &new.wide {
        change
            .wide
            .extend(named(serial.clone(), *now, old.wide.get(serial)));
    }
    // What one delta both names and removes stays named.
    let mut gone: Vec<&Serial> = removed.iter().filter(|serial| !new.names(serial)).collect();
    gone.sort();
    gone.dedup();
    for serial in gone {
        let number = serial.as_u64();
        let row = number.and_then(|number| Some((number, old.common(number)?)));
        match row {
            Some((number, row)) => change.narrow.extend(unnamed(number, &row)),
            None => {
                let row = old.wide.get(serial);
                change
                    .wide
                    .extend(row.and_then(|row| unnamed(serial.clone(), row)));
            }
        }
    }
    change.narrow.sort_by_key(|step| step.serial);
    change.wide.sort_by(|a, b| a.serial.cmp(&b.serial));
    change
}

/// Walks two sorted tables, and tells of each serial what either says.
pub(crate) fn walk<N: Ord + Copy, A, B>(
    left: impl Iterator<Item = (N, A)>,
    right: impl Iterator<Item = (N, B)>,
    mut each: impl FnMut(N, Option<&A>, Option<B>),
) {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(was), Some(is)) => was.0.cmp(&is.0),
        };
        let was = (order != Ordering::Greater).then(|| left.next()).flatten();
        let is = (order != Ordering::Less).then(|| right.next()).flatten();
        let serial = was
            .as_ref()
            .map(|row| row.0)
            .or_else(|| is.as_ref().map(|row| row.0));
        if let Some(serial) = serial {
            breathe();
            each(serial, was.as_ref().map(|row| &row.1), is.map(|row| row.1));
        }
    }
}
