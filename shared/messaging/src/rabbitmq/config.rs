//! What an operator may set.

use std::{fmt, path::PathBuf};

use serde::Deserialize;
use warikan_contracts::{SUBSCRIPTIONS, Subscription};

/// Where the broker is and how it is used.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RabbitMqConfig {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://`. The default vhost `/` is written `%2f`. A secret, so a process that has no
    /// use for the broker (the gateway) shares the section without it.
    #[serde(default)]
    pub url: String,
    /// What the names of exchanges and queues begin with, so that installations can share a vhost.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// A PEM file with the authorities that an `amqps` broker's certificate may come from, instead of the machine's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Messages that a consumer holds unacknowledged at most. It bounds memory, and what a crash delivers again.
    #[serde(default = "default_prefetch")]
    pub prefetch: u16,
    /// Milliseconds for a connection, and for a batch's confirms: while the broker is away a publication would hang, and the
    /// facts are safe in the outbox.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Milliseconds before a failed fact goes back to its queue the first time; it doubles with each delivery. 0 turns the pause off.
    #[serde(default = "default_retry_ms")]
    pub retry_ms: u64,
    /// Who listens to what, in the whole installation. Not configuration: tests have their own.
    #[serde(skip, default = "default_subscriptions")]
    pub subscriptions: Vec<Subscription>,
}

fn default_prefix() -> String {
    "warikan".to_owned()
}
const fn default_prefetch() -> u16 {
    1_024
}
const fn default_timeout_ms() -> u64 {
    5_000
}
const fn default_retry_ms() -> u64 {
    200
}
fn default_subscriptions() -> Vec<Subscription> {
    SUBSCRIPTIONS.to_vec()
}

/// The configuration cannot be meant.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The URL cannot be read. It is not repeated here, because it holds a password.
    #[error(
        "the RabbitMQ url is not of the form amqp://user:password@host:5672/vhost (or amqps://)"
    )]
    Url,
    /// Another field.
    #[error("RabbitMQ {field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl RabbitMqConfig {
    /// Everything but the URL as production should have it.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: default_prefix(),
            ca_file: None,
            prefetch: default_prefetch(),
            timeout_ms: default_timeout_ms(),
            retry_ms: default_retry_ms(),
            subscriptions: default_subscriptions(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let field = |field, why: &str| {
            let why = why.to_owned();
            Err(ConfigError::Field { field, why })
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.chars().all(fits) {
            return field(
                "prefix",
                "1 to 64 letters, digits, dots, hyphens or underscores are needed",
            );
        }
        if self.prefetch == 0 {
            return field("prefetch", "0 would let the broker send without bound");
        }
        if self.timeout_ms == 0 {
            return field("timeout_ms", "nothing can be published in no time");
        }
        Ok(())
    }
}

impl fmt::Debug for RabbitMqConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqConfig")
            .field("url", &"(secret)")
            .field("prefix", &self.prefix)
            .field("ca_file", &self.ca_file)
            .field("prefetch", &self.prefetch)
            .field("timeout_ms", &self.timeout_ms)
            .field("retry_ms", &self.retry_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let config = RabbitMqConfig::new("amqp://user:verysecret@broker:5672/%2f");
        assert!(!format!("{config:?}").contains("verysecret"));
        let wrong = RabbitMqConfig::new("http:verysecret@broker");
        let error = super::super::Link::new(wrong).err().unwrap();
        assert!(matches!(error, ConfigError::Url));
        assert!(!format!("{error} {error:?}").contains("verysecret"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_field() {
        let url = "amqp://user:secret@broker:5672/%2f";
        for (field, config) in [
            (
                "prefix",
                RabbitMqConfig {
                    prefix: "a b".to_owned(),
                    ..RabbitMqConfig::new(url)
                },
            ),
            (
                "prefetch",
                RabbitMqConfig {
                    prefetch: 0,
                    ..RabbitMqConfig::new(url)
                },
            ),
            (
                "timeout_ms",
                RabbitMqConfig {
                    timeout_ms: 0,
                    ..RabbitMqConfig::new(url)
                },
            ),
            (
                "ca_file",
                RabbitMqConfig {
                    ca_file: Some("/nowhere/ca.pem".into()),
                    ..RabbitMqConfig::new(url)
                },
            ),
        ] {
            let error = super::super::Link::new(config).err().unwrap();
            assert!(error.to_string().contains(field), "{error}");
        }
        let unknown = serde_json::json!({ "url": url, "no_such": 1 });
        assert!(serde_json::from_value::<RabbitMqConfig>(unknown).is_err());
        let known: RabbitMqConfig =
            serde_json::from_value(serde_json::json!({ "url": url })).unwrap();
        assert_eq!(known.prefetch, 1_024);
    }
}
