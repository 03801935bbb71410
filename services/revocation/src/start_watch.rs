//! Starting a watch: by a tenant who hands in a certificate, or by a verification that was asked for one.
//!
//! Whether the certificate is revoked already is asked inside the transaction that writes the watch, of everything that was
//! committed before it. So a list taken over before that transaction flags the watch at once, and one taken over after it finds
//! the watch.

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use warikan_contracts::{Envelope, facts::WatchOrder};
use warikan_http::{Answer, Idempotency};
use warikan_messaging::{Hold, Outbox, hold};
use warikan_pki::{Certificate, Examined, PathError, examine, is_der};
use warikan_runtime::is_data_key_destroyed;
use warikan_types::{
    CertificateHandle, CertificateId, CertificateKind, Environment, Id, PseudonymKey, Sealer,
    TenantScope, Timestamp,
};

use crate::{
    Revocation,
    entity::{crl_version, watch},
    error::Error,
    flag::Flag,
    named::Named,
    store::{erasure, lists, partition_text, renewals, watches},
    watch::{WATCHES_PER_CERTIFICATE, WatchView, open_reference, reference_place},
};

/// Why a certificate cannot be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefused {
    /// Not DER at all.
    #[error("not DER: send the certificate's DER octets in base64")]
    NotDer,
    /// DER, but no certificate of the strict profile.
    #[error("not an X.509 certificate of the strict profile (RFC 5280 4.1)")]
    Malformed,
    /// No anchor has the issuer's key.
    #[error("no trust anchor has the issuer's key")]
    IssuerUnknown,
    /// An anchor has the key id and did not sign it.
    #[error("the issuer's key did not sign it")]
    IssuerSignatureInvalid,
    /// Signed by a refused algorithm.
    #[error("signed by an algorithm that is refused")]
    AlgorithmRefused,
    /// A test certificate in production or the reverse.
    #[error("its issuer belongs to the other environment than the access token")]
    EnvironmentMismatch,
    /// None of the four kinds.
    #[error("a certificate of a kind that is not served here")]
    Unsupported,
    /// Its time is over: nothing is left to watch.
    #[error("its notAfter has passed")]
    Expired,
}

impl CertificateRefused {
    /// The word of the published list of reasons, where it has one.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotDer => "not_der",
            Self::Malformed => "certificate_malformed",
            Self::IssuerUnknown => "issuer_unknown",
            Self::IssuerSignatureInvalid => "issuer_signature_invalid",
            Self::AlgorithmRefused => "algorithm_refused",
            Self::EnvironmentMismatch => "environment_mismatch",
            Self::Unsupported => "certificate_unsupported",
            Self::Expired => "certificate_expired",
        }
    }
}

impl From<PathError> for CertificateRefused {
    fn from(error: PathError) -> Self {
        match error {
            PathError::IssuerUnknown => Self::IssuerUnknown,
            PathError::SignatureInvalid => Self::IssuerSignatureInvalid,
            PathError::AlgorithmRefused => Self::AlgorithmRefused,
        }
    }
}

/// A certificate of a served kind that an anchor of the environment vouches for.
pub(crate) struct Known<'a> {
    pub(crate) id: &'a CertificateId,
    pub(crate) certificate: &'a Certificate,
    pub(crate) kind: CertificateKind,
}

/// What is known of a certificate, or why it is none of ours.
pub(crate) fn known(
    examined: &Examined,
    environment: Environment,
) -> Result<Known<'_>, CertificateRefused> {
    let certificate = examined
        .certificate()
        .ok_or(CertificateRefused::Malformed)?;
    if let Some(error) = examined.path_error() {
        return Err(error.into());
    }
    let path = examined.path().ok_or(CertificateRefused::IssuerUnknown)?;
    if path.anchor().environment() != environment {
        return Err(CertificateRefused::EnvironmentMismatch);
    }
    Ok(Known {
        id: path.certificate_id(),
        certificate,
        kind: examined.kind().ok_or(CertificateRefused::Unsupported)?,
    })
}

/// Held together by all who start watches, and alone by a take-over's commit.
pub(crate) const WATCHES_BEING_STARTED: &str = "watches being started";

impl Revocation {
    /// Turns a certificate's octets into an order to watch it.
    pub(crate) fn order(
        &self,
        scope: TenantScope,
        der: &[u8],
        reference: Option<String>,
    ) -> Result<WatchOrder, CertificateRefused> {
        if !is_der(der) {
            return Err(CertificateRefused::NotDer);
        }
        let examined: Examined = examine(der, &self.0.anchors.current());
        let Known {
            id,
            certificate,
            kind,
        } = known(&examined, scope.environment())?;
        if certificate.not_after() < self.time_of(scope.environment()) {
            return Err(CertificateRefused::Expired);
        }
        let platform = &self.0.platform;
        Ok(WatchOrder {
            watch: platform.entropy.id(platform.clock().now()),
            certificate: id.clone(),
            partition: certificate.distribution_point(),
            kind,
            not_after: certificate.not_after(),
            handle: platform.keys.pseudonym().handle(scope, id),
            subject: None,
            reference,
        })
    }

