//! Name constraints (RFC 5280 4.2.1.10): which names a CA may certify below itself.
//!
//! Every set of constraints above a certificate must permit each of its names: a name is permitted if no subtree of its
//! type is permitted at all or one of them contains it, and no excluded subtree contains it. Types that are not
//! compared here (x400Address, ediPartyName, registeredID) make the certificate unacceptable as soon as both a
//! constraint and a name of the type exist, as section 6.1.4 demands.
//!
//! Three thousand names under three thousand subtrees are nine million comparisons: they are counted beforehand, and
//! beyond [`MAX_COMPARISONS`] the path is refused unexamined, whether or not the types would have met.

use crate::{
    der::{DerError, Reader, SEQUENCE, constructed},
    extension::{GeneralName, general_name},
    name::CanonicalName,
    oid::EMAIL_ADDRESS,
    path::cert::Node,
};

/// Names times subtrees above them: 1,024 names and a subject under 1,024 subtrees.
const MAX_COMPARISONS: usize = 1_050_000;
/// The same for URIs, which are many in some certificates and of which only the host is compared.
const MAX_URI_COMPARISONS: usize = 4 * MAX_COMPARISONS;
const URI: u8 = 6;

/// `NameConstraints`.
#[derive(Default)]
pub(crate) struct NameConstraints<'a> {
    permitted: Vec<Subtree<'a>>,
    excluded: Vec<Subtree<'a>>,
}

/// The base of a `GeneralSubtree`.
enum Subtree<'a> {
    Directory(CanonicalName),
    Other(GeneralName<'a>),
}

/// Why names are not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotPermitted,
    TooMany,
}

/// The tag number of `GeneralName`: which names a subtree is about.
const fn kind(name: &GeneralName<'_>) -> u8 {
    match name {
        GeneralName::Other { .. } => 0,
        GeneralName::Email(_) => 1,
        GeneralName::Dns(_) => 2,
        GeneralName::Directory(_) => 4,
        GeneralName::Uri(_) => 6,
        GeneralName::Ip(_) => 7,
        GeneralName::Unread(number) => *number,
    }
}

impl Subtree<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Directory(_) => 4,
            Self::Other(name) => kind(name),
        }
    }
}

impl<'a> NameConstraints<'a> {
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, DerError> {
        let mut inner = Reader::only(value, SEQUENCE, "name constraints that are no SEQUENCE")?;
        let permitted = subtrees(&mut inner, 0)?;
        let excluded = subtrees(&mut inner, 1)?;
        inner.finish("octets after the name constraints")?;
        if permitted.is_empty() && excluded.is_empty() {
            return Err(DerError("empty name constraints"));
        }
        Ok(Self {
            permitted,
            excluded,
        })
    }

    /// How many subtrees are about URIs, and how many about other names.
    fn count(&self) -> (usize, usize) {
        let all = self.permitted.iter().chain(&self.excluded);
        let uris = all.filter(|subtree| subtree.kind() == URI).count();
        (uris, self.permitted.len() + self.excluded.len() - uris)
    }

    fn allows(&self, name: &Name<'_>) -> bool {
        let same = |subtree: &&Subtree<'_>| subtree.kind() == name.kind();
        let mut permitted = self.permitted.iter().filter(same).peekable();
        if permitted.peek().is_some() && !permitted.any(|subtree| name.within(subtree)) {
            return false;
        }
        !self
            .excluded
            .iter()
            .filter(same)
            .any(|subtree| name.touches(subtree))
    }
}

/// `GeneralSubtrees`: `minimum` and `maximum` are not used in RFC 5280, so they may not be there.
fn subtrees<'a>(inner: &mut Reader<'a>, number: u8) -> Result<Vec<Subtree<'a>>, DerError> {
    let Some(wrapped) = inner.optional(constructed(number))? else {
        return Ok(Vec::new());
    };
    let mut list = Reader::new(wrapped.value);
    let mut found = Vec::new();
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "a subtree that is no SEQUENCE")?;
        let base = general_name(&mut one)?;
        one.finish("a subtree with minimum or maximum")?;
        found.push(match base {
            GeneralName::Directory(name) => Subtree::Directory(CanonicalName::read(name)?),
            GeneralName::Ip(octets) if !is_network(octets) => {
                return Err(DerError("a network with a mask that is none"));
            }
            GeneralName::Dns(host) if !is_host_pattern(host) => {
                return Err(DerError("a constraint that is no host name"));
            }
            other => Subtree::Other(other),
        });
    }
    if found.is_empty() {
        return Err(DerError("an empty list of subtrees"));
    }
    Ok(found)
}

