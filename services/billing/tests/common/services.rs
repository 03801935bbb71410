//! Verification and revocation, as far as billing asks them: their tables of operations, in databases of their own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use warikan_contracts::{
    Envelope,
    facts::{StatusChecked, VerificationCompleted},
    operations::{
        GroupTally, Metered, MeteredOperation, MeteredOperations, OperationGroup, OperationKey,
        OperationsUnavailable,
    },
};
use warikan_messaging::{ServiceDatabase, begin_write};
use warikan_metering::Operations;
use warikan_testkit::TestHouse;
use warikan_types::{BillingMonth, TenantScope, Timestamp};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        warikan_metering::migrations()
    }
}

/// A service's operations, which can be made silent.
pub struct Service {
    db: ServiceDatabase,
    operations: Operations,
    silent: AtomicBool,
}

impl Service {
    async fn open(house: &TestHouse, name: &'static str, meters: &'static [Metered]) -> Arc<Self> {
        let databases = &house.platform.databases;
        let db = databases.open(name, Migrator).await.unwrap();
        Arc::new(Self {
            operations: Operations::new(name, meters, db.clone()),
            db,
            silent: AtomicBool::new(false),
        })
    }

    pub fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// Keeps operations, as the service does in the transaction that answers.
    pub async fn keep(&self, operations: &[(TenantScope, MeteredOperation)]) {
        let txn = begin_write(self.db.worker()).await.unwrap();
        warikan_metering::append(&txn, operations).await.unwrap();
        txn.commit().await.unwrap();
    }

    fn speak(&self) -> Result<(), OperationsUnavailable> {
        if self.silent.load(Ordering::SeqCst) {
            return Err(OperationsUnavailable {
                service: self.operations.service(),
                why: "nobody listens".to_owned(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl MeteredOperations for Service {
    fn service(&self) -> &'static str {
        self.operations.service()
    }

    fn meters(&self) -> &'static [Metered] {
        self.operations.meters()
    }

    async fn tallies(
        &self,
        month: BillingMonth,
        until: Timestamp,
    ) -> Result<Vec<GroupTally>, OperationsUnavailable> {
        self.speak()?;
        self.operations.tallies(month, until).await
    }

    async fn page(
        &self,
        month: BillingMonth,
        until: Timestamp,
        group: OperationGroup,
        after: Option<OperationKey>,
    ) -> Result<Vec<MeteredOperation>, OperationsUnavailable> {
        self.speak()?;
        self.operations.page(month, until, group, after).await
    }
}

pub struct Services {
    pub verification: Arc<Service>,
    pub revocation: Arc<Service>,
}

impl Services {
    pub async fn open(house: &TestHouse) -> Self {
        Self {
            verification: Service::open(house, "verification", &Metered::ALL).await,
            revocation: Service::open(house, "revocation", &[Metered::StatusCheck]).await,
        }
    }

    pub fn paid_for(&self) -> Vec<Arc<dyn MeteredOperations>> {
        vec![
            Arc::clone(&self.verification) as _,
            Arc::clone(&self.revocation) as _,
        ]
    }

    /// The services write down what these facts tell of: verifications here, status checks there.
    pub async fn answer(&self, envelopes: &[Envelope]) {
        let (mut verified, mut checked) = (Vec::new(), Vec::new());
        for envelope in envelopes {
            // A fact without a tenant, or one that cannot be read, is of no operation.
            let Some(scope) = envelope.scope else {
                continue;
            };
            if let Ok(fact) = envelope.read::<VerificationCompleted>() {
                verified.push((scope, MeteredOperation::of_verification(&fact)));
            } else if let Ok(fact) = envelope.read::<StatusChecked>() {
                let checks = MeteredOperation::of_checks(envelope.id, envelope.occurred_at, &fact);
                checked.extend(checks.into_iter().map(|one| (scope, one)));
            }
        }
        self.verification.keep(&verified).await;
        self.revocation.keep(&checked).await;
    }
}
