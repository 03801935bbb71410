//! What a campaign found changed, as its tenant reads it.

use sea_orm::ConnectionTrait;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use warikan_http::csv;
use warikan_types::{
    Campaign, CertificateHandle, CertificateKind, Id, Sealer, TenantScope, Timestamp, Wording,
};

use super::{portfolio::reference_place, result::Finding};
use crate::{
    Revocation,
    entity::{campaign_change, watch},
    error::Error,
    store::{campaigns, kind_of, portfolio, renewals},
    watch::open_reference,
};

/// A certificate that was not found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CampaignChange)]
pub(crate) struct ChangeView {
    /// Your customer number.
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// The certificate, as you know it.
    handle: CertificateHandle,
    /// Its kind.
    kind: CertificateKind,
    /// `revoked`, `expired`, or `unknown` where it could not be found out.
    change: &'static str,
    /// A revocation reason (RFC 5280 5.3.1), `certificate_expired`, `status_unavailable` or `status_stale`.
    reason: &'static str,
    /// What that says about the customer.
    meaning: &'static str,
    /// What to do about the customer.
    recommended_action: &'static str,
    /// What may be said to the customer; `null` where there is nothing to say.
    customer_wording: Option<Wording>,
    /// When it was revoked, as the issuer says.
    revoked_at: Option<Timestamp>,
    /// When its time is over.
    not_after: Timestamp,
    /// The certificate that replaces it: a later one of the same person and kind that you verified.
    renewed_by: Option<CertificateHandle>,
}

/// The columns of the table.
const COLUMNS: [&str; 12] = [
    "ref",
    "handle",
    "kind",
    "change",
    "reason",
    "meaning",
    "recommended_action",
    "revoked_at",
    "not_after",
    "customer_wording_ja",
    "customer_wording_en",
    "renewed_by",
];

impl ChangeView {
    /// The table's first line.
    pub(crate) fn csv_head() -> String {
        csv::line(COLUMNS)
    }

    /// As a line of the table.
    pub(crate) fn csv_row(&self) -> String {
        let revoked_at = self.revoked_at.map(|at| at.to_string());
        let renewed_by = self.renewed_by.map(|handle| handle.to_string());
        let (ja, en) = self
            .customer_wording
            .map_or(("", ""), |one| (one.ja, one.en));
        csv::line([
            self.reference.as_deref().unwrap_or_default(),
            &self.handle.to_string(),
            self.kind.as_str(),
            self.change,
            self.reason,
            self.meaning,
            self.recommended_action,
            revoked_at.as_deref().unwrap_or_default(),
            &self.not_after.to_string(),
            ja,
            en,
            renewed_by.as_deref().unwrap_or_default(),
        ])
    }
}

impl Revocation {
    /// A page of a completed campaign's changes, each with its row's id.
    pub(crate) async fn campaign_changes<C: ConnectionTrait>(
        &self,
        scope: TenantScope,
        db: &C,
        sealer: &Sealer,
        id: Id<Campaign>,
        (after, limit): (Option<Uuid>, u64),
    ) -> Result<Vec<(Uuid, ChangeView)>, Error> {
        let rows = campaigns::changes(scope, db, id, after, limit).await?;
        let watches: Vec<Uuid> = rows.iter().filter_map(|row| row.watch).collect();
        let watches = portfolio::watches(scope, db, &watches).await?;
        let certificates = rows.iter().map(|row| (scope.tenant(), row.handle));
        let renewed = renewals::of(db, certificates).await?;
        rows.into_iter()
            .map(|row| {
                let watch = row.watch.and_then(|id| watches.get(&id));
                let change = change_of(scope, id, &row, watch, sealer)?;
                let renewed_by = renewed.get(&row.handle).copied();
                Ok((
                    row.id,
                    ChangeView {
                        renewed_by,
                        ..change
                    },
                ))
            })
            .collect()
    }
}

fn change_of(
    scope: TenantScope,
    id: Id<Campaign>,
    row: &campaign_change::Model,
    watch: Option<&watch::Model>,
    sealer: &Sealer,
) -> Result<ChangeView, Error> {
    let reference = match (&row.reference, watch) {
        (Some(sealed), _) => {
            let octets = sealer.open(&reference_place(scope, id), sealed)?;
            Some(String::from_utf8(octets).map_err(|_| warikan_types::SealError)?)
        }
        (None, Some(watch)) => open_reference(watch, sealer)?,
        (None, None) => None,
    };
    let revoked_at = row.revoked_at.map(Timestamp::new);
    let finding = Finding::from_codes(row.finding.to_be_bytes(), revoked_at)
        .ok_or_else(|| sea_orm::DbErr::Type("a row holds no finding".to_owned()))?;
    Ok(ChangeView {
        reference,
        handle: CertificateHandle::from_uuid(row.handle),
        kind: kind_of(&row.kind)?,
        change: finding.as_str(),
        reason: finding.reason(),
        meaning: finding.meaning(),
        recommended_action: finding.recommended_action(),
        customer_wording: finding.customer_wording(),
        revoked_at,
        not_after: Timestamp::new(row.not_after),
        renewed_by: None,
    })
}
