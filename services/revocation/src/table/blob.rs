//! Tables and changes as octets: for the database and for other processes.
//!
//! Little-endian columns one after the other, nothing between them, so that reading is little more than a copy. What is read is
//! checked against everything that the code relies on (order, bounds, reasons); that the octets are the ones that were written,
//! the checksum beside them says.
//!
//! A table: `WKT1`, counts of heads, rows and gone rows (u32 each); heads (u64), starts (u32, one more than heads), lows (u16),
//! dates (u32), codes (u8), since (u32); gone serials (u64) and their versions (u32); the wide rows.
//! A change: `WKC1`, the count (u32); serials (u64), kinds (u8), dates (u32) and codes (u8) of now, the same of before; the wide steps.
//! Wide: the count (u32), then each: length of the serial (u8), its octets, and what belongs to it.

use std::collections::BTreeMap;

use warikan_types::{RevocationReason, Serial, Timestamp};

use super::{Damaged, GONE, OTHERWISE, REASON, Row, Table};
use crate::diff::{Change, Kind, Revocation, Said, Step};

const TABLE: &[u8; 4] = b"WKT1";
const CHANGE: &[u8; 4] = b"WKC1";

/// Takes columns off the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, octets: usize) -> Result<&'a [u8], Damaged> {
        let (head, rest) = self
            .0
            .split_at_checked(octets)
            .ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let octets = self.take(N)?;
        octets.try_into().map_err(|_| Damaged("it ends too early"))
    }

    fn count(&mut self) -> Result<usize, Damaged> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn column<T, const N: usize>(
        &mut self,
        count: usize,
        read: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Damaged> {
        let octets = count
            .checked_mul(N)
            .ok_or(Damaged("a count that overflows"))?;
        let (chunks, _) = self.take(octets)?.as_chunks::<N>();
        Ok(chunks.iter().map(|chunk| read(*chunk)).collect())
    }

    fn serial(&mut self) -> Result<Serial, Damaged> {
        let [length] = self.array()?;
        Serial::from_octets(self.take(usize::from(length))?)
            .map_err(|_| Damaged("a serial number is none"))
    }

    fn revocation(&mut self) -> Result<Revocation, Damaged> {
        let [code] = self.array()?;
        let seconds = i64::from_le_bytes(self.array()?);
        Ok(Revocation {
            reason: RevocationReason::from_code(code).ok_or(Damaged("a reason is none"))?,
            revoked_at: Timestamp::from_unix(seconds).ok_or(Damaged("a date is none"))?,
        })
    }

    fn finish(self) -> Result<(), Damaged> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Damaged("something follows its end"))
        }
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // A table holds fewer rows than this can say; its builder refuses more.
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_wide(out: &mut Vec<u8>, serial: &Serial) {
    let octets = serial.octets();
    out.push(u8::try_from(octets.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(octets);
}

fn put_revocation(out: &mut Vec<u8>, said: Revocation) {
    out.push(said.reason.code());
    out.extend(said.revoked_at.unix().to_le_bytes());
}

pub(crate) fn table_to_blob(table: &Table) -> Vec<u8> {
    let rows = table.lows.len();
    let mut out = Vec::with_capacity(64 + table.heads.len() * 12 + rows * 11);
    out.extend_from_slice(TABLE);
    put_count(&mut out, table.heads.len());
    put_count(&mut out, rows);
    put_count(&mut out, table.gone.len());
    out.extend(table.heads.iter().flat_map(|one| one.to_le_bytes()));
    out.extend(table.starts.iter().flat_map(|one| one.to_le_bytes()));
    out.extend(table.lows.iter().flat_map(|one| one.to_le_bytes()));
    out.extend(table.dates.iter().flat_map(|one| one.to_le_bytes()));
    out.extend_from_slice(&table.codes);
    out.extend(table.since.iter().flat_map(|one| one.to_le_bytes()));
    out.extend(table.gone.iter().flat_map(|one| one.0.to_le_bytes()));
    out.extend(table.gone.iter().flat_map(|one| one.1.to_le_bytes()));
    put_count(&mut out, table.wide.len());
    for (serial, row) in &table.wide {
        put_wide(&mut out, serial);
        put_revocation(&mut out, row.said);
        out.extend(row.since.to_le_bytes());
        out.extend(row.gone.unwrap_or(0).to_le_bytes());
        out.push(u8::from(row.otherwise));
    }
    out
}

pub(crate) fn table_from_blob(octets: &[u8]) -> Result<Table, Damaged> {
    let mut from = Cursor(octets);
    if from.take(4)? != TABLE {
        return Err(Damaged("it is no table"));
    }
    let (heads, rows, gone) = (from.count()?, from.count()?, from.count()?);
    let mut table = Table {
        heads: from.column(heads, u64::from_le_bytes)?,
        starts: from.column(heads + 1, u32::from_le_bytes)?,
        lows: from.column(rows, u16::from_le_bytes)?,
        dates: from.column(rows, u32::from_le_bytes)?,
        codes: from.column(rows, |[code]| code)?,
        since: from.column(rows, u32::from_le_bytes)?,
        ..Table::default()
    };
    let left = from.column(gone, u64::from_le_bytes)?;
    let at = from.column(gone, u32::from_le_bytes)?;
    table.gone = left.into_iter().zip(at).collect();
    table.wide = wide_rows(&mut from)?;
    from.finish()?;
    table.check()?;
    Ok(table.guided())
}

fn wide_rows(from: &mut Cursor<'_>) -> Result<BTreeMap<Serial, Row<Revocation>>, Damaged> {
    let mut rows = BTreeMap::new();
    for _ in 0..from.count()? {
        let serial = from.serial()?;
        let said = from.revocation()?;
        let since = u32::from_le_bytes(from.array()?);
        let gone = u32::from_le_bytes(from.array()?);
        let [otherwise] = from.array()?;
        rows.insert(
            serial,
            Row {
                said,
                since,
                gone: (gone != 0).then_some(gone),
                otherwise: otherwise != 0,
            },
        );
    }
    Ok(rows)
}

impl Table {
    /// Everything that look-ups and walks rely on.
    fn check(&self) -> Result<(), Damaged> {
        let rising = |pair: &[u64]| pair[0] < pair[1];
        let bounds = self.starts.first() == Some(&0)
            && self.starts.last().map(|end| *end as usize) == Some(self.lows.len())
            && self.starts.windows(2).all(|pair| pair[0] < pair[1]);
        // Without heads there is one bound, and it is 0.
        if !bounds || !self.heads.windows(2).all(rising) {
            return Err(Damaged("its serials are not in order"));
        }
        let sorted = self.starts.windows(2).all(|pair| {
            let lows = &self.lows[pair[0] as usize..pair[1] as usize];
            lows.windows(2).all(|pair| pair[0] < pair[1])
        });
        let zero = self.heads.first() == Some(&0) && self.lows.first() == Some(&0);
        if !sorted || zero || self.heads.last().is_some_and(|head| head >> 48 != 0) {
            return Err(Damaged("its serials are not in order"));
        }
        let known = |code: &u8| {
            code & !(GONE | OTHERWISE | REASON) == 0
                && RevocationReason::from_code(code & REASON).is_some()
        };
        if !self.codes.iter().all(known) {
            return Err(Damaged("a reason is none"));
        }
        let flagged = self
            .serials()
            .zip(&self.codes)
            .filter(|(_, code)| **code & GONE != 0)
            .map(|(serial, _)| serial);
        if !flagged.eq(self.gone.iter().map(|one| one.0)) {
            return Err(Damaged("what left does not fit what is named"));
        }
        Ok(())
    }
}

const fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Added => 0,
        Kind::Changed => 1,
        Kind::Left => 2,
        Kind::Returned => 3,
    }
}

