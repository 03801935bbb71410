//! What can be set.

use serde::Deserialize;

/// The sandbox's settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Uses the simulator's public test keys instead of making new ones. Everyone has those keys and could forge sandbox
    /// certificates, so this is for tests, where it saves a second at the first start. Has no effect on keys that exist already.
    pub fixed_keys: bool,
}
