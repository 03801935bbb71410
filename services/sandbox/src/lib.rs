//! The sandbox: a stand-in for J-LIS over [`warikan_simulator`], so that everything the platform does can be tried with nothing
//! but an HTTP client.
//!
//! **Who acts.** A tester makes synthetic persons, lets their cards sign, lets life happen to them, moves the sandbox's
//! clock, and publishes revocation lists. The platform's own services see none of that: they fetch lists and ask OCSP under
//! `/jlis/`, over HTTP, as they would from J-LIS. The only hint they get is the fact that new lists lie ready.
//!
//! **What is promised.** An acknowledged change survives a restart: persons, keys, certificates, lists, faults and the clock's
//! advance are in the database, one record a row. Moving the clock publishes nothing, so lists can be made to grow stale;
//! but when six hours of *real* time have passed since the last publication they are published again, so that a sandbox
//! left alone overnight still works in the morning.
//!
//! **What may fail.** Whatever `POST /sandbox/faults` is told to: lists frozen, missing, cut short, swapped or spoilt, OCSP silent or
//! talking nonsense.
//!
//! Everything here is synthetic and takes no token; no production certificate is ever issued or accepted by it.

mod api;
mod config;
mod entity;
mod error;
mod faults;
mod inner;
mod life;
mod migrations;
mod named;
mod people;
mod publish;
mod published;
mod state;
mod store;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix_web::web::Data;
use tokio::sync::{Mutex, Notify};
use warikan_messaging::{Relay, ServiceDatabase};
use warikan_runtime::{
    Databases, Inspection, Module, OpenError, Platform, Task, prune_answers_task, relay_task,
};
use warikan_simulator::{Genesis, Root, Simulator};
use warikan_types::{Clock, Timestamp};

pub use api::routes;
pub use config::{Config, Played};
pub use inner::{World, inner_routes};

use crate::{
    error::Error,
    migrations::Migrator,
    published::Served,
    state::{Done, State},
};

const NAME: &str = "sandbox";
/// How far the sandbox's clock is ahead of the machine's, in microseconds.
const CLOCK_OFFSET: &str = "clock_offset_micros";
const FAULTS: &str = "faults";
/// Keys that a new simulator's CAs and named persons take.
const FIRST_KEYS: usize = 5;
const NAMED_KEYS: usize = 2;

/// The sandbox. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    on: Platform,
    db: ServiceDatabase,
    relay: Relay,
    state: Arc<Mutex<Option<State>>>,
    served: RwLock<Arc<Served>>,
    roots: Vec<Root>,
    publish_signal: Arc<Notify>,
    /// The clock was moved: whoever follows it in another process is told.
    moved: Notify,
}

impl Sandbox {
    /// Opens the sandbox: its database, its clock where it was left, and at the very first start its CAs, named persons and
    /// first lists.
    ///
    /// # Errors
    /// The database cannot be used, or what it holds is damaged.
    pub async fn open(config: Config, on: &Platform) -> Result<Self, OpenError> {
        let db = on.databases.open(NAME, Migrator).await?;
        Self::start(config, on, db)
            .await
            .map_err(|error| match error {
                Error::Database(source) => OpenError::Database {
                    service: NAME,
                    source,
                },
                other => OpenError::Config {
                    service: NAME,
                    why: other.to_string(),
                },
            })
    }

    async fn start(config: Config, on: &Platform, db: ServiceDatabase) -> Result<Self, Error> {
        restore_clock(on, db.worker()).await?;
        let served = Served {
            lists: store::lists(db.worker()).await?.into_iter().collect(),
            faults: store::setting(db.worker(), FAULTS)
                .await?
                .unwrap_or_default(),
        };
        let mut inner = Inner {
            config,
            on: on.clone(),
            relay: on.relay(&db),
            state: Arc::new(Mutex::new(None)),
            served: RwLock::new(Arc::new(served)),
            roots: Vec::new(),
            publish_signal: Arc::new(Notify::new()),
            moved: Notify::new(),
            db,
        };
        if store::records(inner.db.worker(), on.keys.sealer())
            .await?
            .is_none()
        {
            let genesis = Self {
                inner: Arc::new(inner),
            };
            genesis.begin().await?;
            inner = Arc::try_unwrap(genesis.inner).map_err(|_| Error::Interrupted)?;
        }
        let mut this = Self {
            inner: Arc::new(inner),
        };
        let roots = this.read(|state| Ok(state.simulator.roots())).await?;
        if let Some(inner) = Arc::get_mut(&mut this.inner) {
            inner.roots = roots;
        }
        Ok(this)
    }

