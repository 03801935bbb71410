//! All lists of an environment as they stand at one moment, under one name.
//!
//! Whoever asks many questions that belong together asks them of a snapshot: whatever is taken over meanwhile, its answers are of
//! one moment, and its name says which.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use warikan_contracts::api::StatusAnswer;
use warikan_pki::sha256;
use warikan_types::{CertificateId, CrlPartition, Environment, Timestamp};

use crate::{
    status::{ListKey, ListStatus, StatusStore, weightiest},
    store::partition_text,
};

/// The versions of all lists at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    environment: Environment,
    name: String,
    lists: HashMap<ListKey, Arc<ListStatus>>,
}

impl Snapshot {
    /// Of this moment.
    pub(crate) fn of(status: &StatusStore, environment: Environment) -> Self {
        let lists: HashMap<ListKey, Arc<ListStatus>> = status.of(environment).into_iter().collect();
        Self {
            environment,
            name: name(&lists),
            lists,
        }
    }

    /// SHA-256 over `<issuer key> <partition> <SHA-256 of the list>\n` of every list, in that order of issuers and partitions;
    /// hexadecimal. The same lists have the same name in every process.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many lists it is made of.
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// thisUpdate of its oldest list.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.lists.values().map(|list| list.this_update).min()
    }

    /// As [`StatusStore::by_list`], of this moment.
    pub(crate) fn answer(
        &self,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
    ) -> Option<StatusAnswer> {
        let key = |partition| ListKey {
            environment: self.environment,
            issuer: certificate.issuer,
            partition,
        };
        let own = partition.and_then(|one| self.lists.get(&key(Some(one))));
        let covering = own.into_iter().chain(self.lists.get(&key(None)));
        weightiest(covering.map(|list| list.answer(&certificate.serial)))
    }
}

/// The names of present snapshots: making one costs a hash over thousands of lines, and anybody may ask.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<Environment, (u64, String)>>);

impl Names {
    /// The name that [`Snapshot::of`] would have now.
    pub(crate) fn of(&self, status: &StatusStore, environment: Environment) -> String {
        // Asked for first: a change in between makes the name younger than its number, and it is made anew.
        let change = status.changes();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&environment) {
            Some((of, name)) if *of == change => name.clone(),
            _ => {
                let name = Snapshot::of(status, environment).name;
                known.insert(environment, (change, name.clone()));
                name
            }
        }
    }
}

fn name(lists: &HashMap<ListKey, Arc<ListStatus>>) -> String {
    let mut lines: Vec<String> = lists
        .iter()
        .map(|(key, list)| {
            let (issuer, partition) = (key.issuer, partition_text(key.partition));
            format!("{issuer} {partition} {}\n", list.version)
        })
        .collect();
    lines.sort_unstable();
    hex::encode(sha256(lines.concat().as_bytes()))
}
