//! Money: whole yen, checked, never a float.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whole yen; negative for credits.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(transparent)]
pub struct Yen(pub i64);

/// The amount does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is larger than can be represented")]
pub struct MoneyError;

impl Yen {
    /// Zero yen.
    pub const ZERO: Self = Self(0);

    /// Sum.
    ///
    /// # Errors
    /// Overflow.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_add(other.0).map(Self).ok_or(MoneyError)
    }

    /// `quantity` times this price.
    ///
    /// # Errors
    /// Overflow.
    pub fn times(self, quantity: i64) -> Result<Self, MoneyError> {
        self.0.checked_mul(quantity).map(Self).ok_or(MoneyError)
    }

    /// Sum of many.
    ///
    /// # Errors
    /// Overflow.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Yen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} yen", self.0)
    }
}