    /// Brings the schema up to date and does nothing else.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn migrate(databases: &Databases) -> Result<(), OpenError> {
        databases.migrate(NAME, Migrator).await?;
        Ok(())
    }

    /// What an operator should know of the service's database; `None` where it has none yet. Changes nothing.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn inspect(
        databases: &Databases,
        clock: &Clock,
    ) -> Result<Option<Inspection>, OpenError> {
        databases.inspect(NAME, Migrator, clock).await
    }

    /// The first start, in one transaction: CAs, named persons, their lists.
    async fn begin(&self) -> Result<(), Error> {
        let mut keys = self.keys(FIRST_KEYS + NAMED_KEYS).await?;
        let now = self.now();
        let hierarchy = self.inner.config.hierarchy.into();
        let simulator = tokio::task::spawn_blocking(move || {
            Simulator::genesis(Genesis::of(hierarchy), &mut keys, now.utc())
                .map(|simulator| (simulator, keys))
        })
        .await
        .map_err(|_| Error::Interrupted)??;
        let (simulator, mut keys) = simulator;
        let real = self.inner.on.clock().now();
        let state = State::new(simulator, self.inner.on.entropy.clone(), now);
        *self.inner.state.lock().await = Some(state);
        self.change(
            None,
            move |state| {
                for line in &named::DEMONSTRATIONS {
                    let Some((name, making)) = line.person else {
                        continue;
                    };
                    let person = named::person(name, making);
                    let id = named::enroll(&mut state.simulator, person, making, &mut keys, now)?;
                    state.admit(id, line.reason, true, real);
                }
                let publication = state.simulator.publish(now.utc())?;
                Ok(Done {
                    value: (),
                    publication: Some(publication),
                })
            },
            |()| warikan_http::Answer::json(200, &()),
        )
        .await
        .map(|_| ())
    }

    /// The simulated CAs' roots: the trust anchors of the sandbox environment, and of no other.
    #[must_use]
    pub fn roots(&self) -> &[Root] {
        &self.inner.roots
    }

    /// What the sandbox brings along: its routes, its relay, and the task that publishes when no one did for six hours.
    #[must_use]
    pub fn module(&self) -> Module {
        let this = self.clone();
        let routes = self.clone();
        let publish = Task::new(
            "sandbox.publish",
            Duration::from_secs(60),
            Arc::clone(&self.inner.publish_signal),
            move || {
                let this = this.clone();
                async move { Ok(this.publish_if_due().await?) }
            },
        );
        let ready = self.clone();
        Module {
            name: NAME,
            routes: Arc::new(move |config| {
                config.app_data(Data::new(routes.clone()));
                api::routes(config);
            }),
            consumers: Vec::new(),
            tasks: vec![
                relay_task("sandbox.relay", self.inner.relay.clone()),
                prune_answers_task("sandbox.prune", &self.inner.db, self.inner.on.clock()),
                publish,
            ],
            ready: Arc::new(move || {
                let ready = ready.clone();
                Box::pin(async move {
                    ready
                        .read(|_| Ok(None))
                        .await
                        .map_err(|error| error.to_string())
                })
            }),
        }
    }

    /// The sandbox's time.
    fn now(&self) -> Timestamp {
        self.inner.on.clocks.sandbox.now()
    }

    fn served(&self) -> Arc<Served> {
        Arc::clone(
            &self
                .inner
                .served
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn serve(&self, served: Served) {
        *self
            .inner
            .served
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
    }
}

/// The clock goes on where it was left: certificates issued in its future must not become "not yet valid" by a restart.
async fn restore_clock(on: &Platform, db: &sea_orm::DatabaseConnection) -> Result<(), Error> {
    let stored: Option<u64> = store::setting(db, CLOCK_OFFSET).await?;
    let clock = &on.clocks.sandbox;
    let missing = Duration::from_micros(stored.unwrap_or(0)).saturating_sub(clock.offset());
    if !missing.is_zero() {
        clock.advance(missing)?;
    }
    Ok(())
}
