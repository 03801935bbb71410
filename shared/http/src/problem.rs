//! Problem documents (RFC 9457): what was wrong, where, and what to do.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::ClientScope;

/// The closed list of problems. `code` on the wire, and the end of `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request is understood and not acceptable; `errors` names the fields.
    InvalidRequest,
    /// The body is not JSON.
    InvalidJson,
    /// No valid access token.
    InvalidToken,
    /// OAuth 2.0 `invalid_client` (RFC 6749 5.2).
    InvalidClient,
    /// The token lacks the scope.
    InsufficientScope,
    /// Nothing here under this name, or not for this caller.
    NotFound,
    /// The path exists for other methods.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The thing is not in a state that allows it.
    Conflict,
    /// The same Idempotency-Key came with another body.
    IdempotencyKeyReused,
    /// The tenant may not do this (yet).
    TenantNotActive,
    /// The body is larger than the operation takes.
    BodyTooLarge,
    /// The body's media type is not taken.
    UnsupportedMediaType,
    /// Too many requests.
    RateLimited,
    /// Something needed is down; the request may be repeated.
    Unavailable,
    /// Something needed did not answer in time; the request may be repeated.
    DeadlineExceeded,
    /// Our fault.
    Internal,
}

impl Code {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidJson => "invalid_json",
            Self::InvalidToken => "invalid_token",
            Self::InvalidClient => "invalid_client",
            Self::InsufficientScope => "insufficient_scope",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::TenantNotActive => "tenant_not_active",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Internal => "internal",
        }
    }

    /// Its HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::InvalidJson => StatusCode::BAD_REQUEST,
            Self::InvalidToken | Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope | Self::TenantNotActive => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict | Self::IdempotencyKeyReused => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The kind in plain words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is not acceptable",
            Self::InvalidJson => "The body is not JSON",
            Self::InvalidToken => "A valid access token is needed",
            Self::InvalidClient => "The client is not known by these credentials",
            Self::InsufficientScope => "The access token does not allow this",
            Self::NotFound => "There is nothing here under this name",
            Self::MethodNotAllowed => "This resource does not take this method",
            Self::RequestTimeout => "The request did not arrive in time",
            Self::Conflict => "The present state does not allow this",
            Self::IdempotencyKeyReused => "This Idempotency-Key was used with another body",
            Self::TenantNotActive => "The tenant may not do this in its present state",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body's media type is not taken here",
            Self::RateLimited => "Too many requests",
            Self::Unavailable => "Temporarily not possible",
            Self::DeadlineExceeded => "It took too long",
            Self::Internal => "An error on our side",
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Unavailable
                | Self::DeadlineExceeded
                | Self::Internal
                | Self::RequestTimeout
        )
    }
}

/// One field that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the body; `?name` for a query parameter, a header's name for a header.
    pub pointer: String,
    /// Stable word.
    pub code: String,
    /// In plain words.
    pub detail: String,
}

/// The body of every error answer, `application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// The kind of problem, a reference that the platform serves: cause and remedy (RFC 9457 3.1.1).
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub problem_type: String,
    /// The kind in plain words.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was wrong with this request, and what to do.
    pub detail: String,
    /// Stable word for programs.
    pub code: String,
    /// At the token endpoint: OAuth 2.0's own word (RFC 6749 5.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// For questions to the operator; also in `X-Request-Id`.
    pub request_id: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The fields that are not acceptable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// Codes of fields that are OAuth 2.0's words too.
const OAUTH_WORDS: [&str; 2] = ["invalid_scope", "unsupported_grant_type"];

/// An error on its way to the caller.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<u64>,
    scope: Option<ClientScope>,
    oauth: bool,
}

