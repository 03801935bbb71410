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
    pub(super) const fn valid() -> Self {
        Self::Verdict {
            verdict: "valid",
            reason: None,
        }
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
