//! The simulator in memory, the ids by which the API knows its persons, and how a change becomes durable.
//!
//! One change at a time: it is made in memory, written with its idempotent answer (and, for a publication, its lists and its fact) in
//! one transaction, and only then put back. Where anything fails, or the caller goes away in between, the state in memory is
//! forgotten and read again from the database, so the two never drift apart.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;
use warikan_contracts::{Envelope, facts::CrlPublished};
use warikan_http::{Answer, Idempotency};
use warikan_messaging::{Hold, Outbox, begin_write, hold};
use warikan_simulator::{
    KeySource, PersonId, PersonRecord, Publication, Simulator, SimulatorError, fixtures,
};
use warikan_types::{Entropy, Id, Person, Reason, Timestamp};

use crate::{
    Sandbox,
    error::Error,
    named,
    published::{List, ListKey, Served},
    store::{self, HolderRow},
};

/// How many changes have been written.
const REVISION: &str = "revision";
/// Real time of the last publication.
pub(crate) const PUBLISHED_AT: &str = "published_at";

/// A person's place in the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) id: Id<Person>,
    pub(crate) number: PersonId,
    pub(crate) demonstrates: Option<Reason>,
    pub(crate) listed: bool,
}

pub(crate) struct State {
    pub(crate) simulator: Simulator,
    holders: BTreeMap<Uuid, Holder>,
    by_number: HashMap<PersonId, Uuid>,
    new: Vec<HolderRow>,
    entropy: Entropy,
    /// How many changes have been written.
    revision: u64,
    /// The sandbox's time when this change began.
    pub(crate) now: Timestamp,
}

impl State {
    pub(crate) fn new(simulator: Simulator, entropy: Entropy, now: Timestamp) -> Self {
        Self {
            simulator,
            holders: BTreeMap::new(),
            by_number: HashMap::new(),
            new: Vec::new(),
            entropy,
            revision: 0,
            now,
        }
    }

    /// Gives an enrolled person an id. Ids follow real time, so that they lie in the order of their making.
    pub(crate) fn admit(
        &mut self,
        number: PersonId,
        demonstrates: Option<Reason>,
        listed: bool,
        real: Timestamp,
    ) -> Holder {
        let id: Id<Person> = self.entropy.id(real);
        let holder = Holder {
            id,
            number,
            demonstrates,
            listed,
        };
        self.new
            .push(store::holder_row(id.uuid(), number, demonstrates, listed));
        self.remember(holder);
        holder
    }

    /// Counts the change. Where another process has made one since this memory was read, it is out of date: nothing is
    /// written, and the next request reads it anew.
    async fn advance(&mut self, txn: &sea_orm::DatabaseTransaction) -> Result<(), Error> {
        hold(txn, REVISION, Hold::Exclusive).await?;
        let stored: u64 = store::setting(txn, REVISION).await?.unwrap_or(0);
        if stored != self.revision {
            return Err(Error::Overtaken);
        }
        self.revision += 1;
        store::put_setting(txn, REVISION, &self.revision).await?;
        Ok(())
    }

    fn remember(&mut self, holder: Holder) {
        self.holders.insert(holder.id.uuid(), holder);
        self.by_number.insert(holder.number, holder.id.uuid());
    }

    pub(crate) fn holder(&self, id: Id<Person>) -> Result<Holder, Error> {
        self.holders.get(&id.uuid()).copied().ok_or(Error::NotFound)
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = &Holder> {
        self.holders.values().filter(|one| one.listed)
    }

    pub(crate) fn record(&self, holder: Holder) -> Result<&PersonRecord, Error> {
        self.simulator
            .person(holder.number)
            .ok_or(Error::Damaged("person"))
    }
}

/// What a change leaves behind beside the simulator's own records.
pub(crate) struct Done<T> {
    pub(crate) value: T,
    pub(crate) publication: Option<Publication>,
}

impl<T> From<T> for Done<T> {
    fn from(value: T) -> Self {
        Self {
            value,
            publication: None,
        }
    }
}

type Guard = OwnedMutexGuard<Option<State>>;

impl Sandbox {
    /// The state, read from the database if memory does not have it.
    pub(crate) async fn state(&self) -> Result<Guard, Error> {
        let mut guard = Arc::clone(&self.inner.state).lock_owned().await;
        if guard.is_none() {
            *guard = self.load().await?;
        }
        if guard.is_none() {
            return Err(Error::Damaged("there is no simulator"));
        }
        Ok(guard)
    }

