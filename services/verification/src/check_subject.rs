//! Status checks (現況確認) of a subject's certificates.

use serde::Serialize;
use utoipa::ToSchema;
use warikan_contracts::{
    Envelope,
    facts::{Channel, CheckedCertificate, StatusChecked},
};
use warikan_messaging::Outbox;
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateKind, SubjectId, TenantScope, Timestamp,
};

use crate::{
    Verification,
    error::Error,
    gather::knowledge,
    store,
    view::{StatusState, StatusView},
};

/// One of a subject's certificates and what is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedCertificateView {
    handle: CertificateHandle,
    kind: CertificateKind,
    not_after: Timestamp,
    status: StatusView,
}

/// A subject's certificates, checked now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubjectCheck {
    id: SubjectId,
    /// `revoked` where any certificate is, `good` where all are, `unknown` otherwise.
    state: StatusState,
    checked_at: Timestamp,
    certificates: Vec<CheckedCertificateView>,
}

impl Verification {
    /// Looks every certificate of the subject up that has not ended, and meters the look-ups.
    pub(crate) async fn check_subject(
        &self,
        scope: TenantScope,
        id: SubjectId,
    ) -> Result<SubjectCheck, Error> {
        let inner = &self.0;
        let environment = scope.environment();
        let at = inner.platform.clocks.of(environment).now();
        let rows = {
            // Let go before the status is asked for, which may be a call to another process.
            let db = inner.db.begin_read(scope).await?;
            let subject = store::subject(&db, scope, id).await?;
            store::certificates_of(&db, scope, subject.id).await?
        };
        let mut certificates = Vec::new();
        for row in rows {
            let not_after = Timestamp::new(row.not_after);
            if not_after < at {
                continue;
            }
            let identity = store::identity(inner.platform.keys.sealer(), scope, &row)?;
            let answer = inner
                .status
                .status(environment, &identity.id, identity.partition, Channel::Crl)
                .await
                .ok()
                .map(knowledge);
            certificates.push(CheckedCertificateView {
                handle: CertificateHandle::from_uuid(row.handle),
                kind: CertificateKind::from_word(&row.kind)
                    .ok_or(Error::Damaged("subject_certificate.kind"))?,
                not_after,
                status: StatusView::of(answer.as_ref(), at),
            });
        }
        self.meter(scope, id, &certificates).await?;
        Ok(SubjectCheck {
            id,
            state: overall(&certificates),
            checked_at: at,
            certificates,
        })
    }

    /// Only what was answered is metered; billing counts a certificate once a month.
    async fn meter(
        &self,
        scope: TenantScope,
        id: SubjectId,
        certificates: &[CheckedCertificateView],
    ) -> Result<(), Error> {
        let answered: Vec<CheckedCertificate> = certificates
            .iter()
            .filter(|certificate| certificate.status.state != StatusState::Unknown)
            .map(|certificate| CheckedCertificate {
                handle: certificate.handle,
                kind: certificate.kind,
            })
            .collect();
        if answered.is_empty() {
            return Ok(());
        }
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let fact = StatusChecked {
            month: BillingMonth::of(now),
            channel: Channel::Crl,
            certificates: answered,
        };
        let envelope = Envelope::of(
            platform.entropy.id(now),
            Some(scope),
            now,
            id.to_string(),
            &fact,
        );
        let transaction = self.0.db.begin_write(scope).await?;
        Outbox::append(&transaction, [envelope]).await?;
        transaction.commit().await?;
        self.0.relay.wake();
        Ok(())
    }
}

fn overall(certificates: &[CheckedCertificateView]) -> StatusState {
    let any = |state| certificates.iter().any(|one| one.status.state == state);
    if any(StatusState::Revoked) {
        StatusState::Revoked
    } else if certificates.is_empty() || any(StatusState::Unknown) {
        StatusState::Unknown
    } else {
        StatusState::Good
    }
}