    /// Starts a watch for a tenant's request. 201 with the new watch, or 200 with the one that already watches the same certificate
    /// under the same reference.
    pub(crate) async fn start_watch(
        &self,
        scope: TenantScope,
        order: WatchOrder,
        once: Idempotency,
    ) -> Result<Answer, Error> {
        let now = self.0.platform.clock().now();
        let sealer = &self.0.data_keys.sealer(scope).await?;
        let txn = self.0.db.begin_write(scope).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        // Two requests for one certificate at once: the second finds the first's watch.
        hold(&txn, &format!("twin/{}", order.handle), Hold::Exclusive).await?;
        let (about, answer) = match twin(scope, &txn, &order, sealer).await? {
            Some(existing) => {
                let renewed_by = renewed_by(&txn, &existing).await?;
                let view = WatchView::of(&existing, renewed_by, sealer)?;
                (existing.id, Answer::json(200, &view))
            }
            None => {
                let (row, fact) = self.prepare(scope, &txn, &order, sealer, now).await?;
                watches::insert(&txn, row.clone()).await?;
                Outbox::append(&txn, fact).await?;
                let renewed_by = renewed_by(&txn, &row).await?;
                let view = WatchView::of(&row, renewed_by, sealer)?;
                (row.id, Answer::json(201, &view))
            }
        };
        // It names the customer.
        once.keep_about(&txn, &answer, Some(about)).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    /// Starts a watch that came with a verification, in the transaction that receives the fact.
    pub(crate) async fn start_ordered_watch(
        &self,
        scope: TenantScope,
        order: &WatchOrder,
        txn: &DatabaseTransaction,
    ) -> Result<(), Error> {
        let now = self.0.platform.clock().now();
        if let Some(subject) = order.subject
            && erasure::is_erased(txn, subject).await?
        {
            return Ok(());
        }
        let Some(sealer) = self.0.data_keys.at_hand(scope) else {
            if is_data_key_destroyed(txn, scope).await? {
                // The tenant is closed: nobody is left to watch for.
                return Ok(());
            }
            return Err(Error::KeyNotAtHand);
        };
        let (row, fact) = self.prepare(scope, txn, order, &sealer, now).await?;
        if watches::insert(txn, row).await? {
            Outbox::append(txn, fact).await?;
        }
        Ok(())
    }

    /// The row of a new watch, flagged where its certificate is revoked already, and the fact that then tells of it.
    async fn prepare<C: ConnectionTrait>(
        &self,
        scope: TenantScope,
        db: &C,
        order: &WatchOrder,
        sealer: &Sealer,
        now: Timestamp,
    ) -> Result<(watch::Model, Option<Envelope>), Error> {
        let pseudonym = self.0.platform.keys.pseudonym();
        let mut row = row_of(scope, order, now, sealer, pseudonym);
        // A list that is being taken over waits for this transaction before it commits, and its join then finds the watch. One
        // that has committed is seen by the question below.
        hold(db, WATCHES_BEING_STARTED, Hold::Shared).await?;
        let entry = self
            .naming(db, scope.environment(), &order.certificate)
            .await?;
        let Some(entry) = entry else {
            return Ok((row, None));
        };
        let version = version_of(db, &entry).await?;
        let flag = Flag::of(&entry, &version, now)?;
        row.flagged_at = Some(flag.at.utc());
        row.flag_reason = Some(i16::from(flag.reason.code()));
        row.revoked_at = Some(flag.revoked_at.utc());
        row.flag_this_update = Some(flag.this_update.utc());
        row.flag_version = Some(flag.version.clone());
        let renewed_by = renewed_by(db, &row).await?;
        let fact = self.revoked(&row, &flag, renewed_by, None)?;
        Ok((row, Some(fact)))
    }
}

/// What replaces a watch's certificate.
async fn renewed_by<C: ConnectionTrait>(
    db: &C,
    row: &watch::Model,
) -> Result<Option<CertificateHandle>, Error> {
    let known = renewals::of(db, [(Id::from_uuid(row.tenant), row.handle)]).await?;
    Ok(known.get(&row.handle).copied())
}

async fn version_of<C: ConnectionTrait>(
    db: &C,
    entry: &Named,
) -> Result<crl_version::Model, Error> {
    lists::versions(db, entry.partition_id, [entry.since_seq])
        .await?
        .pop()
        .ok_or_else(|| sea_orm::DbErr::RecordNotFound("the version of an entry".to_owned()).into())
}

/// The tenant's watch of the same certificate under the same reference. References are sealed, so they are opened and
/// compared; the limit keeps that small.
async fn twin(
    scope: TenantScope,
    txn: &DatabaseTransaction,
    order: &WatchOrder,
    sealer: &Sealer,
) -> Result<Option<watch::Model>, Error> {
    let limit = WATCHES_PER_CERTIFICATE;
    let others = watches::of_certificate(scope, txn, order.handle, limit).await?;
    let full = others.len() as u64 >= limit;
    for other in others {
        if open_reference(&other, sealer)? == order.reference {
            return Ok(Some(other));
        }
    }
    if full {
        return Err(Error::TooManyWatches);
    }
    Ok(None)
}

fn row_of(
    scope: TenantScope,
    order: &WatchOrder,
    now: Timestamp,
    sealer: &Sealer,
    pseudonym: &PseudonymKey,
) -> watch::Model {
    let place = reference_place(scope, order.watch);
    watch::Model {
        id: order.watch.uuid(),
        tenant: scope.tenant().uuid(),
        environment: scope.environment().as_str().to_owned(),
        issuer: order.certificate.issuer.to_string(),
        serial: order.certificate.serial.octets().to_vec(),
        partition: partition_text(order.partition),
        kind: order.kind.as_str().to_owned(),
        not_after: order.not_after.utc(),
        handle: order.handle.uuid(),
        subject: order.subject.map(|subject| subject.uuid()),
        reference: order
            .reference
            .as_ref()
            .map(|text| sealer.seal(&place, text.as_bytes())),
        reference_key: order
            .reference
            .as_ref()
            .map(|text| pseudonym.fingerprint(scope, text)),
        created_at: now.utc(),
        ended_at: None,
        flagged_at: None,
        flag_reason: None,
        revoked_at: None,
        flag_this_update: None,
        flag_version: None,
        metered_month: String::new(),
        expiring_told_at: None,
    }
}
