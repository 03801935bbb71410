//! Whether a host, mailbox, URI or address lies within a constraint of its type.

use crate::extension::GeneralName;

/// Whether a name is certainly inside a subtree of its type.
pub(super) fn within(name: &GeneralName<'_>, base: &GeneralName<'_>) -> bool {
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
pub(super) fn host_within(name: &[u8], base: &[u8]) -> bool {
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
pub(super) fn uri_host(uri: &[u8]) -> Option<&[u8]> {
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

/// Address and mask, ones first.
pub(super) fn is_network(octets: &[u8]) -> bool {
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
pub(super) fn is_host_pattern(host: &[u8]) -> bool {
    let host = host.strip_prefix(b".").unwrap_or(host);
    host.is_empty()
        || host.split(|octet| *octet == b'.').all(|label| {
            !label.is_empty()
                && label
                    .iter()
                    .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        })
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
