//! Billing: tariffs, usage, rating, invoices.
//!
//! Nobody calls billing to be billed: it listens. Verification and revocation say what they answered; billing turns
//! each **operation** into one usage record, decides by a published table ([`billable`]) whether it is billed, and keeps
//! it, billed or not. The record's key is the operation and not the message, and the database enforces it, so messages
//! may come twice, late or in any order.
//!
//! Prices are dated rows ([`tariff`]); J-LIS fees stand on lines of their own and are passed through without margin. The
//! operator closes a month when it is over in Japan: all invoices are issued in one transaction, each with its fact
//! `invoice.finalized`. A closed month never changes; what is heard of too late becomes an adjustment of the next one.
//!
//! Money is whole yen in checked integers. An amount that does not fit is an error, and no float occurs anywhere.
//!
//! Whether everything was heard that is to be paid for is found out by asking the services ([`reconcile`]): what is missing is taken as
//! usage, and a month is closed without a difference or with one that the operator accepts.
//!
//! What may fail: a tariff row that nobody entered, a tenant nobody has told of, an amount too large. Each refuses the
//! close as a whole and is named in the answer. Absent on purpose: any path that changes an invoice, and any price for
//! what is not known.

mod account;
mod acts;
mod api;
pub mod billable;
mod budget;
mod calendar;
mod close_month;
mod compare_statement;
mod config;
mod consumers;
mod correct_invoice;
mod entity;
mod error;
mod estimate;
mod export;
mod invoice;
mod line;
mod migrations;
mod project_usage;
mod rate;
mod reconcile;
mod reconciliation;
mod registration_number;
mod report_purposes;
mod report_usage;
mod set_invoice;
mod share;
mod share_costs;
mod spend;
mod store;
pub mod tariff;
mod tax;
mod usage;
mod words;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, atomic::AtomicI64},
    time::Duration,
};

use actix_web::web::Data;
use tokio::sync::Notify;
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_contracts::operations::MeteredOperations;
use warikan_messaging::{Relay, ServiceDatabase};
use warikan_paper::Fonts;
use warikan_runtime::{
    Databases, Inspection, Module, OpenError, Platform, Task, prune_answers_task, relay_task,
};
use warikan_types::{BillingMonth, Clock, TenantScope};

pub use compare_statement::StatementLayout;
pub use config::{Config, Issuer};
pub use export::verify::{ExportError, Finding, Verified, verify as verify_export};
pub use registration_number::{RegistrationNumber, RegistrationNumberError};
pub use tax::{Rounding, TaxCategory};
pub use words::{Meter, Purpose};

use account::Account;
use rate::{Taxes, Terms};
use tariff::Tariff;

/// The service's name, and that of its database.
const NAME: &str = "billing";

/// How often it is looked whether budgets are reached.
const BUDGETS_EVERY: Duration = Duration::from_secs(10);
/// How often usage is held against the services' operations.
const RECONCILE_EVERY: Duration = Duration::from_secs(3_600);

/// The service. Clones share it.
#[derive(Clone)]
pub struct Billing(Arc<Inner>);

struct Inner {
    config: Config,
    tariff: Tariff,
    fonts: Fonts,
    db: ServiceDatabase,
    relay: Relay,
    platform: Platform,
    /// The services whose operations are paid for.
    paid_for: Vec<Arc<dyn MeteredOperations>>,
    /// One comparison with them at a time.
    reconciling: tokio::sync::Mutex<()>,
    /// Who used something since budgets were last looked at.
    used: Mutex<HashSet<TenantScope>>,
    /// The hour, counted from 1970, in which everybody's budget was last looked at.
    budgets_at_hour: AtomicI64,
}

