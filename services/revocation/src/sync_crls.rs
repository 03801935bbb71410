//! Looking at a source: which lists it names, which of them are new, and taking those over.
//!
//! Everything goes list by list. A list that cannot be fetched, read or believed keeps its version from before and is noted with
//! the reason; the others go on. Only two things fail a sync as a whole: an index that cannot be read, and the database.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use futures_util::{StreamExt, stream};
use sea_orm::DbErr;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;
use warikan_types::{BillingMonth, Environment, Id, Request, Timestamp};

use crate::{
    Revocation,
    accept_list::{AcceptError, Offer},
    entity::source_list,
    error::Error,
    gently::gently,
    problem::ListProblem,
    read_list::{ReadList, read_list},
    source::{Fetched, IndexRead, Listed, Validators},
    source_state::{Place, SourceState},
    store::{lists, snapshots::Form, sources},
};

/// Lists fetched at a time: enough to hide the network's latency, few enough to bound memory.
const FETCHES: usize = 4;

/// A sync, or a turn of the sync task, did not come through.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The index cannot be fetched or read; every list keeps its version.
    #[error("the index of the {environment} lists: {why}", environment = .environment.as_str())]
    Index {
        /// Whose index.
        environment: Environment,
        /// Why.
        why: String,
    },
    /// The database failed.
    #[error("the revocation database cannot be used")]
    Database(#[from] DbErr),
    /// What follows a sync failed: flagging or metering.
    #[error("watches cannot be joined with the lists")]
    Watches(#[from] Error),
}

/// A list to look at.
struct Target {
    address: Uuid,
    url: Url,
    /// The list in force that it brought, and what the source called it.
    held: Option<(Uuid, Validators)>,
    /// SHA-256 of what it brought before.
    before: Option<String>,
}

/// What a look at a list came to.
enum Seen {
    /// The source has nothing else than what is in force.
    Unchanged(Uuid),
    Read(ReadList, Validators),
}

impl Revocation {
    /// Looks at the environment's source and takes over what is new. Several callers at once share one look: who waits while a
    /// look begins after their call is served by it.
    ///
    /// # Errors
    /// [`SyncError`]. Odd lists are no error: they are noted and shown to the operator.
    pub async fn sync(&self, environment: Environment) -> Result<(), SyncError> {
        let mut sources = self.0.sources.iter();
        let Some(source) = sources.find(|source| source.environment == environment) else {
            return Ok(());
        };
        let before = source.begun.load(Ordering::Acquire);
        let mut came_through = source.gate.lock().await;
        if *came_through && source.begun.load(Ordering::Acquire) > before {
            return Ok(());
        }
        source.begun.fetch_add(1, Ordering::AcqRel);
        *came_through = false;
        match &source.place {
            Place::Index(last) => self.look(source, last).await?,
            Place::Folder(folder) => self.look_into(source, folder).await?,
        }
        *came_through = true;
        source.looked.store(true, Ordering::Release);
        Ok(())
    }

    /// One turn of the task: all sources, then what follows from them. A source that fails does not hold up the other.
    pub(crate) async fn turn(&self) -> Result<(), SyncError> {
        let mut failed = None;
        for source in &self.0.sources {
            if let Err(error) = self.sync(source.environment).await {
                tracing::warn!(%error, "a source of revocation lists could not be looked at");
                failed = Some(error);
            }
        }
        self.end_expired_watches().await?;
        self.flag_new().await?;
        // After the flags: of a certificate that is revoked already nobody needs to hear that it ends.
        self.tell_expiring().await?;
        for environment in Environment::ALL {
            self.tell_freshness(environment).await?;
        }
        self.meter().await?;
        failed.map_or(Ok(()), Err)
    }

    async fn look(
        &self,
        source: &SourceState,
        last: &Mutex<Option<IndexRead>>,
    ) -> Result<(), SyncError> {
        let environment = source.environment;
        let troubled = sources::troubled(self.0.db.worker(), environment).await?;
        let mut last = last.lock().await;
        let index = self.0.client.index(&source.index, last.clone()).await;
        let listed = match index {
            Ok(read) => last.insert(read).lists.clone(),
            Err(problem) => {
                *last = None;
                self.note(environment, source.index.as_str(), &problem)
                    .await?;
                return Err(SyncError::Index {
                    environment,
                    why: problem.to_string(),
                });
            }
        };
        drop(last);
        self.settle(environment, source.index.as_str(), &troubled)
            .await?;
        let (targets, mut in_force) = self.targets(environment, listed, &troubled).await?;
        let mut fetched = stream::iter(targets)
            .map(|target| async move {
                let outcome = self.obtain(environment, &target).await;
                (target, outcome)
            })
            .buffer_unordered(FETCHES);
        // A delta may arrive before the list that it starts from.
        let mut early = Vec::new();
        while let Some((target, outcome)) = fetched.next().await {
            let accepted = match outcome {
                Ok(Seen::Unchanged(list)) => Ok(list),
                Ok(Seen::Read(read, validators)) => {
                    let offer = target.offer(read, validators);
                    let accepted = self.accept(&offer).await;
                    if is_early(&accepted) {
                        early.push((target.url.clone(), offer.list, offer.validators, target));
                        continue;
                    }
                    accepted
                }
                Err(problem) => Err(problem.into()),
            };
            let url = target.url.as_str();
            in_force.extend(self.outcome(environment, url, accepted, &troubled).await?);
        }
        for (url, list, validators, target) in early {
            let offer = Offer {
                address: target.address,
                url: url.as_str(),
                list,
                before: target.before,
                validators,
            };
            let accepted = self.accept(&offer).await;
            in_force.extend(
                self.outcome(environment, url.as_str(), accepted, &troubled)
                    .await?,
            );
        }
        self.confirm(environment, &in_force).await
    }

    /// Notes what became of a list: in force, or odd.
    pub(crate) async fn outcome(
        &self,
        environment: Environment,
        url: &str,
        accepted: Result<Uuid, AcceptError>,
        troubled: &HashSet<String>,
    ) -> Result<Option<Uuid>, SyncError> {
        match accepted {
            Ok(list) => {
                self.settle(environment, url, troubled).await?;
                Ok(Some(list))
            }
            Err(AcceptError::Problem(problem)) => {
                self.note(environment, url, &problem).await?;
                Ok(None)
            }
            Err(AcceptError::Database(error)) => Err(error.into()),
        }
    }

    /// Notes that a look found these lists in force.
    pub(crate) async fn confirm(
        &self,
        environment: Environment,
        lists: &[Uuid],
    ) -> Result<(), SyncError> {
        let month = BillingMonth::of(self.0.platform.clock().now());
        let at = self.time_of(environment);
        Ok(lists::confirm(self.0.db.worker(), lists, month, at).await?)
    }

    /// What has to be fetched, and the lists that the index says are still the ones we hold.
    async fn targets(
        &self,
        environment: Environment,
        listed: Vec<Listed>,
        troubled: &HashSet<String>,
    ) -> Result<(Vec<Target>, Vec<Uuid>), SyncError> {
        self.catch_up(self.0.db.worker()).await?;
        let known = sources::known(self.0.db.worker(), environment).await?;
        let (mut targets, mut in_force, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
        let mut named = HashSet::new();
        for list in listed {
            let Some(url) = list.url else {
                self.note(environment, &list.named, &ListProblem::Address)
                    .await?;
                continue;
            };
            named.insert(url.to_string());
            let row = known.get(url.as_str());
            let held = row.and_then(|(_, held)| held.as_ref());
            // A list in trouble is looked at again whatever the index says of it.
            let mut known_here = false;
            if let Some(held) = held {
                known_here = self.0.status.get(&lists::key_of(held)?).is_some();
                if !known_here {
                    let lost = ListProblem::Damaged("see the log");
                    self.note(environment, url.as_str(), &lost).await?;
                }
            }
            // A list in trouble is looked at again whatever the index and the source say of it.
            let trusted = held.filter(|_| known_here && !troubled.contains(url.as_str()));
            let brought = row.and_then(|(row, _)| row.brought.clone());
            if let Some(held) = trusted
                && list.sha256.is_some()
                && list.sha256.as_ref() == brought.as_ref().or(Some(&held.version))
            {
                in_force.push(held.id);
                continue;
            }
            let address = match row {
                Some((row, _)) => row.id,
                None => {
                    let row = self.new_address(environment, url.as_str());
                    let id = row.id;
                    fresh.push(row);
                    id
                }
            };
            let validators = row.map(|(row, _)| Validators {
                etag: row.etag.clone(),
                last_modified: row.last_modified.clone(),
            });
            targets.push(Target {
                address,
                url,
                held: trusted.map(|held| held.id).zip(validators),
                before: brought,
            });
        }
        if !fresh.is_empty() {
            sources::add(self.0.db.worker(), &fresh).await?;
            // Another process may have noted an address first, under its own id.
            let noted = sources::known(self.0.db.worker(), environment).await?;
            for target in &mut targets {
                if let Some((row, _)) = noted.get(target.url.as_str()) {
                    target.address = row.id;
                }
            }
        }
        self.compare_listing(environment, &known, &named).await?;
        Ok((targets, in_force))
    }

    /// Notes addresses that the index no longer names, and those that it names again.
    async fn compare_listing(
        &self,
        environment: Environment,
        known: &HashMap<String, sources::Known>,
        named: &HashSet<String>,
    ) -> Result<(), SyncError> {
        let (mut back, mut gone) = (Vec::new(), Vec::new());
        for (url, (row, held)) in known {
            match (named.contains(url), row.listed) {
                (true, false) => back.push(row.id),
                (false, true) => gone.push(row.id),
                _ => {}
            }
            let issuer = held.as_ref().map(|held| held.issuer.as_str());
            if !named.contains(url) && issuer.is_some_and(|issuer| self.is_current(issuer)) {
                self.note(environment, url, &ListProblem::NotListed).await?;
            }
        }
        sources::set_listed(self.0.db.worker(), &back, true).await?;
        sources::set_listed(self.0.db.worker(), &gone, false).await?;
        Ok(())
    }

    pub(crate) fn new_address(&self, environment: Environment, url: &str) -> source_list::Model {
        let id: Id<Request> = self.0.platform.entropy.id(self.0.platform.clock().now());
        source_list::Model {
            id: id.uuid(),
            environment: environment.as_str().to_owned(),
            url: url.to_owned(),
            listed: true,
            partition_id: None,
            form: Form::Whole.as_str().to_owned(),
            brought: None,
            etag: None,
            last_modified: None,
        }
    }

    /// Fetches and verifies a list. Verifying millions of entries is work for a thread that may block.
    async fn obtain(&self, environment: Environment, target: &Target) -> Result<Seen, ListProblem> {
        let validators = target.held.as_ref().map(|held| &held.1);
        let (octets, validators) = match self.0.client.list(&target.url, validators).await? {
            Fetched::Octets(octets, validators) => (octets, validators),
            Fetched::Unchanged => {
                let held = target.held.as_ref().map(|held| held.0);
                return held
                    .map(Seen::Unchanged)
                    .ok_or(ListProblem::HttpStatus(304));
            }
        };
        let anchors = self.0.anchors.current();
        let at = self.time_of(environment);
        let read = gently(move || read_list(&octets, &anchors, environment, at))
            .await
            .ok_or(ListProblem::Panicked)??;
        Ok(Seen::Read(read, validators))
    }

    /// The time by which the environment's lists are judged.
    pub(crate) fn time_of(&self, environment: Environment) -> Timestamp {
        self.0.platform.clocks.of(environment).now()
    }

    pub(crate) async fn note(
        &self,
        environment: Environment,
        url: &str,
        problem: &ListProblem,
    ) -> Result<(), DbErr> {
        tracing::warn!(environment = environment.as_str(), url, code = problem.code(), detail = %problem, "revocation list not taken over");
        let now = self.0.platform.clock().now();
        let entropy = &self.0.platform.entropy;
        sources::report(self.0.db.worker(), environment, url, problem, now, entropy).await
    }

    pub(crate) async fn settle(
        &self,
        environment: Environment,
        url: &str,
        troubled: &HashSet<String>,
    ) -> Result<(), DbErr> {
        if !troubled.contains(url) {
            return Ok(());
        }
        tracing::info!(
            environment = environment.as_str(),
            url,
            "source as it should be again"
        );
        let now = self.0.platform.clock().now();
        sources::settle(self.0.db.worker(), environment, url, now).await
    }
}

impl Target {
    fn offer(&self, list: ReadList, validators: Validators) -> Offer<'_> {
        Offer {
            address: self.address,
            url: self.url.as_str(),
            list: Arc::new(list),
            before: self.before.clone(),
            validators,
        }
    }
}

/// Whether a delta came before the list that it starts from.
pub(crate) const fn is_early(accepted: &Result<Uuid, AcceptError>) -> bool {
    matches!(
        accepted,
        Err(AcceptError::Problem(ListProblem::BaseUnknown(_)))
    )
}
