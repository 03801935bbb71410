//! Judging a campaign's receipt from nothing but itself, the platform's public keys and what it is said to cover: on any
//! machine, without the platform.

use std::io::BufRead;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde::{Deserialize, Serialize};
use warikan_contracts::facts::CampaignCounts;
use warikan_types::{Campaign, Environment, Id, Tenant, Timestamp};

use super::merkle::{self, Hash};

/// The tree's name in receipts: Merkle Tree Hash of RFC 6962 2.1 with SHA-256, an entry being a line of the results.
pub(super) const TREE: &str = "rfc6962-sha256";

/// What a receipt says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) iat: i64,
    pub(super) sub: Id<Campaign>,
    pub(super) tenant: Id<Tenant>,
    pub(super) environment: Environment,
    pub(super) selector: String,
    pub(super) max_age_seconds: Option<i64>,
    pub(super) status_version: String,
    pub(super) lists: i64,
    pub(super) oldest_this_update: Option<Timestamp>,
    pub(super) judged_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) completed_at: Option<Timestamp>,
    pub(super) counts: CampaignCounts,
    pub(super) tree: String,
    pub(super) root: String,
}

/// A result with its place in the tree, as `GET /v1/campaigns/{id}/proofs/{handle}` gives it.
#[derive(Debug, Clone, Deserialize)]
struct Proof {
    entry: String,
    leaf_index: usize,
    tree_size: usize,
    audit_path: Vec<String>,
}

/// Why a receipt or what belongs to it is not believed.
#[derive(Debug, thiserror::Error)]
pub enum CampaignProblem {
    /// The keys, the receipt or the proof cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    /// No key of the set signed it.
    #[error("the receipt is signed by none of these keys")]
    Signature,
    /// The receipt's tree is none that is known here.
    #[error("the receipt speaks of a tree that is not known here")]
    Tree,
    /// The results are not those that the receipt is about.
    #[error("the results are not those of the receipt: {0}")]
    Results(String),
    /// The results cannot be read to their end.
    #[error("the results cannot be read")]
    Read(#[from] std::io::Error),
}

/// A receipt that was found genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCampaign {
    /// The campaign.
    pub campaign: Id<Campaign>,
    /// Against which status version.
    pub status_version: String,
    /// What it found.
    pub counts: CampaignCounts,
    root: Hash,
}

/// Checks a receipt's signature by a JWK Set (`/.well-known/jwks.json`).
///
/// # Errors
/// [`CampaignProblem`].
pub fn verify_campaign(receipt: &str, keys: &[u8]) -> Result<VerifiedCampaign, CampaignProblem> {
    let keys: JwkSet =
        serde_json::from_slice(keys).map_err(|_| CampaignProblem::Unreadable("the key set"))?;
    let header = jsonwebtoken::decode_header(receipt.trim())
        .map_err(|_| CampaignProblem::Unreadable("the receipt"))?;
    let key = header
        .kid
        .as_deref()
        .and_then(|kid| keys.find(kid))
        .and_then(|jwk| DecodingKey::from_jwk(jwk).ok())
        .ok_or(CampaignProblem::Signature)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    // A receipt does not end.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(receipt.trim(), &key, &validation)
        .map_err(|_| CampaignProblem::Signature)?
        .claims;
    if claims.tree != TREE {
        return Err(CampaignProblem::Tree);
    }
    let mut root = [0; 32];
    hex::decode_to_slice(&claims.root, &mut root)
        .map_err(|_| CampaignProblem::Unreadable("the receipt"))?;
    Ok(VerifiedCampaign {
        campaign: claims.sub,
        status_version: claims.status_version,
        counts: claims.counts,
        root,
    })
}

impl VerifiedCampaign {
    /// Recomputes root and numbers from all results, one a line.
    ///
    /// # Errors
    /// [`CampaignProblem`].
    pub fn check_results(&self, results: impl BufRead) -> Result<(), CampaignProblem> {
        let wrong = |what: String| Err(CampaignProblem::Results(what));
        let mut counts = CampaignCounts::default();
        let (mut chunk, mut chunks) = (Vec::with_capacity(merkle::CHUNK), Vec::new());
        let mut before = String::new();
        for line in results.lines() {
            let line = line?;
            let mut fields = line.split(',');
            let handle = fields.next().unwrap_or_default();
            if handle <= before.as_str() {
                return wrong(format!("{handle} stands twice or out of order"));
            }
            counts.checked += 1;
            match fields.next() {
                Some("good") => counts.good += 1,
                Some("revoked") => counts.revoked += 1,
                Some("expired") => counts.expired += 1,
                Some("unknown") => counts.unknown += 1,
                _ => return wrong(format!("line {} is no result", counts.checked)),
            }
            before = handle.to_owned();
            chunk.push(merkle::leaf(line.as_bytes()));
            if chunk.len() == merkle::CHUNK {
                chunks.push(merkle::root(&chunk));
                chunk.clear();
            }
        }
        if !chunk.is_empty() {
            chunks.push(merkle::root(&chunk));
        }
        if counts != self.counts {
            return wrong(format!(
                "{counts:?} were counted, {:?} are signed",
                self.counts
            ));
        }
        if merkle::root(&chunks) != self.root {
            return wrong("the root over them is another".to_owned());
        }
        Ok(())
    }

    /// Checks that one result is among them, by its audit path; gives the result.
    ///
    /// # Errors
    /// [`CampaignProblem`].
    pub fn check_proof(&self, proof: &[u8]) -> Result<String, CampaignProblem> {
        let unreadable = || CampaignProblem::Unreadable("the proof");
        let proof: Proof = serde_json::from_slice(proof).map_err(|_| unreadable())?;
        let mut path = Vec::with_capacity(proof.audit_path.len());
        for step in &proof.audit_path {
            let mut hash = [0; 32];
            hex::decode_to_slice(step, &mut hash).map_err(|_| unreadable())?;
            path.push(hash);
        }
        let size = usize::try_from(self.counts.checked).unwrap_or(usize::MAX);
        let leaf = merkle::leaf(proof.entry.as_bytes());
        let root = merkle::root_of_path(leaf, proof.leaf_index, proof.tree_size, &path);
        if proof.tree_size != size || root != Some(self.root) {
            let what = "the audit path leads to another root".to_owned();
            return Err(CampaignProblem::Results(what));
        }
        Ok(proof.entry)
    }
}