/// The routes alone, for whoever has to know them without the service: the gateway of another process, and the document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(api::rules::list)
        .service(api::tenant::read_usage)
        .service(api::estimates::create)
        .service(api::budget::set)
        .service(api::budget::read)
        .service(api::budget::remove)
        .service(api::tenant::list_invoices)
        .service(api::tenant::read_invoice)
        .service(api::tenant::list_line_records)
        .service(api::exports::invoice)
        .service(api::exports::month)
        .service(api::operator::close_month)
        .service(api::corrections::credit)
        .service(api::corrections::void)
        .service(api::shared_costs::enter)
        .service(api::shared_costs::list)
        .service(api::shared_costs::remove)
        .service(api::operator::read_month)
        .service(api::purposes::read)
        .service(api::reconciliation::read)
        .service(api::reconciliation::compare)
        .service(api::statements::compare);
}

impl Billing {
    /// Opens the service over its own database. Usage is held against the operations of `paid_for`; of none, against nothing.
    ///
    /// # Errors
    /// [`OpenError`]: tariff rows that contradict each other, or a database that cannot be opened.
    pub async fn open(
        config: Config,
        on: &Platform,
        paid_for: Vec<Arc<dyn MeteredOperations>>,
    ) -> Result<Self, OpenError> {
        let tariff = Tariff::load(&config.tariff).map_err(|error| OpenError::Config {
            service: NAME,
            why: error.to_string(),
        })?;
        let fonts = config
            .fonts()
            .map_err(|why| OpenError::Config { service: NAME, why })?;
        let db = on.databases.open(NAME, migrations::Migrator).await?;
        Ok(Self(Arc::new(Inner {
            config,
            tariff,
            fonts,
            relay: on.relay(&db),
            db,
            platform: on.clone(),
            paid_for,
            reconciling: tokio::sync::Mutex::default(),
            used: Mutex::default(),
            budgets_at_hour: AtomicI64::new(i64::MIN),
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

    /// Its routes, consumers and tasks.
    #[must_use]
    pub fn module(&self) -> Module {
        let handle = Data::new(self.clone());
        let db = self.0.db.clone();
        Module {
            name: NAME,
            routes: Arc::new(move |config| {
                config.app_data(handle.clone());
                routes(config);
            }),
            consumers: consumers::all(self),
            tasks: vec![
                relay_task("billing.relay", self.0.relay.clone()),
                prune_answers_task("billing.prune_answers", &self.0.db, self.0.platform.clock()),
                self.budgets_task(),
                self.reconcile_task(),
            ],
            ready: Arc::new(move || {
                let db = db.clone();
                Box::pin(async move {
                    db.ping()
                        .await
                        .map(|()| None)
                        .map_err(|error| error.to_string())
                })
            }),
        }
    }

    fn budgets_task(&self) -> Task {
        let this = self.clone();
        let work = move || {
            let this = this.clone();
            async move { Ok(this.watch_budgets().await?) }
        };
        Task::new(
            "billing.budgets",
            BUDGETS_EVERY,
            Arc::new(Notify::new()),
            work,
        )
    }

    fn reconcile_task(&self) -> Task {
        let this = self.clone();
        let work = move || {
            let this = this.clone();
            async move { Ok(this.reconcile_open_months().await?) }
        };
        Task::new(
            "billing.reconcile",
            RECONCILE_EVERY,
            Arc::new(Notify::new()),
            work,
        )
    }

    /// Whether a plan has prices in a month.
    fn has_plan(&self, plan: &str, period: BillingMonth) -> bool {
        let plans = self.0.tariff.plans(calendar::first_day(period));
        plans.contains(plan)
    }

    /// The conditions of a tenant.
    fn terms<'a>(&'a self, account: &'a Account) -> Terms<'a> {
        Terms {
            tariff: &self.0.tariff,
            account,
            taxes: self.taxes(),
        }
    }

    fn taxes(&self) -> Taxes {
        Taxes {
            platform: self.0.config.platform_tax,
            jlis_fees: self.0.config.jlis_fee_tax,
            shared_costs: self.0.config.shared_cost_tax,
        }
    }
}
