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
//! What may fail: a tariff row that nobody entered, a tenant nobody has told of, an amount too large. Each refuses the
//! close as a whole and is named in the answer. Absent on purpose: any path that changes an invoice, and any price for
//! what is not known.

mod account;
mod api;
pub mod billable;
mod calendar;
mod close_month;
mod config;
mod consumers;
mod correct_invoice;
mod entity;
mod error;
mod export;
mod invoice;
mod line;
mod migrations;
mod rate;
mod registration_number;
mod report_usage;
mod set_invoice;
mod share;
mod share_costs;
mod store;
pub mod tariff;
mod tax;
mod usage;
mod words;

use std::sync::Arc;

use actix_web::web::Data;
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_messaging::{Relay, ServiceDatabase};
use warikan_paper::Fonts;
use warikan_runtime::{Databases, Module, OpenError, Platform, prune_answers_task, relay_task};

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
}

/// The routes alone, for whoever has to know them without the service: the gateway of another process, and the document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(api::tenant::read_usage)
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
        .service(api::operator::read_month);
}

impl Billing {
    /// Opens the service over its own database.
    ///
    /// # Errors
    /// [`OpenError`]: tariff rows that contradict each other, or a database that cannot be opened.
    pub async fn open(config: Config, on: &Platform) -> Result<Self, OpenError> {
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
