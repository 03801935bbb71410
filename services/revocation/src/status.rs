//! The status versions in memory: what a look-up reads.
//!
//! J-LIS serials are dense integers, so the revoked ones of a list are a compressed bitmap (roaring), and reason and date stand
//! in a table beside it at the serial's rank. A version is built once and never changed; taking over a list swaps one
//! pointer, so a look-up sees the list before or the list after and nothing between.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use async_trait::async_trait;
use roaring::RoaringTreemap;
use tokio::sync::Notify;
use warikan_contracts::{
    api::{CertificateStatus, KnownState, StatusAnswer, StatusUnavailable},
    facts::Channel,
};
use warikan_types::{CertificateId, CrlPartition, Environment, IssuerKey, Serial, Timestamp};

use crate::diff::Revocation;

/// Which list: of whom, and about which part of the certificates (`None`: all of them). The same serial under two keys, or
/// in the two environments, is two certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ListKey {
    pub(crate) environment: Environment,
    pub(crate) issuer: IssuerKey,
    pub(crate) partition: Option<CrlPartition>,
}

/// One version of one list, with everything that ever left it.
#[derive(Debug)]
pub(crate) struct ListStatus {
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    /// SHA-256 of the list's octets, hexadecimal.
    pub(crate) version: String,
    revoked: RoaringTreemap,
    /// In the order of `revoked`.
    details: Vec<Revocation>,
    /// Serials beyond 64 bits.
    large: BTreeMap<Serial, Revocation>,
}

impl ListStatus {
    pub(crate) fn new(
        this_update: Timestamp,
        next_update: Timestamp,
        version: String,
        entries: impl IntoIterator<Item = (Serial, Revocation)>,
    ) -> Self {
        let mut large = BTreeMap::new();
        let mut small = Vec::new();
        for (serial, revocation) in entries {
            match serial.as_u64() {
                Some(number) => small.push((number, revocation)),
                None => {
                    large.insert(serial, revocation);
                }
            }
        }
        small.sort_unstable_by_key(|(number, _)| *number);
        small.dedup_by_key(|(number, _)| *number);
        Self {
            this_update,
            next_update,
            version,
            revoked: small.iter().map(|(number, _)| *number).collect(),
            details: small
                .into_iter()
                .map(|(_, revocation)| revocation)
                .collect(),
            large,
        }
    }

    /// What it consists of, for another process: revoked serials, their details in that order, serials beyond 64 bits.
    pub(crate) const fn parts(
        &self,
    ) -> (
        &RoaringTreemap,
        &[Revocation],
        &BTreeMap<Serial, Revocation>,
    ) {
        (&self.revoked, self.details.as_slice(), &self.large)
    }

    /// What the list (or one before it) says about a serial; `None`: nothing, so it is good.
    pub(crate) fn find(&self, serial: &Serial) -> Option<Revocation> {
        let Some(number) = serial.as_u64() else {
            return self.large.get(serial).copied();
        };
        if !self.revoked.contains(number) {
            return None;
        }
        // `rank` counts the revoked serials up to and including this one.
        let place = usize::try_from(self.revoked.rank(number))
            .ok()?
            .checked_sub(1)?;
        self.details.get(place).copied()
    }

    fn answer(&self, serial: &Serial) -> StatusAnswer {
        StatusAnswer {
            state: match self.find(serial) {
                None => KnownState::Good,
                Some(Revocation { reason, revoked_at }) => {
                    KnownState::Revoked { reason, revoked_at }
                }
            },
            channel: Channel::Crl,
            this_update: self.this_update,
            next_update: self.next_update,
            version: self.version.clone(),
        }
    }
}

/// All versions in force, and the order in which they came.
#[derive(Default)]
pub(crate) struct StatusStore {
    lists: RwLock<Versions>,
    changed: Notify,
}

#[derive(Default)]
struct Versions {
    /// Counts the changes.
    changes: u64,
    /// Each with the number of the change that brought it.
    in_force: HashMap<ListKey, (u64, Arc<ListStatus>)>,
}

impl StatusStore {
    /// Puts a version in force.
    pub(crate) fn swap_in(&self, key: ListKey, version: ListStatus) {
        {
            let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
            lists.changes += 1;
            let change = lists.changes;
            lists.in_force.insert(key, (change, Arc::new(version)));
        }
        self.changed.notify_waiters();
    }

