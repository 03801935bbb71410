//! The two CAs and their generations.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{GenerationRecord, der::Der, keys::SigningKey, profile::Issuer};

/// A CA: one name, one sequence of serial numbers, several keys.
pub(crate) struct Authority {
    pub(crate) next_serial: u64,
    /// Oldest first, numbered from 1 without gaps.
    pub(crate) generations: Vec<Generation>,
}

/// A root and what goes with it.
pub(crate) struct Generation {
    pub(crate) record: GenerationRecord,
    pub(crate) key: Arc<SigningKey>,
}

impl Authority {
    pub(crate) fn take_serial(&mut self) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        serial
    }

    /// The newest generation whose root is in force: the one that issues.
    pub(crate) fn issuing(&self, at: DateTime<Utc>) -> Option<&Generation> {
        self.generations
            .iter()
            .rev()
            .find(|one| one.is_in_force(at))
    }
}

impl Generation {
    pub(crate) fn is_in_force(&self, at: DateTime<Utc>) -> bool {
        self.record.not_before <= at && at <= self.record.not_after
    }

    pub(crate) fn issuer(&self, of: &crate::Simulator) -> Issuer {
        Issuer {
            hierarchy: of.hierarchy,
            choice: self.record.choice,
            key_identifier: self.key.key_identifier(),
            root_serial: self.record.serial,
            ocsp_url: of.ocsp_url.clone(),
        }
    }

    /// The root, DER.
    pub(crate) fn root(&self) -> &Der {
        &self.record.root
    }
}
