//! Strict bodies and query strings: parsed once, into types that cannot be wrong, or refused with a pointer.

use std::{future::Ready, ops::Deref};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header,
    web::{BytesMut, Payload as PayloadStream},
};
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};

use crate::{BODY_LIMIT, Code, FieldError, Problem};

/// A JSON request body. Unknown and repeated fields, trailing text, other media types and oversize bodies are refused.
/// An absent body counts as `{}`.
pub struct Body<T> {
    /// The parsed body.
    pub value: T,
    digest: [u8; 32],
}

impl<T> Body<T> {
    /// SHA-256 of the body's octets as they came, for idempotency.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl<T> Deref for Body<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_headers(request, BODY_LIMIT);
        let stream = PayloadStream::from_request(request, payload);
        Box::pin(async move {
            let typed = checked?;
            let stream = stream
                .await
                .map_err(|_| Problem::new(Code::InvalidRequest, "The body could not be read."))?;
            let octets = read(stream, BODY_LIMIT).await?;
            let digest = Sha256::digest(&octets).into();
            if octets.is_empty() {
                return parse(b"{}").map(|value| Self { value, digest });
            }
            if !typed {
                return Err(Problem::new(
                    Code::UnsupportedMediaType,
                    "Send the body as application/json and say so in Content-Type.",
                ));
            }
            parse(&octets).map(|value| Self { value, digest })
        })
    }
}

/// Whether the body is declared as JSON; refuses early what is declared too large or encoded.
fn check_headers(request: &HttpRequest, limit: usize) -> Result<bool, Problem> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    if let Some(length) = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok())
        && length > limit as u64
    {
        return Err(too_large(limit));
    }
    // A compressed body could unfold to any size.
    if text(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "Send the body without Content-Encoding.",
        ));
    }
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = media_type.split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| {
        !parameter.to_ascii_lowercase().starts_with("charset=")
            || parameter[8..]
                .trim_matches('"')
                .eq_ignore_ascii_case("utf-8")
    });
    Ok(json && utf8)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("The body may have at most {limit} octets."),
    )
}

/// Reads a body that is no JSON, as it came.
///
/// # Errors
/// It is encoded (a compressed body could unfold to any size), longer than `limit`, or breaks off.
pub async fn whole_body(
    request: &HttpRequest,
    body: PayloadStream,
    limit: usize,
) -> Result<BytesMut, Problem> {
    check_headers(request, limit)?;
    read(body, limit).await
}

async fn read(mut stream: PayloadStream, limit: usize) -> Result<BytesMut, Problem> {
    let mut octets = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(
                Code::InvalidRequest,
                "The body ended before it was complete.",
            )
        })?;
        if octets.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Problem> {
    // serde would also read a struct from a list of its fields' values, in an order that nobody published.
    let first = octets.iter().find(|octet| !b" \t\r\n".contains(octet));
    if first != Some(&b'{') {
        return Err(match serde_json::from_slice::<IgnoredAny>(octets) {
            Ok(_) => Problem::field("", "invalid_value", "the body must be a JSON object"),
            Err(error) => syntax_problem(&error),
        });
    }
    let mut json = serde_json::Deserializer::from_slice(octets);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let inner = error.into_inner();
        if inner.is_data() {
            data_problem(pointer, &inner)
        } else {
            syntax_problem(&inner)
        }
    })?;
    json.end().map_err(|error| syntax_problem(&error))?;
    Ok(value)
}

fn syntax_problem(error: &serde_json::Error) -> Problem {
    Problem::new(
        Code::InvalidJson,
        format!(
            "Not JSON (RFC 8259) at line {}, column {}.",
            error.line(),
            error.column()
        ),
    )
}

/// JSON Pointer (RFC 6901) of the place where parsing stopped.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => push_key(&mut pointer, key),
            Segment::Enum { variant } => push_key(&mut pointer, variant),
            Segment::Unknown => {}
        }
    }
    pointer
}

fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

/// serde names a missing, unknown or repeated field only in its words; the pointer must name it too.
fn data_problem(mut pointer: String, error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said);
    let named = |prefix: &str| {
        said.strip_prefix(prefix)
            .and_then(|rest| rest.split('`').next())
    };
    let (code, field) = if let Some(field) = named("missing field `") {
        ("missing", Some(field))
    } else if let Some(field) = named("unknown field `") {
        ("unknown_field", Some(field))
    } else if let Some(field) = named("duplicate field `") {
        ("repeated_field", Some(field))
    } else {
        ("invalid_value", None)
    };
    if let Some(field) = field {
        let mut last = String::new();
        push_key(&mut last, field);
        if !pointer.ends_with(&last) {
            pointer.push_str(&last);
        }
    }
    Problem::field(pointer, code, said.to_owned())
}

/// Query parameters, strict like bodies.
pub struct Params<T>(pub T);

impl<T> Deref for Params<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let parsed = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(
            serde_urlencoded_pairs(request.query_string()),
        ));
        std::future::ready(parsed.map(Self).map_err(|error| {
            let named = error.path().to_string();
            let detail = error.into_inner().to_string();
            let field = FieldError {
                pointer: if named == "." {
                    "?".to_owned()
                } else {
                    format!("?{named}")
                },
                code: "invalid_parameter".to_owned(),
                detail,
            };
            Problem::field(field.pointer, &field.code, field.detail)
        }))
    }
}

fn serde_urlencoded_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}
