//! Watches end with their certificates, and their tenants are told; and with their tenants, of whom nobody is left to tell.

use uuid::Uuid;
use warikan_contracts::{Envelope, facts::CertificateExpired};
use warikan_messaging::{Hold, Outbox, begin_write, drop_remains, hold, leave_no_remains};
use warikan_types::{CertificateHandle, Environment, Id, Timestamp};

use crate::{
    Revocation,
    entity::watch,
    error::Error,
    store::{erasure, kind_of, scope_of, standing, watches},
};

impl Revocation {
    /// Ends the watches whose certificates are past notAfter by their environment's clock. Each batch writes the ends and the facts
    /// that tell of them in one transaction.
    pub(crate) async fn end_expired_watches(&self) -> Result<(), Error> {
        for environment in Environment::ALL {
            let at = self.time_of(environment);
            let mut ended = 0;
            // Asking first spares the lock: nearly always there is nothing.
            while !watches::expired(self.0.db.worker(), environment, at)
                .await?
                .is_empty()
            {
                ended += self.end_batch(environment, at).await?;
            }
            if ended > 0 {
                let environment = environment.as_str();
                tracing::info!(environment, ended, "watches ended with their certificates");
            }
        }
        Ok(())
    }

    async fn end_batch(&self, environment: Environment, at: Timestamp) -> Result<usize, Error> {
        let now = self.0.platform.clock().now();
        let txn = begin_write(self.0.db.worker()).await?;
        // Of two processes at once the second finds nothing left.
        let name = format!("expired/{}", environment.as_str());
        hold(&txn, &name, Hold::Exclusive).await?;
        let rows = watches::expired(&txn, environment, at).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        watches::end_these(&txn, &ids, now).await?;
        let facts = rows.iter().map(|row| self.expired(row, now));
        Outbox::append(&txn, facts.collect::<Result<Vec<_>, _>>()?).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(ids.len())
    }

    /// Ends the watches of closed tenants, those too that were ordered before and came later, and empties them.
    pub(crate) async fn end_closed_tenants(&self) -> Result<(), Error> {
        let now = self.0.platform.clock().now();
        for tenant in standing::closed(self.0.db.worker()).await? {
            let mut ended = 0;
            loop {
                // Asking first spares the lock: nearly always there is nothing.
                let some = standing::some_watches(self.0.db.worker(), tenant).await?;
                if some.is_empty() {
                    break;
                }
                let txn = begin_write(self.0.db.worker()).await?;
                let thorough = leave_no_remains(&txn).await?;
                watches::end_these(&txn, &some, now).await?;
                erasure::empty(&txn, &some).await?;
                thorough.end(&txn).await?;
                txn.commit().await?;
                ended += some.len();
            }
            if ended > 0 {
                drop_remains(self.0.db.worker()).await;
                tracing::info!(%tenant, ended, "watches ended with their tenant");
            }
        }
        Ok(())
    }

    fn expired(&self, row: &watch::Model, now: Timestamp) -> Result<Envelope, Error> {
        let watch = Id::from_uuid(row.id);
        let fact = CertificateExpired {
            watch,
            handle: CertificateHandle::from_uuid(row.handle),
            kind: kind_of(&row.kind)?,
            subject: row.subject.map(Id::from_uuid),
            not_after: Timestamp::new(row.not_after),
        };
        let id = self.0.platform.entropy.id(now);
        let scope = Some(scope_of(row)?);
        Ok(Envelope::of(id, scope, now, watch.to_string(), &fact))
    }
}
