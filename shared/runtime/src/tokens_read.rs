//! Access tokens whose signature was verified, by their hash.
//!
//! A client shows one token with each of its requests, and verifying its signature costs as much as verifying a citizen's. What is
//! kept is that these keys signed it and what it says: both are fixed by its octets. When it was made, when it ends and from where it
//! may be used is judged at each use, and so is whether its client was denied since: no entry outlives a decision (F018).

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{
    TOKEN_LIFETIME,
    access_token::{SignedToken, TokenError},
    metrics,
};

/// Tokens kept: of so many clients in five minutes. An entry has a few hundred octets.
const ROOM: u64 = 16_384;
/// A token is over by then, whatever clock it was made by.
const KEPT: Duration = Duration::from_secs(2 * TOKEN_LIFETIME.as_secs());

/// Tokens that were read. Those that are not ours leave nothing behind.
pub(crate) struct TokensRead(Cache<[u8; 32], Arc<SignedToken>>);

impl Default for TokensRead {
    fn default() -> Self {
        let kept = Cache::builder().max_capacity(ROOM).time_to_live(KEPT);
        Self(kept.build())
    }
}

impl TokensRead {
    /// What a token says; `read` verifies it where it is new.
    pub(crate) fn of(
        &self,
        token: &str,
        read: impl FnOnce() -> Result<SignedToken, TokenError>,
    ) -> Result<Arc<SignedToken>, TokenError> {
        let key = Sha256::digest(token).into();
        let known = self.0.get(&key);
        metrics::cache_asked("access_token", known.is_some());
        if let Some(known) = known {
            return Ok(known);
        }
        let read = Arc::new(read()?);
        self.0.insert(key, Arc::clone(&read));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;
    use warikan_types::{
        ClientScope, Clock, Entropy, Environment, Principal, TenantScope, Timestamp,
    };

    use crate::{AccessToken, Keys};

    /// A few tokens of two platforms, some for one network only, and the same with a letter changed.
    fn tokens(entropy: &Entropy, at: Timestamp, keys: [&Keys; 2]) -> Vec<String> {
        let mut tokens = Vec::new();
        for number in 0..6_u8 {
            let who = Principal {
                client: entropy.id(at),
                tenant: (number > 0)
                    .then(|| TenantScope::of_event(entropy.id(at), Environment::Sandbox)),
                scopes: [ClientScope::Verifications].into(),
            };
            let clock =
                Clock::manual(at.plus(std::time::Duration::from_secs(60 * u64::from(number))));
            let network: Vec<IpNet> = match number % 3 {
                2 => vec!["192.0.2.0/24".parse().unwrap()],
                _ => Vec::new(),
            };
            let by = keys[usize::from(number == 5)];
            let token = AccessToken::issue_for(&who, network, by, &clock, entropy).unwrap();
            let middle = token.len() / 2;
            let other = if &token[middle..=middle] == "A" {
                "B"
            } else {
                "A"
            };
            let mut changed = token.clone();
            changed.replace_range(middle..=middle, other);
            tokens.extend([token, changed]);
        }
        tokens
    }

    proptest! {
        /// Whatever is shown, when, from where and how often before: the answer is that of a platform that remembers nothing.
        #[test]
        fn a_remembered_token_is_answered_like_a_new_one(
            shown in prop::collection::vec((0_usize..12, -120_i64..900, 0_u8..3), 1..60)
        ) {
            let (entropy, at) = (Entropy::seeded(1), "2026-11-21T00:00:00Z".parse::<Timestamp>().unwrap());
            let (keys, strangers) = (Keys::ephemeral(&entropy), Keys::ephemeral(&entropy));
            let tokens = tokens(&entropy, at, [&keys, &strangers]);
            for (which, seconds, from) in shown {
                let now = Timestamp::from_unix(at.unix() + seconds).unwrap();
                let from = match from {
                    0 => None,
                    1 => Some("192.0.2.7".parse().unwrap()),
                    _ => Some("198.51.100.7".parse().unwrap()),
                };
                let token = &tokens[which];
                let anew = AccessToken::signed_by(token, &keys).and_then(|one| one.judge(now, from));
                prop_assert_eq!(AccessToken::read(token, &keys, now, from), anew);
            }
        }
    }
}
