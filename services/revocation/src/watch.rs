//! A watch as its tenant sees it.

use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{
    CertificateHandle, CertificateKind, Id, RevocationReason, Sealer, TenantScope, Timestamp,
    Watch, Wording,
};

use crate::{
    entity::watch,
    error::Error,
    store::{kind_of, reason_of, renewals, scope_of},
};

/// Watches one tenant may have of one certificate at a time, each under its own reference.
pub(crate) const WATCHES_PER_CERTIFICATE: u64 = 20;
/// Characters a reference may have.
pub(crate) const REFERENCE_LIMIT: usize = 256;

/// A watch's id, `wch_..`, under a name the API document can follow.
pub(crate) type WatchId = Id<Watch>;

/// Where a watch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WatchState {
    /// Nothing was found so far.
    Watching,
    /// The certificate is revoked.
    Flagged,
    /// Deleted, or the certificate's time is over.
    Ended,
}

impl WatchState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Flagged => "flagged",
            Self::Ended => "ended",
        }
    }
}

/// Why a watch is flagged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FlagView {
    /// Why the certificate was revoked.
    pub(crate) reason: RevocationReason,
    /// What that says about the customer.
    pub(crate) meaning: &'static str,
    /// What to do about the customer.
    pub(crate) recommended_action: &'static str,
    /// What may be said to the customer.
    pub(crate) customer_wording: Wording,
    /// When it was revoked, as the issuer says.
    pub(crate) revoked_at: Timestamp,
    /// When the platform found out.
    pub(crate) detected_at: Timestamp,
    /// thisUpdate of the list that said so.
    pub(crate) this_update: Timestamp,
}

/// A standing order to watch one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WatchView {
    /// Its id.
    pub(crate) id: WatchId,
    /// The certificate, as this tenant knows it.
    pub(crate) certificate_handle: CertificateHandle,
    /// Its kind.
    pub(crate) kind: CertificateKind,
    /// The tenant's own customer number.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
    /// When the certificate's time is over, and with it the watch.
    pub(crate) not_after: Timestamp,
    /// Where it stands.
    pub(crate) state: WatchState,
    /// Since when it is watched.
    pub(crate) created_at: Timestamp,
    /// Why it is flagged; stays when the watch ends.
    pub(crate) flag: Option<FlagView>,
    /// The certificate that replaces it: a later one of the same person and kind that you verified.
    pub(crate) renewed_by: Option<CertificateHandle>,
}

impl WatchView {
    /// Of these rows, with what replaces their certificates.
    pub(crate) async fn of_all<C: ConnectionTrait>(
        db: &C,
        rows: &[watch::Model],
        sealer: &Sealer,
    ) -> Result<Vec<Self>, Error> {
        let certificates = rows
            .iter()
            .map(|row| (Id::from_uuid(row.tenant), row.handle));
        let renewed = renewals::of(db, certificates).await?;
        rows.iter()
            .map(|row| Self::of(row, renewed.get(&row.handle).copied(), sealer))
            .collect()
    }

    /// From a row; opens the reference.
    pub(crate) fn of(
        row: &watch::Model,
        renewed_by: Option<CertificateHandle>,
        sealer: &Sealer,
    ) -> Result<Self, Error> {
        let flag = match (row.flagged_at, row.flag_reason) {
            (Some(detected_at), Some(reason)) => {
                let reason = reason_of(reason)?;
                let detected_at = Timestamp::new(detected_at);
                Some(FlagView {
                    reason,
                    meaning: reason.meaning(),
                    recommended_action: reason.recommended_action(),
                    customer_wording: reason.customer_wording(),
                    revoked_at: row.revoked_at.map_or(detected_at, Timestamp::new),
                    detected_at,
                    this_update: row.flag_this_update.map_or(detected_at, Timestamp::new),
                })
            }
            _ => None,
        };
        Ok(Self {
            id: Id::from_uuid(row.id),
            certificate_handle: CertificateHandle::from_uuid(row.handle),
            kind: kind_of(&row.kind)?,
            reference: open_reference(row, sealer)?,
            not_after: Timestamp::new(row.not_after),
            state: match (row.ended_at, &flag) {
                (Some(_), _) => WatchState::Ended,
                (None, Some(_)) => WatchState::Flagged,
                (None, None) => WatchState::Watching,
            },
            created_at: Timestamp::new(row.created_at),
            flag,
            renewed_by,
        })
    }
}

/// The place a reference is sealed for: moved to another row or tenant, it does not open.
pub(crate) fn reference_place(scope: TenantScope, id: Id<Watch>) -> String {
    format!("watch/{}/{id}", scope.tenant())
}

/// The tenant's own customer number.
pub(crate) fn open_reference(row: &watch::Model, sealer: &Sealer) -> Result<Option<String>, Error> {
    let Some(sealed) = &row.reference else {
        return Ok(None);
    };
    let place = reference_place(scope_of(row)?, Id::from_uuid(row.id));
    let octets = sealer.open(&place, sealed)?;
    String::from_utf8(octets)
        .map(Some)
        .map_err(|_| Error::Sealed(warikan_types::SealError))
}
