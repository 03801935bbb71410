//! That one certificate was checked: its result and the path from it to the root that the receipt signs.

use serde::Serialize;
use utoipa::ToSchema;
use warikan_types::{Campaign, CertificateHandle, Id, TenantScope};

use super::{
    CampaignId, State,
    merkle::{self, CHUNK, Hash},
    result::{Found, unpack_all},
};
use crate::{Revocation, error::Error, store::campaigns};

/// A result's place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CampaignProof)]
pub(crate) struct ProofView {
    /// The campaign.
    campaign_id: CampaignId,
    /// The tree's entry: `<handle>,<state>,<reason>,<revoked_at>`.
    entry: String,
    /// Its place, from 0.
    leaf_index: usize,
    /// Entries in the tree: `counts.checked` of the receipt.
    tree_size: usize,
    /// The audit path (RFC 6962 2.1.1), hexadecimal, from the entry's neighbour upwards.
    audit_path: Vec<String>,
    /// The root it leads to.
    root: String,
}

fn damaged(what: &str) -> Error {
    sea_orm::DbErr::Type(format!("a campaign's {what} cannot be read")).into()
}

impl Revocation {
    /// The proof for one certificate of a completed campaign. 404 where it was not in it.
    pub(crate) async fn campaign_proof(
        &self,
        scope: TenantScope,
        id: Id<Campaign>,
        handle: CertificateHandle,
    ) -> Result<ProofView, Error> {
        let db = self.0.db.begin_read(scope).await?;
        let row = self.completed_campaign(scope, &db, id).await?;
        let chunk = campaigns::chunk_with(scope, &db, id, handle)
            .await?
            .ok_or(Error::NotFound)?;
        let found = unpack_all(&chunk.results).ok_or_else(|| damaged("results"))?;
        let within = found
            .iter()
            .position(|one| one.handle == handle)
            .ok_or(Error::NotFound)?;
        let roots: Vec<Hash> = campaigns::roots(&db, id.uuid())
            .await?
            .into_iter()
            .map(Hash::try_from)
            .collect::<Result<_, _>>()
            .map_err(|_| damaged("roots"))?;
        let number = usize::try_from(chunk.number).map_err(|_| damaged("chunks"))?;
        let leaves: Vec<Hash> = found
            .iter()
            .map(|one| merkle::leaf(one.line().as_bytes()))
            .collect();
        let mut path = merkle::path(within, &leaves);
        path.extend(merkle::path(number, &roots));
        Ok(ProofView {
            campaign_id: id,
            entry: found[within].line(),
            leaf_index: number * CHUNK + within,
            tree_size: usize::try_from(row.checked).unwrap_or(0),
            audit_path: path.iter().map(hex::encode).collect(),
            root: hex::encode(merkle::root(&roots)),
        })
    }

    /// The campaign, if it is completed.
    pub(crate) async fn completed_campaign<C: sea_orm::ConnectionTrait>(
        &self,
        scope: TenantScope,
        db: &C,
        id: Id<Campaign>,
    ) -> Result<crate::entity::campaign::Model, Error> {
        let row = campaigns::find(scope, db, id)
            .await?
            .ok_or(Error::NotFound)?;
        match State::of(&row)? {
            State::Completed => Ok(row),
            other => Err(Error::CampaignState(other)),
        }
    }

    /// A chunk's results; `None` after the last.
    pub(crate) async fn campaign_results(
        &self,
        scope: TenantScope,
        id: Id<Campaign>,
        number: i64,
    ) -> Result<Option<Vec<Found>>, Error> {
        let db = self.0.db.begin_read(scope).await?;
        let chunk = campaigns::chunk(scope, &db, id, number).await?;
        chunk
            .map(|chunk| unpack_all(&chunk.results).ok_or_else(|| damaged("results")))
            .transpose()
    }
}
