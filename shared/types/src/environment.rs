//! Sandbox and production.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every client credential belongs to one of the two; data, keys, anchors and events never mix.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Synthetic persons, test hierarchy (`O=JPKI-TEST`), free of charge.
    Sandbox,
    /// Real certificates; open only to a tenant whose go-live checklist stands.
    Production,
}

impl Environment {
    /// Both, in a fixed order.
    pub const ALL: [Self; 2] = [Self::Sandbox, Self::Production];

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }

    /// From the wire word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}