/// Address and mask, ones first.
fn is_network(octets: &[u8]) -> bool {
    if !matches!(octets.len(), 8 | 32) {
        return false;
    }
    let (_, mask) = octets.split_at(octets.len() / 2);
    let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).sum();
    let after = mask.iter().skip_while(|octet| **octet == 0xff).skip(1);
    let total: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
    ones == total && after.into_iter().all(|octet| *octet == 0)
}

/// A host name, possibly empty (every host) or with a leading period.
fn is_host_pattern(host: &[u8]) -> bool {
    let host = host.strip_prefix(b".").unwrap_or(host);
    host.is_empty()
        || host.split(|octet| *octet == b'.').all(|label| {
            !label.is_empty()
                && label
                    .iter()
                    .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        })
}

/// A name of the certificate under examination.
enum Name<'a> {
    Directory(CanonicalName),
    Other(GeneralName<'a>),
}

impl Name<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Directory(_) => 4,
            Self::Other(name) => kind(name),
        }
    }

    /// For permitted subtrees: certainly inside.
    fn within(&self, subtree: &Subtree<'_>) -> bool {
        match (self, subtree) {
            (Self::Directory(name), Subtree::Directory(base)) => name.0.starts_with(&base.0),
            (Self::Other(name), Subtree::Other(base)) => within(name, base),
            _ => false,
        }
    }

    /// For excluded subtrees: inside, or not comparable, or a wildcard that could be inside, or a URI on the host of one
    /// that is excluded.
    fn touches(&self, subtree: &Subtree<'_>) -> bool {
        if self.within(subtree) {
            return true;
        }
        match (self, subtree) {
            (Self::Other(GeneralName::Unread(_)), _) => true,
            (Self::Other(GeneralName::Dns(name)), Subtree::Other(GeneralName::Dns(base))) => name
                .strip_prefix(b"*.")
                .is_some_and(|parent| host_within(base, parent)),
            (Self::Other(GeneralName::Uri(name)), Subtree::Other(GeneralName::Uri(base))) => {
                uri_host(base).is_some_and(|base| {
                    uri_host(name).is_some_and(|host| host.eq_ignore_ascii_case(base))
                })
            }
            _ => false,
        }
    }
}

fn within(name: &GeneralName<'_>, base: &GeneralName<'_>) -> bool {
    match (name, base) {
        (GeneralName::Dns(name), GeneralName::Dns(base)) => host_within(name, base),
        (GeneralName::Email(name), GeneralName::Email(base)) => email_within(name, base),
        (GeneralName::Uri(name), GeneralName::Uri(base)) => {
            // A whole URI as a constraint is not what RFC 5280 has in mind; it can only mean itself.
            name == base || uri_host(name).is_some_and(|host| exact_or_sub(host, base))
        }
        (GeneralName::Ip(name), GeneralName::Ip(base)) => ip_within(name, base),
        (
            GeneralName::Other { oid, value },
            GeneralName::Other {
                oid: base_oid,
                value: base_value,
            },
        ) => oid == base_oid && value == base_value,
        _ => false,
    }
}

/// A host is within itself and within every host it adds labels to.
fn host_within(name: &[u8], base: &[u8]) -> bool {
    let base = base.strip_prefix(b".").unwrap_or(base);
    if base.is_empty() {
        return true;
    }
    let Some(start) = name.len().checked_sub(base.len()) else {
        return false;
    };
    name[start..].eq_ignore_ascii_case(base) && (start == 0 || name[start - 1] == b'.')
}

/// For mail hosts and URIs: `host` means that host alone, `.domain` everything below it.
fn exact_or_sub(host: &[u8], base: &[u8]) -> bool {
    if base.first() == Some(&b'.') {
        host.len() > base.len() && host[host.len() - base.len()..].eq_ignore_ascii_case(base)
    } else {
        host.eq_ignore_ascii_case(base)
    }
}

/// RFC 5280 4.2.1.10: a mailbox, a host, or a domain with a leading period. The local part keeps its case.
fn email_within(name: &[u8], base: &[u8]) -> bool {
    let split = |text: &[u8]| text.iter().rposition(|octet| *octet == b'@');
    let Some(at) = split(name) else {
        return false;
    };
    let (local, host) = (&name[..at], &name[at + 1..]);
    match split(base) {
        Some(at) => local == &base[..at] && host.eq_ignore_ascii_case(&base[at + 1..]),
        None => exact_or_sub(host, base),
    }
}

