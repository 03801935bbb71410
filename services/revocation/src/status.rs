//! The status versions in memory: what a look-up reads.
//!
//! A version is built once and never changed; taking over a list swaps one pointer, so a look-up sees the list before or the
//! list after and nothing between. The ways from version to version are kept for a while, for processes that follow
//! ([`crate::replicate`]) and hold the version before.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use uuid::Uuid;
use warikan_contracts::{
    api::{CertificateStatus, KnownState, StatusAnswer, StatusUnavailable},
    facts::Channel,
};
use warikan_types::{CertificateId, CrlPartition, Environment, IssuerKey, Serial, Timestamp};

use crate::{diff::Revocation, table::Table};

/// Changes of one list that are kept for those who follow: who has missed more gets the list whole.
const KEPT_CHANGES: usize = 8;

/// Which list: of whom, and about which part of the certificates (`None`: all of them). The same serial under two keys, or
/// in the two environments, is two certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ListKey {
    pub(crate) environment: Environment,
    pub(crate) issuer: IssuerKey,
    pub(crate) partition: Option<CrlPartition>,
}

/// Hashes a [`ListKey`], which is digests already: a look-up asks for two of them, and a hash that withstands chosen keys would
/// be most of its work. Nobody can choose these but who finds collisions of SHA-256.
#[derive(Default)]
pub(crate) struct OfDigests(u64);

impl Hasher for OfDigests {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(octets) {
            *to = *from;
        }
        let mixed = self.0.rotate_left(5) ^ u64::from_le_bytes(first);
        self.0 = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// One version of one list, with everything that ever left it.
#[derive(Debug)]
pub(crate) struct ListStatus {
    /// The list's row.
    pub(crate) id: Uuid,
    /// Counts the list's versions from 1.
    pub(crate) seq: i64,
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Timestamp,
    /// SHA-256 of the list's octets, hexadecimal.
    pub(crate) version: String,
    pub(crate) table: Table,
}

impl ListStatus {
    /// Versions of one list are counted; of two lists under one key (the database was made anew) the younger speaks.
    fn is_later_than(&self, other: &Self) -> bool {
        if self.id == other.id {
            self.seq > other.seq
        } else {
            self.this_update > other.this_update
        }
    }

