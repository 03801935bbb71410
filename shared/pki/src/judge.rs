//! What knowledge of a status amounts to: the one place where age decides.
//!
//! Verifications, single checks, checks of persons and campaigns all ask here, so none of them can forget that a list past its
//! nextUpdate says *good* of nothing (F041, F043).

use std::time::Duration;

use warikan_types::{Reason, RevocationReason, Timestamp};

use crate::evidence::{StatusFact, StatusKnowledge};

/// How old knowledge may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AgeBounds {
    /// Oldest thisUpdate that will do; the nextUpdate bounds it in any case.
    pub max_age: Option<Duration>,
    /// How far issuers' clocks may be ahead.
    pub clock_skew: Duration,
}

/// What may be said of a certificate at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Not revoked, by a source that is in force and young enough.
    Good,
    /// Revoked. No age takes that back.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// Since when.
        revoked_at: Timestamp,
    },
    /// Nothing may be said: [`Reason::StatusUnavailable`], [`Reason::StatusStale`] or [`Reason::StatusUnknownSerial`].
    Unknown(Reason),
}

impl Judged {
    /// Judges what is known as of `at`.
    #[must_use]
    pub fn of(known: Option<&StatusKnowledge>, bounds: AgeBounds, at: Timestamp) -> Self {
        match known {
            None => Self::Unknown(Reason::StatusUnavailable),
            Some(known) => {
                let times = (known.this_update, known.next_update);
                Self::of_parts(&known.fact, times, bounds, at)
            }
        }
    }

    /// The same of a fact with its thisUpdate and nextUpdate.
    #[must_use]
    pub fn of_parts(
        fact: &StatusFact,
        (this_update, next_update): (Timestamp, Option<Timestamp>),
        bounds: AgeBounds,
        at: Timestamp,
    ) -> Self {
        let from_the_future = this_update > at.plus(bounds.clock_skew);
        match *fact {
            // What is revoked stays revoked: age does not matter, and of what was learned later it matters only
            // whether the revocation itself lay ahead of `at`.
            StatusFact::Revoked { reason, revoked_at } if !from_the_future || revoked_at <= at => {
                Self::Revoked { reason, revoked_at }
            }
            _ if from_the_future => Self::Unknown(Reason::StatusUnavailable),
            StatusFact::Good if is_stale(this_update, next_update, bounds, at) => {
                Self::Unknown(Reason::StatusStale)
            }
            StatusFact::Good => Self::Good,
            StatusFact::UnknownSerial => Self::Unknown(Reason::StatusUnknownSerial),
            StatusFact::Revoked { reason, revoked_at } => Self::Revoked { reason, revoked_at },
        }
    }
}

/// Older than asked for, past its nextUpdate, or without any bound on its age.
fn is_stale(
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    bounds: AgeBounds,
    at: Timestamp,
) -> bool {
    let too_old = bounds
        .max_age
        .is_some_and(|max| at.since(this_update) > max);
    let past = next_update.is_some_and(|next| at > next);
    let unbounded = bounds.max_age.is_none() && next_update.is_none();
    too_old || past || unbounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f043_no_source_says_good_beyond_its_bounds_and_revoked_has_none() {
        let at = |seconds| Timestamp::from_unix(seconds).unwrap();
        let revoked = StatusFact::Revoked {
            reason: RevocationReason::KeyCompromise,
            revoked_at: at(50),
        };
        let stale = Judged::Unknown(Reason::StatusStale);
        let unavailable = Judged::Unknown(Reason::StatusUnavailable);
        for (next, max_age, now, expected) in [
            (Some(200), None, 200, Judged::Good),
            (Some(200), None, 201, stale),
            (Some(200), Some(50), 150, Judged::Good),
            (Some(200), Some(50), 151, stale),
            (Some(200), Some(900), 201, stale),
            (None, Some(50), 150, Judged::Good),
            (None, None, 100, stale),
            (Some(200), None, 95, Judged::Good),
            (Some(200), None, 94, unavailable),
        ] {
            let bounds = AgeBounds {
                max_age: max_age.map(Duration::from_secs),
                clock_skew: Duration::from_secs(5),
            };
            let times = (at(100), next.map(at));
            let said = |fact: &StatusFact| Judged::of_parts(fact, times, bounds, at(now));
            assert_eq!(
                said(&StatusFact::Good),
                expected,
                "{next:?} {max_age:?} {now}"
            );
            assert!(matches!(said(&revoked), Judged::Revoked { .. }));
            assert!(matches!(
                said(&StatusFact::UnknownSerial),
                Judged::Unknown(_)
            ));
        }
        assert_eq!(Judged::of(None, AgeBounds::default(), at(0)), unavailable);
    }
}
