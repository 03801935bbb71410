//! Reaching a source: a bounded HTTP client and the index that says where the lists lie.
//!
//! Neither is believed. The client follows no redirect, uses no proxy, stops at a size and a time; the index can only name
//! addresses on its own host. What decides is the issuer's signature over the list itself.

use std::{collections::HashSet, time::Duration};

use reqwest::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use serde::Deserialize;
use url::Url;

use crate::{config::Config, problem::ListProblem};

/// Octets of an index: 10,000 lists of a few hundred octets each.
const INDEX_LIMIT: usize = 8 << 20;
/// A validator of more octets is not kept.
const VALIDATOR_LIMIT: usize = 1024;
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

/// What a source calls the octets that it gave (RFC 9110 8.8), to be asked for others only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// What a source answered.
pub(crate) enum Fetched {
    /// It has nothing but what the validators name (304).
    Unchanged,
    Octets(Vec<u8>, Validators),
}

/// An index as it was read last, and what the source called it.
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexRead {
    pub(crate) lists: Vec<Listed>,
    validators: Validators,
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

    /// Fetches and reads an index; `last` is what it said the last time.
    pub(crate) async fn index(
        &self,
        address: &Url,
        last: Option<IndexRead>,
    ) -> Result<IndexRead, ListProblem> {
        let validators = last.as_ref().map(|last| last.validators.clone());
        let fetched = self
            .fetch(address, validators.as_ref(), INDEX_LIMIT)
            .await?;
        match (fetched, last) {
            (Fetched::Octets(octets, validators), _) => Ok(IndexRead {
                lists: parse(address, &octets, self.list_limit)?,
                validators,
            }),
            (Fetched::Unchanged, Some(last)) => Ok(last),
            (Fetched::Unchanged, None) => Err(ListProblem::HttpStatus(304)),
        }
    }

    /// Fetches a list, unless it is still the one that the validators name.
    pub(crate) async fn list(
        &self,
        address: &Url,
        validators: Option<&Validators>,
    ) -> Result<Fetched, ListProblem> {
        self.fetch(address, validators, self.crl_limit).await
    }

    async fn fetch(
        &self,
        address: &Url,
        validators: Option<&Validators>,
        limit: usize,
    ) -> Result<Fetched, ListProblem> {
        let unreachable =
            |error: reqwest::Error| ListProblem::Unreachable(error.without_url().to_string());
        let mut request = self.http.get(address.clone());
        let known = validators.cloned().unwrap_or_default();
        let conditional = known.etag.is_some() || known.last_modified.is_some();
        if let Some(etag) = known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        if status == 304 && conditional {
            return Ok(Fetched::Unchanged);
        }
        if status != 200 {
            return Err(ListProblem::HttpStatus(status));
        }
        let said = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            (value.len() <= VALIDATOR_LIMIT).then(|| value.to_owned())
        };
        let validators = Validators {
            etag: said(ETAG),
            last_modified: said(LAST_MODIFIED),
        };
        let mut body = Body::new(response.content_length(), limit)?;
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.add(&chunk)?;
        }
        Ok(Fetched::Octets(body.octets, validators))
    }
}

/// What comes of a body: in memory once, however large it grows.
struct Body {
    octets: Vec<u8>,
    limit: usize,
}

impl Body {
    /// Room for what the sender declares, or else for the most that is taken: a buffer that grows would be there twice while it moves. It
    /// is room in the address space; memory is taken by what really comes (F048).
    fn new(declared: Option<u64>, limit: usize) -> Result<Self, ListProblem> {
        let declared = declared.map_or(Ok(limit), usize::try_from);
        let room = declared.ok().filter(|octets| *octets <= limit);
        let mut octets = Vec::new();
        let room = room.ok_or(ListProblem::TooLarge(limit))?;
        octets
            .try_reserve_exact(room)
            .map_err(|_| ListProblem::TooLarge(limit))?;
        Ok(Self { octets, limit })
    }

    fn add(&mut self, chunk: &[u8]) -> Result<(), ListProblem> {
        if self.octets.len() + chunk.len() > self.limit {
            return Err(ListProblem::TooLarge(self.limit));
        }
        self.octets.extend_from_slice(chunk);
        Ok(())
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
    fn f047_f048_a_body_is_in_memory_once_and_never_larger_than_is_taken() {
        for declared in [None, Some(1_000)] {
            let mut body = Body::new(declared, 1_000).unwrap();
            let place = body.octets.as_ptr();
            for _ in 0..100 {
                body.add(&[7; 10]).unwrap();
            }
            assert_eq!(body.octets.as_ptr(), place, "it never moved");
            assert_eq!(body.add(&[7]), Err(ListProblem::TooLarge(1_000)));
        }
        for too_much in [1_001, u64::MAX] {
            assert!(Body::new(Some(too_much), 1_000).is_err());
        }
        // A sender that says less than it sends is read on, up to what is taken.
        let mut body = Body::new(Some(1), 1_000).unwrap();
        assert_eq!(body.add(&[7; 1_000]), Ok(()));
    }

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
