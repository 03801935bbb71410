//! What changed between two lists: a pure function over sorted tables.

use std::cmp::Ordering;

use warikan_types::{RevocationReason, Serial, Timestamp};

/// What an entry says about its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) reason: RevocationReason,
    pub(crate) revoked_at: Timestamp,
}

/// A table of revoked serials, sorted by their octets, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries(Vec<(Serial, Revocation)>);

impl Entries {
    /// Sorts. A serial that a list names twice (RFC 5280 does not forbid it) counts from its earliest date.
    pub(crate) fn new(mut rows: Vec<(Serial, Revocation)>) -> Self {
        rows.sort_by(|a, b| (&a.0, a.1.revoked_at).cmp(&(&b.0, b.1.revoked_at)));
        rows.dedup_by(|later, kept| later.0 == kept.0);
        Self(rows)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Serial, Revocation)> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, serial: &Serial) -> bool {
        self.0.binary_search_by(|row| row.0.cmp(serial)).is_ok()
    }
}

/// The way from one table to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    /// Newly revoked.
    pub(crate) added: Vec<(Serial, Revocation)>,
    /// Revoked before and now for another reason or since another date: a hold that became a loss, for instance.
    pub(crate) changed: Vec<(Serial, Revocation)>,
    /// No longer on the list.
    pub(crate) vanished: Vec<(Serial, Revocation)>,
}

/// What leads from `old` to `new`: one walk over both.
pub(crate) fn diff(old: &Entries, new: &Entries) -> Delta {
    let mut delta = Delta::default();
    let (mut left, mut right) = (old.0.iter().peekable(), new.0.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return delta,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(was), Some(is)) => was.0.cmp(&is.0),
        };
        match order {
            Ordering::Less => delta.vanished.extend(left.next().cloned()),
            Ordering::Greater => delta.added.extend(right.next().cloned()),
            Ordering::Equal => {
                if let (Some(was), Some(is)) = (left.next(), right.next())
                    && was.1 != is.1
                {
                    delta.changed.push(is.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What a delta means: applied to the old table it gives the new one.
    fn apply(old: &Entries, delta: &Delta) -> Entries {
        let left: BTreeSet<&Serial> = delta
            .vanished
            .iter()
            .chain(&delta.changed)
            .map(|row| &row.0)
            .collect();
        let kept = old.0.iter().filter(|row| !left.contains(&row.0));
        Entries::new(
            kept.chain(&delta.added)
                .chain(&delta.changed)
                .cloned()
                .collect(),
        )
    }

    fn entries() -> impl Strategy<Value = Entries> {
        let reason = prop::sample::select(vec![0_u8, 1, 3, 4, 5, 6]);
        let row = (1_u64..60, reason, 0_i64..4).prop_map(|(serial, code, at)| {
            let revocation = Revocation {
                reason: RevocationReason::from_code(code).unwrap(),
                revoked_at: Timestamp::from_unix(at).unwrap(),
            };
            // Some serials are longer than a u64.
            let mut octets = serial.to_be_bytes().to_vec();
            octets.extend(vec![7; if serial % 5 == 0 { 12 } else { 0 }]);
            (Serial::from_octets(&octets).unwrap(), revocation)
        });
        prop::collection::vec(row, 0..50).prop_map(Entries::new)
    }

    proptest! {
        #[test]
        fn a_delta_leads_from_the_old_table_to_the_new(old in entries(), new in entries()) {
            let delta = diff(&old, &new);
            prop_assert_eq!(apply(&old, &delta), new.clone());
            for (serial, _) in &delta.added {
                prop_assert!(!old.contains(serial) && new.contains(serial));
            }
            for (serial, _) in &delta.vanished {
                prop_assert!(old.contains(serial) && !new.contains(serial));
            }
            prop_assert_eq!(diff(&new, &new), Delta::default());
        }
    }

    #[test]
    fn f047_a_serial_named_twice_counts_once_from_its_earliest_date() {
        let serial = Serial::from_u64(9).unwrap();
        let at = |seconds| Revocation {
            reason: RevocationReason::Superseded,
            revoked_at: Timestamp::from_unix(seconds).unwrap(),
        };
        let table = Entries::new(vec![(serial.clone(), at(20)), (serial.clone(), at(10))]);
        assert_eq!(table.len(), 1);
        assert_eq!(table.iter().next().unwrap().1, at(10));
    }
}
