//! RFC 3161 timestamps: proof that a digest existed at a time.
//!
//! What validators forget, and what is therefore checked here one by one: the content type inside the signed
//! attributes is that of a TSTInfo; the message digest attribute is that of the TSTInfo's octets; the signer's
//! certificate is the one that ESSCertID (or ESSCertIDv2) names; its extended key usage is critical and is id-kp-timeStamping
//! alone; imprint, nonce and policy are those that were asked for; the certificate was valid when the token says
//! it was made; and its path holds.

mod cms;
mod info;

use warikan_types::Timestamp;

use crate::{
    algorithm::DigestAlgorithm,
    der::{DerError, INTEGER, Reader, SEQUENCE},
    extension::KeyUsage,
    oid::{Oid, ce},
    path::{PathFailure, PathInput, PathPolicy, cert::Node, validate_path},
};

/// id-kp-timeStamping.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// What the token must be about.
#[derive(Debug, Clone, Copy)]
pub struct TimestampRequest<'a> {
    /// The hash.
    pub algorithm: DigestAlgorithm,
    /// The digest that was sent to be stamped.
    pub digest: &'a [u8],
    /// The nonce that was sent: big-endian octets, leading zeros do not count.
    pub nonce: Option<&'a [u8]>,
    /// The policy that was asked for.
    pub policy: Option<&'a Oid>,
}

/// Where trust comes from.
#[derive(Debug, Clone, Copy)]
pub struct TimestampTrust<'a> {
    /// Anchors.
    pub trust_anchors: &'a [&'a [u8]],
    /// Certificates that may help, beside those in the token.
    pub intermediates: &'a [&'a [u8]],
    /// Revocation lists.
    pub crls: &'a [&'a [u8]],
    /// How the path is validated. Purposes are this module's business.
    pub policy: &'a PathPolicy,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not a response or token in DER.
    #[error("timestamp_malformed")]
    Malformed,
    /// The authority rejected the request, or waits.
    #[error("timestamp_not_granted")]
    NotGranted,
    /// Another digest or another hash.
    #[error("timestamp_imprint_mismatch")]
    Imprint,
    /// The nonce is missing or another.
    #[error("timestamp_nonce_mismatch")]
    Nonce,
    /// Another policy.
    #[error("timestamp_policy_mismatch")]
    Policy,
    /// The signed attributes are missing or not about this content.
    #[error("timestamp_attributes")]
    Attributes,
    /// The signer's certificate is not in the token, or not the one that is named.
    #[error("timestamp_signer_unknown")]
    Signer,
    /// The signer's certificate is not for timestamps, and for them alone.
    #[error("timestamp_purpose")]
    Purpose,
    /// The signature does not verify.
    #[error("signature_mismatch")]
    Signature,
    /// An algorithm or key that is refused.
    #[error("algorithm_refused")]
    Algorithm,
    /// The token is from the future, or from outside the life of its signer's certificate.
    #[error("timestamp_time")]
    Time,
    /// A critical extension that is not understood.
    #[error("unknown_critical_extension")]
    UnknownCritical,
    /// The signer's certificate has no valid path.
    #[error("{}", .0.as_str())]
    Path(PathFailure),
}
impl From<DerError> for TimestampError {
    fn from(_: DerError) -> Self {
        Self::Malformed
    }
}

/// A token that was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTimestamp {
    at: Timestamp,
    policy: Oid,
}

impl VerifiedTimestamp {
    /// Checks a `TimeStampResp`.
    ///
    /// # Errors
    /// [`TimestampError`].
    pub fn verify_response(
        response: &[u8],
        request: &TimestampRequest<'_>,
        trust: &TimestampTrust<'_>,
        at: Timestamp,
    ) -> Result<Self, TimestampError> {
        let mut outer = Reader::only(response, SEQUENCE, "no response")?;
        let mut status = outer.open(SEQUENCE, "no status")?;
        // granted or grantedWithMods.
        if !matches!(status.expect(INTEGER, "no status")?.value, [0 | 1]) {
            return Err(TimestampError::NotGranted);
        }
        let token = outer.expect(SEQUENCE, "no token")?.raw;
        outer.finish("octets after the token")?;
        Self::verify_token(token, request, trust, at)
    }

    /// Checks a token (the ContentInfo alone), as evidence keeps it.
    ///
    /// # Errors
    /// [`TimestampError`].
    pub fn verify_token(
        token: &[u8],
        request: &TimestampRequest<'_>,
        trust: &TimestampTrust<'_>,
        at: Timestamp,
    ) -> Result<Self, TimestampError> {
        let signed = cms::SignedData::read(token)?;
        let info = info::TstInfo::read(signed.content)?;
        info.check(request)?;
        let signer_der = signed.signer_certificate()?;
        let signer = Node::read(signer_der, trust.policy.algorithms.rsa_min_bits())
            .map_err(|_| TimestampError::Signer)?;
        signed.check_signature(&signer, trust.policy.algorithms)?;
        check_purpose(&signer)?;
        let life = signer.view.not_before..=signer.view.not_after;
        if info.generated_at > at || !life.contains(&info.generated_at) {
            return Err(TimestampError::Time);
        }
        let mut intermediates = signed.certificates.clone();
        intermediates.extend(trust.intermediates);
        let input = PathInput {
            target: signer_der,
            intermediates: &intermediates,
            trust_anchors: trust.trust_anchors,
            crls: trust.crls,
        };
        let mut policy = trust.policy.clone();
        policy.required_purposes = vec![Oid::from_content(TIME_STAMPING)];
        validate_path(&input, &policy, at).map_err(TimestampError::Path)?;
        Ok(Self {
            at: info.generated_at,
            policy: Oid::from_content(info.policy),
        })
    }

    /// When the digest existed at the latest.
    #[must_use]
    pub const fn generated_at(&self) -> Timestamp {
        self.at
    }

    /// The policy under which the authority works.
    #[must_use]
    pub const fn policy(&self) -> &Oid {
        &self.policy
    }
}

/// RFC 3161 2.3: critical, and this purpose alone.
fn check_purpose(signer: &Node<'_>) -> Result<(), TimestampError> {
    let critical = signer
        .view
        .extension(ce::EXT_KEY_USAGE)
        .is_some_and(|one| one.critical);
    let alone = signer.ext.purposes.as_deref() == Some(&[TIME_STAMPING][..]);
    let usage = signer.may(KeyUsage::DIGITAL_SIGNATURE) || signer.may(KeyUsage::NON_REPUDIATION);
    if critical && alone && usage {
        Ok(())
    } else {
        Err(TimestampError::Purpose)
    }
}
