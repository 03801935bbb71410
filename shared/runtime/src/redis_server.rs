//! A Redis server as the platform uses it: something that makes answers cheaper and is never the only keeper of one (F020, F081).
//!
//! It is asked with a short time limit, and left alone for a moment after it failed: a slow one must not cost every request its patience.
//! Whoever asks must have another way to its answer.

use std::{
    fmt, fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, FromRedisValue, IntoConnectionInfo, RedisError, Script, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};
use serde::Deserialize;
use warikan_types::{Secret, Timestamp};

use crate::metrics;

/// How long Redis may take to answer. A request waits for it, so it is a fraction of what a request takes.
const PATIENCE: Duration = Duration::from_millis(50);
/// After a failure Redis is left alone for so long (milliseconds).
const REST_MILLIS: i64 = 1_000;
/// Where names begin in a Redis that others may use too.
const PREFIX: &str = "warikan";

/// The `[redis]` section: what gateways share, and how they hear at once whose tokens are denied. Without it each counts for itself.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. A secret.
    pub url: Option<Secret<String>>,
    /// A PEM file with the authorities that a `rediss` server's certificate may come from, instead of the machine's.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = if self.url.is_some() {
            "(set, not shown)"
        } else {
            "(none)"
        };
        f.debug_struct("RedisConfig")
            .field("url", &told)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

/// The `[redis]` section cannot be used. The address is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum RedisConfigError {
    /// The address is none.
    #[error("redis.url is not of the form redis://[user:password@]host:port[/db] (or rediss://)")]
    Url,
    /// The authorities cannot be read.
    #[error("redis.ca_file {}: {source}", .file.display())]
    Authorities {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has no authority in it, or one that cannot be read.
    #[error("redis.ca_file {}: not PEM certificates of authorities", .0.display())]
    NoAuthorities(PathBuf),
    /// There is an authority for an address without TLS: one of the two is not meant.
    #[error("redis.ca_file is for rediss:// addresses, and redis.url begins with redis://")]
    Plain,
}

impl RedisConfig {
    /// A server at this address, with the machine's authorities where it speaks TLS.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: Some(Secret::new(url.into())),
            ca_file: None,
        }
    }

    /// The server, where one is configured. It need not be there: it is connected to when it is first asked. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`RedisConfigError`].
    pub fn server(&self) -> Result<Option<RedisServer>, RedisConfigError> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let client = self.client(url.expose())?;
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE * 4))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_secs(1));
        let connection = ConnectionManager::new_lazy_with_config(client, settings)
            .map_err(|_| RedisConfigError::Url)?;
        Ok(Some(RedisServer {
            connection,
            resting_until: Arc::default(),
        }))
    }

    fn client(&self, url: &str) -> Result<Client, RedisConfigError> {
        // What is asked beside other questions need not wait for their acknowledgement.
        let at_once = TcpSettings::default().set_nodelay(true);
        let server = url.into_connection_info();
        let server = server.map_err(|_| RedisConfigError::Url)?;
        let server = server.set_tcp_settings(at_once);
        let Some(file) = &self.ca_file else {
            return Client::open(server).map_err(|_| RedisConfigError::Url);
        };
        if !url.starts_with("rediss://") {
            return Err(RedisConfigError::Plain);
        }
        Client::open(server.clone()).map_err(|_| RedisConfigError::Url)?;
        let root_cert = fs::read(file).map_err(|source| RedisConfigError::Authorities {
            file: file.clone(),
            source,
        })?;
        let authorities = TlsCertificates {
            client_tls: None,
            root_cert: Some(root_cert),
        };
        Client::build_with_tls(server, authorities)
            .map_err(|_| RedisConfigError::NoAuthorities(file.clone()))
    }
}

/// A Redis server. Clones share a connection.
#[derive(Clone)]
pub struct RedisServer {
    connection: ConnectionManager,
    resting_until: Arc<AtomicI64>,
}

impl RedisServer {
    /// Whether it answers now. It is given longer than requests give it.
    pub async fn answers(&self) -> bool {
        let mut connection = self.connection.clone();
        let ping = async move { redis::cmd("PING").query_async::<()>(&mut connection).await };
        matches!(tokio::time::timeout(PATIENCE * 20, ping).await, Ok(Ok(())))
    }

    /// What was kept under a name; `None` also where Redis does not answer.
    pub async fn kept(&self, kind: &str, name: &str, now: Timestamp) -> Option<Vec<u8>> {
        let mut connection = self.connection.clone();
        let get = async move {
            redis::cmd("GET")
                .arg(key(kind, name))
                .query_async::<Option<Vec<u8>>>(&mut connection)
                .await
        };
        self.asked(now, get).await.flatten()
    }

