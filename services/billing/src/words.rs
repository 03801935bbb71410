//! The words of metering, on the wire and in rows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::{facts::Channel, operations::Metered};
use warikan_types::CertificateKind;

/// What is counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Answers to `POST /v1/verifications`.
    Verification,
    /// Later checks that a certificate still stands (現況確認).
    StatusCheck,
}

impl Meter {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::StatusCheck => "status_check",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Verification, Self::StatusCheck]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

impl From<Metered> for Meter {
    fn from(metered: Metered) -> Self {
        match metered {
            Metered::Verification => Self::Verification,
            Metered::StatusCheck => Self::StatusCheck,
        }
    }
}

/// Why a certificate was confirmed: ministers and J-LIS may ask for counts by it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A signature made with a signature certificate (署名検証).
    SignatureVerification,
    /// A challenge answered with an authentication certificate (利用者証明).
    Authentication,
    /// A later check of either (現況確認).
    StatusCheck,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::SignatureVerification,
        Self::Authentication,
        Self::StatusCheck,
    ];

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignatureVerification => "signature_verification",
            Self::Authentication => "authentication",
            Self::StatusCheck => "status_check",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Whether certificates of this kind are confirmed for it.
    pub(crate) const fn fits(self, kind: CertificateKind) -> bool {
        match self {
            Self::SignatureVerification => kind.is_signature(),
            Self::Authentication => !kind.is_signature(),
            Self::StatusCheck => true,
        }
    }
}

/// A channel from its wire word.
pub(crate) fn channel_from_word(word: &str) -> Option<Channel> {
    [Channel::Crl, Channel::Ocsp]
        .into_iter()
        .find(|one| one.as_str() == word)
}

/// Thousands apart: `-1,234,567`.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-55_110, "-55,110"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
