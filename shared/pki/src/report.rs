//! The outcome: every check that was made, and what follows from them.
//!
//! The verdict is never set, only derived: a failed check makes it *invalid*, else an undecided one makes it
//! *indeterminate*, else it is *valid*. A caller that has checks of its own (challenges) adds them with
//! [`Report::with`] and the same rule applies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{Reason, Verdict};

/// What was checked. The order is the order of the report.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The bytes are a certificate (RFC 5280 4.1).
    CertificateStructure,
    /// It is of a kind that is served.
    CertificateKind,
    /// An anchor's key signed it.
    Issuer,
    /// The anchor and the policy belong to the environment asked for.
    Environment,
    /// `at` lies between notBefore and notAfter, both included.
    ValidityPeriod,
    /// It keeps its kind's profile and serves the purpose.
    Profile,
    /// Keys and algorithms are accepted at `at`.
    Algorithm,
    /// The document signature verifies.
    Signature,
    /// It is not revoked, as fresh as asked for.
    Status,
    /// The challenge is known, current, unused and for this.
    Challenge,
}

impl CheckName {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CertificateStructure => "certificate_structure",
            Self::CertificateKind => "certificate_kind",
            Self::Issuer => "issuer",
            Self::Environment => "environment",
            Self::ValidityPeriod => "validity_period",
            Self::Profile => "profile",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Status => "status",
            Self::Challenge => "challenge",
        }
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// As it should be.
    Passed,
    /// Not as it should be, for good.
    Failed,
    /// Could not be decided.
    Unknown,
    /// Not made, because what it needs is missing.
    NotRun,
}

impl CheckResult {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotRun => "not_run",
        }
    }
}

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What was checked.
    #[serde(rename = "check")]
    pub name: CheckName,
    /// How it came out.
    pub result: CheckResult,
    /// Why it failed or could not be decided; null otherwise.
    pub reason: Option<Reason>,
}

impl Check {
    /// Passed.
    #[must_use]
    pub const fn passed(name: CheckName) -> Self {
        Self {
            name,
            result: CheckResult::Passed,
            reason: None,
        }
    }

    /// Failed for this reason.
    #[must_use]
    pub const fn failed(name: CheckName, reason: Reason) -> Self {
        Self {
            name,
            result: CheckResult::Failed,
            reason: Some(reason),
        }
    }

    /// Undecided for this reason.
    #[must_use]
    pub const fn unknown(name: CheckName, reason: Reason) -> Self {
        Self {
            name,
            result: CheckResult::Unknown,
            reason: Some(reason),
        }
    }

    /// Not made.
    #[must_use]
    pub const fn not_run(name: CheckName) -> Self {
        Self {
            name,
            result: CheckResult::NotRun,
            reason: None,
        }
    }
}

/// Main indication of ETSI EN 319 102-1 5.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Indication {
    /// TOTAL-PASSED.
    TotalPassed,
    /// TOTAL-FAILED.
    TotalFailed,
    /// INDETERMINATE.
    Indeterminate,
}

/// Sub-indication of ETSI EN 319 102-1 table 6: the word nearest to the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubIndication {
    /// The signature value does not verify.
    SigCryptoFailure,
    /// The certificate is no certificate.
    FormatFailure,
    /// The certificate is not one that the signing certificate may be.
    NoSigningCertificateFound,
    /// No chain to an anchor of the environment.
    NoCertificateChainFound,
    /// A chain, but its signature does not verify.
    CertificateChainGeneralFailure,
    /// notBefore lies ahead.
    NotYetValid,
    /// notAfter is past.
    Expired,
    /// Revoked.
    Revoked,
    /// The certificate is not of the profile that is asked for.
    ChainConstraintsFailure,
    /// An algorithm or key that policy does not accept.
    CryptoConstraintsFailure,
    /// A constraint of the caller on the signature does not hold.
    SigConstraintsFailure,
    /// Status or its freshness could not be had; later it may be.
    TryLater,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What follows from the checks.
    pub verdict: Verdict,
    /// The first reason in the published order; `None` exactly when the verdict is valid.
    pub reason: Option<Reason>,
    /// Every check, in the order of [`CheckName`].
    pub checks: Vec<Check>,
    /// The verdict in the words of ETSI.
    pub indication: Indication,
    /// The reason in the words of ETSI.
    pub sub_indication: Option<SubIndication>,
}

