//! Reaching a source: a bounded HTTP client and the index that says where the lists lie.
//!
//! Neither is believed. The client follows no redirect, uses no proxy, stops at a size and a time; the index can only name
//! addresses on its own host. What decides is the issuer's signature over the list itself.

use std::{collections::HashSet, time::Duration};

use serde::Deserialize;
use url::Url;

use crate::{config::Config, problem::ListProblem};

/// Octets of an index: 10,000 lists of a few hundred octets each.
const INDEX_LIMIT: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches from sources.
pub(crate) struct SourceClient {
    http: reqwest::Client,
    crl_limit: usize,
    list_limit: usize,
}

/// A list as an index names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its address; `None` where the index names none that may be fetched.
    pub(crate) url: Option<Url>,
    /// The address as the index writes it.
    pub(crate) named: String,
    /// The index's word for what lies there: good for not fetching the same again, and for nothing else.
    pub(crate) sha256: Option<String>,
}

/// The parts of an index that are read; it may say more.
#[derive(Deserialize)]
struct Index {
    lists: Vec<IndexEntry>,
}

#[derive(Deserialize)]
struct IndexEntry {
    url: String,
    #[serde(default)]
    sha256: Option<String>,
}

impl SourceClient {
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(Duration::from_secs(config.request_timeout_seconds))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("warikan-revocation")
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(Self {
            http,
            crl_limit: config.crl_octets,
            list_limit: config.lists,
        })
    }

    /// Fetches and reads an index.
    pub(crate) async fn index(&self, address: &Url) -> Result<Vec<Listed>, ListProblem> {
        let octets = self.fetch(address, INDEX_LIMIT).await?;
        parse(address, &octets, self.list_limit)
    }

    /// Fetches a list.
    pub(crate) async fn list(&self, address: &Url) -> Result<Vec<u8>, ListProblem> {
        self.fetch(address, self.crl_limit).await
    }

    async fn fetch(&self, address: &Url, limit: usize) -> Result<Vec<u8>, ListProblem> {
        let unreachable =
            |error: reqwest::Error| ListProblem::Unreachable(error.without_url().to_string());
        let mut response = self
            .http
            .get(address.clone())
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(ListProblem::HttpStatus(status));
        }
        let declared = response.content_length().unwrap_or(0);
        if usize::try_from(declared).map_or(true, |declared| declared > limit) {
            return Err(ListProblem::TooLarge(limit));
        }
        // Grows with what really comes, not with what the sender declares.
        let mut octets = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if octets.len() + chunk.len() > limit {
                return Err(ListProblem::TooLarge(limit));
            }
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    }
}

fn parse(base: &Url, octets: &[u8], limit: usize) -> Result<Vec<Listed>, ListProblem> {
    let index: Index =
        serde_json::from_slice(octets).map_err(|error| ListProblem::Index(error.to_string()))?;
    if index.lists.len() > limit {
        return Err(ListProblem::Index(format!("more than {limit} lists")));
    }
    let mut seen = HashSet::new();
    Ok(index
        .lists
        .into_iter()
        .map(|entry| Listed {
            url: base
                .join(&entry.url)
                .ok()
                .filter(|url| same_host(base, url)),
            sha256: entry.sha256.map(|text| text.to_ascii_lowercase()),
            named: entry.url,
        })
        // One address is one list, however often it is named.
        .filter(|listed| {
            let address = listed
                .url
                .as_ref()
                .map_or(listed.named.as_str(), Url::as_str);
            seen.insert(address.to_owned())
        })
        .collect())
}

/// The index must not be able to send the platform's requests anywhere else.
fn same_host(base: &Url, url: &Url) -> bool {
    base.origin() == url.origin() && url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f040_an_index_names_addresses_on_its_own_host_only() {
        let base: Url = "http://jlis.example:8080/jlis/index".parse().unwrap();
        let index = serde_json::json!({"generated": 1, "lists": [
            {"ca": "signature", "url": "/a.crl", "number": "12", "sha256": "AB"},
            {"url": "b.crl"},
            {"url": "http://jlis.example:8080/a.crl"},
            {"url": "http://169.254.169.254/latest"},
            {"url": "//evil.example/x"},
            {"url": "https://jlis.example:8080/a.crl"},
            {"url": "file:///etc/passwd"},
            {"url": "http://user:pw@jlis.example:8080/c.crl"},
        ]});
        let lists = parse(&base, index.to_string().as_bytes(), 8).unwrap();
        let urls: Vec<Option<&str>> = lists
            .iter()
            .map(|list| list.url.as_ref().map(Url::as_str))
            .collect();
        let (a, b) = (
            "http://jlis.example:8080/a.crl",
            "http://jlis.example:8080/jlis/b.crl",
        );
        assert_eq!(
            urls,
            [Some(a), Some(b), None, None, None, None, None],
            "the same address counts once"
        );
        assert_eq!(lists[0].sha256.as_deref(), Some("ab"));
        assert!(parse(&base, index.to_string().as_bytes(), 7).is_err());
        for bad in ["", "[]", "{\"lists\": [{}]}", "{\"lists\": 1}"] {
            assert!(parse(&base, bad.as_bytes(), 9).is_err(), "{bad}");
        }
    }
}
