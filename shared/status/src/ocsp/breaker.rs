//! Leaving a responder alone that does not answer.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use warikan_types::Timestamp;

/// Failures in a row after which nobody asks any more.
const FAILURES: u32 = 5;
/// How long it is left alone; then one question goes through.
const REST: Duration = Duration::from_secs(30);

#[derive(Default)]
struct State {
    failures: u32,
    /// Until when it rests.
    until: Option<Timestamp>,
}

/// Counts the failures of one responder.
#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

impl Breaker {
    /// Whether to ask. After a rest one question goes through, and the others wait for what it hears.
    pub(super) fn lets_through(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.until = Some(now.plus(REST));
                true
            }
        }
    }

    /// What became of a question.
    pub(super) fn heard(&self, answered: bool, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.until = Some(now.plus(REST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f050_it_opens_after_five_failures_and_tries_once_after_its_rest() {
        let at = |seconds| Timestamp::from_unix(seconds).unwrap();
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.heard(false, at(0));
        }
        breaker.heard(true, at(0));
        for _ in 0..5 {
            assert!(breaker.lets_through(at(1)));
            breaker.heard(false, at(1));
        }
        assert!(!breaker.lets_through(at(30)));
        assert!(breaker.lets_through(at(31)), "one question");
        assert!(!breaker.lets_through(at(31)), "and no other");
        breaker.heard(false, at(32));
        assert!(!breaker.lets_through(at(61)));
        assert!(breaker.lets_through(at(62)));
        breaker.heard(true, at(62));
        assert!(breaker.lets_through(at(62)) && breaker.lets_through(at(62)));
    }
}
