//! What an earlier version said.

use warikan_types::Serial;

use super::{Row, Table};
use crate::diff::{Change, Kind, Revocation};

/// What a table alone can tell of an earlier version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// It did not name the serial, and no version before it had.
    Unnamed,
    /// It named it so.
    Named(Revocation),
    /// It had left by then: still revoked.
    Left(Revocation),
    /// The entry was changed at some time: the changes after that version have to be looked through.
    Changed(Row<Revocation>),
}

impl Table {
    /// What the version `seq` said of a serial, as far as the columns tell.
    pub(crate) fn past(&self, serial: &Serial, seq: u32) -> Past {
        match self.find(serial) {
            Some(row) if row.since > seq => Past::Unnamed,
            None => Past::Unnamed,
            Some(row) if row.otherwise => Past::Changed(row),
            Some(row) if row.gone.is_some_and(|gone| gone <= seq) => Past::Left(row.said),
            Some(row) => Past::Named(row.said),
        }
    }
}

impl Change {
    /// What this change says that a serial said before it, and whether it was listed; `None` where it does not concern it.
    pub(crate) fn before(&self, serial: &Serial) -> Option<(Revocation, bool)> {
        let number = serial.as_u64();
        let narrow = number.and_then(|number| {
            let at = self
                .narrow
                .binary_search_by_key(&number, |step| step.serial)
                .ok()?;
            let step = &self.narrow[at];
            Some((step.before.revocation()?, step.kind))
        });
        let found = narrow.or_else(|| {
            let step = self.wide.iter().find(|step| step.serial == *serial)?;
            Some((step.before, step.kind))
        });
        found
            .filter(|(_, kind)| *kind != Kind::Added)
            .map(|(before, kind)| (before, kind != Kind::Returned))
    }
}
