//! How often and how many at once, as configured.

use std::{
    num::NonZero,
    sync::Arc,
    time::{Duration, Instant},
};

use warikan_gateway::{Limits, Room};
use warikan_runtime::{Cache, Quota, RedisServer};

use crate::config::{Config, LimitsConfig};

pub(super) fn limits(config: &Config, redis: Option<RedisServer>) -> Limits {
    let quota = |requests: u32| {
        (requests > 0).then_some(Quota {
            requests,
            window: Duration::from_secs(60),
        })
    };
    Limits {
        tenant: quota(config.limits.tenant_requests_per_minute),
        token: quota(config.limits.token_requests_per_minute),
        refused: quota(config.limits.refused_tokens_per_minute),
        public: quota(config.limits.public_requests_per_minute),
        room: Some(room(&config.limits)),
        cache: redis.map_or_else(Cache::memory, Cache::redis),
    }
}

/// Room for requests under way: as configured, or by the cores there are.
fn room(limits: &LimitsConfig) -> Arc<Room> {
    /// About what a core does in a sixth of a second.
    const MOST: usize = 160;
    /// Enough of them to share their commits.
    const LEAST: usize = 24;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let most = match limits.requests_under_way {
        0 => cores * MOST,
        configured => configured,
    };
    let goal = Duration::from_millis(limits.crowded_after_milliseconds);
    Room::new(cores * LEAST, most, goal, Instant::now())
}
