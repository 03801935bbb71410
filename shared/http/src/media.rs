//! Which form of an answer a caller wants (RFC 9110 12.5.1).

use actix_web::{HttpRequest, http::header};

/// Whether the caller prefers `offered` to JSON. Weights count first, then whether a type was named or only matched by a
/// wildcard; where both are equal, and without any `Accept`, JSON it is.
#[must_use]
pub fn prefers(request: &HttpRequest, offered: &str) -> bool {
    let accept: Vec<&str> = request
        .headers()
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    rank(&accept, offered) > rank(&accept, "application/json")
}

/// The weight of a media type in thousandths, and how precisely it is named. The most precise range decides.
fn rank(accept: &[&str], media_type: &str) -> (u16, u8) {
    accept
        .iter()
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let precision = precision(parts.next()?, media_type)?;
            let weight = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(1_000, thousandths);
            Some((weight, precision))
        })
        .max_by_key(|(_, precision)| *precision)
        .filter(|(weight, _)| *weight > 0)
        .unwrap_or((0, 0))
}

fn precision(range: &str, media_type: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media_type) {
        return Some(3);
    }
    let (family, _) = media_type.split_once('/')?;
    match range.split_once('/')? {
        ("*", "*") => Some(1),
        (one, "*") if one.eq_ignore_ascii_case(family) => Some(2),
        _ => None,
    }
}

/// `0.75` as 750; what is no weight counts as the highest.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole != "0" {
        return 1_000;
    }
    format!("{fraction:0<3}")
        .get(..3)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn what_is_named_and_weighs_most_is_given() {
        for (accept, pdf) in [
            ("", false),
            ("*/*", false),
            ("application/json", false),
            ("application/pdf", true),
            ("Application/PDF, */*;q=0.1", true),
            ("application/pdf, */*", true),
            ("application/pdf;q=0.5, application/json", false),
            ("application/pdf;q=0.5, application/json;q=0.25", true),
            ("application/pdf;q=0", false),
            ("text/html, application/*", false),
            ("image/png", false),
        ] {
            let mut request = TestRequest::default();
            if !accept.is_empty() {
                request = request.insert_header(("Accept", accept));
            }
            assert_eq!(
                prefers(&request.to_http_request(), "application/pdf"),
                pdf,
                "{accept}"
            );
        }
    }
}
