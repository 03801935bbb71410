//! What a verification can say. The list is closed and its order is published.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The outcome of a verification (ETSI EN 319 102-1 5.1.3: TOTAL-PASSED, TOTAL-FAILED, INDETERMINATE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check passed.
    Valid,
    /// At least one check failed for good.
    Invalid,
    /// No check failed, but at least one could not be decided.
    Indeterminate,
}

impl Verdict {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// Why a verdict is not `valid`. Where several apply, the first in this order is *the* reason.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The signature does not verify over the digest under the certificate's key.
    SignatureMismatch,
    /// The DER is not a certificate of the strict profile (RFC 5280 4.1).
    CertificateMalformed,
    /// A certificate of a kind that is not served here.
    CertificateUnsupported,
    /// No configured trust anchor has the issuer's key.
    IssuerUnknown,
    /// An anchor has the key id, but its key did not sign this certificate.
    IssuerSignatureInvalid,
    /// `at` is before notBefore.
    CertificateNotYetValid,
    /// `at` is after notAfter.
    CertificateExpired,
    /// On the CRL (or revoked by OCSP) at `at`.
    CertificateRevoked,
    /// Key usage, policy or names are not those of the certificate kind asked for.
    ProfileViolation,
    /// A test certificate in production or the reverse.
    EnvironmentMismatch,
    /// Key size, exponent, hash or padding that policy refuses.
    AlgorithmRefused,
    /// No such challenge for this tenant.
    ChallengeUnknown,
    /// The challenge's time is over.
    ChallengeExpired,
    /// The challenge was used before.
    ChallengeUsed,
    /// The challenge was made for other content or another purpose.
    ChallengeMismatch,
    /// No usable revocation information could be had.
    StatusUnavailable,
    /// The revocation information is older than asked for or past its nextUpdate.
    StatusStale,
    /// The issuer says it does not know this serial number.
    StatusUnknownSerial,
}

impl Reason {
    /// All of them in the published order.
    pub const ALL: [Self; 18] = [
        Self::SignatureMismatch,
        Self::CertificateMalformed,
        Self::CertificateUnsupported,
        Self::IssuerUnknown,
        Self::IssuerSignatureInvalid,
        Self::CertificateNotYetValid,
        Self::CertificateExpired,
        Self::CertificateRevoked,
        Self::ProfileViolation,
        Self::EnvironmentMismatch,
        Self::AlgorithmRefused,
        Self::ChallengeUnknown,
        Self::ChallengeExpired,
        Self::ChallengeUsed,
        Self::ChallengeMismatch,
        Self::StatusUnavailable,
        Self::StatusStale,
        Self::StatusUnknownSerial,
    ];

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignatureMismatch => "signature_mismatch",
            Self::CertificateMalformed => "certificate_malformed",
            Self::CertificateUnsupported => "certificate_unsupported",
            Self::IssuerUnknown => "issuer_unknown",
            Self::IssuerSignatureInvalid => "issuer_signature_invalid",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateRevoked => "certificate_revoked",
            Self::ProfileViolation => "profile_violation",
            Self::EnvironmentMismatch => "environment_mismatch",
            Self::AlgorithmRefused => "algorithm_refused",
            Self::ChallengeUnknown => "challenge_unknown",
            Self::ChallengeExpired => "challenge_expired",
            Self::ChallengeUsed => "challenge_used",
            Self::ChallengeMismatch => "challenge_mismatch",
            Self::StatusUnavailable => "status_unavailable",
            Self::StatusStale => "status_stale",
            Self::StatusUnknownSerial => "status_unknown_serial",
        }
    }
}
