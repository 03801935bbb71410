//! Order statistics of durations. Integers only: no average is taken, and none is needed.

use std::{fmt, time::Duration};

/// Measured durations, in order.
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    /// At least one duration.
    pub(crate) fn new(mut measured: Vec<Duration>) -> Self {
        assert!(!measured.is_empty(), "nothing was measured");
        measured.sort_unstable();
        Self(measured)
    }

    /// The value that this share of the sample does not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank.min(self.0.len()) - 1]
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        Self::new(self.0)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }

    pub(crate) fn longest(&self) -> Duration {
        self.percentile(100)
    }
}

/// The middle one of a few numbers; of an even number of them the lower.
pub(crate) fn middle<T: Ord + Copy>(numbers: &[T]) -> Option<T> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let place = sorted.len().checked_sub(1)? / 2;
    sorted.get(place).copied()
}

/// How many times as long as a yardstick, to one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ratio {
    tenths: u128,
}

impl Ratio {
    pub(crate) fn of(measured: Duration, yardstick: Duration) -> Self {
        let unit = yardstick.as_nanos().max(1);
        Self {
            tenths: (measured.as_nanos() * 10 + unit / 2) / unit,
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tenths / 10, self.tenths % 10)
    }
}

/// A duration in whole microseconds: the scale on which the figures differ.
pub(crate) struct Micros(pub(crate) Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Through `pad`, so that columns can be aligned.
        f.pad(&self.0.as_micros().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(numbers: impl IntoIterator<Item = u64>) -> Sample {
        Sample::new(numbers.into_iter().map(Duration::from_micros).collect())
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred = micros((1..=100).rev());
        for percent in [1, 50, 90, 99, 100] {
            assert_eq!(
                hundred.percentile(percent),
                Duration::from_micros(percent as u64)
            );
        }
        let one = micros([7]);
        assert_eq!(one.percentile(99), one.median());
        assert_eq!(micros([1, 2, 3, 4]).median(), Duration::from_micros(2));
        assert_eq!(micros(1..=1_000).percentile(99), Duration::from_micros(990));
    }

    #[test]
    fn ratios_are_rounded_to_a_tenth() {
        let ratio = |a, b| Ratio::of(Duration::from_nanos(a), Duration::from_nanos(b)).to_string();
        assert_eq!(ratio(2_000, 1_000), "2.0");
        assert_eq!(ratio(1_000, 3_000), "0.3");
        assert_eq!(ratio(1_949, 1_000), "1.9");
        assert_eq!(ratio(1_950, 1_000), "2.0");
    }

    #[test]
    fn the_middle_is_one_of_the_numbers() {
        assert_eq!(middle(&[3, 1, 2]), Some(2));
        assert_eq!(middle(&[4, 1, 3, 2]), Some(2));
        assert_eq!(middle::<u8>(&[]), None);
    }
}
