//! Lengths of time on the wire: ISO 8601 durations without years and months, whose length varies.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// The same as a pattern for readers of the document; nobody needs more digits.
const PATTERN: &str =
    "^P(?!$)([0-9]{1,9}W)?([0-9]{1,9}D)?(T(?!$)([0-9]{1,9}H)?([0-9]{1,9}M)?([0-9]{1,9}S)?)?$";

/// A length of time, `PT24H`, `P1D`, `P1DT12H30M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 8601 duration of weeks, days, hours, minutes and seconds such as PT24H or P1D")]
pub struct SpanError;

impl Span {
    /// The length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}
impl From<Duration> for Span {
    fn from(length: Duration) -> Self {
        Self(length)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let body = text.strip_prefix('P').ok_or(SpanError)?;
        let (days, time) = match body.split_once('T') {
            Some((days, time)) if !time.is_empty() => (days, Some(time)),
            Some(_) => return Err(SpanError),
            None => (body, None),
        };
        let mut seconds = add_units(days, &[('W', 604_800), ('D', 86_400)])?;
        if let Some(time) = time {
            let rest = add_units(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
            seconds = seconds.checked_add(rest).ok_or(SpanError)?;
        } else if days.is_empty() {
            return Err(SpanError);
        }
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// Reads `<digits><unit>` pairs whose units come in the given order, each at most once.
fn add_units(mut text: &str, units: &[(char, u64)]) -> Result<u64, SpanError> {
    let mut total: u64 = 0;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(SpanError)?;
        let amount: u64 = text[..end].parse().map_err(|_| SpanError)?;
        let unit = text[end..].chars().next().ok_or(SpanError)?;
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or(SpanError)?;
        total = amount
            .checked_mul(*length)
            .and_then(|part| total.checked_add(part))
            .ok_or(SpanError)?;
        text = &text[end + unit.len_utf8()..];
    }
    Ok(total)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds > 0 && seconds.is_multiple_of(86_400) {
            write!(f, "P{}D", seconds / 86_400)
        } else if seconds > 0 && seconds.is_multiple_of(3_600) {
            write!(f, "PT{}H", seconds / 3_600)
        } else {
            write!(f, "PT{seconds}S")
        }
    }
}
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl utoipa::PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(PATTERN))
            .into()
    }
}
impl utoipa::ToSchema for Span {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_strictly() {
        let seconds = |text: &str| text.parse::<Span>().map(|span| span.duration().as_secs());
        assert_eq!(seconds("PT24H"), Ok(86_400));
        assert_eq!(seconds("P1DT2H3M4S"), Ok(93_784));
        assert_eq!(seconds("P2W"), Ok(1_209_600));
        assert_eq!(seconds("PT0S"), Ok(0));
        for bad in [
            "",
            "P",
            "PT",
            "P1DT",
            "24H",
            "P1H",
            "PT1D",
            "P1Y",
            "PT1M2H",
            "P-1D",
            "PT1.5S",
            "P99999999999999999999D",
            "PT１S",
        ] {
            assert_eq!(seconds(bad), Err(SpanError), "{bad}");
        }
    }
}
