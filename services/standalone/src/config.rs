//! The one binary's configuration: a TOML file, `WARIKAN_..` variables on top, command-line options on top of those.

use std::path::PathBuf;

use serde::Deserialize;

/// Everything that can be set. Unknown keys are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where databases, keys and the operator's first credential lie.
    pub data_dir: PathBuf,
    /// Where to listen. Loopback by default: TLS ends in front of the process.
    pub listen: String,
    /// HTTP worker threads.
    pub workers: usize,
    /// Logs as JSON lines instead of text.
    pub json_logs: bool,
    /// Production's trust anchors and lists.
    pub production: Production,
    /// The sandbox.
    pub sandbox: SandboxConfig,
    /// Verification.
    pub verification: warikan_verification::Config,
    /// Revocation.
    pub revocation: warikan_revocation::Config,
    /// Webhooks.
    pub webhooks: warikan_webhooks::Config,
    /// Billing.
    pub billing: warikan_billing::Config,
}

/// Production's trust anchors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Production {
    /// A directory with DER roots to use instead of the compiled-in ones of J-LIS.
    pub anchors: Option<PathBuf>,
}

/// The sandbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// Whether it is served. Its routes take no token: an operator who exposes the port to the world may want it elsewhere.
    pub enabled: bool,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("warikan-data"),
            listen: "127.0.0.1:8787".to_owned(),
            workers: 2,
            json_logs: false,
            production: Production::default(),
            sandbox: SandboxConfig::default(),
            verification: warikan_verification::Config::default(),
            revocation: warikan_revocation::Config::default(),
            webhooks: warikan_webhooks::Config::default(),
            billing: warikan_billing::Config::default(),
        }
    }
}
