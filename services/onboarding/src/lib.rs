//! Onboarding: who the tenants are, what lets them verify, and by which credentials they come.
//!
//! A tenant delegates all of its confirmation work to the platform operator and is thereby deemed certified (施行規則
//! 29条1項); the operator notifies J-LIS for it (法17条1項). Until that is so, `active`, it has the sandbox
//! and nothing else: no production credential is made and no production token is given. Every change is told as a
//! `tenant.changed` fact, with a revision, in the transaction that makes it.
//!
//! Secrets are 256 random bits, shown once and kept as their SHA-256: with that much entropy a slow hash would protect
//! nothing and only make the token endpoint easy to exhaust.

mod api;
mod audit;
mod bootstrap;
mod client_assertion;
mod client_keys;
mod config;
mod credential;
mod credential_shapes;
mod denied_tokens;
mod entity;
mod error;
mod filing;
mod grant_token;
mod manage_accounts;
mod manage_credentials;
mod migrations;
mod particulars;
mod recover;
mod store;
mod tenant;
mod tenant_life;
mod tenant_view;
mod text;
mod token_keys;

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix_web::web::Data;
use tokio::sync::watch;
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_contracts::{
    Fact,
    facts::{OperatorActed, TenantActed},
};
use warikan_messaging::{Consumer, Relay, ServiceDatabase};
use warikan_runtime::{
    DataKeys, Databases, Inspection, Module, OpenError, Platform, Task, closed_tenants,
    prune_answers_task, relay_task,
};
use warikan_types::Clock;

pub use audit::{AuditProblem, Finding, Verified, verify_export, verify_stored};
pub use bootstrap::{Bootstrap, new_credential};
pub use config::{Config, Filer, PublicUrl};
pub use denied_tokens::inner_routes;
pub use recover::{Lost, RecoverError, Recovered, recover_operator};

/// The service's name, and that of its database.
const NAME: &str = "onboarding";

/// The service. What it keeps is asked by the operator, and by clients that have not shown yet whose they are: all of it works
/// across tenants.
#[derive(Clone)]
pub struct Onboarding(Arc<Inner>);

struct Inner {
    db: ServiceDatabase,
    relay: Relay,
    data_keys: DataKeys,
    platform: Platform,
    bootstrap: Bootstrap,
    denials: watch::Sender<u64>,
    sign_ins: audit::SignIns,
    /// Without a slash at its end.
    public_url: Option<String>,
    filer: Option<Filer>,
}

/// The routes alone, for whoever has to know them without the service: the gateway of another process, and the document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(api::oauth::token)
        .service(api::oauth::metadata)
        .service(api::oauth::jwks)
        .service(api::tenants::apply)
        .service(api::tenants::list)
        .service(api::tenants::read)
        .service(api::tenants::record)
        .service(api::tenants::set_particulars)
        .service(api::filing::read)
        .service(api::tenants::advance)
        .service(api::credentials::create)
        .service(api::credentials::list)
        .service(api::credentials::change)
        .service(api::credentials::rotate)
        .service(api::credentials::revoke)
        .service(api::own_credentials::create)
        .service(api::own_credentials::list)
        .service(api::own_credentials::change)
        .service(api::own_credentials::rotate)
        .service(api::own_credentials::revoke)
        .service(api::token_keys::list)
        .service(api::token_keys::rotate)
        .service(api::accounts::create)
        .service(api::accounts::list)
        .service(api::accounts::change)
        .service(api::accounts::rotate)
        .service(api::audit::list)
        .service(api::audit::export)
        .service(api::audit::own_list)
        .service(api::audit::own_export)
        .service(api::audit::heads);
}

impl Onboarding {
    /// Opens the service. Where no operator credential exists yet, the one in the file `operator_credential` becomes the first; where
    /// there is no such file, one is made and written there, readable by its owner alone.
    ///
    /// # Errors
    /// The database or the credential file cannot be used.
    pub async fn open(
        config: Config,
        operator_credential: PathBuf,
        on: &Platform,
    ) -> Result<Self, OpenError> {
        let db = on.databases.open(NAME, migrations::Migrator).await?;
        token_keys::at_start(db.worker(), on).await?;
        let bootstrap = bootstrap::first_operator(db.worker(), on, operator_credential).await?;
        Ok(Self(Arc::new(Inner {
            relay: on.relay(&db),
            data_keys: DataKeys::new(db.clone(), on),
            db,
            platform: on.clone(),
            bootstrap,
            denials: watch::Sender::new(0),
            sign_ins: audit::SignIns::default(),
            public_url: config.public_url.map(PublicUrl::into_base),
            filer: config.filer,
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

    /// Where the operator's first credential lies.
    #[must_use]
    pub fn bootstrap(&self) -> &Bootstrap {
        &self.0.bootstrap
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
            consumers: vec![
                Consumer::new(
                    "onboarding.audit",
                    &[OperatorActed::TYPE],
                    self.0.db.worker().clone(),
                    audit::Hear(self.clone()),
                ),
                Consumer::new(
                    "onboarding.acts",
                    &[TenantActed::TYPE],
                    self.0.db.worker().clone(),
                    audit::HearTenants(self.clone()),
                ),
                closed_tenants("onboarding.closed", &self.0.db, &self.0.data_keys),
            ],
            tasks: vec![
                relay_task("onboarding.relay", self.0.relay.clone()),
                prune_answers_task("onboarding.prune", &self.0.db, self.0.platform.clock()),
                self.prune_assertions_task(),
                self.sign_ins_task(),
                self.token_keys_task(),
            ],
            ready: Arc::new(|| Box::pin(async { Ok(None) })),
        }
    }

    /// Signs by the keys that another process has made.
    fn token_keys_task(&self) -> Task {
        const OFTEN: Duration = Duration::from_secs(5);
        let this = self.clone();
        Task::new("onboarding.token_keys", OFTEN, Arc::default(), move || {
            let this = this.clone();
            async move {
                this.follow_token_keys().await?;
                Ok(())
            }
        })
    }

    /// Writes into the audit trail who signed in and who was refused.
    fn sign_ins_task(&self) -> Task {
        let this = self.clone();
        let (often, news) = (audit::COUNTED_FOR, self.0.sign_ins.news());
        Task::new("onboarding.sign_ins", often, news, move || {
            let this = this.clone();
            async move {
                this.write_sign_ins().await?;
                Ok(())
            }
        })
    }

    /// Assertions that are over are refused for their age; they need not be remembered.
    fn prune_assertions_task(&self) -> Task {
        const HOURLY: Duration = Duration::from_secs(3600);
        let this = self.clone();
        Task::new("onboarding.assertions", HOURLY, Arc::default(), move || {
            let this = this.clone();
            async move {
                let now = this.0.platform.clock().now();
                store::assertions::prune(this.0.db.worker(), now).await?;
                Ok(())
            }
        })
    }
}
