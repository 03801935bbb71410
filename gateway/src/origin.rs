//! Where a request came from: the connection's peer, or, where that is a proxy that the operator trusts, whom the proxy names.

use std::net::IpAddr;

use actix_web::{dev::ServiceRequest, http::header::HeaderMap};
use ipnet::IpNet;
use warikan_http::Origin;

/// The proxies in front of the edge. What anyone else writes into `X-Forwarded-..` is not read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(pub(crate) Vec<IpNet>);

impl TrustedProxies {
    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The origin of a request.
    pub(crate) fn origin(&self, request: &ServiceRequest) -> Origin {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let trusted = peer.is_some_and(|peer| self.has(peer));
        let headers = request.headers();
        let forwarded = |name| trusted.then(|| last(headers, name)).flatten();
        let scheme = forwarded("x-forwarded-proto").filter(|scheme| scheme == "https");
        let host = forwarded("x-forwarded-host").or_else(|| last(headers, "host"));
        Origin {
            address: if trusted {
                self.client(headers).or(peer)
            } else {
                peer
            },
            base: format!(
                "{}://{}",
                scheme.as_deref().unwrap_or("http"),
                host.unwrap_or_default()
            ),
        }
    }

    /// The last address that no trusted proxy has: each proxy appends whom it heard from, and what stands before that anyone may have
    /// written.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut addresses = Vec::new();
        for value in headers.get_all("x-forwarded-for") {
            addresses.extend(value.to_str().ok()?.split(',').map(str::trim));
        }
        for text in addresses.into_iter().rev() {
            let address = text.parse::<IpAddr>().ok()?.to_canonical();
            if !self.has(address) {
                return Some(address);
            }
        }
        None
    }
}

fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get_all(name).last()?.to_str().ok()?;
    Some(value.rsplit(',').next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_its_own_word() {
        let trusted = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let from = |peer: &str, forwarded: &str| {
            let request = TestRequest::default()
                .peer_addr(format!("{peer}:4000").parse().unwrap())
                .insert_header(("host", "inner"))
                .insert_header(("x-forwarded-for", forwarded.to_owned()))
                .insert_header(("x-forwarded-proto", "https"))
                .insert_header(("x-forwarded-host", "api.example.jp"))
                .to_srv_request();
            trusted.origin(&request)
        };
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let stranger = from("192.0.2.1", "198.51.100.9");
        assert_eq!(stranger.address, address("192.0.2.1"));
        assert_eq!(stranger.base, "http://inner");
        // The client wrote the first; the proxies appended the others.
        let behind = from("10.0.0.1", "203.0.113.66, 198.51.100.9, 10.0.0.2");
        assert_eq!(behind.address, address("198.51.100.9"));
        assert_eq!(behind.base, "https://api.example.jp");
        assert_eq!(from("10.0.0.1", "nonsense").address, address("10.0.0.1"));
    }
}
