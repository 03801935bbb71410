//! Challenges: made here, for one tenant and purpose, answered once and in time.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::Problem;
use warikan_pki::{Check, CheckName, DigestAlgorithm, Signed};
use warikan_types::{Base64Bytes, ChallengeId, Reason, TenantScope, Timestamp, VerificationId};

use crate::{
    Verification,
    entity::challenge,
    request::{ChallengePurpose, ChallengeRequest, read_reference},
};

/// A challenge, as the tenant gets it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChallengeView {
    pub(crate) id: ChallengeId,
    /// For `authentication`: what the card signs. For `signature`: the digest that was fixed.
    challenge: Base64Bytes,
    /// By when it must be answered.
    expires_at: Timestamp,
}

impl Verification {
    /// Makes a challenge (not stored yet).
    pub(crate) fn new_challenge(
        &self,
        scope: TenantScope,
        request: &ChallengeRequest,
    ) -> Result<(challenge::Model, ChallengeView), Problem> {
        let inner = &self.0;
        request
            .subject_ref
            .as_deref()
            .map(read_reference)
            .transpose()?;
        let (told, algorithm, digest) = match (request.purpose, &request.signed) {
            (ChallengePurpose::Signature, Some(signed)) => {
                let signed = signed.read()?;
                let digest = signed.digest();
                (digest.clone(), signed.algorithm(), digest)
            }
            (ChallengePurpose::Signature, None) => {
                return Err(Problem::field(
                    "/signed",
                    "missing",
                    "for a signature, give the digest of what the person is shown",
                ));
            }
            (ChallengePurpose::Authentication, None) => {
                let octets = inner.platform.entropy.bytes::<32>().to_vec();
                let digest = DigestAlgorithm::Sha256.digest(&octets);
                (octets, DigestAlgorithm::Sha256, digest)
            }
            (ChallengePurpose::Authentication, Some(_)) => {
                return Err(Problem::field(
                    "/signed",
                    "not_allowed",
                    "for an authentication the platform makes what is signed",
                ));
            }
        };
        let now = inner.platform.clock().now();
        let expires_at = now.plus(Duration::from_secs(inner.config.challenge_seconds));
        let id: ChallengeId = inner.platform.entropy.id(now);
        let row = challenge::Model {
            id: id.uuid(),
            tenant: scope.tenant().uuid(),
            environment: scope.environment().as_str().to_owned(),
            purpose: request.purpose.as_str().to_owned(),
            algorithm: algorithm.as_str().to_owned(),
            digest,
            expires_at: expires_at.utc(),
            used_by: None,
        };
        let view = ChallengeView {
            id,
            challenge: Base64Bytes(told),
            expires_at,
        };
        Ok((row, view))
    }
}

/// Judges the answer to a challenge. Decided inside the transaction that consumes it, so that of many answers at once
/// exactly one finds it unused.
pub(crate) fn judge(row: Option<&challenge::Model>, signed: &Signed, now: Timestamp) -> Check {
    let failed = |reason| Check::failed(CheckName::Challenge, reason);
    let Some(row) = row else {
        return failed(Reason::ChallengeUnknown);
    };
    if row.used_by.is_some() {
        return failed(Reason::ChallengeUsed);
    }
    if now > Timestamp::new(row.expires_at) {
        return failed(Reason::ChallengeExpired);
    }
    let same = row.algorithm == signed.algorithm().as_str() && row.digest == signed.digest();
    if !same && !answers_otherwise(row, signed) {
        return failed(Reason::ChallengeMismatch);
    }
    Check::passed(CheckName::Challenge)
}

/// A challenge for authentication is octets, and the card may hash them with another algorithm than SHA-256; the whole
/// message then shows that they are the same octets.
fn answers_otherwise(row: &challenge::Model, signed: &Signed) -> bool {
    match signed {
        Signed::Message { message, .. } => {
            row.purpose == ChallengePurpose::Authentication.as_str()
                && DigestAlgorithm::Sha256.digest(message) == row.digest
        }
        Signed::Digest { .. } => false,
    }
}

/// Who used a challenge, for the row.
pub(crate) fn used_by(verification: VerificationId) -> uuid::Uuid {
    verification.uuid()
}
