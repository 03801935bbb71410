//! The HTTP of it (RFC 6960 appendix A).

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::sync::Semaphore;
use url::Url;

use crate::config::Responder;

/// A call in all: connecting, asking, and the last octet of the answer.
const BUDGET: Duration = Duration::from_secs(2);
/// Octets of an answer. One about one certificate, with its responder's certificate, has about 2,500.
const ANSWER: usize = 64 * 1_024;
/// Calls at a time; a question beyond them is not asked.
const CALLS: usize = 64;
const REQUEST_TYPE: &str = "application/ocsp-request";
const RESPONSE_TYPE: &str = "application/ocsp-response";

/// Why nothing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    #[error("busy")]
    Busy,
    #[error("timeout")]
    Timeout,
    #[error("unreachable")]
    Unreachable,
    #[error("http_status")]
    HttpStatus,
    #[error("no_ocsp_response")]
    MediaType,
    #[error("too_large")]
    TooLarge,
}

pub(super) struct OcspClient {
    http: reqwest::Client,
    calls: Semaphore,
}

/// Checks the configured addresses.
pub(super) fn check(responders: &[Responder]) -> Result<Vec<Responder>, String> {
    for one in responders {
        let url: Url = one
            .url
            .parse()
            .map_err(|error| format!("{} is no address: {error}", one.url))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{url} is neither http nor https"));
        }
    }
    Ok(responders.to_vec())
}

impl OcspClient {
    pub(super) fn new() -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .timeout(BUDGET)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("warikan")
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(Self {
            http,
            calls: Semaphore::new(CALLS),
        })
    }

    /// Posts a request; gives the answer's octets.
    pub(super) async fn post(&self, url: &str, request: Vec<u8>) -> Result<Vec<u8>, Silence> {
        let _call = self.calls.try_acquire().map_err(|_| Silence::Busy)?;
        let mut response = self
            .http
            .post(url)
            .header(CONTENT_TYPE, REQUEST_TYPE)
            .header(ACCEPT, RESPONSE_TYPE)
            .body(request)
            .send()
            .await
            .map_err(silence)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(Silence::HttpStatus);
        }
        let typed = response.headers().get(CONTENT_TYPE);
        let typed = typed.and_then(|value| value.to_str().ok());
        let essence = typed.and_then(|value| value.split(';').next());
        if !essence.is_some_and(|one| one.trim().eq_ignore_ascii_case(RESPONSE_TYPE)) {
            return Err(Silence::MediaType);
        }
        // Grows with what really comes, not with what the sender declares.
        let mut octets = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(silence)? {
            if octets.len() + chunk.len() > ANSWER {
                return Err(Silence::TooLarge);
            }
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    }
}

fn silence(error: reqwest::Error) -> Silence {
    if error.is_timeout() {
        Silence::Timeout
    } else {
        Silence::Unreachable
    }
}
