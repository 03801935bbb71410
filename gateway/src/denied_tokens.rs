//! Whose access tokens the edge refuses although they have not expired: of suspended and closed tenants, and of revoked credentials
//! (F018).
//!
//! Tokens are checked by signature, and live five minutes. That a signature was good may be remembered; that its holder may come is not, and
//! nothing that is shared could let anybody in. What is shared is the opposite: a list of those who are denied, which onboarding keeps in its database and the edge holds in memory. A
//! *stamp* in Redis says that the list may have changed, and costs one small question a second. It decides nothing: where it is gone or
//! Redis does not answer, the list itself is asked for every [`OFTEN`], and with the stamp unmoved every [`SELDOM`] all the same.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use warikan_contracts::api::DeniedTokens;
use warikan_runtime::{Keys, Peer, RedisServer, metrics};
use warikan_types::{Client, Clock, Entropy, Environment, Id, Principal, TenantId, Timestamp};

/// How often [`DenyList::look`] wants to be called.
pub const LOOK: Duration = Duration::from_secs(1);
/// The list is asked for this often where no stamp says whether it has changed.
const OFTEN: Duration = Duration::from_secs(2);
/// And this often where the stamp has not moved: a change of it may have been lost with Redis.
const SELDOM: Duration = Duration::from_secs(15);
/// How long onboarding may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where the stamp lies in Redis.
const STAMP: (&str, &str) = ("stamp", "denied-tokens");

type Ask = dyn Fn() -> BoxFuture<'static, Result<DeniedTokens, String>> + Send + Sync;

/// What the edge knows of denied tokens. Clones share it.
#[derive(Clone)]
pub struct DenyList(Arc<Inner>);

struct Inner {
    ask: Box<Ask>,
    redis: Option<RedisServer>,
    clock: Clock,
    entropy: Entropy,
    denied: RwLock<Denied>,
    /// Where by which keys tokens are read is kept, if another process decides it.
    keys: OnceLock<Keys>,
    /// When, and under which stamp, the list was heard last.
    heard: tokio::sync::Mutex<Option<Heard>>,
}

#[derive(Default)]
struct Denied {
    suspended: HashSet<TenantId>,
    closed: HashSet<TenantId>,
    revoked: HashSet<Id<Client>>,
}

struct Heard {
    at: Timestamp,
    stamp: Option<Vec<u8>>,
}

impl DenyList {
    /// A list that is asked for so; with a Redis where onboarding leaves its stamp.
    #[must_use]
    pub fn new(
        ask: impl Fn() -> BoxFuture<'static, Result<DeniedTokens, String>> + Send + Sync + 'static,
        redis: Option<RedisServer>,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        Self(Arc::new(Inner {
            ask: Box::new(ask),
            redis,
            clock,
            entropy,
            denied: RwLock::default(),
            keys: OnceLock::new(),
            heard: tokio::sync::Mutex::default(),
        }))
    }

    /// The list of onboarding in another process.
    #[must_use]
    pub fn of_peer(
        onboarding: Peer,
        redis: Option<RedisServer>,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        let ask = move || {
            let onboarding = onboarding.clone();
            Box::pin(async move {
                let answer = ask_peer(&onboarding).await;
                if answer.is_err() {
                    onboarding.turn_elsewhere();
                }
                answer
            }) as BoxFuture<'static, _>
        };
        Self::new(ask, redis, clock, entropy)
    }

