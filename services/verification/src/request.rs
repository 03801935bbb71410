//! Requests, parsed once into types that cannot be wrong.

use serde::Deserialize;
use utoipa::ToSchema;
use warikan_http::Problem;
use warikan_pki::{DigestAlgorithm, Purpose, Signed, is_der};
use warikan_status::AskedChannel;
use warikan_types::{Base64Bytes, ChallengeId, Span};

/// No JPKI certificate is larger than 3 kB; other CAs' stay below this.
const MAX_CERTIFICATE: usize = 16 * 1024;
/// RSA-8192.
const MAX_SIGNATURE: usize = 1024;
/// Characters of a customer number.
const MAX_REFERENCE: usize = 128;

/// What was signed: a digest, or the message itself.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedContent {
    /// The digest of what was signed, made with `algorithm`.
    digest: Option<Base64Bytes>,
    /// What was signed, whole.
    message: Option<Base64Bytes>,
    /// `sha256`, `sha384` or `sha512`.
    algorithm: DigestAlgorithm,
}

impl SignedContent {
    pub(crate) fn read(&self) -> Result<Signed, Problem> {
        let algorithm = self.algorithm;
        match (&self.digest, &self.message) {
            (Some(digest), None) if digest.0.len() == algorithm.length() => Ok(Signed::Digest {
                algorithm,
                digest: digest.0.clone(),
            }),
            (Some(_), None) => Err(Problem::field(
                "/signed/digest",
                "invalid_length",
                format!(
                    "a {} digest has {} octets",
                    algorithm.as_str(),
                    algorithm.length()
                ),
            )),
            (None, Some(message)) => Ok(Signed::Message {
                algorithm,
                message: message.0.clone(),
            }),
            _ => Err(Problem::field(
                "/signed",
                "invalid_value",
                "give either digest or message",
            )),
        }
    }
}

/// A rule set beyond the certificate's own.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub(crate) enum RequestProfile {
    /// 犯収法施行規則6条1項1号 (non-face-to-face, by public personal authentication): a signature certificate is needed.
    #[serde(rename = "aml-remote")]
    AmlRemote,
}

/// A verification to be carried out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerificationRequest {
    /// The signer's certificate, DER, at most 16 KiB.
    #[schema(value_type = String, content_encoding = "base64", max_length = 21848)]
    certificate: Base64Bytes,
    /// The signature's octets.
    #[schema(value_type = String, content_encoding = "base64", max_length = 1368)]
    signature: Base64Bytes,
    /// What was signed.
    signed: SignedContent,
    /// The challenge that the card answered. Without one only signature certificates are good: an authentication
    /// certificate proves nothing unless it answers a challenge.
    pub(crate) challenge_id: Option<ChallengeId>,
    /// How old the revocation information may be (ISO 8601, `PT24H`); its own nextUpdate otherwise.
    pub(crate) max_age: Option<Span>,
    /// `auto` by default.
    channel: Option<AskedChannel>,
    /// Further rules to hold.
    #[allow(
        dead_code,
        reason = "its one value asks for what is the rule without a challenge anyway"
    )]
    profile: Option<RequestProfile>,
    /// Your customer number, at most 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    subject_ref: Option<String>,
    /// Whether to keep watching the certificate.
    #[serde(default)]
    pub(crate) watch: bool,
}

/// The parsed request.
pub(crate) struct Submission {
    pub(crate) certificate: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) signed: Signed,
    pub(crate) channel: AskedChannel,
    pub(crate) reference: Option<String>,
}

impl VerificationRequest {
    /// Malformed input is refused here; a certificate that is merely not good goes on and gets a verdict.
    pub(crate) fn read(&self) -> Result<Submission, Problem> {
        if self.certificate.0.len() > MAX_CERTIFICATE {
            return Err(Problem::field(
                "/certificate",
                "too_large",
                format!("at most {MAX_CERTIFICATE} octets"),
            ));
        }
        if !is_der(&self.certificate.0) {
            return Err(Problem::field(
                "/certificate",
                "not_der",
                "not one DER SEQUENCE (X.690); send the certificate's DER, not PEM, in base64",
            ));
        }
        if self.signature.0.is_empty() || self.signature.0.len() > MAX_SIGNATURE {
            return Err(Problem::field(
                "/signature",
                "invalid_length",
                format!("1 to {MAX_SIGNATURE} octets"),
            ));
        }
        Ok(Submission {
            certificate: self.certificate.0.clone(),
            signature: self.signature.0.clone(),
            signed: self.signed.read()?,
            channel: self.channel.unwrap_or(AskedChannel::Auto),
            reference: self
                .subject_ref
                .as_deref()
                .map(read_reference)
                .transpose()?,
        })
    }
}

pub(crate) fn read_reference(text: &str) -> Result<String, Problem> {
    let length = text.chars().count();
    if length == 0 || length > MAX_REFERENCE || text.chars().any(char::is_control) {
        return Err(Problem::field(
            "/subject_ref",
            "invalid_value",
            format!("1 to {MAX_REFERENCE} characters, none of them a control character"),
        ));
    }
    Ok(text.to_owned())
}

/// What a challenge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChallengePurpose {
    /// A document's signature: the digest is fixed when the challenge is made.
    Signature,
    /// A login: the card signs the challenge's octets.
    Authentication,
}

impl ChallengePurpose {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Authentication => "authentication",
        }
    }

    /// The purpose that was checked, as a word for the evidence.
    pub(crate) const fn word(checked: Purpose) -> &'static str {
        match checked {
            Purpose::Signature => Self::Signature.as_str(),
            Purpose::Authentication => Self::Authentication.as_str(),
            Purpose::Any => "any",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Signature, Self::Authentication]
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }

    pub(crate) const fn policy(self) -> Purpose {
        match self {
            Self::Signature => Purpose::Signature,
            Self::Authentication => Purpose::Authentication,
        }
    }
}

/// A challenge to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChallengeRequest {
    /// What it is for.
    pub(crate) purpose: ChallengePurpose,
    /// For `signature`: what the person was shown. The verification must carry the same.
    pub(crate) signed: Option<SignedContent>,
    /// Reserved for further rules; checked when the challenge is answered.
    #[allow(
        dead_code,
        reason = "its one value asks for a signature certificate, which the purpose decides"
    )]
    pub(crate) profile: Option<RequestProfile>,
    /// Your customer number, at most 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    pub(crate) subject_ref: Option<String>,
}
