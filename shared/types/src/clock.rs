//! Where time comes from. Whoever needs it takes a [`Clock`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::Utc;

use crate::Timestamp;

/// A source of time, cheap to clone; clones share one source.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System,
    /// The system's time plus an offset in microseconds: the sandbox's clock, which a tester moves on.
    Adjustable(AtomicI64),
    /// Stands still until told: tests.
    Manual(AtomicI64),
}

/// The clock cannot be moved as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The system's clock belongs to the machine.
    #[error("the system clock cannot be moved")]
    Fixed,
    /// The step leaves the range of time that can be told.
    #[error("the step is too long")]
    TooFar,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Source::System))
    }

    /// The machine's clock ahead by `offset`, and movable.
    #[must_use]
    pub fn adjustable(offset: Duration) -> Self {
        let micros = i64::try_from(offset.as_micros()).unwrap_or(i64::MAX / 4);
        Self(Arc::new(Source::Adjustable(AtomicI64::new(micros))))
    }

    /// A clock that stands at `start` until [`Clock::advance`].
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Arc::new(Source::Manual(AtomicI64::new(
            start.utc().timestamp_micros(),
        ))))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::System => machine_now(),
            Source::Adjustable(offset) => {
                machine_now().plus(micros(offset.load(Ordering::Acquire)))
            }
            Source::Manual(at) => {
                chrono::DateTime::from_timestamp_micros(at.load(Ordering::Acquire)).map_or(
                    Timestamp::new(chrono::DateTime::<Utc>::MAX_UTC),
                    Timestamp::new,
                )
            }
        }
    }

    /// Moves an adjustable or manual clock forward; returns the new time.
    ///
    /// # Errors
    /// [`ClockError::Fixed`] for the system clock, [`ClockError::TooFar`] beyond about 100 years.
    pub fn advance(&self, by: Duration) -> Result<Timestamp, ClockError> {
        const CENTURY: i64 = 100 * 366 * 24 * 3600 * 1_000_000;
        let step = i64::try_from(by.as_micros())
            .ok()
            .filter(|step| *step <= CENTURY)
            .ok_or(ClockError::TooFar)?;
        match &*self.0 {
            Source::System => return Err(ClockError::Fixed),
            Source::Adjustable(offset) => {
                if offset.load(Ordering::Acquire).saturating_add(step) > CENTURY {
                    return Err(ClockError::TooFar);
                }
                offset.fetch_add(step, Ordering::AcqRel);
            }
            Source::Manual(at) => {
                at.fetch_add(step, Ordering::AcqRel);
            }
        }
        Ok(self.now())
    }

    /// How far an adjustable clock is ahead of the machine's; zero for the others.
    #[must_use]
    pub fn offset(&self) -> Duration {
        match &*self.0 {
            Source::Adjustable(offset) => micros(offset.load(Ordering::Acquire)),
            Source::System | Source::Manual(_) => Duration::ZERO,
        }
    }
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(0))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn machine_now() -> Timestamp {
    Timestamp::new(Utc::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let clock = Clock::manual(start);
        let twin = clock.clone();
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(86_400)).unwrap();
        assert_eq!(twin.now().to_string(), "2026-11-22T00:00:00Z");
        assert_eq!(
            Clock::system().advance(Duration::ZERO),
            Err(ClockError::Fixed)
        );
        assert_eq!(
            clock.advance(Duration::from_secs(u64::MAX)),
            Err(ClockError::TooFar)
        );
    }
}