    /// With the keys of this process, which follow onboarding's: the list also says by which keys tokens are read.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        // Only fails where they were set before.
        let _ = self.0.keys.set(keys);
        self
    }

    /// Looks whether the list must be asked for, and asks. To be called every [`LOOK`].
    ///
    /// # Errors
    /// Onboarding did not tell; what was known stays, and tokens expire meanwhile.
    pub async fn look(&self) -> Result<(), String> {
        let mut heard = self.0.heard.lock().await;
        let now = self.0.clock.now();
        let stamp = self.stamp(now).await;
        if let Some(last) = &*heard {
            let patience = if stamp.is_some() && stamp == last.stamp {
                SELDOM
            } else if stamp.is_some() {
                Duration::ZERO
            } else {
                OFTEN
            };
            if now.since(last.at) < patience {
                metrics::denied_tokens(now.since(last.at));
                return Ok(());
            }
        }
        self.ask(&mut heard, stamp).await
    }

    /// Asks at once: the list has changed.
    ///
    /// # Errors
    /// As [`DenyList::look`].
    pub async fn look_now(&self) -> Result<(), String> {
        let mut heard = self.0.heard.lock().await;
        let stamp = self.stamp(self.0.clock.now()).await;
        self.ask(&mut heard, stamp).await
    }

    async fn ask(
        &self,
        heard: &mut Option<Heard>,
        mut stamp: Option<Vec<u8>>,
    ) -> Result<(), String> {
        // As of before the question: what is denied meanwhile is asked for next time.
        let at = self.0.clock.now();
        let list = match (self.0.ask)().await {
            Ok(list) => list,
            Err(why) => {
                let since = heard
                    .as_ref()
                    .map_or(Duration::ZERO, |last| at.since(last.at));
                metrics::denied_tokens(since);
                return Err(why);
            }
        };
        if let Some(keys) = self.0.keys.get() {
            keys.hear_token_keys(&list.token_keys);
        }
        *self
            .0
            .denied
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Denied {
            suspended: list.suspended.into_iter().collect(),
            closed: list.closed.into_iter().collect(),
            revoked: list.revoked.into_iter().collect(),
        };
        if let (None, Some(redis)) = (&stamp, &self.0.redis) {
            // Redis was flushed or restarted. Whoever comes first leaves a stamp; one that onboarding leaves meanwhile is another.
            let fresh = self.0.entropy.bytes::<16>().to_vec();
            if redis.keep_first(STAMP.0, STAMP.1, &fresh, at).await {
                stamp = Some(fresh);
            }
        }
        *heard = Some(Heard { at, stamp });
        metrics::denied_tokens(Duration::ZERO);
        Ok(())
    }

    async fn stamp(&self, now: Timestamp) -> Option<Vec<u8>> {
        let redis = self.0.redis.as_ref()?;
        redis.kept(STAMP.0, STAMP.1, now).await
    }

    /// Whether this caller's tokens are denied.
    pub(crate) fn denies(&self, principal: &Principal) -> bool {
        let denied = self.0.denied.read();
        let denied = denied.unwrap_or_else(PoisonError::into_inner);
        let tenant = principal.tenant.is_some_and(|scope| {
            denied.closed.contains(&scope.tenant())
                || (scope.environment() == Environment::Production
                    && denied.suspended.contains(&scope.tenant()))
        });
        tenant || denied.revoked.contains(&principal.client)
    }
}

/// Leaves a new stamp: the list has changed. Gives whether Redis took it.
pub async fn stamp_denied_tokens(redis: &RedisServer, entropy: &Entropy, now: Timestamp) -> bool {
    let fresh = entropy.bytes::<16>();
    redis.keep(STAMP.0, STAMP.1, &fresh, None, now).await
}

async fn ask_peer(onboarding: &Peer) -> Result<DeniedTokens, String> {
    let request = onboarding
        .get("/inner/denied", PATIENCE)
        .map_err(|error| error.to_string())?;
    let answer = request
        .send()
        .await
        .map_err(|_| "onboarding does not answer".to_owned())?;
    if !answer.status().is_success() {
        return Err(format!("onboarding answers {}", answer.status()));
    }
    answer
        .json()
        .await
        .map_err(|_| "onboarding's answer cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use warikan_types::{ClientScope, TenantScope};

    use super::*;

    #[tokio::test]
    async fn f018_without_a_stamp_the_list_is_asked_for_every_two_seconds_and_an_outage_forgets_nothing()
     {
        let clock = Clock::manual("2026-11-21T00:00:00Z".parse().unwrap());
        let entropy = Entropy::seeded(18);
        let tenant: TenantId = entropy.id(clock.now());
        let client: Id<Client> = entropy.id(clock.now());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let list = DenyList::new(
            move || {
                let times = counted.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move {
                    match times {
                        0 => Ok(DeniedTokens::default()),
                        1 => Ok(DeniedTokens {
                            suspended: vec![tenant],
                            ..DeniedTokens::default()
                        }),
                        2 | 3 => Err("away".to_owned()),
                        _ => Ok(DeniedTokens {
                            closed: vec![tenant],
                            revoked: vec![client],
                            ..DeniedTokens::default()
                        }),
                    }
                })
            },
            None,
            clock.clone(),
            entropy.clone(),
        );
        let principal = |environment, client: Option<Id<Client>>, tenant: TenantId| Principal {
            client: client.unwrap_or_else(|| entropy.id(clock.now())),
            tenant: Some(TenantScope::of_event(tenant, environment)),
            scopes: [ClientScope::Verifications].into(),
        };
        let production = principal(Environment::Production, None, tenant);
        let sandbox = principal(Environment::Sandbox, None, tenant);
        let other = entropy.id(clock.now());
        let revoked = principal(Environment::Sandbox, Some(client), other);
        let denied = || [&production, &sandbox, &revoked].map(|one| list.denies(one));

        list.look().await.unwrap();
        clock.advance(Duration::from_millis(1_900)).unwrap();
        list.look().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1, "not before its time");
        assert_eq!(denied(), [false, false, false]);
        clock.advance(Duration::from_millis(100)).unwrap();
        list.look().await.unwrap();
        assert_eq!(
            denied(),
            [true, false, false],
            "suspended: production alone"
        );
        // Onboarding is away: what is known stays, and it is asked for again at the next look.
        for _ in 0..2 {
            clock.advance(OFTEN).unwrap();
            assert!(list.look().await.is_err());
            assert_eq!(denied(), [true, false, false]);
        }
        clock.advance(LOOK).unwrap();
        list.look().await.unwrap();
        assert_eq!(denied(), [true, true, true]);
        // In one process the change says so itself.
        list.look_now().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 6);
    }
}
