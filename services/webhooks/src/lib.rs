//! The event feed, webhook endpoints and signed deliveries.
//!
//! Everything a tenant is told goes through one log per tenant and environment. The consumer `webhooks.feed` takes
//! facts from the bus, batch by batch, cuts them down to their public form ([`catalogue`](crate::catalogue)), gives them the next
//! sequence numbers and stores them, together with one delivery row per endpoint that wants them, in one transaction: the feed has
//! no gaps, and what is in the feed is on its way. `GET /v1/events` reads that log and is the truth; webhooks are hints
//! from the same log with the same ids.
//!
//! The task `webhooks.deliver` leases due deliveries in the database, sends them without holding a transaction, and
//! records every attempt. It promises **at least once**: a process that dies between an endpoint's `200` and the
//! record sends again, with the same `webhook-id`. It promises no order: a retry overtakes nothing and is overtaken by
//! everything; the message carries `sequence` for consumers that care.
//!
//! What leaves the platform goes through [`egress`](crate::egress) alone, which connects to public addresses only.
//! Signatures follow Standard Webhooks; see [`signature`](crate::signature).

mod api;
mod append;
mod catalogue;
mod config;
mod consumers;
mod deliver;
mod egress;
mod endpoint;
mod entity;
mod error;
mod ids;
mod manage_endpoints;
mod migrations;
mod prune;
mod read_feed;
mod record;
mod reseal;
mod resend;
mod schedule;
mod signature;
mod store;

use std::{sync::Arc, time::Duration};

use actix_web::web::Data;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::Notify;
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_contracts::{
    Fact,
    facts::{
        BudgetThresholdReached, CampaignCompleted, CertificateExpired, CertificateExpiring,
        CertificateRevoked, EndpointDisabled, InvoiceFinalized, SourceRecovered, SourceStale,
        SubjectChanged, TenantChanged, VerificationCompleted,
    },
};
use warikan_messaging::{Consumer, Relay, ServiceDatabase};
use warikan_runtime::{
    DataKeys, Databases, Inspection, Module, OpenError, Platform, Task, closed_tenants,
    prune_answers_task, relay_task,
};
use warikan_types::Clock;

pub use config::Config;

/// The service's name, and that of its database.
const NAME: &str = "webhooks";

/// The service. Clones share it.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    config: Config,
    platform: Platform,
    db: ServiceDatabase,
    relay: Relay,
    data_keys: DataKeys,
    egress: egress::Egress,
    dispatcher: tokio::sync::Mutex<deliver::Dispatcher>,
    /// Wakes the delivery task: something may be due.
    due: Arc<Notify>,
    /// Wakes long polls: a feed has grown.
    grown: Notify,
}

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = warikan_messaging::migrations();
        all.extend(warikan_http::migrations());
        all.extend(migrations::migrations());
        all.extend(warikan_runtime::data_key_migrations());
        all.push(Box::new(migrations::Resealing));
        all
    }
}

/// The routes alone, for whoever has to know them without the service: the gateway of another process, and the document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(api::events::list_events)
        .service(api::events::list_event_types)
        .service(api::endpoints::create_endpoint)
        .service(api::endpoints::list_endpoints)
        .service(api::endpoints::get_endpoint)
        .service(api::endpoints::change_endpoint)
        .service(api::endpoints::delete_endpoint)
        .service(api::endpoints::rotate_secret)
        .service(api::deliveries::test_endpoint)
        .service(api::deliveries::list_deliveries)
        .service(api::deliveries::resend_delivery)
        .service(api::deliveries::get_delivery)
        .service(api::deliveries::replay_events)
        .service(api::notices::list_notices);
}

impl Webhooks {
    /// Opens the service's database, brings it up to date and prepares the way out.
    ///
    /// # Errors
    /// The database cannot be opened, or a value of `config` is not acceptable.
    pub async fn open(config: Config, on: &Platform) -> Result<Self, OpenError> {
        let refused = |why: String| OpenError::Config { service: NAME, why };
        config.check().map_err(|why| refused(why.to_owned()))?;
        let egress = egress::Egress::new(&config).map_err(|error| refused(error.to_string()))?;
        let db = on.databases.open(NAME, Migrator).await?;
        Ok(Self(Arc::new(Inner {
            relay: on.relay(&db),
            data_keys: DataKeys::new(db.clone(), on),
            platform: on.clone(),
            db,
            egress,
            config,
            dispatcher: tokio::sync::Mutex::default(),
            due: Arc::new(Notify::new()),
            grown: Notify::new(),
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

    /// Routes, consumers and tasks (`webhooks.relay`, `webhooks.deliver`, `webhooks.prune`, `webhooks.prune_answers`, `webhooks.reseal`).
    #[must_use]
    pub fn module(&self) -> Module {
        let state = Data::new(self.clone());
        let (deliver, prune) = (self.clone(), self.clone());
        Module {
            name: NAME,
            routes: Arc::new(move |config| {
                config.app_data(state.clone());
                routes(config);
            }),
            consumers: self.consumers(),
            tasks: vec![
                relay_task("webhooks.relay", self.0.relay.clone()),
                Task::new(
                    "webhooks.deliver",
                    Duration::from_secs(1),
                    Arc::clone(&self.0.due),
                    move || {
                        let this = deliver.clone();
                        async move {
                            this.deliver_due().await?;
                            Ok(())
                        }
                    },
                ),
                Task::removing("webhooks.prune", Duration::from_secs(3_600), move || {
                    let this = prune.clone();
                    async move { Ok(this.prune().await?) }
                }),
                prune_answers_task(
                    "webhooks.prune_answers",
                    &self.0.db,
                    self.0.platform.clock(),
                ),
                self.reseal_task(),
            ],
            ready: Arc::new(|| Box::pin(async { Ok(None) })),
        }
    }

    fn reseal_task(&self) -> Task {
        let this = self.clone();
        let (signal, often) = (Arc::new(Notify::new()), Duration::from_secs(3_600));
        Task::new("webhooks.reseal", often, signal, move || {
            let this = this.clone();
            async move { Ok(this.reseal().await?) }
        })
    }

    fn consumers(&self) -> Vec<Consumer> {
        vec![
            Consumer::new(
                "webhooks.feed",
                &[
                    VerificationCompleted::TYPE,
                    CertificateRevoked::TYPE,
                    CertificateExpiring::TYPE,
                    CertificateExpired::TYPE,
                    CampaignCompleted::TYPE,
                    SubjectChanged::TYPE,
                    SourceStale::TYPE,
                    SourceRecovered::TYPE,
                    InvoiceFinalized::TYPE,
                    BudgetThresholdReached::TYPE,
                    EndpointDisabled::TYPE,
                ],
                self.0.db.worker().clone(),
                consumers::Feed(self.clone()),
            )
            .recognising(),
            Consumer::new(
                "webhooks.tenants",
                &[TenantChanged::TYPE],
                self.0.db.worker().clone(),
                consumers::Tenants(self.clone()),
            ),
            closed_tenants("webhooks.closed", &self.0.db, &self.0.data_keys),
        ]
    }
}
