//! A listener on the bus that keeps every fact it gets.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use warikan_contracts::{
    Envelope, Fact,
    facts::{
        CampaignCompleted, CertificateExpired, CertificateExpiring, CertificateRevoked,
        SourceRecovered, SourceStale, StatusChecked, SubjectChanged,
    },
};
use warikan_messaging::{Consumer, HandleError, Handler};
use warikan_runtime::{Module, Platform};

type Facts = Arc<Mutex<Vec<Envelope>>>;

pub struct Probe {
    facts: Facts,
    db: DatabaseConnection,
}

struct Migrator;
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        warikan_messaging::migrations()
    }
}

struct Keeper(Facts);

#[async_trait]
impl Handler for Keeper {
    async fn apply(
        &self,
        envelope: &Envelope,
        _transaction: &DatabaseTransaction,
    ) -> Result<(), HandleError> {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        facts.push(envelope.clone());
        Ok(())
    }
}

impl Probe {
    pub async fn open(platform: &Platform) -> Self {
        Self {
            facts: Facts::default(),
            db: platform
                .databases
                .open("probe", Migrator)
                .await
                .unwrap()
                .worker()
                .clone(),
        }
    }

    pub fn module(&self) -> Module {
        let types = &[
            CertificateRevoked::TYPE,
            StatusChecked::TYPE,
            CertificateExpiring::TYPE,
            CertificateExpired::TYPE,
            CampaignCompleted::TYPE,
            SubjectChanged::TYPE,
            SourceStale::TYPE,
            SourceRecovered::TYPE,
        ];
        let keeper = Keeper(Arc::clone(&self.facts));
        Module {
            name: "probe",
            routes: Arc::new(|_| {}),
            consumers: vec![Consumer::new("probe.keep", types, self.db.clone(), keeper)],
            tasks: Vec::new(),
            ready: Arc::new(|| Box::pin(async { Ok(None) })),
        }
    }

    /// The facts of a type, with the envelopes they came in.
    pub fn facts<F: Fact>(&self) -> Vec<(Envelope, F)> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts
            .iter()
            .filter(|envelope| envelope.is::<F>())
            .map(|envelope| (envelope.clone(), envelope.read().unwrap()))
            .collect()
    }
}