/// The host of `scheme://[user@]host[:port]/..`; none for addresses in brackets or without authority.
fn uri_host(uri: &[u8]) -> Option<&[u8]> {
    let start = uri.windows(3).position(|part| part == b"://")? + 3;
    let rest = &uri[start..];
    let end = rest.iter().position(|octet| b"/?#".contains(octet));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let host = match authority.iter().rposition(|octet| *octet == b'@') {
        Some(at) => &authority[at + 1..],
        None => authority,
    };
    let end = host.iter().position(|octet| *octet == b':');
    let host = &host[..end.unwrap_or(host.len())];
    (!host.is_empty() && host[0] != b'[').then_some(host)
}

fn ip_within(address: &[u8], network: &[u8]) -> bool {
    if network.len() != 2 * address.len() {
        return false;
    }
    let (base, mask) = network.split_at(address.len());
    address
        .iter()
        .zip(base.iter().zip(mask))
        .all(|(octet, (base, mask))| octet & mask == base & mask)
}

/// Holds every name of a certificate against all constraints above it.
pub(crate) fn check(node: &Node<'_>, above: &[&NameConstraints<'_>]) -> Result<(), Refusal> {
    if above.is_empty() {
        return Ok(());
    }
    let names = names_of(node);
    let uris = names.iter().filter(|name| name.kind() == URI).count();
    let (uri_subtrees, subtrees) = above
        .iter()
        .map(|set| set.count())
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    if uris.saturating_mul(uri_subtrees) > MAX_URI_COMPARISONS
        || (names.len() - uris).saturating_mul(subtrees) > MAX_COMPARISONS
    {
        return Err(Refusal::TooMany);
    }
    if names
        .iter()
        .all(|name| above.iter().all(|set| set.allows(name)))
    {
        Ok(())
    } else {
        Err(Refusal::NotPermitted)
    }
}

/// Subject, subjectAltName, and mail addresses in the subject where there are none elsewhere.
fn names_of<'a>(node: &Node<'a>) -> Vec<Name<'a>> {
    let mut names = Vec::new();
    if !node.subject.0.is_empty() {
        names.push(Name::Directory(node.subject.clone()));
    }
    for name in &node.ext.alt_names {
        names.push(match name {
            // Reading the certificate has read this name once already.
            GeneralName::Directory(raw) => match CanonicalName::read(raw) {
                Ok(name) => Name::Directory(name),
                Err(_) => Name::Other(GeneralName::Unread(4)),
            },
            other => Name::Other(*other),
        });
    }
    if !names.iter().any(|name| name.kind() == 1) {
        names.extend(
            subject_addresses(node.view.subject)
                .into_iter()
                .map(|address| Name::Other(GeneralName::Email(address))),
        );
    }
    names
}

fn subject_addresses(subject: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let Ok(mut rdns) = Reader::only(subject, SEQUENCE, "a name") else {
        return found;
    };
    while let Ok(rdn) = rdns.any() {
        let attributes = crate::name::attributes(rdn.value).unwrap_or_default();
        found.extend(
            attributes
                .iter()
                .filter(|one| one.oid == EMAIL_ADDRESS)
                .map(|one| one.value.value),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_mailboxes_and_networks() {
        assert!(host_within(b"a.Example.com", b"example.COM"));
        assert!(host_within(b"example.com", b"example.com"));
        assert!(!host_within(b"badexample.com", b"example.com"));
        assert!(host_within(b"anything", b""));
        assert!(email_within(b"a@b.example", b"b.example"));
        assert!(!email_within(b"a@c.b.example", b"b.example"));
        assert!(email_within(b"a@c.b.example", b".b.example"));
        assert!(email_within(b"Jo@B.example", b"Jo@b.example"));
        assert!(!email_within(b"jo@b.example", b"Jo@b.example"));
        assert_eq!(
            uri_host(b"https://u@h.example:1/x"),
            Some(&b"h.example"[..])
        );
        assert_eq!(uri_host(b"urn:x"), None);
        assert!(is_network(&[10, 0, 0, 0, 255, 254, 0, 0]));
        assert!(!is_network(&[10, 0, 0, 0, 255, 0, 255, 0]));
        assert!(!is_network(&[10, 0, 0, 0, 255, 1, 0, 0]));
        assert!(ip_within(&[10, 1, 2, 3], &[10, 0, 0, 0, 255, 0, 0, 0]));
        assert!(!ip_within(&[11, 1, 2, 3], &[10, 0, 0, 0, 255, 0, 0, 0]));
    }
}
