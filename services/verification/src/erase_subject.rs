//! Erasing a person at a tenant's wish.

use warikan_contracts::{Envelope, facts::SubjectErased};
use warikan_messaging::Outbox;
use warikan_types::{CertificateHandle, SubjectId, TenantScope};

use crate::{Verification, error::Error, store};

impl Verification {
    /// Erases what is kept of a subject, and tells the services that keep more. Erasing twice is erasing.
    pub(crate) async fn erase_subject(
        &self,
        scope: TenantScope,
        id: SubjectId,
    ) -> Result<(), Error> {
        let inner = &self.0;
        let txn = inner.db.begin_write(scope).await?;
        let row = store::subject_to_change(&txn, scope, id).await?;
        if row.erased_at.is_some() {
            txn.rollback().await?;
            return Ok(());
        }
        let now = inner.platform.clock().now();
        let certificates = store::certificates_of(&txn, scope, row.id).await?;
        store::erase_subject(&txn, scope, id, now).await?;
        let fact = SubjectErased {
            subject: id,
            certificates: certificates
                .iter()
                .map(|row| CertificateHandle::from_uuid(row.handle))
                .collect(),
        };
        let event = inner.platform.entropy.id(now);
        let envelope = Envelope::of(event, Some(scope), now, id.to_string(), &fact);
        Outbox::append(&txn, [envelope]).await?;
        txn.commit().await?;
        inner.relay.wake();
        Ok(())
    }
}
