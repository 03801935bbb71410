//! What every process of the house needs around its services: configuration, databases, keys, tasks.
//!
//! A service is opened over a [`Platform`] and gives a [`Module`]: routes, consumers, tasks, readiness. Whoever
//! composes processes (the one binary, a service's own `main`) differs only in the platform it hands in.

mod access_token;
mod acts;
mod cache;
mod clock_guard;
mod config;
mod data_keys;
mod database;
mod internal_token;
mod keys;
pub mod metrics;
mod module;
mod observe;
mod peer;
mod platform;
mod redis_server;
mod task;
mod telemetry;
mod token_keys;
mod tokens_read;

pub use access_token::{AccessToken, TOKEN_LIFETIME, TokenError};
pub use acts::TenantAct;
pub use cache::{Cache, Decision, Memory, Quota, RedisCache};
pub use clock_guard::{ClockGuard, Doubt, LOOK as LOOK_AT_CLOCKS, Reference, TOLERANCE};
pub use config::{ConfigError, load as load_config};
pub use data_keys::{
    DataKeyError, DataKeys, KeyWrapping, Rewrapped, WrapError, Wrapped, closed_tenants,
    data_key_migrations, destroy_data_keys, is_data_key_destroyed, under_platform_key,
};
pub use database::{
    CommitObserver, DatabaseConfig, DatabaseConfigError, DatabaseKind, Databases, Inspection,
    OpenError, Postgres, Session,
};
pub use internal_token::{AskingService, INTERNAL_TOKEN_HEADER, InternalCall, InternalTokenError};
/// Signing a token or receipt failed.
pub use jsonwebtoken::errors::Error as SignError;
pub use keys::{AUDIT_HEAD, KeyError, Keys};
pub use module::{Module, Readiness, Routes};
pub use observe::{RoutePattern, current_traceparent, observe};
pub use peer::{Peer, inner_client};
pub use platform::{Clocks, Platform};
pub use redis_server::{RedisConfig, RedisConfigError, RedisServer, joined as joined_name};
pub use task::{RunningTasks, Task, TaskError, prune_answers_task, relay_task, replay_task};
pub use telemetry::{Telemetry, init as init_telemetry, init_with_traces};
pub use token_keys::{OwnTokenKey, token_key_name};
