//! What an operator may set of the live question.

use serde::{Deserialize, Serialize};
use warikan_pki::CertIdHash;
use warikan_types::{CertificateKind, Environment};

/// Whom to ask by OCSP, and what to do where no answer comes. J-LIS' profile and fees are not public: without a responder here,
/// nobody is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OcspConfig {
    /// The responders; the first that serves a certificate is asked.
    pub responders: Vec<Responder>,
    /// What `channel: ocsp` rests on where the responder gives no usable answer: the list (`crl`, the default), or nothing
    /// (`none`: `status_unavailable`). A list that says *revoked* is believed either way.
    pub fallback: Fallback,
}

/// What to rest on without an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The list, if it is fresh enough.
    #[default]
    Crl,
    /// Nothing.
    None,
}

/// A responder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responder {
    /// Whose certificates it answers for.
    pub environment: Environment,
    /// `http` or `https` address. What certificates name (AIA) is never followed.
    pub url: String,
    /// Which of the CAs it answers for; both by default.
    #[serde(default)]
    pub certificates: Certificates,
    /// Whether a nonce is sent, and must come back.
    #[serde(default)]
    pub nonce: NonceUse,
    /// The hash in the CertID.
    #[serde(default)]
    pub cert_id: CertIdUse,
}

impl Responder {
    pub(crate) fn serves(&self, environment: Environment, kind: Option<CertificateKind>) -> bool {
        let signature = kind.is_some_and(CertificateKind::is_signature);
        self.environment == environment
            && match self.certificates {
                Certificates::All => true,
                Certificates::Signature => signature,
                Certificates::Authentication => kind.is_some() && !signature,
            }
    }
}

/// Certificates of which CA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificates {
    /// Both.
    #[default]
    All,
    /// 署名用.
    Signature,
    /// 利用者証明用.
    Authentication,
}

/// The nonce (RFC 8954).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonceUse {
    /// Not sent: responders that sign their answers ahead of time refuse it.
    Never,
    /// Sent; an answer that has one must have this one.
    #[default]
    Optional,
    /// Sent, and must come back.
    Required,
}

/// The hash in the CertID (RFC 6960 4.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertIdUse {
    /// What every responder understands.
    #[default]
    Sha1,
    /// For responders that refuse SHA-1.
    Sha256,
}

impl From<CertIdUse> for CertIdHash {
    fn from(asked: CertIdUse) -> Self {
        match asked {
            CertIdUse::Sha1 => Self::Sha1,
            CertIdUse::Sha256 => Self::Sha256,
        }
    }
}
