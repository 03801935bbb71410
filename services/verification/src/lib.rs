//! Verification: is this signature, by this certificate, good at this time?
//!
//! A request is parsed once into types; facts are gathered (who issued the certificate, what is known of its status);
//! `warikan_pki::validate` decides, purely; then verification, challenge consumption, subject, sealed evidence, idempotent
//! answer and the `verification.completed` fact are written in **one** transaction, shared with other requests of the same moment
//! (group commit, `commit/`), and only then is the answer given.
//! *Revoked* and *could not find out* are answers, never errors.
//!
//! What is kept, sealed under the tenant's own data key: the evidence (certificate, signature, digest, status, policy, report), the
//! answer without the attributes, customer numbers. A tenant that is closed has its key destroyed, and all of it is noise. What is not kept in any readable form: the four attributes, which are returned once.

mod api;
mod attributes;
mod challenge;
mod challenges_made;
mod check_subject;
mod commit;
mod conclude;
mod config;
mod entity;
mod erase_subject;
mod error;
mod evidence;
mod examinations;
mod find_subject;
mod legacy;
mod migrations;
mod request;
mod revalidate;
mod store;
mod verify;
mod view;

use std::{sync::Arc, time::Duration};

use actix_web::web::Data;
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_contracts::{
    api::CertificateStatus,
    operations::{Metered, MeteredOperations},
};
use warikan_messaging::{Relay, ServiceDatabase};
use warikan_metering::Operations;
use warikan_pki::PinnedAnchors;
use warikan_runtime::{
    DataKeys, Databases, Inspection, Module, OpenError, Platform, Task, closed_tenants, relay_task,
};
use warikan_status::Sources;
use warikan_types::Clock;

pub use config::Config;
pub use warikan_status::{CertIdUse, Certificates, Fallback, NonceUse, OcspConfig, Responder};

/// The service's name, and that of its database.
const NAME: &str = "verification";
/// What of it is paid for: verifications, and the checks of a subject's certificates.
pub const METERS: &[Metered] = &Metered::ALL;
/// How often spent rows are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// The service.
#[derive(Clone)]
pub struct Verification(Arc<Inner>);

struct Inner {
    config: Config,
    db: ServiceDatabase,
    relay: Relay,
    writer: commit::Writer,
    platform: Platform,
    data_keys: DataKeys,
    anchors: PinnedAnchors,
    examinations: examinations::Examinations,
    challenges_made: challenges_made::ChallengesMade,
    sources: Sources,
}

/// The routes for other processes of the platform; the listener in front of them lets nobody else in.
pub fn inner_routes(
    verification: &Verification,
) -> impl Fn(&mut actix_web::web::ServiceConfig) + Clone + Send + Sync + 'static {
    warikan_metering::inner_routes(verification.operations())
}

/// The routes alone, for whoever has to know them without the service: the gateway of another process, and the document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(api::challenges::create)
        .service(api::verifications::create)
        .service(api::verifications::list)
        .service(api::verifications::read)
        .service(api::verifications::revalidate)
        .service(api::verifications::reasons)
        .service(api::subjects::list)
        .service(api::subjects::read)
        .service(api::subjects::check)
        .service(api::subjects::erase);
}

impl Verification {
    /// Opens the service.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn open(
        config: Config,
        on: &Platform,
        anchors: impl Into<PinnedAnchors>,
        status: Arc<dyn CertificateStatus>,
    ) -> Result<Self, OpenError> {
        let anchors = anchors.into();
        let (clock, entropy) = (on.clock().clone(), on.entropy.clone());
        let clock_skew = Duration::from_secs(config.clock_skew_seconds);
        let sources = Sources::new(status, &config.ocsp, clock_skew, clock, entropy)
            .map_err(|why| OpenError::Config { service: NAME, why })?;
        let db = on.databases.open(NAME, migrations::Migrator).await?;
        let relay = on.relay(&db);
        Ok(Self(Arc::new(Inner {
            writer: commit::Writer::start(&config, &db, on, &anchors, &relay),
            relay,
            data_keys: DataKeys::new(db.clone(), on),
            examinations: examinations::Examinations::new(config.examinations_kept),
            challenges_made: challenges_made::ChallengesMade::new(config.challenges_kept),
            config,
            db,
            platform: on.clone(),
            anchors,
            sources,
        })))
    }

    /// Brings the schema up to date and does nothing else.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn migrate(databases: &Databases) -> Result<(), OpenError> {
        databases.migrate(NAME, migrations::Migrator).await?;
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
        databases.inspect(NAME, migrations::Migrator, clock).await
    }

    /// What billing asks: the operations that are to be paid for.
    #[must_use]
    pub fn operations(&self) -> Arc<dyn MeteredOperations> {
        let db = self.0.db.clone();
        Arc::new(Operations::new(NAME, METERS, db))
    }

    /// Routes and tasks.
    #[must_use]
    pub fn module(&self) -> Module {
        let this = self.clone();
        Module {
            name: NAME,
            routes: Arc::new(move |config| {
                config.app_data(Data::new(this.clone()));
                routes(config);
            }),
            consumers: vec![closed_tenants(
                "verification.closed",
                &self.0.db,
                &self.0.data_keys,
            )],
            tasks: vec![
                relay_task("verification.relay", self.0.relay.clone()),
                self.prune_task(),
            ],
            ready: Arc::new(|| Box::pin(async { Ok(None) })),
        }
    }

    /// Removes what has served its time: old challenges, and answers that can no longer be replayed.
    fn prune_task(&self) -> Task {
        let this = self.clone();
        Task::removing("verification.prune", PRUNE_EVERY, move || {
            let this = this.clone();
            async move {
                let (db, now) = (this.0.db.worker(), this.0.platform.clock().now());
                let before = now.minus(warikan_http::ANSWERS_KEPT);
                let challenges = store::prune_challenges(db, before).await?;
                let answers = warikan_http::prune_answers(db, before).await?;
                Ok(challenges || answers)
            }
        })
    }
}
