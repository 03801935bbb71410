//! The month's status checks: each watched certificate counts once in a JST calendar month in which its list was in force.
//!
//! A watch that was flagged in the month counts too: *revoked* is an answer. The mark on the watch and the fact that
//! billing counts commit together. The sandbox is metered like production; billing charges nothing for it.

use std::collections::HashSet;

use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;
use warikan_contracts::{
    Envelope,
    facts::{Channel, CheckedCertificate, StatusChecked},
    operations::MeteredOperation,
};
use warikan_messaging::Outbox;
use warikan_types::{BillingMonth, CertificateHandle, TenantScope};

use crate::{
    Revocation,
    entity::watch,
    error::Error,
    store::{kind_of, metering, partition_text},
};

/// Certificates that one fact names.
const CHECKED_A_FACT: usize = 500;

type Lists = HashSet<(String, String, String)>;

impl Revocation {
    /// Meters what the present month has not been metered for.
    pub(crate) async fn meter(&self) -> Result<(), Error> {
        let month = BillingMonth::of(self.0.platform.clock().now());
        let tenants = metering::tenants_due(self.0.db.worker(), month).await?;
        if tenants.is_empty() {
            return Ok(());
        }
        let lists = metering::confirmed(self.0.db.worker(), month).await?;
        for scope in tenants {
            self.meter_tenant(scope, month, &lists).await?;
        }
        Ok(())
    }

    async fn meter_tenant(
        &self,
        scope: TenantScope,
        month: BillingMonth,
        lists: &Lists,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let txn = self.0.db.begin_write(scope).await?;
            let rows = metering::watches_due(scope, &txn, month, after).await?;
            let Some(last) = rows.last() else {
                txn.rollback().await?;
                return Ok(());
            };
            after = Some(last.id);
            let covered: Vec<&watch::Model> =
                rows.iter().filter(|row| is_covered(row, lists)).collect();
            if covered.is_empty() {
                txn.rollback().await?;
                continue;
            }
            let ids: Vec<Uuid> = covered.iter().map(|row| row.id).collect();
            metering::mark(scope, &txn, month, &ids).await?;
            let certificates = distinct(&covered)?;
            let told = (month, Channel::Crl, certificates);
            self.tell_checked(&txn, scope, told).await?;
            txn.commit().await?;
            self.0.relay.wake();
        }
    }

    /// Tells billing of checks (month, channel, certificates), and keeps them as operations that it can ask for.
    pub(crate) async fn tell_checked(
        &self,
        txn: &DatabaseTransaction,
        scope: TenantScope,
        (month, channel, certificates): (BillingMonth, Channel, Vec<CheckedCertificate>),
    ) -> Result<(), DbErr> {
        let now = self.0.platform.clock().now();
        let mut facts = Vec::new();
        let mut operations = Vec::with_capacity(certificates.len());
        for some in certificates.chunks(CHECKED_A_FACT) {
            let fact = StatusChecked {
                month,
                channel,
                certificates: some.to_vec(),
            };
            let id = self.0.platform.entropy.id(now);
            let checks = MeteredOperation::of_checks(id, now, &fact);
            operations.extend(checks.into_iter().map(|one| (scope, one)));
            let about = scope.tenant().to_string();
            facts.push(Envelope::of(id, Some(scope), now, about, &fact));
        }
        warikan_metering::append(txn, &operations).await?;
        Outbox::append(txn, facts).await
    }
}

/// A certificate with several watches is named once.
fn distinct(rows: &[&watch::Model]) -> Result<Vec<CheckedCertificate>, Error> {
    let mut seen = HashSet::new();
    let mut certificates = Vec::new();
    for row in rows.iter().filter(|row| seen.insert(row.handle)) {
        certificates.push(CheckedCertificate {
            handle: CertificateHandle::from_uuid(row.handle),
            kind: kind_of(&row.kind)?,
        });
    }
    Ok(certificates)
}

/// Whether the list of the certificate's partition, or its issuer's undivided one, was in force.
fn is_covered(row: &watch::Model, lists: &Lists) -> bool {
    let list = |partition: String| {
        lists.contains(&(row.environment.clone(), row.issuer.clone(), partition))
    };
    list(row.partition.clone()) || list(partition_text(None))
}
