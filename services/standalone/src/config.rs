//! The one binary's configuration: a TOML file, `WARIKAN_..` variables on top, command-line options on top of those.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;
use warikan_messaging::RabbitMqConfig;
use warikan_runtime::{DatabaseConfig, RedisConfig};

/// Everything that can be set. Unknown keys are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where databases, keys and the operator's first credential lie.
    pub data_dir: PathBuf,
    /// The platform's key file, where it lies elsewhere than in the data directory: a mounted secret that several processes share. It
    /// must exist then.
    pub keys_file: Option<PathBuf>,
    /// The operator's first credential, where it lies elsewhere than in the data directory: a mounted secret made by `warikan
    /// operator-credential`. What is there when the first operator is to be made is taken; otherwise one is made and written there.
    pub operator_credential_file: Option<PathBuf>,
    /// Where to listen. Loopback by default: TLS ends in front of the process. A service of its own listens where `topology` says
    /// that it is, unless this says otherwise.
    pub listen: Option<String>,
    /// HTTP worker threads.
    pub workers: usize,
    /// Logs as JSON lines instead of text.
    pub json_logs: bool,
    /// How often clients may ask.
    pub limits: LimitsConfig,
    /// What operators see of a process.
    pub ops: Ops,
    /// Where each service is, when each is a process of its own.
    pub topology: Topology,
    /// The edge, when the services are processes of their own.
    pub gateway: GatewayConfig,
    /// Production's trust anchors and lists.
    pub production: Production,
    /// The sandbox.
    pub sandbox: SandboxConfig,
    /// Which database engine, and how to reach it.
    pub database: DatabaseConfig,
    /// The broker, when the services are processes of their own or several. Without it facts travel within the process.
    pub rabbitmq: Option<RabbitMqConfig>,
    /// A Redis server, for what makes several gateways and processes cheaper together. Nothing is decided by it.
    pub redis: RedisConfig,
    /// Onboarding.
    pub onboarding: warikan_onboarding::Config,
    /// Verification.
    pub verification: warikan_verification::Config,
    /// Revocation.
    pub revocation: warikan_revocation::Config,
    /// Webhooks.
    pub webhooks: warikan_webhooks::Config,
    /// Billing.
    pub billing: warikan_billing::Config,
}

/// The split shape in one place: the service, and `http://host:port` where the gateway and the other services reach its inner
/// listener, or a list of them where it runs several times. Which routes a service has, it says itself; `warikan topology` prints both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topology {
    /// Tenants, credentials, tokens.
    pub onboarding: Addresses,
    /// Challenges, verifications, subjects.
    pub verification: Addresses,
    /// Watches, lists, status.
    pub revocation: Addresses,
    /// Feed, endpoints, deliveries.
    pub webhooks: Addresses,
    /// Usage, invoices.
    pub billing: Addresses,
    /// The stand-in for J-LIS.
    pub sandbox: Addresses,
}

/// One address, several with commas between, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Addresses(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    List(Vec<String>),
}

impl TryFrom<Written> for Addresses {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let all = match written {
            Written::Text(text) => text.split(',').map(str::to_owned).collect(),
            Written::List(list) => list,
        };
        let trimmed = |one: String| one.trim().trim_end_matches('/').to_owned();
        let all: Vec<String> = all.into_iter().map(trimmed).collect();
        if all.is_empty() || all.iter().any(|one| !one.starts_with("http://")) {
            return Err("an address is http://host:port; give one, or a list");
        }
        Ok(Self(all))
    }
}

impl From<String> for Addresses {
    /// One address, as it is to be used.
    fn from(address: String) -> Self {
        Self(vec![address])
    }
}

impl Addresses {
    /// The first, of which there always is one.
    #[must_use]
    pub fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.clone()
    }
}

impl Default for Topology {
    fn default() -> Self {
        let at = |port: u16| Addresses(vec![format!("http://127.0.0.1:{port}")]);
        Self {
            onboarding: at(8801),
            verification: at(8802),
            revocation: at(8803),
            webhooks: at(8804),
            billing: at(8805),
            sandbox: at(8806),
        }
    }
}

/// How often clients may ask. Counted by the process at the public listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Requests of one tenant in one environment in a minute; 0 turns the limit off.
    pub tenant_requests_per_minute: u32,
    /// Token requests from one address for one credential in a minute; 0 turns the limit off. A token lives five minutes, so a client
    /// that keeps it needs one.
    pub token_requests_per_minute: u32,
    /// Token requests from one address in a minute that are refused for their credentials, whichever those are; beyond, the address is
    /// answered 429 until it has waited. 0 turns the limit off.
    pub refused_tokens_per_minute: u32,
    /// Requests from one address in a minute for what `/v1` answers without a token (freshness, reasons, billing rules); 0 turns the
    /// limit off.
    pub public_requests_per_minute: u32,
    /// Requests under way in the process at once, at most; what comes beyond is answered 503 before anything is done for it. 0: 160 for each
    /// core, which is about what a core does in a sixth of a second.
    pub requests_under_way: usize,
    /// While requests are refused for that, and those under way take longer than this on average, fewer are taken at once, down to 24 for each core.
    /// 0: the number stands.
    pub crowded_after_milliseconds: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            tenant_requests_per_minute: 0,
            token_requests_per_minute: 600,
            refused_tokens_per_minute: 100,
            public_requests_per_minute: 600,
            requests_under_way: 0,
            crowded_after_milliseconds: 75,
        }
    }
}

/// What operators see of a process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ops {
    /// Where `/healthz`, `/readyz` and `/metrics` are served, `127.0.0.1:9187` for instance. They take no token, so this must not be
    /// reachable from outside. Without it there is no such listener.
    pub listen: Option<String>,
    /// Where spans are sent by OTLP over HTTP: `http://collector:4318/v1/traces`. Without it none are.
    pub otlp_traces: Option<String>,
}

/// The edge as a process of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Seconds a request may take as a whole; services give up what is older. Must exceed the longest long poll, 20 seconds.
    pub timeout_seconds: u64,
    /// Networks of the proxies in front of the edge, `10.0.0.0/8`: what they say in `X-Forwarded-For`, `-Proto` and `-Host` is believed, in one
    /// process too. Without them the connection's peer is the client, which is what credentials' networks and limits are held against.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            timeout_seconds: 30,
            trusted_proxies: Vec::new(),
        }
    }
}

/// Where the one binary and the gateway listen unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8787";

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
            keys_file: None,
            operator_credential_file: None,
            listen: None,
            workers: 2,
            json_logs: false,
            limits: LimitsConfig::default(),
            ops: Ops::default(),
            topology: Topology::default(),
            gateway: GatewayConfig::default(),
            production: Production::default(),
            sandbox: SandboxConfig::default(),
            database: DatabaseConfig::default(),
            rabbitmq: None,
            redis: RedisConfig::default(),
            onboarding: warikan_onboarding::Config::default(),
            verification: warikan_verification::Config::default(),
            revocation: warikan_revocation::Config::default(),
            webhooks: warikan_webhooks::Config::default(),
            billing: warikan_billing::Config::default(),
        }
    }
}
