//! What can be set.

use serde::Deserialize;

/// The sandbox's settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Uses the simulator's public test keys instead of making new ones. Everyone has those keys and could forge sandbox
    /// certificates, so this is for tests, where it saves a second at the first start. Has no effect on keys that exist already.
    pub fixed_keys: bool,
    /// Which hierarchy's names and policies it plays. `test` for the sandbox; `production` only for a stand-in of its own, with
    /// its own roots, that a demo or test pins as production anchors.
    pub hierarchy: Played,
}

/// The hierarchy that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Played {
    /// `O=JPKI-TEST`.
    #[default]
    Test,
    /// `O=JPKI`.
    Production,
}

impl From<Played> for warikan_simulator::Hierarchy {
    fn from(played: Played) -> Self {
        match played {
            Played::Test => Self::Test,
            Played::Production => Self::Production,
        }
    }
}

impl From<Played> for warikan_types::Environment {
    fn from(played: Played) -> Self {
        match played {
            Played::Test => Self::Sandbox,
            Played::Production => Self::Production,
        }
    }
}
