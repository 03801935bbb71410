//! The billing month: a calendar month in Japan (JST, UTC+9, no daylight saving time).

use std::{fmt, str::FromStr};

use chrono::{Datelike, FixedOffset, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::Timestamp;

/// A JST calendar month, `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillingMonth {
    year: u16,
    month: u8,
}

/// The text names no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a month of the form 2026-11")]
pub struct MonthError;

fn jst() -> FixedOffset {
    FixedOffset::east_opt(9 * 3600).expect("nine hours is an offset")
}

impl BillingMonth {
    /// The month in which `at` falls in Japan.
    ///
    /// # Panics
    /// Never for years 0 to 65535.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let local = at.utc().with_timezone(&jst());
        Self {
            year: u16::try_from(local.year()).expect("the platform lives in years of four digits"),
            month: u8::try_from(local.month()).expect("a month is 1 to 12"),
        }
    }

    /// The first instant of the month.
    ///
    /// # Panics
    /// Never: JST has no gaps.
    #[must_use]
    pub fn start(self) -> Timestamp {
        let first = jst()
            .with_ymd_and_hms(i32::from(self.year), u32::from(self.month), 1, 0, 0, 0)
            .single()
            .expect("JST has no gaps");
        Timestamp::new(first.with_timezone(&Utc))
    }

    /// The first instant after the month.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.next().start()
    }

    /// The month after.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.month == 12 {
            Self {
                year: self.year + 1,
                month: 1,
            }
        } else {
            Self {
                year: self.year,
                month: self.month + 1,
            }
        }
    }
}

impl fmt::Display for BillingMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}
impl FromStr for BillingMonth {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let (year, month) = text.split_once('-').ok_or(MonthError)?;
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return Err(MonthError);
        }
        let year = year.parse().map_err(|_| MonthError)?;
        let month = month.parse().map_err(|_| MonthError)?;
        if !(1..=12).contains(&month) || !(1970..9999).contains(&year) {
            return Err(MonthError);
        }
        Ok(Self { year, month })
    }
}
impl Serialize for BillingMonth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for BillingMonth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl utoipa::PartialSchema for BillingMonth {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9]{4}-(0[1-9]|1[0-2])$"))
            .into()
    }
}
impl utoipa::ToSchema for BillingMonth {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f076_a_month_ends_at_midnight_in_japan() {
        let of = |text: &str| BillingMonth::of(text.parse().unwrap()).to_string();
        assert_eq!(of("2026-11-30T14:59:59.999999Z"), "2026-11");
        assert_eq!(of("2026-11-30T15:00:00Z"), "2026-12");
        assert_eq!(of("2028-02-29T14:59:59Z"), "2028-02", "leap day");
        let month: BillingMonth = "2026-12".parse().unwrap();
        assert_eq!(month.start().to_string(), "2026-11-30T15:00:00Z");
        assert_eq!(month.end().to_string(), "2026-12-31T15:00:00Z");
        for bad in [
            "2026-13", "2026-00", "26-11", "2026-1", "+026-11", "2026/11",
        ] {
            assert!(bad.parse::<BillingMonth>().is_err(), "{bad}");
        }
    }
}