impl Problem {
    /// A problem of this kind; `detail` is for the caller's eyes: no secrets, no personal data, no internals.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            scope: None,
            oauth: false,
        }
    }

    /// One field is not acceptable.
    #[must_use]
    pub fn field(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        let error = FieldError {
            pointer: pointer.into(),
            code: code.to_owned(),
            detail: detail.into(),
        };
        let mut problem = Self::new(
            Code::InvalidRequest,
            format!("{}: {}", error.pointer, error.detail),
        );
        problem.errors.push(error);
        problem
    }

    /// Several fields are not acceptable.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map_or_else(String::new, |first| {
            format!("{}: {}", first.pointer, first.detail)
        });
        Self {
            errors,
            ..Self::new(Code::InvalidRequest, detail)
        }
    }

    /// The answer to every id that does not exist, and to every id that is another tenant's: they must not differ.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            Code::NotFound,
            "No such resource. Check the id, and that the access token belongs to the tenant and environment that own it.",
        )
    }

    /// An error on our side: logged whole, told without its cause.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(
            request_id = crate::current_request_id(),
            error = causes,
            "internal error"
        );
        Self::new(
            Code::Internal,
            "The request was not carried out. It may be repeated with the same Idempotency-Key.",
        )
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Names the scope that is missing (RFC 6750 3.1).
    #[must_use]
    pub fn needs_scope(mut self, scope: ClientScope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// As the token endpoint tells it: with OAuth 2.0's word, which is all that its libraries look at.
    #[must_use]
    pub const fn of_oauth(mut self) -> Self {
        self.oauth = true;
        self
    }

    /// RFC 6749 5.2 has words for what is wrong with a request, and none for a server's own troubles.
    fn oauth_word(&self) -> Option<String> {
        if !self.oauth || !self.code.status().is_client_error() {
            return None;
        }
        let of_field = self.errors.iter().map(|error| error.code.as_str());
        let mut of_field = of_field.filter(|code| OAUTH_WORDS.contains(code));
        let word = match self.code {
            Code::InvalidClient => "invalid_client",
            _ => of_field.next().unwrap_or("invalid_request"),
        };
        Some(word.to_owned())
    }

    /// Its kind.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The document as it goes out.
    #[must_use]
    pub fn document(&self) -> ProblemDocument {
        ProblemDocument {
            problem_type: format!("{}{}", crate::CATALOGUE, self.code.as_str()),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str().to_owned(),
            error: self.oauth_word(),
            request_id: crate::current_request_id().unwrap_or_default(),
            retryable: self.code.retryable(),
            errors: self.errors.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.code.status());
        response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        match self.code {
            Code::BodyTooLarge | Code::RequestTimeout => {
                // The rest of the body would have to be read to be thrown away.
                response.force_close();
            }
            Code::InvalidToken => {
                response.insert_header((
                    header::WWW_AUTHENTICATE,
                    "Bearer realm=\"warikan\", error=\"invalid_token\"",
                ));
            }
            Code::InvalidClient => {
                response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"warikan\""));
            }
            Code::InsufficientScope => {
                let scope = self.scope.map_or("", ClientScope::as_str);
                response.insert_header((
                    header::WWW_AUTHENTICATE,
                    format!(
                        "Bearer realm=\"warikan\", error=\"insufficient_scope\", scope=\"{scope}\""
                    ),
                ));
            }
            _ => {}
        }
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        response.body(body)
    }
}

impl From<sea_orm::DbErr> for Problem {
    fn from(error: sea_orm::DbErr) -> Self {
        // A busy or unreachable database is not the caller's fault and may be over in a moment.
        if is_unavailable(&error) {
            tracing::error!(request_id = crate::current_request_id(), %error, "database not reachable");
            return Self::new(
                Code::Unavailable,
                "The database is not reachable. Repeat the request with the same Idempotency-Key.",
            )
            .retry_after(1);
        }
        Self::internal(&error)
    }
}

/// Whether the same statement may succeed in a moment: no connection, one that broke (`pg_terminate_backend`, a restart), a timeout,
/// a deadlock's victim, or a server without room. Classes and codes as in PostgreSQL's appendix A.
fn is_unavailable(error: &sea_orm::DbErr) -> bool {
    use sea_orm::{DbErr, RuntimeErr, sqlx};
    let source = match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return true,
        DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => source,
        _ => return false,
    };
    match source.as_ref() {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refused) => refused.code().is_some_and(|code| {
            // SQLite's SQLITE_BUSY, with what it says of why, and SQLITE_FULL.
            if matches!(code.as_ref(), "5" | "261" | "517" | "13") {
                return true;
            }
            // 08 connections, 40 serialisation and deadlocks, 53 resources, 57 the operator, 55P03 a lock that was not to be had.
            ["08", "40", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class) && code.len() == 5)
                || code == "55P03"
        }),
        _ => false,
    }
}