impl Report {
    /// Derives the outcome from the checks.
    #[must_use]
    pub fn from_checks(mut checks: Vec<Check>) -> Self {
        checks.sort_by_key(|check| check.name);
        let first = |result| {
            checks
                .iter()
                .filter(|check| check.result == result)
                .filter_map(|check| check.reason)
                .min()
        };
        let has = |result| checks.iter().any(|check| check.result == result);
        let (verdict, reason) = if has(CheckResult::Failed) {
            (Verdict::Invalid, first(CheckResult::Failed))
        } else if has(CheckResult::Unknown) {
            (Verdict::Indeterminate, first(CheckResult::Unknown))
        } else {
            (Verdict::Valid, None)
        };
        Self {
            verdict,
            reason,
            indication: match verdict {
                Verdict::Valid => Indication::TotalPassed,
                Verdict::Invalid => Indication::TotalFailed,
                Verdict::Indeterminate => Indication::Indeterminate,
            },
            sub_indication: reason.map(sub_indication),
            checks,
        }
    }

    /// With checks that the caller made itself; verdict and reason are derived again.
    #[must_use]
    pub fn with(self, checks: impl IntoIterator<Item = Check>) -> Self {
        let mut all = self.checks;
        all.extend(checks);
        Self::from_checks(all)
    }

    /// The check of this name.
    #[must_use]
    pub fn check(&self, name: CheckName) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

const fn sub_indication(reason: Reason) -> SubIndication {
    match reason {
        Reason::SignatureMismatch => SubIndication::SigCryptoFailure,
        Reason::CertificateMalformed => SubIndication::FormatFailure,
        Reason::CertificateUnsupported => SubIndication::NoSigningCertificateFound,
        Reason::IssuerUnknown | Reason::EnvironmentMismatch => {
            SubIndication::NoCertificateChainFound
        }
        Reason::IssuerSignatureInvalid => SubIndication::CertificateChainGeneralFailure,
        Reason::CertificateNotYetValid => SubIndication::NotYetValid,
        Reason::CertificateExpired => SubIndication::Expired,
        Reason::CertificateRevoked => SubIndication::Revoked,
        Reason::ProfileViolation => SubIndication::ChainConstraintsFailure,
        Reason::AlgorithmRefused => SubIndication::CryptoConstraintsFailure,
        Reason::ChallengeUnknown
        | Reason::ChallengeExpired
        | Reason::ChallengeUsed
        | Reason::ChallengeMismatch => SubIndication::SigConstraintsFailure,
        Reason::StatusUnavailable | Reason::StatusStale | Reason::StatusUnknownSerial => {
            SubIndication::TryLater
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_what_is_unknown_and_the_published_order_names_the_reason() {
        let unknown = Check::unknown(CheckName::Status, Reason::StatusStale);
        let report = Report::from_checks(vec![unknown, Check::passed(CheckName::Issuer)]);
        assert_eq!(report.verdict, Verdict::Indeterminate);
        assert_eq!(report.reason, Some(Reason::StatusStale));
        assert_eq!(report.sub_indication, Some(SubIndication::TryLater));

        let report = report.with([
            Check::failed(CheckName::Challenge, Reason::ChallengeUsed),
            Check::failed(CheckName::ValidityPeriod, Reason::CertificateExpired),
        ]);
        assert_eq!(report.verdict, Verdict::Invalid);
        assert_eq!(report.reason, Some(Reason::CertificateExpired));
        assert_eq!(report.indication, Indication::TotalFailed);

        let good = Report::from_checks(vec![Check::passed(CheckName::Issuer)]);
        assert_eq!((good.verdict, good.reason), (Verdict::Valid, None));
        let words = serde_json::to_value(&good).unwrap();
        assert_eq!(words["indication"], "TOTAL-PASSED");
        assert_eq!(words["checks"][0]["check"], "issuer");
    }
}
