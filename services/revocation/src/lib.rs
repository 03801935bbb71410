//! All knowledge of certificate status over time.
//!
//! J-LIS publishes revocation lists once a day, one per municipality and CA generation (about 1,900 of them each) or one for all.
//! This service fetches them ([`Revocation::sync`]), believes only what a pinned issuer's key has signed, and keeps for each
//! list a *version* in memory, so that the question "is this certificate still good?" ([`CertificateStatus`]) costs neither a
//! network hop nor a database query. Tenants leave **watches**; when a certificate they watch is newly revoked, the watch is
//! **flagged** once, and the fact goes out with the flag in one transaction.
//!
//! What is promised:
//!
//! - A list is taken over whole or not at all, and anything odd about it (signature, scope, number, dates) keeps the one before
//!   in force. The oddity concerns that list alone; the others go on.
//! - Once revoked stays revoked: an entry that leaves its list is kept and keeps answering *revoked*, and no flag is ever taken
//!   back. J-LIS never lifts a hold, so an entry that leaves early raises an alarm instead.
//! - Flags are derived from state. A crash between taking a list over and flagging is repaired by the next run, because each
//!   list remembers up to which of its versions the watches have been joined.
//! - No answer hides its age: each carries thisUpdate and nextUpdate, and the caller judges.
//!
//! Serials and issuer keys stay inside (公的個人認証法52条): tenants see handles.

mod accept_list;
mod announce;
mod api;
mod as_of;
mod campaign;
mod check_certificate;
mod config;
mod consumers;
mod diff;
mod drop_folder;
mod end_watches;
mod entity;
mod error;
mod flag;
mod freshness;
mod gently;
mod in_force;
mod known_lists;
#[doc(hidden)]
pub mod measured;
mod meter;
mod migrations;
mod named;
mod problem;
mod read_list;
mod recheck;
mod replicate;
mod reseal;
mod snapshot;
mod source;
mod source_state;
mod start_watch;
mod status;
mod status_view;
mod store;
mod sync_crls;
mod table;
mod watch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use actix_web::web::Data;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::{Mutex, Notify};
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_contracts::{
    api::CertificateStatus,
    operations::{Metered, MeteredOperations},
};
use warikan_messaging::{Relay, ServiceDatabase};
use warikan_metering::Operations;
use warikan_pki::PinnedAnchors;
use warikan_runtime::{
    DataKeys, Databases, Inspection, Module, OpenError, Platform, Task, prune_answers_task,
    relay_task,
};
use warikan_status::Sources;
use warikan_types::Clock;

pub use api::routes;
pub use campaign::{CampaignProblem, VerifiedCampaign, verify_campaign};
pub use config::{Config, Source};
pub use error::Error;
pub use known_lists::{KnownLists, known_lists};
pub use recheck::RecheckReport;
pub use replicate::{FollowError, StatusReplica, inner_routes};
pub use sync_crls::SyncError;

/// The service's name, and that of its database.
const NAME: &str = "revocation";

/// What of it is paid for: the checks of watches, campaigns and look-ups.
pub const METERS: &[Metered] = &[Metered::StatusCheck];

/// The revocation service. Clones share it.
#[derive(Clone)]
pub struct Revocation(Arc<Inner>);

struct Inner {
    platform: Platform,
    db: ServiceDatabase,
    relay: Relay,
    data_keys: DataKeys,
    anchors: PinnedAnchors,
    config: Config,
    client: source::SourceClient,
    sources: Vec<source_state::SourceState>,
    status: Arc<status::StatusStore>,
    /// The same, and responders beside it, for what tenants ask one by one.
    asked: Sources,
    names: snapshot::Names,
    /// Up to which of the versions that any process took over this one has looked.
    caught_up: AtomicI64,
    /// Names this process to those who follow its status versions.
    epoch: String,
    /// One join of watches at a time: a second one would find the same watches and wait for the same rows.
    flagging: Mutex<()>,
    /// Wakes the task that works on campaigns.
    campaigns: Arc<Notify>,
    /// Wakes the task that ends watches of closed tenants.
    tenants: Arc<Notify>,
    /// The snapshots that campaigns under way ask.
    pinned: campaign::Pinned,
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = warikan_messaging::migrations();
        all.extend(warikan_http::migrations());
        all.extend(warikan_metering::migrations());
        all.extend(migrations::own());
        all.extend(warikan_runtime::data_key_migrations());
        all.push(Box::new(migrations::resealing::Resealing));
        all
    }
}

