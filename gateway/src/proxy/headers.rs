//! Which headers cross the edge.
//!
//! Towards a service only those on a list: whatever a client invents (`X-Tenant-Id`, `X-User`, `X-Original-URL`,
//! `X-HTTP-Method-Override`, a forged internal token) ends here without anyone having to know its name. Towards the client
//! everything but hop-by-hop headers (RFC 9110 7.6.1).

use actix_web::http::header::{HeaderMap, HeaderName};
use reqwest::header as to;
use warikan_http::KEPT_HEADER;

/// What a service may hear from a client. `Authorization` is not among them: the service hears the internal token.
const INBOUND: [&str; 14] = [
    "accept",
    "accept-language",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "prefer",
    "range",
    "tracestate",
    "user-agent",
];

/// Concern one connection, not the message.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The part of a client's headers that goes on. `credentials` lets `Authorization` through: the token endpoint reads client
/// credentials itself.
pub(super) fn inbound(from: &HeaderMap, credentials: bool) -> to::HeaderMap {
    let mut out = to::HeaderMap::new();
    let named = named_in_connection(from.get_all("connection").filter_map(|v| v.to_str().ok()));
    for (name, value) in from {
        let known = INBOUND.contains(&name.as_str())
            || (credentials && name == actix_web::http::header::AUTHORIZATION);
        if !known || named.iter().any(|one| one == name.as_str()) {
            continue;
        }
        // All of them: a service refuses a second Idempotency-Key, and must see it for that.
        if let (Ok(name), Ok(value)) = (
            to::HeaderName::from_bytes(name.as_str().as_bytes()),
            to::HeaderValue::from_bytes(value.as_bytes()),
        ) {
            out.append(name, value);
        }
    }
    out
}

/// The part of an answer's headers that goes back; its length is told by its body.
pub(super) fn outbound(from: &to::HeaderMap) -> Vec<(HeaderName, Vec<u8>)> {
    let connection = from.get_all("connection");
    let named = named_in_connection(connection.iter().filter_map(|v| v.to_str().ok()));
    from.iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            !HOP_BY_HOP.contains(&name)
                && !named.iter().any(|one| one == name)
                && !matches!(
                    name,
                    "content-length" | "date" | "x-request-id" | KEPT_HEADER
                )
        })
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            Some((name, value.as_bytes().to_vec()))
        })
        .collect()
}

fn named_in_connection<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    values
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// The trace context for a service (W3C Trace Context): the client's trace where it named one, a new one otherwise, and in both cases
/// a parent of our own. Gives the header's value.
pub(super) fn traceparent(from: &HeaderMap, random: [u8; 24]) -> String {
    let given = from
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .and_then(parse_traceparent);
    let span = hex(&random[16..]);
    match given {
        Some((trace, flags)) => format!("00-{trace}-{span}-{flags}"),
        None => format!("00-{}-{span}-01", hex(&random[..16])),
    }
}

/// Trace id and flags of a well-formed header (3.2.2); anything else is as if it were not there.
fn parse_traceparent(text: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else {
        return None;
    };
    let hexadecimal = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let sound = version == "00"
        && hexadecimal(trace, 32)
        && hexadecimal(parent, 16)
        && hexadecimal(flags, 2)
        && trace.bytes().any(|b| b != b'0')
        && parent.bytes().any(|b| b != b'0');
    sound.then_some((trace, flags))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn f006_only_listed_headers_go_in() {
        let request = TestRequest::default()
            .insert_header(("X-Tenant-Id", "ten_1"))
            .insert_header(("X-Warikan-Internal", "forged"))
            .insert_header(("X-Original-URL", "/inner/status"))
            .insert_header(("Authorization", "Bearer x"))
            .insert_header(("Forwarded", "for=1.2.3.4"))
            .insert_header(("Connection", "Prefer, close"))
            .insert_header(("Prefer", "x"))
            .insert_header(("Idempotency-Key", "a"))
            .append_header(("Idempotency-Key", "b"))
            .to_http_request();
        let kept = inbound(request.headers(), false);
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert_eq!(kept.get_all("idempotency-key").iter().count(), 2);
        let kept = inbound(request.headers(), true);
        assert_eq!(kept["authorization"], "Bearer x");
    }

    #[test]
    fn hop_by_hop_headers_do_not_go_out() {
        let mut from = to::HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("etag", "\"1\""),
            (KEPT_HEADER, "1"),
        ] {
            from.insert(name, value.parse().unwrap());
        }
        let kept = outbound(&from);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].0, "etag");
    }

    #[test]
    fn a_trace_goes_on_and_a_malformed_one_is_replaced() {
        let with = |text: &str| {
            let request = TestRequest::default().insert_header(("traceparent", text.to_owned()));
            traceparent(request.to_http_request().headers(), [0xab; 24])
        };
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let given = format!("00-{trace}-00f067aa0ba902b7-00");
        assert_eq!(with(&given), format!("00-{trace}-{}-00", "ab".repeat(8)));
        let fresh = format!("00-{}-{}-01", "ab".repeat(16), "ab".repeat(8));
        for bad in [
            "",
            "00-x",
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &given.to_uppercase(),
        ] {
            assert_eq!(with(bad), fresh, "{bad}");
        }
    }
}
