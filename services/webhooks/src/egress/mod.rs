//! The way out. Tenants name URLs and the platform connects to them: without care that is a way for anyone to reach what
//! only the operator's machines can reach (server-side request forgery).
//!
//! - A URL is checked as text at registration and again before every attempt ([`url`](self::url)).
//! - The one name look-up of an attempt happens inside the connector, through [`Guard`]: it either gives addresses that were
//!   all found acceptable ([`address`](self::address)), and the connection goes to exactly those, or it fails the attempt
//!   before any packet is sent to them. There is no second look-up that could say something else (DNS rebinding), and TLS is
//!   still verified against the name.
//! - No redirects, no proxies from the environment, no decompression; time and size of an answer are capped.

mod address;
mod url;

#[cfg(test)]
mod tests;

use std::{error::Error, io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{
    Certificate, Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};

use warikan_types::Environment;

use self::url::Rules;
pub(crate) use self::url::{Refusal, Target};
use crate::config::Config;

/// How long registration waits for a name to resolve before it leaves the judgement to the deliveries.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(3);
/// Octets of an answer's body that are kept for the tenant's log.
pub(crate) const ANSWER_KEPT: usize = 1_024;

type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Posts to tenants' URLs, where that is safe.
pub(crate) struct Egress {
    /// The widest rules of any environment.
    rules: Arc<Rules>,
    production: Rules,
    lookup: Lookup,
    client: Client,
    timeout: Duration,
    response_limit: usize,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// An answer came; its status decides, whatever became of its body.
    Answered {
        status: u16,
        retry_after: Option<String>,
        /// The beginning of the body, [`ANSWER_KEPT`] octets at most.
        answer: Vec<u8>,
        /// Whether the body went on, or broke off.
        cut: bool,
    },
    /// None came; why, as a stable word.
    Failed(&'static str),
}

/// The way out cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    #[error("extra_roots {} cannot be read: {source}", path.display())]
    Roots { path: PathBuf, source: io::Error },
    #[error("the TLS client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
}

impl Egress {
    /// # Errors
    /// The TLS client cannot be set up, for instance because the machine has no root certificates, or the extra ones cannot
    /// be read.
    pub(crate) fn new(config: &Config) -> Result<Self, EgressError> {
        Self::with_lookup(config, Arc::new(system_lookup))
    }

    fn with_lookup(config: &Config, lookup: Lookup) -> Result<Self, EgressError> {
        let rules = Arc::new(Rules {
            allow_loopback: config.allow_loopback_http || config.allow_loopback_http_in_sandbox,
            ports: config.allowed_ports.clone(),
        });
        let production = Rules {
            allow_loopback: config.allow_loopback_http,
            ports: config.allowed_ports.clone(),
        };
        let guard = Guard {
            rules: Arc::clone(&rules),
            lookup: Arc::clone(&lookup),
        };
        let roots = match &config.extra_roots {
            None => Vec::new(),
            Some(path) => {
                let pem = std::fs::read(path).map_err(|source| EgressError::Roots {
                    path: path.clone(),
                    source,
                })?;
                Certificate::from_pem_bundle(&pem)?
            }
        };
        let client = Client::builder()
            .tls_certs_merge(roots)
            .user_agent(concat!("Warikan-Webhooks/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(guard)
            .pool_max_idle_per_host(config.endpoint_concurrency)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self {
            rules,
            production,
            lookup,
            client,
            timeout: config.timeout(),
            response_limit: config.response_limit_bytes,
        })
    }

    /// Whether an environment may have such a URL at all, as far as its text tells: loopback may be open to the sandbox alone.
    pub(crate) fn admits(&self, environment: Environment, text: &str) -> Result<Target, Refusal> {
        let rules = match environment {
            Environment::Production => &self.production,
            Environment::Sandbox => &self.rules,
        };
        Target::read(text, rules)
    }

    /// Whether an endpoint may have this URL; gives its canonical form. A name that does not resolve yet is accepted: every
    /// delivery judges again.
    pub(crate) async fn accept(&self, text: &str) -> Result<String, Refusal> {
        let target = Target::read(text, &self.rules)?;
        if let Some(host) = target.name()
            && let Ok(Ok(found)) =
                tokio::time::timeout(LOOKUP_PATIENCE, (self.lookup)(host.to_owned())).await
        {
            match self.rules.vet(host, found) {
                Ok(_) | Err(Refusal::Unresolvable) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(target.into_string())
    }

    /// Posts a message and waits for the answer's head, and for its body as far as the limit goes.
    pub(crate) async fn post(&self, target: Target, headers: HeaderMap, body: String) -> Sent {
        let request = self
            .client
            .post(target.into_url())
            .headers(headers)
            .body(body);
        // The deadline covers both parts, so that a body that drips cannot prolong it.
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut response = match tokio::time::timeout_at(deadline, request.send()).await {
            Err(_) => return Sent::Failed("timeout"),
            Ok(Err(error)) => return Sent::Failed(word(&error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut answer = Vec::new();
        let whole = tokio::time::timeout_at(
            deadline,
            drain(&mut response, self.response_limit, &mut answer),
        );
        let cut = !whole.await.unwrap_or(false);
        Sent::Answered {
            status,
            retry_after,
            answer,
            cut,
        }
    }
}

/// Reads a body up to the limit and keeps its beginning; whether that was all of it. Reading a short body to its end lets the
/// connection be used again.
async fn drain(response: &mut Response, limit: usize, kept: &mut Vec<u8>) -> bool {
    let mut read = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                read += chunk.len();
                let room = ANSWER_KEPT - kept.len();
                kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if read > limit {
                    return false;
                }
            }
            Ok(None) => return read == kept.len(),
            Err(_) => return false,
        }
    }
}

/// The connector's resolver: every name goes through it, and only acceptable addresses come out.
struct Guard {
    rules: Arc<Rules>,
    lookup: Lookup,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let (rules, lookup) = (Arc::clone(&self.rules), Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup(host.clone()).await?;
            let vetted = rules.vet(&host, found)?;
            // Port 0 stands for the URL's own.
            let addresses: Addrs = Box::new(vetted.into_iter().map(|ip| (ip, 0).into()));
            Ok(addresses)
        })
    }
}

fn system_lookup(host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
    Box::pin(async move {
        let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

/// A failure in one stable word: details of the network are not the tenant's to read.
fn word(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.is::<Refusal>() {
            return "address_refused";
        }
        cause = one.source();
    }
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connection_failed"
    } else {
        "protocol_error"
    }
}