impl Revocation {
    /// Opens the service: checks the configuration, migrates the database and loads the status versions from it. The
    /// network is not touched: after a restart the last accepted lists answer at once.
    ///
    /// # Errors
    /// [`OpenError`]: the configuration names a source twice or an unusable address, or the database fails.
    pub async fn open(
        config: Config,
        on: &Platform,
        anchors: impl Into<PinnedAnchors>,
    ) -> Result<Self, OpenError> {
        let sources = source_state::sources(&config).map_err(refused)?;
        let client = source::SourceClient::new(&config).map_err(refused)?;
        let status = Arc::new(status::StatusStore::default());
        let asked = Sources::new(
            Arc::clone(&status) as Arc<dyn CertificateStatus>,
            &config.ocsp,
            check_certificate::CLOCK_SKEW,
            on.clock().clone(),
            on.entropy.clone(),
        )
        .map_err(refused)?;
        let db = on.databases.open(NAME, Migrator).await?;
        let caught_up = in_force::load(db.worker(), &status)
            .await
            .map_err(OpenError::database(NAME))?;
        for source in &sources {
            let stored = !status.of(source.environment).is_empty();
            source.looked.store(stored, Ordering::Release);
        }
        Ok(Self(Arc::new(Inner {
            relay: on.relay(&db),
            data_keys: DataKeys::new(db.clone(), on),
            platform: on.clone(),
            db,
            anchors: anchors.into(),
            config,
            client,
            sources,
            status,
            asked,
            names: snapshot::Names::default(),
            caught_up: AtomicI64::new(caught_up),
            epoch: on
                .entropy
                .id::<warikan_types::Request>(on.clock().now())
                .to_string(),
            flagging: Mutex::new(()),
            campaigns: Arc::new(Notify::new()),
            tenants: Arc::new(Notify::new()),
            pinned: campaign::Pinned::default(),
        })))
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

    /// The answer to the one question other services ask.
    #[must_use]
    pub fn status(&self) -> Arc<dyn CertificateStatus> {
        Arc::clone(&self.0.status) as Arc<dyn CertificateStatus>
    }

    /// What billing asks: the operations that are to be paid for.
    #[must_use]
    pub fn operations(&self) -> Arc<dyn MeteredOperations> {
        let db = self.0.db.clone();
        Arc::new(Operations::new(NAME, METERS, db))
    }

    /// What it brings into a process.
    #[must_use]
    pub fn module(&self) -> Module {
        let (routes, readiness) = (self.clone(), self.clone());
        Module {
            name: NAME,
            routes: Arc::new(move |config: &mut ServiceConfig<'_>| {
                config.app_data(Data::new(routes.clone()));
                api::routes(config);
            }),
            consumers: consumers::all(self),
            tasks: self.tasks(),
            ready: Arc::new(move || {
                let this = readiness.clone();
                Box::pin(async move { this.ready() })
            }),
        }
    }

    fn tasks(&self) -> Vec<Task> {
        let (sync, recheck) = (self.clone(), self.clone());
        let period = Duration::from_secs(self.0.config.sync_period_seconds);
        let nightly = Duration::from_secs(self.0.config.recheck_period_seconds);
        vec![
            Task::new(
                "revocation.sync",
                period,
                Arc::new(Notify::new()),
                move || {
                    let this = sync.clone();
                    async move { Ok(this.turn().await?) }
                },
            ),
            Task::new(
                "revocation.recheck",
                nightly,
                Arc::new(Notify::new()),
                move || {
                    let this = recheck.clone();
                    async move {
                        this.recheck().await?;
                        Ok(())
                    }
                },
            ),
            self.campaign_task(),
            self.tenants_task(),
            self.reseal_task(),
            relay_task("revocation.relay", self.0.relay.clone()),
            prune_answers_task("revocation.prune", &self.0.db, self.0.platform.clock()),
        ]
    }
}

impl Revocation {
    fn tenants_task(&self) -> Task {
        let this = self.clone();
        let (signal, often) = (Arc::clone(&self.0.tenants), Duration::from_secs(60));
        Task::new("revocation.tenants", often, signal, move || {
            let this = this.clone();
            async move { Ok(this.end_closed_tenants().await?) }
        })
    }

    fn reseal_task(&self) -> Task {
        let this = self.clone();
        let (signal, often) = (Arc::new(Notify::new()), Duration::from_secs(3_600));
        Task::new("revocation.reseal", often, signal, move || {
            let this = this.clone();
            async move { Ok(this.reseal().await?) }
        })
    }

    fn campaign_task(&self) -> Task {
        let this = self.clone();
        let signal = Arc::clone(&self.0.campaigns);
        let period = Duration::from_secs(self.0.config.campaign_period_seconds);
        Task::new("revocation.campaigns", period, signal, move || {
            let this = this.clone();
            async move { Ok(this.campaigns_turn().await?) }
        })
    }
}

fn refused(why: String) -> OpenError {
    OpenError::Config { service: NAME, why }
}
