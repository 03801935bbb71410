//! What is kept of a verification, in one sealed box: the answer without the attributes, and everything it was decided on, so that it can
//! be decided again.
//!
//! A box is parts with their lengths before them (4 octets, big-endian): JSON as text, certificates and signatures as they came. The receipt
//! names the SHA-256 of the evidence's octets.

use serde::{Deserialize, Serialize};
use warikan_pki::{Check, CheckName, Signed, StatusKnowledge};
use warikan_status::Heard;
use warikan_types::{
    Base64Bytes, Environment, Sealer, TenantScope, Timestamp, Verdict, VerificationId,
};

use crate::{
    error::Error, legacy, request::ChallengePurpose, store::VerificationRow, view::VerificationView,
};

/// What a verification was decided on, but for the octets that came with it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Grounds {
    pub(crate) algorithm: warikan_pki::DigestAlgorithm,
    pub(crate) digest: Base64Bytes,
    /// What decided.
    pub(crate) status: Option<StatusKnowledge>,
    /// Every source that was asked, where it was not the list alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) heard: Vec<Heard>,
    pub(crate) environment: Environment,
    /// The purpose that was checked, and the bound on the status' age in seconds.
    pub(crate) purpose: String,
    pub(crate) max_age_seconds: Option<u64>,
    pub(crate) clock_skew_seconds: u64,
    /// The key of the trust anchor that vouched, hexadecimal; empty where none did.
    pub(crate) anchor: String,
    pub(crate) at: Timestamp,
}

/// The evidence's octets.
pub(crate) fn evidence(
    grounds: &Grounds,
    certificate: &[u8],
    signature: &[u8],
    ocsp_response: &[u8],
) -> Result<Vec<u8>, Error> {
    let grounds = serde_json::to_vec(grounds).map_err(|_| Error::Damaged("evidence"))?;
    Ok(joined(&[&grounds, certificate, signature, ocsp_response]))
}

/// The box of a verification.
pub(crate) fn seal(
    sealer: &Sealer,
    scope: TenantScope,
    view: &VerificationView,
    evidence: &[u8],
) -> Result<Vec<u8>, Error> {
    let id = view.id;
    let view = serde_json::to_vec(view).map_err(|_| Error::Damaged("answer"))?;
    Ok(sealer.seal(&evidence_place(scope, id), &joined(&[&view, evidence])))
}

/// What was kept, opened.
pub(crate) struct Kept {
    pub(crate) view: VerificationView,
    pub(crate) grounds: Grounds,
    pub(crate) certificate: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Kept {
    /// Opens a verification's box.
    ///
    /// # Errors
    /// [`Error::NotFound`] where its subject was erased; it cannot be opened or read.
    pub(crate) fn open(
        sealer: &Sealer,
        scope: TenantScope,
        row: &VerificationRow,
    ) -> Result<Self, Error> {
        if row.evidence.is_empty() {
            return Err(Error::NotFound);
        }
        let id = VerificationId::from_uuid(row.id);
        let plain = sealer.open(&evidence_place(scope, id), &row.evidence)?;
        if !row.answer.is_empty() {
            let answer = sealer.open(&legacy::answer_place(scope, id), &row.answer)?;
            return legacy::read(&answer, &plain);
        }
        Self::read(&plain).ok_or(Error::Damaged("verification.evidence"))
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let [view, evidence] = parts(plain)?;
        let [grounds, certificate, signature, _ocsp_response] = parts(evidence)?;
        Some(Self {
            view: serde_json::from_slice(view).ok()?,
            grounds: serde_json::from_slice(grounds).ok()?,
            certificate: certificate.to_vec(),
            signature: signature.to_vec(),
        })
    }

    pub(crate) fn signed(&self) -> Signed {
        Signed::Digest {
            algorithm: self.grounds.algorithm,
            digest: self.grounds.digest.0.clone(),
        }
    }

    pub(crate) fn purpose(&self) -> Option<ChallengePurpose> {
        ChallengePurpose::from_word(&self.grounds.purpose)
    }

    /// How the challenge was judged, where one was named.
    pub(crate) fn challenge_check(&self) -> Option<Check> {
        let mut checks = self.view.checks.iter();
        checks
            .find(|check| check.name == CheckName::Challenge)
            .cloned()
    }

    /// Whether it came out so.
    pub(crate) fn is(&self, report: &warikan_pki::Report) -> bool {
        let recorded: (Verdict, _, _) = (self.view.verdict, self.view.reason, &self.view.checks);
        recorded == (report.verdict, report.reason, &report.checks)
    }
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let octets = parts.iter().map(|part| part.len() + 4).sum();
    let mut joined = Vec::with_capacity(octets);
    for part in parts {
        // Requests are bounded far below 4 GiB.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        joined.extend_from_slice(&length.to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// So many parts and nothing else.
fn parts<const N: usize>(mut octets: &[u8]) -> Option<[&[u8]; N]> {
    let mut parts = [&[][..]; N];
    for part in &mut parts {
        let (length, rest) = octets.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        (*part, octets) = rest.split_at_checked(length)?;
    }
    octets.is_empty().then_some(parts)
}

/// Where a verification's box belongs.
pub(crate) fn evidence_place(scope: TenantScope, id: VerificationId) -> String {
    format!(
        "verification.evidence/{}/{}/{id}",
        scope.tenant(),
        scope.environment().as_str()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_joined_is_parted_again(one: Vec<u8>, other: Vec<u8>, cut in 1_usize..9) {
            let octets = joined(&[&one, &other]);
            prop_assert_eq!(parts::<2>(&octets), Some([&one[..], &other[..]]));
            prop_assert_eq!(parts::<1>(&octets), None);
            prop_assert_eq!(parts::<3>(&octets), None);
            let short = octets.len() - cut.min(octets.len());
            prop_assert_eq!(parts::<2>(&octets[..short]), None);
        }
    }
}
