//! The answers.

use serde::Serialize;

/// One line of output.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// Most operations.
    Verdict {
        verdict: &'static str,
        reason: Option<String>,
    },
    /// `crl` and `ocsp`.
    Status {
        status: &'static str,
        reason: Option<String>,
    },
}

impl Answer {
    pub(super) const fn verdict(verdict: &'static str) -> Self {
        Self::Verdict {
            verdict,
            reason: None,
        }
    }

    pub(super) const fn valid() -> Self {
        Self::verdict("valid")
    }

    pub(super) const fn status(status: &'static str, reason: Option<String>) -> Self {
        Self::Status { status, reason }
    }

    pub(super) fn invalid(reason: impl ToString) -> Self {
        Self::Verdict {
            verdict: "invalid",
            reason: Some(reason.to_string()),
        }
    }

    pub(super) fn refused(reason: &str) -> Self {
        Self::Verdict {
            verdict: "refused",
            reason: Some(reason.to_owned()),
        }
    }
}
