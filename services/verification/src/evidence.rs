//! The evidence of a verification: everything it was decided on, so that it can be decided again.

use serde::{Deserialize, Serialize};
use warikan_pki::{Report, Signed, StatusKnowledge};
use warikan_status::Heard;
use warikan_types::{Base64Bytes, Environment, TenantScope, Timestamp, VerificationId};

use crate::request::ChallengePurpose;

/// Stored sealed, as JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredEvidence {
    pub(crate) certificate: Base64Bytes,
    pub(crate) signature: Base64Bytes,
    pub(crate) algorithm: warikan_pki::DigestAlgorithm,
    pub(crate) digest: Base64Bytes,
    /// What decided.
    pub(crate) status: Option<StatusKnowledge>,
    /// Every source that was asked, where it was not the list alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) heard: Vec<Heard>,
    /// What the OCSP responder answered, DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ocsp_response: Option<Base64Bytes>,
    pub(crate) environment: Environment,
    /// The purpose that was checked, and the bound on the status' age in seconds.
    pub(crate) purpose: String,
    pub(crate) max_age_seconds: Option<u64>,
    pub(crate) clock_skew_seconds: u64,
    /// The key of the trust anchor that vouched, hexadecimal; empty where none did.
    pub(crate) anchor: String,
    pub(crate) at: Timestamp,
    pub(crate) report: Report,
}

impl StoredEvidence {
    pub(crate) fn signed(&self) -> Signed {
        Signed::Digest {
            algorithm: self.algorithm,
            digest: self.digest.0.clone(),
        }
    }

    pub(crate) fn purpose(&self) -> Option<ChallengePurpose> {
        ChallengePurpose::from_word(&self.purpose)
    }
}

/// Where a verification's sealed evidence belongs.
pub(crate) fn evidence_place(scope: TenantScope, id: VerificationId) -> String {
    format!(
        "verification.evidence/{}/{}/{id}",
        scope.tenant(),
        scope.environment().as_str()
    )
}

/// Where a verification's sealed answer belongs.
pub(crate) fn answer_place(scope: TenantScope, id: VerificationId) -> String {
    format!(
        "verification.answer/{}/{}/{id}",
        scope.tenant(),
        scope.environment().as_str()
    )
}