    /// Keeps octets under a name, for so long at most. Gives whether Redis took them.
    pub async fn keep(
        &self,
        kind: &str,
        name: &str,
        octets: &[u8],
        lifetime: Option<Duration>,
        now: Timestamp,
    ) -> bool {
        let mut connection = self.connection.clone();
        let mut set = redis::cmd("SET");
        set.arg(key(kind, name)).arg(octets);
        if let Some(lifetime) = lifetime {
            set.arg("PX").arg(lifetime.as_millis().max(1).to_string());
        }
        let set = async move { set.query_async::<()>(&mut connection).await };
        self.asked(now, set).await.is_some()
    }

    /// Keeps octets under a name that nothing is kept under; leaves it as it is where something is.
    pub async fn keep_first(&self, kind: &str, name: &str, octets: &[u8], now: Timestamp) -> bool {
        let mut connection = self.connection.clone();
        let mut set = redis::cmd("SET");
        set.arg(key(kind, name)).arg(octets).arg("NX");
        let set = async move { set.query_async::<Option<String>>(&mut connection).await };
        matches!(self.asked(now, set).await, Some(Some(_)))
    }

    /// The server's own time.
    pub async fn time(&self, now: Timestamp) -> Option<Timestamp> {
        let mut connection = self.connection.clone();
        let time = async move {
            redis::cmd("TIME")
                .query_async::<(i64, i64)>(&mut connection)
                .await
        };
        let (seconds, micros) = self.asked(now, time).await?;
        Timestamp::from_unix_millis(seconds * 1_000 + micros / 1_000)
    }

    /// Runs a script over one key.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        (kind, name): (&str, &str),
        arguments: &[i64],
        now: Timestamp,
    ) -> Option<T> {
        let mut connection = self.connection.clone();
        let mut call = script.prepare_invoke();
        call.key(key(kind, name));
        for argument in arguments {
            call.arg(*argument);
        }
        self.asked(now, call.invoke_async::<T>(&mut connection))
            .await
    }

    async fn asked<T>(
        &self,
        now: Timestamp,
        question: impl Future<Output = Result<T, RedisError>>,
    ) -> Option<T> {
        if now.unix_millis() < self.resting_until.load(Ordering::Relaxed) {
            return None;
        }
        match tokio::time::timeout(PATIENCE, question).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(_)) | Err(_) => {
                metrics::cache_failure();
                let until = now.unix_millis() + REST_MILLIS;
                self.resting_until.store(until, Ordering::Relaxed);
                None
            }
        }
    }
}

fn key(kind: &str, name: &str) -> String {
    format!("{PREFIX}:{kind}:{name}")
}

/// A name of several parts. Their lengths go into it, so that no two lists of parts meet (F008).
#[must_use]
pub fn joined(parts: &[&str]) -> String {
    let mut name = String::new();
    for part in parts {
        name.push_str(&part.len().to_string());
        name.push(':');
        name.push_str(part);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_secret_is_shown_and_what_cannot_be_meant_is_refused_by_its_key() {
        let config = RedisConfig::at("rediss://user:verysecret@redis:6380");
        assert!(!format!("{config:?}").contains("verysecret"));
        assert!(config.server().unwrap().is_some());
        assert!(RedisConfig::default().server().unwrap().is_none());
        let with = |url: &str, ca_file: Option<&str>| RedisConfig {
            ca_file: ca_file.map(Into::into),
            ..RedisConfig::at(url)
        };
        for (config, names) in [
            (with("http:verysecret@redis", None), "redis.url"),
            (
                with("rediss://:verysecret@redis", Some("/nowhere/ca.pem")),
                "/nowhere/ca.pem",
            ),
            (
                with("redis://:verysecret@redis", Some("/nowhere/ca.pem")),
                "redis.ca_file",
            ),
        ] {
            let error = config.server().err().unwrap();
            assert!(error.to_string().contains(names), "{error}");
            assert!(!format!("{error} {error:?}").contains("verysecret"));
        }
    }

    #[test]
    fn f008_no_two_lists_of_parts_share_a_name() {
        let lists: [&[&str]; 5] = [&["a", "b"], &["ab"], &["a:1:b"], &["a", "1:b"], &["", "ab"]];
        let names: std::collections::HashSet<String> =
            lists.iter().map(|parts| joined(parts)).collect();
        assert_eq!(names.len(), lists.len());
    }

    proptest::proptest! {
        /// Whatever parts look like, also such as were made to look like a name's own punctuation.
        #[test]
        fn f008_names_are_equal_only_where_all_parts_are(
            one in proptest::collection::vec("[0-9:a-b]{0,6}|\\PC{0,4}", 0..5),
            other in proptest::collection::vec("[0-9:a-b]{0,6}|\\PC{0,4}", 0..5),
            cut in 0_usize..12,
        ) {
            let of = |parts: &[String]| {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                joined(&parts)
            };
            proptest::prop_assert_eq!(of(&one) == of(&other), one == other);
            // The same letters, parted elsewhere.
            let whole = one.concat();
            if let Some((before, after)) = whole.split_at_checked(cut.min(whole.len())) {
                let parted = [before.to_owned(), after.to_owned()];
                proptest::prop_assert_eq!(of(&one) == of(&parted), one == parted);
            }
        }
    }
}
