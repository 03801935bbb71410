//! The configured sources, and what a process remembers of each.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64},
};

use tokio::sync::Mutex;
use url::Url;
use warikan_types::Environment;

use crate::{config::Config, source::IndexRead};

/// Where a source's lists lie.
pub(crate) enum Place {
    /// An index over HTTP, and what it said the last time.
    Index(Mutex<Option<IndexRead>>),
    /// A folder into which somebody lays them.
    Folder(PathBuf),
}

/// A configured source.
pub(crate) struct SourceState {
    pub(crate) environment: Environment,
    pub(crate) index: Url,
    pub(crate) place: Place,
    /// One sync at a time; whether the last one came through.
    pub(crate) gate: Mutex<bool>,
    /// Syncs begun so far.
    pub(crate) begun: AtomicU64,
    /// Whether a look at all that the source names is behind us: in this process, or in the one that stored its lists.
    pub(crate) looked: AtomicBool,
}

/// Checks the configured sources.
pub(crate) fn sources(config: &Config) -> Result<Vec<SourceState>, String> {
    let mut seen = HashSet::new();
    config
        .sources
        .iter()
        .map(|source| {
            let environment = source.environment;
            if !seen.insert(environment) {
                return Err(format!("two sources for {}", environment.as_str()));
            }
            let index: Url = source
                .index_url
                .parse()
                .map_err(|error| format!("{} is no address: {error}", source.index_url))?;
            let place = match index.scheme() {
                "http" | "https" => Place::Index(Mutex::default()),
                "file" => Place::Folder(
                    index
                        .to_file_path()
                        .map_err(|()| format!("{index} is no folder of this machine"))?,
                ),
                _ => return Err(format!("{index} is neither http, https nor file")),
            };
            Ok(SourceState {
                environment,
                index,
                place,
                gate: Mutex::new(false),
                begun: AtomicU64::new(0),
                looked: AtomicBool::new(false),
            })
        })
        .collect()
}
