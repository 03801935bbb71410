//! What proves a campaign: claims that are signed, and the fact that it is completed.

use warikan_contracts::{Envelope, facts::CampaignCompleted};
use warikan_types::{Campaign, Id, TenantScope, Timestamp};

use super::verify::{Claims, TREE};
use crate::{Revocation, entity::campaign, error::Error, store::campaigns};

impl Revocation {
    /// Signs what a completed campaign's row says.
    pub(super) fn campaign_receipt(
        &self,
        scope: TenantScope,
        row: &campaign::Model,
    ) -> Result<String, Error> {
        let time = |column: Option<chrono::DateTime<chrono::Utc>>| column.map(Timestamp::new);
        let claims = Claims {
            iss: "warikan".to_owned(),
            iat: time(row.completed_at).map_or(0, Timestamp::unix),
            sub: Id::<Campaign>::from_uuid(row.id),
            tenant: scope.tenant(),
            environment: scope.environment(),
            selector: row.selector.clone(),
            max_age_seconds: row.max_age_seconds,
            status_version: row.status_version.clone().unwrap_or_default(),
            lists: row.lists,
            oldest_this_update: time(row.oldest_this_update),
            judged_at: time(row.judged_at),
            started_at: time(row.started_at),
            completed_at: time(row.completed_at),
            counts: campaigns::counts(row),
            tree: TREE.to_owned(),
            root: hex::encode(row.root.as_deref().unwrap_or_default()),
        };
        Ok(self.0.platform.keys.sign_receipt(&claims)?)
    }

    /// The fact that it is completed.
    pub(super) fn completed(
        &self,
        scope: TenantScope,
        row: &campaign::Model,
        now: Timestamp,
    ) -> Envelope {
        let campaign: Id<Campaign> = Id::from_uuid(row.id);
        let fact = CampaignCompleted {
            campaign,
            counts: campaigns::counts(row),
            status_version: row.status_version.clone().unwrap_or_default(),
            root: hex::encode(row.root.as_deref().unwrap_or_default()),
        };
        let id = self.0.platform.entropy.id(now);
        Envelope::of(id, Some(scope), now, campaign.to_string(), &fact)
    }
}
