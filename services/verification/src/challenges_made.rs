//! Challenges that this process made a moment ago.
//!
//! What a challenge says never changes; only whether it was used does, and that is decided in the transaction that uses it. So who answers a
//! challenge at the process that made it need not ask the database first. Each is given out once: a second answer asks, and sees the first.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;
use warikan_pki::DigestAlgorithm;
use warikan_runtime::metrics;
use warikan_types::{ChallengeId, TenantScope, Timestamp};

use crate::{request::ChallengePurpose, store::ChallengeRow};

/// What its row says, in a third of the room.
struct Made {
    scope: TenantScope,
    purpose: ChallengePurpose,
    algorithm: DigestAlgorithm,
    digest: Box<[u8]>,
    expires_at: DateTime<Utc>,
}

/// All live equally long, so the oldest go first, and a queue says which those are. One that was given out leaves its place in the queue.
#[derive(Default)]
struct Kept {
    made: HashMap<Uuid, Made>,
    order: VecDeque<(Uuid, DateTime<Utc>)>,
}

/// The challenges, as they were made.
pub(crate) struct ChallengesMade {
    room: usize,
    kept: Mutex<Kept>,
}

impl ChallengesMade {
    /// Keeps so many; none with 0.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            room,
            kept: Mutex::default(),
        }
    }

    /// Keeps one that was committed, and forgets those whose time is over.
    pub(crate) fn keep(&self, scope: TenantScope, row: ChallengeRow, now: Timestamp) {
        let words = ChallengePurpose::from_word(&row.purpose).zip(
            DigestAlgorithm::ALL
                .into_iter()
                .find(|one| one.as_str() == row.algorithm),
        );
        let Some((purpose, algorithm)) = words.filter(|_| self.room > 0) else {
            return;
        };
        let made = Made {
            scope,
            purpose,
            algorithm,
            digest: row.digest.into(),
            expires_at: row.expires_at,
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((oldest, expires_at)) = kept.order.front().copied()
            && (kept.order.len() >= self.room || expires_at < now.utc())
        {
            kept.order.pop_front();
            kept.made.remove(&oldest);
        }
        kept.order.push_back((row.id, row.expires_at));
        kept.made.insert(row.id, made);
    }

    /// Gives one out, unused as it was made. Whether it still is, the transaction sees.
    pub(crate) fn take(&self, scope: TenantScope, id: ChallengeId) -> Option<ChallengeRow> {
        if self.room == 0 {
            return None;
        }
        let made = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            match kept.made.get(&id.uuid()) {
                Some(made) if made.scope == scope => kept.made.remove(&id.uuid()),
                Some(_) | None => None,
            }
        };
        metrics::cache_asked("challenge", made.is_some());
        let made = made?;
        Some(ChallengeRow {
            id: id.uuid(),
            tenant: scope.tenant().uuid(),
            environment: scope.environment().as_str().to_owned(),
            purpose: made.purpose.as_str().to_owned(),
            algorithm: made.algorithm.as_str().to_owned(),
            digest: made.digest.into_vec(),
            expires_at: made.expires_at,
            used_by: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use warikan_types::{Challenge, Entropy, Environment};

    use super::*;

    const START: &str = "2026-11-21T00:00:00Z";

    fn row(entropy: &Entropy, scope: TenantScope, at: Timestamp) -> ChallengeRow {
        ChallengeRow {
            id: entropy.id::<Challenge>(at).uuid(),
            tenant: scope.tenant().uuid(),
            environment: scope.environment().as_str().to_owned(),
            purpose: "authentication".to_owned(),
            algorithm: "sha384".to_owned(),
            digest: entropy.bytes::<48>().to_vec(),
            expires_at: at.plus(Duration::from_secs(600)).utc(),
            used_by: None,
        }
    }

    #[test]
    fn it_comes_back_whole_once_and_to_its_own_tenant_alone() {
        let (entropy, at): (_, Timestamp) = (Entropy::seeded(1), START.parse().unwrap());
        let scope = |environment| TenantScope::of_event(entropy.id(at), environment);
        let (own, other) = (
            scope(Environment::Production),
            scope(Environment::Production),
        );
        let made = ChallengesMade::new(10);
        let row = row(&entropy, own, at);
        let id = ChallengeId::from_uuid(row.id);
        made.keep(own, row.clone(), at);
        let sandbox = TenantScope::of_event(own.tenant(), Environment::Sandbox);
        assert_eq!(made.take(other, id), None);
        assert_eq!(made.take(sandbox, id), None);
        assert_eq!(made.take(own, id), Some(row));
        assert_eq!(made.take(own, id), None);
    }

    #[test]
    fn the_oldest_go_for_want_of_room_and_when_their_time_is_over() {
        let (entropy, start): (_, Timestamp) = (Entropy::seeded(2), START.parse().unwrap());
        let scope = TenantScope::of_event(entropy.id(start), Environment::Sandbox);
        let made = ChallengesMade::new(3);
        let mut ids = Vec::new();
        for minute in 0..5_u64 {
            let at = start.plus(Duration::from_secs(60 * minute));
            let row = row(&entropy, scope, at);
            ids.push(ChallengeId::from_uuid(row.id));
            made.keep(scope, row, at);
        }
        assert!(made.take(scope, ids[1]).is_none());
        assert!(made.take(scope, ids[2]).is_some());
        let late = start.plus(Duration::from_secs(3_600));
        made.keep(scope, row(&entropy, scope, late), late);
        assert!(made.take(scope, ids[4]).is_none());
        let kept = made.kept.lock().unwrap();
        assert_eq!((kept.made.len(), kept.order.len()), (1, 1));
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let (entropy, at): (_, Timestamp) = (Entropy::seeded(3), START.parse().unwrap());
        let scope = TenantScope::of_event(entropy.id(at), Environment::Sandbox);
        let made = ChallengesMade::new(0);
        let row = row(&entropy, scope, at);
        let id = ChallengeId::from_uuid(row.id);
        made.keep(scope, row, at);
        assert!(made.take(scope, id).is_none());
    }
}
