//! Sign-ins at the token endpoint that belong into the trail: the operator's, and refused ones of credentials that exist.
//!
//! The first of a kind (credential, outcome) is written at once: an account's before it gets its token, a refused one beside the answer,
//! whose time would tell otherwise which credentials exist. Those that follow within seconds are counted in memory and written together: a
//! write for each would let whoever guesses at secrets cause one for each guess. So what goes with a process that is killed is a number,
//! of a kind that stands in the trail already.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use uuid::Uuid;
use warikan_http::current_request_id;
use warikan_messaging::begin_write;
use warikan_types::{Client, Id, Timestamp};

use super::{Actor, Chain, Entry};
use crate::{
    Onboarding,
    error::Error,
    store::clients::{self, ClientRow},
};

/// Kinds that are gathered at a time; of further ones only the number is told.
const MOST: usize = 1_000;

/// How long further ones of a kind are only counted.
pub(crate) const COUNTED_FOR: Duration = Duration::from_secs(5);

/// What was gathered.
#[derive(Default)]
pub(crate) struct SignIns {
    gathered: Mutex<Gathered>,
    /// Wakes the task that writes: there is a first one of its kind.
    news: Arc<Notify>,
}

#[derive(Default)]
struct Gathered {
    kinds: BTreeMap<(Uuid, Option<&'static str>), Seen>,
    /// Those that found no room.
    beyond: u64,
}

#[derive(Clone)]
struct Seen {
    chain: Chain,
    operator: bool,
    /// Since it was written last.
    times: u64,
    first: Timestamp,
    last: Timestamp,
    request_id: Option<String>,
    address: Option<IpAddr>,
}

impl SignIns {
    /// The signal that there is something to be written at once.
    pub(crate) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// Notes a sign-in of a known credential; refused, if it says why. Gives whether it is the first of its kind for some time.
    pub(crate) fn note(
        &self,
        client: &ClientRow,
        refused: Option<&'static str>,
        address: Option<IpAddr>,
        at: Timestamp,
    ) -> bool {
        // A tenant's client signs in every few minutes: that is in no trail.
        if client.tenant.is_some() && refused.is_none() {
            return false;
        }
        let mut gathered = self.lock();
        let key = (client.id, refused);
        if let Some(seen) = gathered.kinds.get_mut(&key) {
            if seen.times == 0 {
                seen.first = at;
                seen.address = address;
                seen.request_id = current_request_id();
            }
            seen.times += 1;
            seen.last = at;
            return false;
        }
        if gathered.kinds.len() >= MOST {
            gathered.beyond += 1;
            return false;
        }
        let seen = Seen {
            chain: clients::chain(client),
            operator: client.tenant.is_none(),
            times: 1,
            first: at,
            last: at,
            request_id: current_request_id(),
            address,
        };
        gathered.kinds.insert(key, seen);
        self.news.notify_one();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written. The kinds stay for a while, so that those that follow are counted.
    fn take(&self, now: Timestamp) -> Gathered {
        let mut gathered = self.lock();
        let fresh = |seen: &Seen| seen.times > 0 || now.since(seen.last) < COUNTED_FOR;
        gathered.kinds.retain(|_, seen| fresh(seen));
        let mut taken = Gathered {
            kinds: BTreeMap::new(),
            beyond: std::mem::take(&mut gathered.beyond),
        };
        for (key, seen) in gathered.kinds.iter_mut().filter(|(_, seen)| seen.times > 0) {
            taken.kinds.insert(*key, seen.clone());
            seen.times = 0;
        }
        taken
    }

    /// What could not be written is kept for the next time, beside what came meanwhile.
    fn put_back(&self, before: Gathered) {
        let mut gathered = self.lock();
        gathered.beyond += before.beyond;
        for (key, seen) in before.kinds {
            match gathered.kinds.get_mut(&key) {
                Some(later) => {
                    later.times += seen.times;
                    later.first = seen.first;
                }
                None => drop(gathered.kinds.insert(key, seen)),
            }
        }
    }
}

impl Gathered {
    fn entries(&self, now: Timestamp) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .kinds
            .iter()
            .map(|((client, refused), seen)| seen.entry(Id::from_uuid(*client), *refused))
            .collect();
        if self.beyond > 0 {
            let mut entry = Entry::new(Chain::Operator, Actor::System, "sign_ins.uncounted", now);
            entry.refused = true;
            entries.push(entry.with("times", self.beyond));
        }
        entries
    }
}

impl Seen {
    fn entry(&self, client: Id<Client>, refused: Option<&'static str>) -> Entry {
        // Of a refused one it is not known who it was: only whose name was used.
        let actor = match (refused, self.operator) {
            (Some(_), _) => Actor::System,
            (None, true) => Actor::Operator(client),
            (None, false) => Actor::Client(client),
        };
        let mut entry = Entry::new(self.chain, actor, "token.granted", self.last)
            .about(client)
            .with("times", self.times)
            .with_some("reason", refused)
            .with_some("address", self.address);
        if self.times > 1 {
            entry = entry.with("first_at", self.first);
        }
        entry.request_id.clone_from(&self.request_id);
        entry.refused = refused.is_some();
        entry
    }
}

impl Onboarding {
    /// Writes what was gathered.
    pub(crate) async fn write_sign_ins(&self) -> Result<(), Error> {
        let now = self.0.platform.clock().now();
        let gathered = self.0.sign_ins.take(now);
        let entries = gathered.entries(now);
        if entries.is_empty() {
            return Ok(());
        }
        let written = self.write_entries(entries).await;
        if written.is_err() {
            self.0.sign_ins.put_back(gathered);
        }
        written
    }

    async fn write_entries(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let transaction = begin_write(self.0.db.worker()).await?;
        self.record(&transaction, entries).await?;
        transaction.commit().await?;
        Ok(())
    }
}
