//! What the service ought to know, worked out from what was published and from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use warikan_contracts::api::{KnownState, StatusAnswer};
use warikan_simulator::{CertificateChoice, Publication, PublishedCrl, Simulator};

/// Which list: the partition's place.
pub type Partition = usize;

/// A list that was published, in the model's words.
#[derive(Debug, Clone)]
pub struct Published {
    pub partition: Partition,
    pub number: u64,
    /// For a delta, the number that it starts from.
    pub base: Option<u64>,
    /// SHA-256 of its octets, hexadecimal.
    pub version: String,
    /// Seconds since 1970.
    pub this_update: i64,
    pub next_update: i64,
    /// The citizens whose certificates it names.
    pub named: BTreeSet<usize>,
}

/// A version that is or was in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub number: u64,
    pub version: String,
    pub this_update: i64,
    pub next_update: i64,
    /// Whom it or any version before it named: once revoked is revoked.
    pub revoked: BTreeSet<usize>,
}

/// A file that lies in the folder: a list as it was published, or octets that are none (`None`).
#[derive(Debug, Clone)]
pub struct Arrived {
    pub name: String,
    pub list: Option<Published>,
}

/// What is in force, list by list.
pub type State = BTreeMap<Partition, Version>;

/// Whether a list can be taken, in its turn.
enum Turn {
    Taken(Version),
    /// A delta over a list that has not been taken: it has another turn when everything else had one.
    Early,
    Nothing,
}

fn turn(state: &State, list: &Published) -> Turn {
    let version = |before: BTreeSet<usize>| {
        Turn::Taken(Version {
            number: list.number,
            version: list.version.clone(),
            this_update: list.this_update,
            next_update: list.next_update,
            revoked: before.union(&list.named).copied().collect(),
        })
    };
    match (state.get(&list.partition), list.base) {
        (None, None) => version(BTreeSet::new()),
        (None, Some(_)) => Turn::Early,
        (Some(held), _) if list.number <= held.number => Turn::Nothing,
        (Some(held), Some(base)) if base > held.number => Turn::Early,
        (Some(held), _) => version(held.revoked.clone()),
    }
}

/// Every state that a look at these files goes through, the last one when it is over.
pub fn states(from: &State, files: &[Arrived]) -> Vec<State> {
    let mut all = vec![from.clone()];
    let mut state = from.clone();
    let mut early = Vec::new();
    for list in files.iter().filter_map(|file| file.list.as_ref()) {
        match turn(&state, list) {
            Turn::Taken(version) => {
                state.insert(list.partition, version);
                all.push(state.clone());
            }
            Turn::Early => early.push(list),
            Turn::Nothing => {}
        }
    }
    for list in early {
        if let Turn::Taken(version) = turn(&state, list) {
            state.insert(list.partition, version);
            all.push(state.clone());
        }
    }
    all
}

/// All that an answer says is of this one version.
pub fn is_of(answer: &StatusAnswer, version: &Version, citizen: usize) {
    let times = (answer.this_update.unix(), answer.next_update.unix());
    assert_eq!(times, (version.this_update, version.next_update));
    let revoked = matches!(answer.state, KnownState::Revoked { .. });
    assert_eq!(
        revoked,
        version.revoked.contains(&citizen),
        "revoked as its version says"
    );
}

/// The list of the citizens' certificates in one partition.
pub fn list_of<'a>(
    agency: &Simulator,
    publication: &'a Publication,
    partition: usize,
) -> &'a PublishedCrl {
    let name = agency.municipalities()[partition].partition();
    let lists = publication.crls.iter();
    let own = lists.filter(|list| list.choice == CertificateChoice::Signature);
    own.filter(|list| list.partition == name)
        .max_by_key(|list| list.generation)
        .unwrap()
}
