//! Erasing a person at a tenant's wish.
//!
//! Nothing that tells of the person stays here: not in the rows, not in answers that wait to be repeated, not in facts that were told, and
//! not in the pages of the file. Ids, verdicts and dates stay as tombstones.

use warikan_contracts::{
    Envelope,
    facts::{SubjectErased, VerificationCompleted},
};
use warikan_messaging::{Outbox, begin_write, drop_remains, leave_no_remains, narrow};
use warikan_runtime::TenantAct;
use warikan_types::{
    CertificateHandle, Client, Id, SubjectId, TenantScope, Timestamp, VerificationId,
};

use crate::{Verification, error::Error, store};

impl Verification {
    /// Erases what is kept of a subject, and tells the services that keep more. Erasing twice is erasing.
    pub(crate) async fn erase_subject(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        id: SubjectId,
    ) -> Result<(), Error> {
        let inner = &self.0;
        // The outbox is no tenant's: what was told is taken back by the worker, behind the tenant's wall.
        let txn = begin_write(inner.db.worker()).await?;
        narrow(&txn, scope.tenant()).await?;
        let row = store::subject_to_change(&txn, scope, id).await?;
        if row.erased_at.is_some() {
            txn.rollback().await?;
            return Ok(());
        }
        let now = inner.platform.clock().now();
        let thorough = leave_no_remains(&txn).await?;
        let certificates = store::certificates_of(&txn, scope, row.id).await?;
        for known in store::verifications_of(&txn, scope, id).await? {
            let about = VerificationId::from_uuid(known.id).to_string();
            let at = Timestamp::new(known.accepted_at);
            Outbox::rewrite(&txn, &about, at, without_watch).await?;
        }
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
        let act = TenantAct::new(by, scope, "subject.erased").about(id);
        act.tell(&txn, &inner.platform).await?;
        thorough.end(&txn).await?;
        txn.commit().await?;
        drop_remains(inner.db.worker()).await;
        inner.relay.wake();
        Ok(())
    }
}

/// The order of a watch names the certificate and the customer. One that has not been told yet need not be: nobody is to be watched.
fn without_watch(envelope: &Envelope) -> Option<Envelope> {
    let fact = envelope.read::<VerificationCompleted>().ok()?;
    fact.watch.as_ref()?;
    let (id, scope, at) = (envelope.id, envelope.scope, envelope.occurred_at);
    let fact = VerificationCompleted {
        watch: None,
        ..fact
    };
    Some(Envelope {
        trace: envelope.trace.clone(),
        ..Envelope::of(id, scope, at, envelope.aggregate.clone(), &fact)
    })
}
