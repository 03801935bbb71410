//! Another process of the platform, as one that asks it something sees it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, RequestBuilder};
use warikan_types::{Id, Request};

use crate::{INTERNAL_TOKEN_HEADER, InternalCall, Platform, SignError};

/// A listener that does not accept within this time is as good as down.
const CONNECT: Duration = Duration::from_secs(1);
/// Idle connections are closed before the other side does (30 s), so that none is used that is just being closed.
const IDLE: Duration = Duration::from_secs(15);

/// An HTTP client for calls between processes: pooled connections, no proxies, no redirects.
///
/// # Errors
/// The TLS configuration of the machine cannot be used.
pub fn inner_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .build()
}

/// A service in another process. Clones share its connections.
#[derive(Clone)]
pub struct Peer {
    from: &'static str,
    to: &'static str,
    bases: Arc<[String]>,
    turn: Arc<AtomicUsize>,
    http: reqwest::Client,
    platform: Platform,
}

impl Peer {
    /// The service `to` at `bases` (each `http://host:port` of a replica, at least one), asked by `from`. The first is asked until
    /// [`Peer::turn_elsewhere`].
    ///
    /// # Errors
    /// As [`inner_client`].
    pub fn new(
        from: &'static str,
        to: &'static str,
        bases: Vec<String>,
        platform: &Platform,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            from,
            to,
            bases: bases.into(),
            turn: Arc::default(),
            http: inner_client()?,
            platform: platform.clone(),
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.to
    }

    /// Where it is.
    #[must_use]
    pub fn base(&self) -> &str {
        let turn = self.turn.load(Ordering::Relaxed);
        self.bases
            .get(turn % self.bases.len().max(1))
            .map_or("", String::as_str)
    }

    /// Asks the next replica from now on: the present one does not answer. What a replica counts is its own, so whoever follows
    /// one stays with it while it does.
    pub fn turn_elsewhere(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// A question of the platform's own, to be answered within a time.
    ///
    /// # Errors
    /// The internal token cannot be signed.
    pub fn get(&self, path: &str, within: Duration) -> Result<RequestBuilder, SignError> {
        self.ask(Method::GET, path, within)
    }

    /// Something that the platform's own tell each other; the body is the caller's to add.
    ///
    /// # Errors
    /// The internal token cannot be signed.
    pub fn post(&self, path: &str, within: Duration) -> Result<RequestBuilder, SignError> {
        self.ask(Method::POST, path, within)
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        within: Duration,
    ) -> Result<RequestBuilder, SignError> {
        let now = self.platform.clock().now();
        let id: Id<Request> = self.platform.entropy.id(now);
        let call = InternalCall {
            from: self.from.to_owned(),
            to: self.to.to_owned(),
            principal: None,
            request_id: id.to_string(),
            deadline: now.plus(within),
        };
        let token = call.sign(&self.platform.keys, now)?;
        Ok(self
            .http
            .request(method, format!("{}{path}", self.base()))
            .header(INTERNAL_TOKEN_HEADER, token)
            .header("x-request-id", call.request_id)
            .timeout(within))
    }
}
