//! Shared buckets of requests, in this process or in Redis.
//!
//! Where Redis does not answer in time, or not at all, the process's own buckets decide (F081). What is lost with it is that replicas
//! count together.
//!
//! The algorithm is GCRA (the leaky bucket as a meter, ITU-T I.371): one number per bucket, the theoretical arrival time of its next
//! request, so that a bucket that nobody uses needs no space once that time is past.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::Script;
use warikan_types::Timestamp;

use crate::redis_server::{RedisServer, joined};

/// Buckets a process keeps before it looks for spent ones. Tenants and clients are few; this is against those who make names up.
const ROOM: usize = 65_536;
const SHARDS: usize = 16;

/// Every process on one Redis counts with this script. Times in milliseconds.
const GCRA: &str = r"
local now, interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat < now then tat = now end
local after = tat + interval
if after - now > tolerance then return {0, math.ceil(after - now - tolerance), tat - now} end
if ARGV[4] == '0' then return {1, 0, math.ceil(tat - now)} end
redis.call('SET', KEYS[1], tostring(after), 'PX', math.ceil(after - now) + 1000)
return {1, 0, math.ceil(after - now)}";

/// So many requests in so much time; all of them may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests, at least 1.
    pub requests: u32,
    /// In this time, at least a millisecond per request.
    pub window: Duration,
}

impl Quota {
    fn window_millis(self) -> i64 {
        i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX / 4)
    }

    /// Milliseconds one request takes of the bucket.
    fn interval(self) -> i64 {
        (self.window_millis() / i64::from(self.requests.max(1))).max(1)
    }

    fn tolerance(self) -> i64 {
        self.interval() * i64::from(self.requests.max(1))
    }
}

/// What a bucket says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go on.
    pub allowed: bool,
    /// Requests that would still be allowed at once.
    pub remaining: u32,
    /// Until the next is allowed, where this one is not.
    pub retry_after: Duration,
    /// Until the bucket is as if nobody had come.
    pub reset_after: Duration,
}

impl Decision {
    fn of(quota: Quota, allowed: bool, retry_millis: i64, used_millis: i64) -> Self {
        let millis = |value: i64| Duration::from_millis(u64::try_from(value).unwrap_or(0));
        let left = (quota.tolerance() - used_millis) / quota.interval();
        Self {
            allowed,
            remaining: u32::try_from(left).unwrap_or(0),
            retry_after: millis(retry_millis),
            reset_after: millis(used_millis),
        }
    }
}

/// Buckets. Clones share them.
#[derive(Clone)]
pub enum Cache {
    /// This process's own.
    Memory(Arc<Memory>),
    /// Those of a Redis server, with this process's own behind them.
    Redis(Arc<RedisCache>),
}

/// Buckets in this process.
pub struct Memory {
    shards: [Mutex<HashMap<String, i64>>; SHARDS],
}

/// Buckets in Redis.
pub struct RedisCache {
    server: RedisServer,
    script: Script,
    own: Memory,
}

impl Cache {
    /// Buckets of this process alone.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(Arc::new(Memory::new()))
    }

    /// Buckets shared through a Redis server.
    #[must_use]
    pub fn redis(server: RedisServer) -> Self {
        Self::Redis(Arc::new(RedisCache {
            server,
            script: Script::new(GCRA),
            own: Memory::new(),
        }))
    }

    /// Takes one request out of a bucket. `parts` name it: their lengths go into the key, so no two buckets meet (F008).
    pub async fn take(&self, parts: &[&str], quota: Quota, now: Timestamp) -> Decision {
        self.ask(parts, quota, Turn::Take, now).await
    }

    /// Whether a bucket would let one through, without taking it.
    pub async fn look(&self, parts: &[&str], quota: Quota, now: Timestamp) -> Decision {
        self.ask(parts, quota, Turn::Look, now).await
    }

    async fn ask(&self, parts: &[&str], quota: Quota, turn: Turn, now: Timestamp) -> Decision {
        let key = joined(parts);
        match self {
            Self::Memory(memory) => memory.ask(key, quota, turn, now),
            Self::Redis(shared) => match shared.ask(&key, quota, turn, now).await {
                Some(decision) => decision,
                None => shared.own.ask(key, quota, turn, now),
            },
        }
    }
}

/// What is wanted of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Take,
    Look,
}

impl Memory {
    fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
        }
    }

    fn ask(&self, key: String, quota: Quota, turn: Turn, now: Timestamp) -> Decision {
        let now = now.unix_millis();
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let shard = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        let mut buckets = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ROOM / SHARDS {
            buckets.retain(|_, tat| *tat > now);
        }
        let tat = buckets.get(&key).copied().unwrap_or(now).max(now);
        let after = tat + quota.interval();
        if after - now > quota.tolerance() {
            return Decision::of(quota, false, after - now - quota.tolerance(), tat - now);
        }
        if turn == Turn::Look {
            return Decision::of(quota, true, 0, tat - now);
        }
        buckets.insert(key, after);
        Decision::of(quota, true, 0, after - now)
    }
}

impl RedisCache {
    async fn ask(&self, key: &str, quota: Quota, turn: Turn, now: Timestamp) -> Option<Decision> {
        let cost = i64::from(turn == Turn::Take);
        let arguments = [now.unix_millis(), quota.interval(), quota.tolerance(), cost];
        let asked =
            self.server
                .run::<(i64, i64, i64)>(&self.script, ("bucket", key), &arguments, now);
        let (allowed, retry, used) = asked.await?;
        Some(Decision::of(quota, allowed == 1, retry, used))
    }
}

#[cfg(test)]
mod tests {
    use warikan_types::Clock;

    use super::*;

    const QUOTA: Quota = Quota {
        requests: 5,
        window: Duration::from_secs(10),
    };

    #[tokio::test]
    async fn a_bucket_lets_its_quota_through_and_fills_again_with_time() {
        let clock = Clock::manual("2026-11-21T00:00:00Z".parse().unwrap());
        let cache = Cache::memory();
        let take = async || cache.take(&["client", "a"], QUOTA, clock.now()).await;
        for left in (0..5).rev() {
            let decision = take().await;
            assert!(decision.allowed);
            assert_eq!(decision.remaining, left);
        }
        let refused = take().await;
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_secs(2));
        assert_eq!(refused.reset_after, Duration::from_secs(10));
        let looked = cache.look(&["client", "a"], QUOTA, clock.now()).await;
        assert_eq!(looked, refused, "looking tells the same");
        for _ in 0..9 {
            let looked = cache.look(&["client", "b"], QUOTA, clock.now()).await;
            assert_eq!(
                (looked.allowed, looked.remaining),
                (true, 5),
                "and takes nothing"
            );
        }
        let other = cache.take(&["client", "b"], QUOTA, clock.now()).await;
        assert!(other.allowed, "another bucket");
        clock.advance(Duration::from_secs(2)).unwrap();
        assert!(take().await.allowed);
        assert!(!take().await.allowed);
    }
}