    /// Looks at the state.
    pub(crate) async fn read<T>(
        &self,
        look: impl FnOnce(&State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let guard = self.state().await?;
        look(
            guard
                .as_ref()
                .ok_or(Error::Damaged("there is no simulator"))?,
        )
    }

    /// Carries out a change once and gives its answer.
    pub(crate) async fn change<T, W>(
        &self,
        once: Option<&Idempotency>,
        work: W,
        answer: impl FnOnce(&T) -> Answer,
    ) -> Result<Answer, Error>
    where
        T: Send + 'static,
        W: FnOnce(&mut State) -> Result<Done<T>, Error> + Send + 'static,
    {
        let real = self.inner.on.clock().now();
        let mut guard = self.state().await?;
        if let Some(once) = once {
            // Nobody else writes while the guard is held, so what this transaction sees still holds below.
            let txn = begin_write(self.inner.db.worker()).await?;
            let before = once.claim(&txn, real).await?;
            txn.rollback().await?;
            if let Some(answer) = before {
                return Ok(answer);
            }
        }
        let mut state = guard
            .take()
            .ok_or(Error::Damaged("there is no simulator"))?;
        state.now = self.now();
        let (mut state, outcome) = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut state);
            (state, outcome)
        })
        .await
        .map_err(|_| Error::Interrupted)?;
        let done = match outcome {
            Ok(done) => done,
            Err(error) => {
                // The simulator changes nothing when it refuses; when it fails, memory is read anew.
                let failed = matches!(
                    error,
                    Error::Simulator(SimulatorError::Key(_) | SimulatorError::Inconsistent(_))
                        | Error::Damaged(_)
                );
                if !failed {
                    *guard = Some(state);
                }
                return Err(error);
            }
        };
        let answer = answer(&done.value);
        let txn = begin_write(self.inner.db.worker()).await?;
        state.advance(&txn).await?;
        if let Some(once) = once {
            once.claim(&txn, real).await?;
            once.keep(&txn, &answer).await?;
        }
        store::put_records(
            &txn,
            &state.simulator.take_changes(),
            self.inner.on.keys.sealer(),
        )
        .await?;
        store::put_holders(&txn, std::mem::take(&mut state.new)).await?;
        let served = match &done.publication {
            Some(publication) => Some(self.put_publication(&txn, publication, real).await?),
            None => None,
        };
        txn.commit().await?;
        if let Some(served) = served {
            self.serve(served);
        }
        *guard = Some(state);
        Ok(answer)
    }

    /// Writes the lists and the fact that they lie ready; gives what is to be served after the commit.
    async fn put_publication(
        &self,
        txn: &sea_orm::DatabaseTransaction,
        publication: &Publication,
        real: Timestamp,
    ) -> Result<Served, Error> {
        let mut served = Served::clone(&self.served());
        let unpublished = named::unpublished().partition();
        let mut rows = Vec::new();
        for crl in publication
            .crls
            .iter()
            .filter(|crl| crl.partition != unpublished)
        {
            let key = ListKey {
                ca: crl.choice,
                generation: crl.generation,
                partition: crl.partition.clone(),
            };
            let previous = served.lists.remove(&key).map(|list| list.der);
            let list = List {
                number: crl.number,
                this_update: Timestamp::new(crl.this_update),
                next_update: Timestamp::new(crl.next_update),
                entries: u64::try_from(crl.entries).unwrap_or(u64::MAX),
                der: crl.der.clone(),
                previous: previous.clone(),
            };
            served.lists.insert(key, list);
            rows.push((crl.clone(), previous));
        }
        store::put_lists(txn, &rows).await?;
        store::put_setting(txn, PUBLISHED_AT, &real).await?;
        let fact = CrlPublished {
            environment: self.inner.config.hierarchy.into(),
        };
        let event = self.inner.on.entropy.id(real);
        Outbox::append(txn, [Envelope::of(event, None, real, "jlis", &fact)]).await?;
        Ok(served)
    }

    async fn load(&self) -> Result<Option<State>, Error> {
        let inner = &self.inner;
        // The count first: what another process writes meanwhile is then noticed at the next change.
        let revision = store::setting(inner.db.worker(), REVISION).await?;
        let Some(records) = store::records(inner.db.worker(), inner.on.keys.sealer()).await? else {
            return Ok(None);
        };
        let simulator = tokio::task::spawn_blocking(move || Simulator::restore(records))
            .await
            .map_err(|_| Error::Interrupted)??;
        let mut state = State::new(simulator, inner.on.entropy.clone(), self.now());
        state.revision = revision.unwrap_or(0);
        for row in store::holders(inner.db.worker()).await? {
            let number = u64::try_from(row.number).map_err(|_| Error::Damaged("person"))?;
            state.remember(Holder {
                id: Id::from_uuid(row.id),
                number: PersonId(number),
                demonstrates: store::reason_of(&row)?,
                listed: row.listed,
            });
        }
        Ok(Some(state))
    }

    /// As many keys as an operation will draw, made before anyone has to wait for it.
    pub(crate) async fn keys(&self, count: usize) -> Result<KeySource, Error> {
        if self.inner.config.fixed_keys {
            return Ok(fixtures::key_source());
        }
        if count == 0 {
            // Never drawn from.
            return Ok(KeySource::Generated);
        }
        let made = tokio::task::spawn_blocking(move || KeySource::fresh(count)).await;
        Ok(made.map_err(|_| Error::Interrupted)??)
    }
}
