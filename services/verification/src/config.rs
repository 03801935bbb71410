//! What an operator may set.

use serde::Deserialize;

/// Configuration of the verification service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a challenge may be answered, in seconds: long enough to read, find the card and type the password.
    pub challenge_seconds: u64,
    /// How far issuers' clocks may be ahead of ours, in seconds.
    pub clock_skew_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            challenge_seconds: 600,
            clock_skew_seconds: 60,
        }
    }
}
