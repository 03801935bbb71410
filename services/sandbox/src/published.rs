//! The lists that lie ready to be fetched, and the faults under which they are served.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_simulator::CertificateChoice;
use warikan_types::Timestamp;

use crate::error::Error;

/// Names a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListKey {
    pub(crate) ca: CertificateChoice,
    pub(crate) generation: u32,
    pub(crate) partition: String,
}

/// A list as it was published.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) number: u64,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    pub(crate) entries: u64,
    pub(crate) der: Vec<u8>,
    pub(crate) previous: Option<Vec<u8>>,
}

/// What can be made to go wrong at the stand-in for J-LIS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Publishing does nothing: the same files are served on and on.
    CrlFrozen,
    /// The index names the list, and it is not there (404).
    CrlMissingPartition,
    /// The list has no octets.
    CrlEmptyPartition,
    /// The second half of the list is missing.
    CrlTruncated,
    /// One bit of the list's signature is turned over.
    CrlCorrupt,
    /// Another list of the same CA and generation is served under its name.
    CrlSwapped,
    /// The list before the present one is served.
    CrlRollback,
    /// Nothing under /jlis/crl answers (503).
    CrlUnavailable,
    /// OCSP does not answer (503).
    OcspUnavailable,
    /// OCSP answers `tryLater`.
    OcspTryLater,
    /// OCSP answers with a web page.
    OcspGarbage,
    /// Not a fault: ends all of them.
    Clear,
}

/// A fault in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// What goes wrong.
    pub fault: FaultKind,
    /// For faults of a single list: which municipality's; all of them if absent.
    pub partition: Option<String>,
}

/// Everything that is served, swapped as a whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served {
    pub(crate) lists: BTreeMap<ListKey, List>,
    pub(crate) faults: Vec<Fault>,
}

impl Served {
    /// Whether a fault is in force, for the partition if it is about one.
    pub(crate) fn has(&self, kind: FaultKind, partition: Option<&str>) -> bool {
        self.faults.iter().any(|one| {
            one.fault == kind
                && match (&one.partition, partition) {
                    (Some(only), Some(asked)) => only == asked,
                    (None, _) => true,
                    (Some(_), None) => false,
                }
        })
    }

    /// The octets that a fetcher gets.
    pub(crate) fn fetch(&self, key: &ListKey) -> Result<Vec<u8>, Error> {
        let is = |kind| self.has(kind, Some(&key.partition));
        if is(FaultKind::CrlUnavailable) {
            return Err(Error::MadeUnavailable);
        }
        let list = self.lists.get(key).ok_or(Error::NotFound)?;
        if is(FaultKind::CrlMissingPartition) {
            return Err(Error::NotFound);
        }
        if is(FaultKind::CrlEmptyPartition) {
            return Ok(Vec::new());
        }
        let mut octets = list.der.clone();
        if is(FaultKind::CrlSwapped) {
            octets.clone_from(&self.neighbour(key).unwrap_or(list).der);
        }
        if is(FaultKind::CrlRollback)
            && let Some(previous) = &list.previous
        {
            octets.clone_from(previous);
        }
        if is(FaultKind::CrlTruncated) {
            octets.truncate(octets.len() / 2);
        }
        if is(FaultKind::CrlCorrupt)
            && let Some(last) = octets.last_mut()
        {
            *last ^= 1;
        }
        Ok(octets)
    }

    fn neighbour(&self, key: &ListKey) -> Option<&List> {
        let same_ca = |other: &&ListKey| {
            other.ca == key.ca
                && other.generation == key.generation
                && other.partition != key.partition
        };
        self.lists
            .keys()
            .find(same_ca)
            .and_then(|other| self.lists.get(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: &str) -> ListKey {
        ListKey {
            ca: CertificateChoice::Signature,
            generation: 2,
            partition: partition.to_owned(),
        }
    }

    fn served(faults: &[(FaultKind, Option<&str>)]) -> Served {
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let list = |octet| List {
            number: 1,
            this_update: at,
            next_update: at,
            entries: 0,
            der: vec![octet; 4],
            previous: Some(vec![octet + 10; 4]),
        };
        Served {
            lists: [(key("a"), list(1)), (key("b"), list(2))].into(),
            faults: faults
                .iter()
                .map(|(fault, partition)| Fault {
                    fault: *fault,
                    partition: partition.map(str::to_owned),
                })
                .collect(),
        }
    }

    #[test]
    fn f044_a_fault_of_one_partition_leaves_the_others_alone() {
        for (fault, expected) in [
            (FaultKind::CrlEmptyPartition, vec![]),
            (FaultKind::CrlTruncated, vec![1, 1]),
            (FaultKind::CrlCorrupt, vec![1, 1, 1, 0]),
            (FaultKind::CrlSwapped, vec![2; 4]),
            (FaultKind::CrlRollback, vec![11; 4]),
        ] {
            let served = served(&[(fault, Some("a"))]);
            assert_eq!(served.fetch(&key("a")).unwrap(), expected, "{fault:?}");
            assert_eq!(served.fetch(&key("b")).unwrap(), [2; 4], "{fault:?}");
        }
        let missing = served(&[(FaultKind::CrlMissingPartition, Some("a"))]);
        assert!(matches!(missing.fetch(&key("a")), Err(Error::NotFound)));
        assert!(missing.fetch(&key("b")).is_ok());
        let all = served(&[(FaultKind::CrlEmptyPartition, None)]);
        assert!(
            all.fetch(&key("a")).unwrap().is_empty() && all.fetch(&key("b")).unwrap().is_empty()
        );
        assert!(matches!(served(&[]).fetch(&key("c")), Err(Error::NotFound)));
    }
}
