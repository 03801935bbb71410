//! What a tenant may write as a URL, and what its host may resolve to.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::is_public;

/// Characters of a URL at most.
const LENGTH_LIMIT: usize = 2_048;

/// Names that never mean a host on the public Internet (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476), with the private
/// ones in common use.
const SPECIAL_NAMES: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "home.arpa",
    "invalid",
    "onion",
    "alt",
    "in-addr.arpa",
];

/// What the operator allows.
pub(super) struct Rules {
    pub allow_loopback: bool,
    pub ports: Vec<u16>,
}

/// Why a URL is refused. The words are for tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("not an absolute URL of printable ASCII characters, at most 2,048 of them")]
    Malformed,
    #[error("the scheme must be https")]
    Scheme,
    #[error("user name and password do not belong into the URL")]
    UserInfo,
    #[error("a fragment is never sent; leave it out")]
    Fragment,
    #[error("this port is not allowed")]
    Port,
    #[error("the host is not a public name")]
    Name,
    #[error("the host's address is not public")]
    Address,
    #[error("the host has no address")]
    Unresolvable,
}

impl Refusal {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "url_malformed",
            Self::Scheme => "url_scheme",
            Self::UserInfo => "url_user_info",
            Self::Fragment => "url_fragment",
            Self::Port => "url_port",
            Self::Name | Self::Address | Self::Unresolvable => "url_host",
        }
    }
}

/// A URL that passed the checks which need no network.
pub(crate) struct Target(Url);

impl Target {
    pub(super) fn read(text: &str, rules: &Rules) -> Result<Self, Refusal> {
        // The URL standard repairs much (blanks, tabs, backslashes); what needs repair is read differently by others.
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        if !plain || text.len() > LENGTH_LIMIT {
            return Err(Refusal::Malformed);
        }
        let (scheme, rest) = text.split_once("://").ok_or(Refusal::Malformed)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(Refusal::Malformed);
        }
        if authority.contains('@') {
            return Err(Refusal::UserInfo);
        }
        let https = scheme.eq_ignore_ascii_case("https");
        let plain_http = rules.allow_loopback && scheme.eq_ignore_ascii_case("http");
        if !https && !plain_http {
            return Err(Refusal::Scheme);
        }
        let url = Url::parse(text).map_err(|_| Refusal::Malformed)?;
        if url.fragment().is_some() {
            return Err(Refusal::Fragment);
        }
        let target = Self(url);
        target.check_host(rules, https)?;
        Ok(target)
    }

    fn check_host(&self, rules: &Rules, https: bool) -> Result<(), Refusal> {
        if rules.allow_loopback && self.is_loopback() {
            return Ok(());
        }
        if !https {
            return Err(Refusal::Scheme);
        }
        match self.0.host().ok_or(Refusal::Malformed)? {
            Host::Ipv4(address) if !is_public(address.into()) => return Err(Refusal::Address),
            Host::Ipv6(address) if !is_public(address.into()) => return Err(Refusal::Address),
            Host::Domain(name) if !is_public_name(name) => return Err(Refusal::Name),
            _ => {}
        }
        let port = self.0.port_or_known_default().ok_or(Refusal::Port)?;
        if rules.ports.contains(&port) {
            Ok(())
        } else {
            Err(Refusal::Port)
        }
    }

    fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => is_localhost(name),
            None => false,
        }
    }

    /// The name to be looked up; `None` where the host is an address.
    pub(super) fn name(&self) -> Option<&str> {
        match self.0.host() {
            Some(Host::Domain(name)) => Some(name),
            _ => None,
        }
    }

    pub(super) fn into_url(self) -> Url {
        self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0.into()
    }
}

impl Rules {
    /// Judges what a name resolved to: one bad address condemns all, since any of them could be the one connected to.
    pub(super) fn vet(&self, name: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refusal> {
        if found.is_empty() {
            return Err(Refusal::Unresolvable);
        }
        let loopback = self.allow_loopback && is_localhost(name);
        let acceptable = |address: &IpAddr| {
            if loopback {
                address.is_loopback()
            } else {
                is_public(*address)
            }
        };
        if found.iter().all(acceptable) {
            Ok(found)
        } else {
            Err(Refusal::Address)
        }
    }
}

fn is_localhost(name: &str) -> bool {
    name.trim_end_matches('.').eq_ignore_ascii_case("localhost")
}

/// At least two labels, and under none of the special names.
fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = name.to_ascii_lowercase();
    name.contains('.')
        && !name.split('.').any(str::is_empty)
        && !SPECIAL_NAMES.iter().any(|special| {
            name.strip_suffix(special)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}
