//! What an operator may set, each with its reason.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// Configuration of the service. The defaults are what production should run with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The same as the next, for endpoints of the sandbox alone: for a developer's machine that also serves production.
    pub allow_loopback_http_in_sandbox: bool,
    /// Lets endpoints be `http` or `https` URLs on `localhost`, `127.0.0.0/8` or `[::1]`, on any port. For demos and tests on
    /// one machine; on a server it would let tenants reach the operator's own services.
    pub allow_loopback_http: bool,
    /// Ports that `https` endpoints may use. Few, so that the platform cannot be used to probe others' services.
    pub allowed_ports: Vec<u16>,
    /// A PEM file with certificates of authorities that endpoints' certificates may also come from, beside the machine's. For
    /// receivers in an operator's own network of trust, and for tests of TLS.
    pub extra_roots: Option<PathBuf>,
    /// Seconds an attempt may take as a whole, from connecting to the end of the answer.
    pub timeout_seconds: u64,
    /// Octets of an answer's body that are read at most; the rest is left and the connection closed.
    pub response_limit_bytes: usize,
    /// Seconds from a failed attempt to the next, one per retry. Standard Webhooks' recommended ladder.
    pub retry_seconds: Vec<u64>,
    /// How far a retry may be moved either way, in percent, so that many failures do not return as one wave. 0 turns it off.
    pub jitter_percent: u8,
    /// The longest `Retry-After` that is honoured, in seconds: an endpoint must not be able to postpone for ever.
    pub retry_after_cap_seconds: u64,
    /// Seconds for which the old secret goes on signing after a rotation.
    pub secret_overlap_seconds: u64,
    /// An endpoint that has failed for this many seconds without one success is disabled. A silence as long as this, in which
    /// nothing was tried, starts the count anew.
    pub disable_after_seconds: u64,
    /// Deliveries under way at once, over all endpoints.
    pub concurrency: usize,
    /// Deliveries under way at once to one endpoint that answers well. A new one begins with [`Config::START`] at most, one that
    /// is failing gets a single one.
    pub endpoint_concurrency: usize,
    /// Seconds after which a delivery whose sender was not heard of again is sent once more. Must exceed the timeout.
    pub lease_seconds: u64,
    /// Days for which events stay in the feed, and deliveries with their log. Tenants read from it what they missed, so it must
    /// be well above the time in which endpoints are given up.
    pub feed_retention_days: u64,
    /// Endpoints a tenant may have in one environment: every event is multiplied by them.
    pub endpoints_per_tenant: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_loopback_http_in_sandbox: false,
            allow_loopback_http: false,
            allowed_ports: vec![443, 8443],
            extra_roots: None,
            timeout_seconds: 15,
            response_limit_bytes: 16 * 1024,
            retry_seconds: vec![5, 300, 1_800, 7_200, 18_000, 36_000, 36_000],
            jitter_percent: 20,
            retry_after_cap_seconds: 24 * 3_600,
            secret_overlap_seconds: 24 * 3_600,
            disable_after_seconds: 5 * 24 * 3_600,
            concurrency: 256,
            endpoint_concurrency: 16,
            lease_seconds: 60,
            feed_retention_days: 90,
            endpoints_per_tenant: 50,
        }
    }
}

impl Config {
    /// Deliveries under way at once to an endpoint that has not answered yet; each round of good answers doubles it.
    pub const START: usize = 4;

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.timeout_seconds == 0 || self.concurrency == 0 || self.endpoint_concurrency == 0 {
            return Err("timeout_seconds, concurrency and endpoint_concurrency are at least 1");
        }
        if self.lease_seconds <= self.timeout_seconds {
            return Err(
                "lease_seconds must exceed timeout_seconds, or a slow delivery is sent twice",
            );
        }
        if self.feed_retention_days < 7 {
            return Err(
                "feed_retention_days is at least 7, or what an endpoint missed is gone before it is given up",
            );
        }
        if self.jitter_percent > 100 {
            return Err("jitter_percent is 0 to 100");
        }
        Ok(())
    }

    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    pub(crate) const fn retention(&self) -> Duration {
        Duration::from_secs(self.feed_retention_days * 24 * 3_600)
    }

    pub(crate) const fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }
}