    fn read(&self) -> RwLockReadGuard<'_, Versions> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when there was a change after this one.
    pub(crate) async fn changed_after(&self, change: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Counts from here on, so that a change between the look and the wait is not slept through.
            changed.as_mut().enable();
            if self.read().changes > change {
                return;
            }
            changed.await;
        }
    }

    /// The number of the last change, and the lists that changed after this one.
    pub(crate) fn since(&self, change: u64) -> (u64, Vec<(ListKey, Arc<ListStatus>)>) {
        let lists = self.read();
        let newer = lists
            .in_force
            .iter()
            .filter(|(_, (number, _))| *number > change)
            .map(|(key, (_, version))| (*key, Arc::clone(version)))
            .collect();
        (lists.changes, newer)
    }

    /// Puts a version in force unless a later one is: what several processes tell may come in any order.
    pub(crate) fn swap_in_later(&self, key: ListKey, version: ListStatus) {
        let later = self
            .get(&key)
            .is_none_or(|known| known.this_update <= version.this_update);
        if later {
            self.swap_in(key, version);
        }
    }

    fn get(&self, key: &ListKey) -> Option<Arc<ListStatus>> {
        self.read()
            .in_force
            .get(key)
            .map(|(_, version)| Arc::clone(version))
    }

    /// Which version of a list is in force.
    pub(crate) fn version(&self, key: &ListKey) -> Option<String> {
        self.get(key).map(|list| list.version.clone())
    }

    /// The versions of one environment.
    pub(crate) fn of(&self, environment: Environment) -> Vec<(ListKey, Arc<ListStatus>)> {
        self.read()
            .in_force
            .iter()
            .filter(|(key, _)| key.environment == environment)
            .map(|(key, (_, version))| (*key, Arc::clone(version)))
            .collect()
    }

    /// What the lists say. The certificate's own partition and the issuer's undivided list both cover it; where both were
    /// accepted, *revoked* wins, and otherwise the later list speaks.
    pub(crate) fn by_list(
        &self,
        environment: Environment,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
    ) -> Option<StatusAnswer> {
        let key = |partition| ListKey {
            environment,
            issuer: certificate.issuer,
            partition,
        };
        let own = partition.and_then(|one| self.get(&key(Some(one))));
        let undivided = self.get(&key(None));
        own.into_iter()
            .chain(undivided)
            .map(|version| version.answer(&certificate.serial))
            .max_by_key(|answer| {
                let revoked = matches!(answer.state, KnownState::Revoked { .. });
                (revoked, answer.this_update)
            })
    }
}

#[async_trait]
impl CertificateStatus for StatusStore {
    async fn status(
        &self,
        environment: Environment,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
        channel: Channel,
    ) -> Result<StatusAnswer, StatusUnavailable> {
        let unavailable = |why: &str| StatusUnavailable {
            why: why.to_owned(),
        };
        match channel {
            Channel::Ocsp => Err(unavailable("no OCSP source configured")),
            Channel::Crl => self
                .by_list(environment, certificate, partition)
                .ok_or_else(|| unavailable("no list that covers it was ever accepted")),
        }
    }
}

#[cfg(test)]
mod tests {
    use warikan_types::RevocationReason;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds).unwrap()
    }

    fn list(this_update: i64, serials: &[Serial]) -> ListStatus {
        let rows = serials.iter().enumerate().map(|(index, serial)| {
            let revocation = Revocation {
                reason: RevocationReason::KeyCompromise,
                revoked_at: at(i64::try_from(index).unwrap()),
            };
            (serial.clone(), revocation)
        });
        ListStatus::new(at(this_update), at(this_update + 10), "v".to_owned(), rows)
    }

    fn key(environment: Environment, issuer: u8, partition: Option<u8>) -> ListKey {
        ListKey {
            environment,
            issuer: IssuerKey([issuer; 32]),
            partition: partition.map(|one| CrlPartition([one; 32])),
        }
    }

    #[test]
    fn f035_a_serial_counts_under_its_own_key_and_environment_only() {
        let long = Serial::from_octets(&[0xff; 20]).unwrap();
        let mut wrapping = vec![1];
        wrapping.extend([0, 0, 0, 0, 0, 0, 0, 5]);
        let wrapping = Serial::from_octets(&wrapping).unwrap();
        let five = Serial::from_u64(5).unwrap();
        let store = StatusStore::default();
        let all = [
            long.clone(),
            Serial::from_u64(u64::MAX).unwrap(),
            five.clone(),
        ];
        store.swap_in(key(Environment::Sandbox, 1, None), list(0, &all));
        store.swap_in(key(Environment::Sandbox, 2, None), list(0, &[]));
        store.swap_in(key(Environment::Production, 1, None), list(0, &[]));
        let state = |environment, issuer: u8, serial: &Serial| {
            let id = CertificateId {
                issuer: IssuerKey([issuer; 32]),
                serial: serial.clone(),
            };
            store.by_list(environment, &id, None).unwrap().state
        };
        for (index, serial) in all.iter().enumerate() {
            let KnownState::Revoked { revoked_at, .. } = state(Environment::Sandbox, 1, serial)
            else {
                panic!("revoked under its own key")
            };
            assert_eq!(
                revoked_at,
                at(i64::try_from(index).unwrap()),
                "its own date"
            );
            assert_eq!(state(Environment::Sandbox, 2, serial), KnownState::Good);
            assert_eq!(state(Environment::Production, 1, serial), KnownState::Good);
        }
        assert_eq!(
            state(Environment::Sandbox, 1, &wrapping),
            KnownState::Good,
            "2^64 + 5 is not 5"
        );
    }

    #[test]
    fn of_two_lists_revoked_wins_and_then_the_later_one() {
        let five = CertificateId {
            issuer: IssuerKey([1; 32]),
            serial: Serial::from_u64(5).unwrap(),
        };
        let store = StatusStore::default();
        let here = Environment::Sandbox;
        let ask = || store.by_list(here, &five, Some(CrlPartition([9; 32])));
        assert_eq!(ask(), None);
        store.swap_in(
            key(here, 1, Some(8)),
            list(50, std::slice::from_ref(&five.serial)),
        );
        assert_eq!(ask(), None, "another partition covers it not");
        store.swap_in(key(here, 1, None), list(10, &[]));
        assert_eq!(ask().unwrap().this_update, at(10), "the undivided list");
        store.swap_in(key(here, 1, Some(9)), list(20, &[]));
        assert_eq!(ask().unwrap().this_update, at(20));
        store.swap_in(
            key(here, 1, None),
            list(15, std::slice::from_ref(&five.serial)),
        );
        assert!(matches!(ask().unwrap().state, KnownState::Revoked { .. }));
    }
}
