//! Rows of the form before there was one box: the answer and the evidence each in a box of its own, octets as base64 in JSON.

use serde::Deserialize;
use warikan_types::{Base64Bytes, TenantScope, VerificationId};

use crate::{
    error::Error,
    evidence::{Grounds, Kept},
};

#[derive(Deserialize)]
struct Evidence {
    certificate: Base64Bytes,
    signature: Base64Bytes,
    #[serde(flatten)]
    grounds: Grounds,
}

/// Reads both.
pub(crate) fn read(answer: &[u8], evidence: &[u8]) -> Result<Kept, Error> {
    let view = serde_json::from_slice(answer).map_err(|_| Error::Damaged("verification.answer"))?;
    let evidence: Evidence =
        serde_json::from_slice(evidence).map_err(|_| Error::Damaged("verification.evidence"))?;
    Ok(Kept {
        view,
        grounds: evidence.grounds,
        certificate: evidence.certificate.0,
        signature: evidence.signature.0,
    })
}

/// Where the answer's box belonged.
pub(crate) fn answer_place(scope: TenantScope, id: VerificationId) -> String {
    format!(
        "verification.answer/{}/{}/{id}",
        scope.tenant(),
        scope.environment().as_str()
    )
}
