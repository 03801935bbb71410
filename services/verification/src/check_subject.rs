//! Status checks (現況確認) of a subject's certificates.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::{
    Envelope,
    facts::{Channel, CheckedCertificate, StatusChecked},
    operations::MeteredOperation,
};
use warikan_messaging::Outbox;
use warikan_pki::AgeBounds;
use warikan_status::{AskedChannel, Gathered, StatusState, Subject, Wanted};
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateKind, Span, SubjectId, TenantScope, Timestamp,
};

use crate::{Verification, error::Error, store, view::StatusView};

/// How a check is wanted. The body may be absent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSubjectCheck)]
pub(crate) struct NewCheck {
    /// Which source to ask; `crl` by default. A live answer counts each time on the bill, the list once a month.
    #[serde(default)]
    pub(crate) channel: Option<AskedChannel>,
    /// How old the revocation information may be (ISO 8601, `PT24H`); its own nextUpdate otherwise.
    #[serde(default)]
    pub(crate) max_age: Option<Span>,
}

/// One of a subject's certificates and what is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedCertificateView {
    handle: CertificateHandle,
    kind: CertificateKind,
    not_after: Timestamp,
    status: StatusView,
}

/// Which channel is to be counted for a certificate, where something was found out.
struct Counted {
    channel: Channel,
    certificate: CheckedCertificate,
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
        wanted: &NewCheck,
    ) -> Result<SubjectCheck, Error> {
        let inner = &self.0;
        let environment = scope.environment();
        let wanted = Wanted {
            environment,
            channel: wanted.channel.unwrap_or(AskedChannel::Crl),
            max_age: wanted.max_age.map(Span::duration),
            at: inner.platform.clocks.of(environment).now(),
        };
        let at = wanted.at;
        let rows = {
            // Let go before the status is asked for, which may be a call to another process.
            let db = inner.db.begin_read(scope).await?;
            let subject = store::subject(&db, scope, id).await?;
            store::certificates_of(&db, scope, subject.id).await?
        };
        let bounds = AgeBounds {
            max_age: wanted.max_age,
            clock_skew: Duration::from_secs(inner.config.clock_skew_seconds),
        };
        let (mut certificates, mut counted) = (Vec::new(), Vec::new());
        for row in rows {
            let not_after = Timestamp::new(row.not_after);
            if not_after < at {
                continue;
            }
            let kind = CertificateKind::from_word(&row.kind)
                .ok_or(Error::Damaged("subject_certificate.kind"))?;
            let handle = CertificateHandle::from_uuid(row.handle);
            let gathered = self.gather_known(scope, &row, kind, wanted).await?;
            let status = StatusView::of(gathered.deciding.as_ref(), bounds, at)
                .with_sources(&gathered.heard, at);
            // What was answered is metered; a live answer is one, even where it does not know the certificate.
            let channel = gathered.channel();
            if status.state != StatusState::Unknown || channel == Channel::Ocsp {
                counted.push(Counted {
                    channel,
                    certificate: CheckedCertificate { handle, kind },
                });
            }
            certificates.push(CheckedCertificateView {
                handle,
                kind,
                not_after,
                status,
            });
        }
        self.meter(scope, id, counted).await?;
        Ok(SubjectCheck {
            id,
            state: overall(&certificates),
            checked_at: at,
            certificates,
        })
    }

    /// Asks about a certificate of which identity and kind were kept: enough for a list and for a live question.
    async fn gather_known(
        &self,
        scope: TenantScope,
        row: &store::CertificateRow,
        kind: CertificateKind,
        wanted: Wanted,
    ) -> Result<Gathered, Error> {
        let sealer = self.0.data_keys.sealer(scope).await?;
        let identity = store::identity(&sealer, scope, row)?;
        let anchors = self.0.anchors.current();
        let subject = Subject {
            id: &identity.id,
            partition: identity.partition,
            kind: Some(kind),
            issuer: anchors.by_key(&identity.id.issuer),
            certificate: None,
        };
        Ok(self.0.sources.gather(subject, wanted).await)
    }

    /// Billing counts a certificate once a month by the list, and each live answer.
    async fn meter(
        &self,
        scope: TenantScope,
        id: SubjectId,
        counted: Vec<Counted>,
    ) -> Result<(), Error> {
        if counted.is_empty() {
            return Ok(());
        }
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let (live, listed): (Vec<_>, Vec<_>) = counted
            .into_iter()
            .partition(|one| one.channel == Channel::Ocsp);
        let (mut envelopes, mut operations) = (Vec::new(), Vec::new());
        for (channel, some) in [(Channel::Ocsp, live), (Channel::Crl, listed)] {
            if some.is_empty() {
                continue;
            }
            let fact = StatusChecked {
                month: BillingMonth::of(now),
                channel,
                certificates: some.into_iter().map(|one| one.certificate).collect(),
            };
            let event = platform.entropy.id(now);
            let checks = MeteredOperation::of_checks(event, now, &fact);
            operations.extend(checks.into_iter().map(|one| (scope, one)));
            let about = id.to_string();
            envelopes.push(Envelope::of(event, Some(scope), now, about, &fact));
        }
        let transaction = self.0.db.begin_write(scope).await?;
        warikan_metering::append(&transaction, &operations).await?;
        Outbox::append(&transaction, envelopes).await?;
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
