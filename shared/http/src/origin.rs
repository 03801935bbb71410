//! Where a request came from, as the edge saw it.
//!
//! Only the edge knows: behind it every connection is its own. It leaves an [`Origin`] in the request; between processes it travels in
//! [`ORIGIN_HEADER`] beside the internal token, and is read by nobody who has not checked that token.

use std::net::IpAddr;

use actix_web::{HttpMessage, HttpRequest};

/// The header between the edge and a service: address (`-` where it is not known) and base, with a space between.
pub const ORIGIN_HEADER: &str = "x-warikan-origin";

/// Where a request came from and where it went to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// Scheme and host by which the client called the platform, `https://api.example.jp`. The client's own words: fit for links in an
    /// answer to that client, and for nothing else.
    pub base: String,
}

impl Origin {
    /// What the edge left in a request.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .unwrap_or_default()
    }

    /// The header's value.
    #[must_use]
    pub fn to_header(&self) -> String {
        let address = self.address.map(|address| address.to_string());
        format!("{} {}", address.as_deref().unwrap_or("-"), self.base)
    }

    /// Reads the header's value.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        let (address, base) = value.split_once(' ')?;
        Some(Self {
            address: match address {
                "-" => None,
                text => Some(text.parse().ok()?),
            },
            base: base.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_survives_its_header() {
        for address in [None, Some("192.0.2.7"), Some("2001:db8::7")] {
            let origin = Origin {
                address: address.map(|text| text.parse().unwrap()),
                base: "https://api.example.jp".to_owned(),
            };
            assert_eq!(Origin::from_header(&origin.to_header()), Some(origin));
        }
        assert_eq!(Origin::from_header("nowhere https://a"), None);
        assert_eq!(Origin::from_header(""), None);
    }
}
