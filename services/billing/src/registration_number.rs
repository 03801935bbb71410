//! The registration number of an issuer of qualified invoices (適格請求書発行事業者の登録番号).
//!
//! `T` and 13 digits (消費税法57条の2, 57条の4). For a corporation the digits are its corporate number (法人番号), whose
//! first digit is a check digit: 9 minus the remainder by 9 of the sum over the twelve other digits, counted from the
//! last, of digit times 1 at odd and times 2 at even places (法人番号の指定等に関する省令2条). A platform operator is a
//! corporation, so the check always applies here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// A registration number whose check digit is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationNumber(String);

/// The text is no registration number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationNumberError {
    /// Not `T` and 13 ASCII digits.
    #[error("a registration number is T and 13 digits")]
    Form,
    /// The first digit is not the check digit of the others.
    #[error("the registration number's check digit should be {expected}")]
    CheckDigit {
        /// What it should be.
        expected: u8,
    },
}

impl RegistrationNumber {
    /// The number with its `T`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The check digit of the twelve digits that follow it.
fn check_digit(base: &[u8]) -> u8 {
    let sum: u16 = base
        .iter()
        .rev()
        .zip([1_u16, 2].into_iter().cycle())
        .map(|(digit, weight)| u16::from(digit - b'0') * weight)
        .sum();
    u8::try_from(9 - sum % 9).expect("nine minus a remainder by nine is one digit")
}

impl FromStr for RegistrationNumber {
    type Err = RegistrationNumberError;

    fn from_str(text: &str) -> Result<Self, RegistrationNumberError> {
        let digits = text
            .strip_prefix('T')
            .map(str::as_bytes)
            .filter(|digits| digits.len() == 13 && digits.iter().all(u8::is_ascii_digit))
            .ok_or(RegistrationNumberError::Form)?;
        let expected = check_digit(&digits[1..]);
        if digits[0] - b'0' == expected {
            Ok(Self(text.to_owned()))
        } else {
            Err(RegistrationNumberError::CheckDigit { expected })
        }
    }
}

impl fmt::Display for RegistrationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Serialize for RegistrationNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for RegistrationNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl utoipa::PartialSchema for RegistrationNumber {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^T[0-9]{13}$"))
            .into()
    }
}
impl utoipa::ToSchema for RegistrationNumber {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_corporate_numbers_pass() {
        // The National Tax Agency's and the Digital Agency's own, as published.
        for good in ["T7000012050002", "T8000012010038", "T9999999999999"] {
            assert_eq!(
                good.parse::<RegistrationNumber>().map(|n| n.0),
                Ok(good.to_owned())
            );
        }
    }

    #[test]
    fn every_other_check_digit_is_refused() {
        for wrong in (0..=9).filter(|digit| *digit != 7) {
            assert_eq!(
                format!("T{wrong}000012050002").parse::<RegistrationNumber>(),
                Err(RegistrationNumberError::CheckDigit { expected: 7 })
            );
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "",
            "7000012050002",
            "t7000012050002",
            "T700001205000",
            "T70000120500022",
            "T7000-12050002",
            "T７000012050002",
            " T7000012050002",
        ] {
            assert_eq!(
                bad.parse::<RegistrationNumber>(),
                Err(RegistrationNumberError::Form),
                "{bad}"
            );
        }
    }
}