const fn kind_of(code: u8) -> Result<Kind, Damaged> {
    match code {
        0 => Ok(Kind::Added),
        1 => Ok(Kind::Changed),
        2 => Ok(Kind::Left),
        3 => Ok(Kind::Returned),
        _ => Err(Damaged("a step of no kind")),
    }
}

pub(crate) fn change_to_blob(change: &Change) -> Vec<u8> {
    let steps = &change.narrow;
    let mut out = Vec::with_capacity(16 + steps.len() * 19);
    out.extend_from_slice(CHANGE);
    put_count(&mut out, steps.len());
    out.extend(steps.iter().flat_map(|step| step.serial.to_le_bytes()));
    out.extend(steps.iter().map(|step| kind_code(step.kind)));
    out.extend(steps.iter().flat_map(|step| step.now.date.to_le_bytes()));
    out.extend(steps.iter().map(|step| step.now.code));
    out.extend(steps.iter().flat_map(|step| step.before.date.to_le_bytes()));
    out.extend(steps.iter().map(|step| step.before.code));
    put_count(&mut out, change.wide.len());
    for step in &change.wide {
        put_wide(&mut out, &step.serial);
        out.push(kind_code(step.kind));
        put_revocation(&mut out, step.now);
        put_revocation(&mut out, step.before);
    }
    out
}

pub(crate) fn change_from_blob(octets: &[u8]) -> Result<Change, Damaged> {
    let mut from = Cursor(octets);
    if from.take(4)? != CHANGE {
        return Err(Damaged("it is no change"));
    }
    let count = from.count()?;
    let serials = from.column(count, u64::from_le_bytes)?;
    let kinds = from.column(count, |[code]| code)?;
    let now = said(&mut from, count)?;
    let before = said(&mut from, count)?;
    if !serials.windows(2).all(|pair| pair[0] < pair[1]) || serials.first() == Some(&0) {
        return Err(Damaged("its serials are not in order"));
    }
    let narrow = serials
        .into_iter()
        .zip(kinds)
        .zip(now.into_iter().zip(before));
    let narrow = narrow
        .map(|((serial, kind), (now, before))| {
            Ok(Step {
                serial,
                kind: kind_of(kind)?,
                now,
                before,
            })
        })
        .collect::<Result<Vec<_>, Damaged>>()?;
    let mut wide = Vec::new();
    for _ in 0..from.count()? {
        let serial = from.serial()?;
        let [kind] = from.array()?;
        wide.push(Step {
            serial,
            kind: kind_of(kind)?,
            now: from.revocation()?,
            before: from.revocation()?,
        });
    }
    from.finish()?;
    Ok(Change { narrow, wide })
}

fn said(from: &mut Cursor<'_>, count: usize) -> Result<Vec<Said>, Damaged> {
    let dates = from.column(count, u32::from_le_bytes)?;
    let codes = from.column(count, |[code]| code)?;
    if codes
        .iter()
        .any(|code| RevocationReason::from_code(*code).is_none())
    {
        return Err(Damaged("a reason is none"));
    }
    let both = dates.into_iter().zip(codes);
    Ok(both.map(|(date, code)| Said { date, code }).collect())
}
