//! Connections.

use std::time::Duration;

use lapin::{
    Connection, ConnectionProperties,
    tcp::OwnedTLSConfig,
    uri::{AMQPScheme, AMQPUri},
};
use tokio::time::timeout;

use super::{ConfigError, RabbitMqConfig, topology::Topology};

/// Seconds between heartbeats where the URL says nothing: a peer that vanished without a word is noticed after two.
const HEARTBEAT: u16 = 10;

/// Knows how to reach the broker and what must be there.
pub(crate) struct Link {
    pub(super) config: RabbitMqConfig,
    pub(super) topology: Topology,
    uri: AMQPUri,
    tls: Option<String>,
}

/// The broker cannot be used at present. The words hold no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Away(pub String);

impl From<lapin::Error> for Away {
    fn from(error: lapin::Error) -> Self {
        Self(error.to_string())
    }
}

impl Link {
    pub(super) fn new(config: RabbitMqConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let mut uri: AMQPUri = config.url.parse().map_err(|_| ConfigError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let tls = match (&config.ca_file, &uri.scheme) {
            (Some(file), AMQPScheme::AMQPS) => {
                let pem = std::fs::read_to_string(file).map_err(|error| ConfigError::Field {
                    field: "ca_file",
                    why: format!("{}: {error}", file.display()),
                })?;
                Some(pem)
            }
            (Some(_), AMQPScheme::AMQP) => {
                return Err(ConfigError::Field {
                    field: "ca_file",
                    why: "it has no meaning without amqps in the url".to_owned(),
                });
            }
            (None, _) => None,
        };
        Ok(Self {
            topology: Topology::new(&config),
            config,
            uri,
            tls,
        })
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.timeout_ms)
    }

    /// A new connection; `purpose` is what the broker shows as its name.
    pub(super) async fn open(&self, purpose: &str) -> Result<Connection, Away> {
        let name = format!("{} {purpose}", self.config.prefix);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tls = OwnedTLSConfig {
            identity: None,
            cert_chain: self.tls.clone(),
        };
        let runtime = lapin::runtime::default_runtime()?;
        let opening =
            Connection::connect_uri_with_config(self.uri.clone(), properties, tls, runtime);
        timeout(self.timeout(), opening)
            .await
            .map_err(|_| Away(format!("no connection within {:?}", self.timeout())))?
            .map_err(Away::from)
    }
}
