//! Why a process does not start.

use std::{io, path::PathBuf};

use warikan_messaging::ConfigError as BusConfigError;
use warikan_runtime::{DatabaseConfigError, KeyError, OpenError, RedisConfigError};

use crate::anchors::LoadError;

/// The house cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A directory or port cannot be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process uses the same data directory.
    #[error("{} is in use by another warikan process; two on one directory would tear its databases", .0.display())]
    InUse(PathBuf),
    /// The configuration has no such service.
    #[error("sandbox.enabled is false: this installation has no sandbox to serve")]
    NoSandbox,
    /// Redis.
    #[error(transparent)]
    Redis(#[from] RedisConfigError),
    /// The broker.
    #[error(transparent)]
    RabbitMq(#[from] BusConfigError),
    /// The key file.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A service.
    #[error(transparent)]
    Service(#[from] OpenError),
    /// Where databases lie.
    #[error("the configuration is not acceptable: {0}")]
    Database(#[from] DatabaseConfigError),
    /// The trust anchors.
    #[error(transparent)]
    Anchors(#[from] LoadError),
    /// No HTTP client can be made on this machine.
    #[error("no HTTP client can be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// Wraps an IO error with what was tried.
pub fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> ComposeError {
    let what = what.into();
    move |source| ComposeError::Io { what, source }
}