    pub(crate) fn answer(&self, serial: &Serial) -> StatusAnswer {
        StatusAnswer {
            state: match self.table.said(serial) {
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

/// How a version came out of the one before it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The version before.
    pub(crate) from: i64,
    pub(crate) version: Arc<ListStatus>,
    /// The change, as `table::change_to_blob` writes it.
    pub(crate) change: Bytes,
}

/// What a follower has to be told of one list.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// Everything.
    Whole(Arc<ListStatus>),
    /// What happened since the version it holds.
    Steps(Vec<Step>),
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
    in_force: HashMap<ListKey, InForce, BuildHasherDefault<OfDigests>>,
}

struct InForce {
    version: Arc<ListStatus>,
    /// The number of the change that brought it.
    change: u64,
    /// The last changes, each with its number and that of the one before it.
    lately: VecDeque<(u64, u64, Step)>,
}

impl StatusStore {
    /// Puts a version in force unless a later one is: what several processes tell may come in any order. `change` leads there from
    /// the version before. Returns what is in force then.
    pub(crate) fn swap_in(
        &self,
        key: ListKey,
        version: ListStatus,
        change: Option<Bytes>,
    ) -> Arc<ListStatus> {
        let version = Arc::new(version);
        // Let go only after the lock: a large table takes milliseconds to free, and look-ups would wait for it.
        let _before = {
            let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
            let known = lists.in_force.get(&key);
            if let Some(known) = known
                && known.version.is_later_than(&version)
            {
                return Arc::clone(&known.version);
            }
            lists.changes += 1;
            let number = lists.changes;
            let mut lately = VecDeque::new();
            let mut before = lists.in_force.remove(&key);
            if let Some(change) = change
                && let Some(known) = &mut before
                && known.version.seq + 1 == version.seq
            {
                lately = std::mem::take(&mut known.lately);
                lately.truncate(KEPT_CHANGES - 1);
                let step = Step {
                    from: known.version.seq,
                    version: Arc::clone(&version),
                    change,
                };
                lately.push_front((number, known.change, step));
            }
            let in_force = InForce {
                version: Arc::clone(&version),
                change: number,
                lately,
            };
            lists.in_force.insert(key, in_force);
            before
        };
        self.changed.notify_waiters();
        version
    }

    fn read(&self) -> RwLockReadGuard<'_, Versions> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last change.
    pub(crate) fn changes(&self) -> u64 {
        self.read().changes
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

    /// The number of the last change, and what happened after this one, list by list.
    pub(crate) fn since(&self, change: u64) -> (u64, Vec<(ListKey, News)>) {
        let lists = self.read();
        let newer = lists.in_force.iter().filter(|(_, one)| one.change > change);
        let news = newer.map(|(key, one)| (*key, one.news(change))).collect();
        (lists.changes, news)
    }

    /// The version of a list that is in force.
    pub(crate) fn get(&self, key: &ListKey) -> Option<Arc<ListStatus>> {
        self.read()
            .in_force
            .get(key)
            .map(|one| Arc::clone(&one.version))
    }

    /// The versions of one environment.
    pub(crate) fn of(&self, environment: Environment) -> Vec<(ListKey, Arc<ListStatus>)> {
        self.read()
            .in_force
            .iter()
            .filter(|(key, _)| key.environment == environment)
            .map(|(key, one)| (*key, Arc::clone(&one.version)))
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
        let lists = self.read();
        let get = |key| lists.in_force.get(&key);
        let own = partition.and_then(|one| get(key(Some(one))));
        let covering = own.into_iter().chain(get(key(None)));
        weightiest(covering.map(|one| one.version.answer(&certificate.serial)))
    }
}

/// Of what several lists say: *revoked* wins, and otherwise the later list speaks.
pub(crate) fn weightiest(answers: impl Iterator<Item = StatusAnswer>) -> Option<StatusAnswer> {
    answers.max_by_key(|answer| {
        let revoked = matches!(answer.state, KnownState::Revoked { .. });
        (revoked, answer.this_update)
    })
}

impl InForce {
    /// What somebody has to be told who knows everything up to this change.
    fn news(&self, change: u64) -> News {
        // The newest first. A follower holds the version that the oldest step it lacks begins at only if it has seen the
        // change that brought that version.
        let lacking: Vec<_> = self
            .lately
            .iter()
            .take_while(|(number, ..)| *number > change)
            .collect();
        match lacking.last() {
            Some((_, before, _)) if *before <= change => {
                let steps = lacking.into_iter().rev();
                News::Steps(steps.map(|(.., step)| step.clone()).collect())
            }
            _ => News::Whole(Arc::clone(&self.version)),
        }
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
    use crate::diff::{Listing, narrow};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds).unwrap()
    }

    fn list(this_update: i64, serials: &[Serial]) -> ListStatus {
        let (mut common, mut wide) = (Vec::new(), Vec::new());
        for (index, serial) in serials.iter().enumerate() {
            let revocation = Revocation {
                reason: RevocationReason::KeyCompromise,
                revoked_at: at(i64::try_from(index).unwrap()),
            };
            match narrow(serial, revocation) {
                Some(row) => common.push(row),
                None => wide.push((serial.clone(), revocation)),
            }
        }
        ListStatus {
            id: Uuid::nil(),
            seq: 1,
            this_update: at(this_update),
            next_update: at(this_update + 10),
            version: "v".to_owned(),
            table: Table::first(&Listing::new(common, wide)).unwrap(),
        }
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
        store.swap_in(key(Environment::Sandbox, 1, None), list(0, &all), None);
        store.swap_in(key(Environment::Sandbox, 2, None), list(0, &[]), None);
        store.swap_in(key(Environment::Production, 1, None), list(0, &[]), None);
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
            None,
        );
        assert_eq!(ask(), None, "another partition covers it not");
        store.swap_in(key(here, 1, None), list(10, &[]), None);
        assert_eq!(ask().unwrap().this_update, at(10), "the undivided list");
        store.swap_in(key(here, 1, Some(9)), list(20, &[]), None);
        assert_eq!(ask().unwrap().this_update, at(20));
        store.swap_in(
            key(here, 1, None),
            list(15, std::slice::from_ref(&five.serial)),
            None,
        );
        assert!(matches!(ask().unwrap().state, KnownState::Revoked { .. }));
    }
}
