//! How often and how many at once, as configured.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use warikan_gateway::Limits;
use warikan_runtime::{Cache, Quota, RedisServer};

use crate::config::Config;

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
        at_once: Some(Arc::new(Semaphore::new(under_way(
            config.limits.requests_under_way,
        )))),
        cache: redis.map_or_else(Cache::memory, Cache::redis),
    }
}

/// Requests under way at once: as configured, or by the cores there are.
fn under_way(configured: usize) -> usize {
    const EACH_CORE: usize = 192;
    if configured > 0 {
        return configured.min(Semaphore::MAX_PERMITS);
    }
    std::thread::available_parallelism().map_or(EACH_CORE, |cores| cores.get() * EACH_CORE)
}
