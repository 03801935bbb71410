//! The catalogue of problems: for each [`Code`] why it comes and what helps. It is served (`/problems/{code}`, which is each
//! problem's `type`), stands in the public document as examples, and is written out in `docs/errors.md`.

use crate::{Code, FieldError, ProblemDocument};

/// Where the entries of the catalogue are served; a problem's `type` is such a path.
pub const CATALOGUE: &str = "/problems/";

impl Code {
    /// All of them, in the order of their statuses.
    pub const ALL: [Self; 17] = [
        Self::InvalidRequest,
        Self::InvalidJson,
        Self::InvalidToken,
        Self::InvalidClient,
        Self::InsufficientScope,
        Self::TenantNotActive,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::IdempotencyKeyReused,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::DeadlineExceeded,
    ];

    /// By its wire word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }

    /// Why it comes.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "A member of the body, a parameter of the query or a header is missing, unknown, repeated, of the wrong form or out of its range."
            }
            Self::InvalidJson => {
                "The body is not one JSON document in UTF-8 (RFC 8259). `detail` names line and column."
            }
            Self::InvalidToken => {
                "There is no `Authorization: Bearer`, or the access token in it is expired, damaged, of another platform or environment, used from a network that its credential does not allow, or its credential was revoked."
            }
            Self::InvalidClient => {
                "The token endpoint does not know the client by these credentials: a wrong secret, a revoked or expired credential, or an assertion that is not good."
            }
            Self::InsufficientScope => {
                "The access token is good, and the operation needs a scope that it does not carry. `WWW-Authenticate` names the scope."
            }
            Self::TenantNotActive => {
                "The tenant's state does not allow it: production is closed until the go-live checklist stands, and while the tenant is suspended."
            }
            Self::NotFound => {
                "No path of the API, or an id of nothing that this caller owns in this environment. What belongs to another tenant answers the same."
            }
            Self::MethodNotAllowed => {
                "The path is published for other methods; `Allow` names them."
            }
            Self::RequestTimeout => "The request's body did not arrive in time.",
            Self::Conflict => {
                "What is asked for contradicts the present state: a step that does not follow from the state, a limit that is reached, a thing that is over."
            }
            Self::IdempotencyKeyReused => {
                "The Idempotency-Key was used within the last 48 hours for the same operation with another body."
            }
            Self::BodyTooLarge => {
                "The body has more octets than the operation takes: 256 KiB where nothing else is said."
            }
            Self::UnsupportedMediaType => {
                "Content-Type is not one that the operation takes, or the body is compressed."
            }
            Self::RateLimited => {
                "More requests than the quota of the tenant, of the credential or of the address allows. `RateLimit` and `RateLimit-Policy` tell it in numbers."
            }
            Self::Internal => {
                "A fault on our side. Nothing was carried out; the request id leads to what was logged of it."
            }
            Self::Unavailable => {
                "Something that is needed is down, restarting or full. Nothing was carried out, or it was carried out and is replayed under its Idempotency-Key."
            }
            Self::DeadlineExceeded => {
                "A part of the platform did not answer in time. Whether the request was carried out is not known here."
            }
        }
    }

    /// What the caller does about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "Mend what `errors` points at (JSON Pointer for the body, `?name` for a parameter) and send it again. Unknown members are refused on purpose: check their spelling."
            }
            Self::InvalidJson => {
                "Send one JSON object in UTF-8 without a byte order mark, made by a JSON library."
            }
            Self::InvalidToken => {
                "Get a new token from `POST /oauth/token` (they live five minutes) and send it in one `Authorization: Bearer` header."
            }
            Self::InvalidClient => {
                "Check client id and secret, or the assertion's `aud`, `exp` and key. A lost secret is not shown again: rotate the credential."
            }
            Self::InsufficientScope => {
                "Ask for the scope at the token endpoint, with a credential that may have it."
            }
            Self::TenantNotActive => {
                "Use the sandbox meanwhile; ask the operator what is still missing, or why the tenant is suspended."
            }
            Self::NotFound => {
                "Check the path against the document, the id, and that the token belongs to the tenant and the environment that own it."
            }
            Self::MethodNotAllowed => "Use one of the methods in `Allow`.",
            Self::RequestTimeout => "Send it again, without pauses.",
            Self::Conflict => {
                "Read the thing's present state and decide anew. Repeating the same request does not help."
            }
            Self::IdempotencyKeyReused => {
                "Take a new key for a new request. Repeat a request with the very octets that it had."
            }
            Self::BodyTooLarge => "Send less at once; portfolios are uploaded in parts.",
            Self::UnsupportedMediaType => {
                "Send the media type that the document names, without Content-Encoding."
            }
            Self::RateLimited => {
                "Wait for the seconds in `Retry-After`, then go on more slowly. Ask the operator for another quota where this one is too small."
            }
            Self::Internal => {
                "Repeat it with the same Idempotency-Key. Where it stays, send the request id to the operator."
            }
            Self::Unavailable | Self::DeadlineExceeded => {
                "Repeat it after the seconds in `Retry-After`, with the same Idempotency-Key."
            }
        }
    }

    /// A detail as it is told for it.
    const fn for_instance(self) -> &'static str {
        match self {
            Self::InvalidRequest => "?limit: limit is 1 to 500",
            Self::InvalidJson => "Not JSON (RFC 8259) at line 1, column 2.",
            Self::InvalidToken => "The access token is expired. Get a new one.",
            Self::InvalidClient => "Send client_id and client_secret.",
            Self::InsufficientScope => "This operation needs the scope verifications.",
            Self::TenantNotActive => "Production is open to active tenants only.",
            Self::NotFound => {
                "No such resource. Check the id, and that the access token belongs to the tenant and environment that own it."
            }
            Self::MethodNotAllowed => "This path takes GET, POST.",
            Self::RequestTimeout => "The body did not arrive in time.",
            Self::Conflict => "The present state does not allow this.",
            Self::IdempotencyKeyReused => {
                "Use a new Idempotency-Key for a new request; the same key is for repeating the same body."
            }
            Self::BodyTooLarge => "The body may have at most 262144 octets.",
            Self::UnsupportedMediaType => {
                "Send the body as application/json and say so in Content-Type."
            }
            Self::RateLimited => "More requests than agreed (600 in 60 s). Wait 7 s.",
            Self::Internal => {
                "The request was not carried out. It may be repeated with the same Idempotency-Key."
            }
            Self::Unavailable => {
                "The database is not reachable. Repeat the request with the same Idempotency-Key."
            }
            Self::DeadlineExceeded => "The service did not answer in time.",
        }
    }

    /// A document of this kind, for those who read about it.
    #[must_use]
    pub fn example(self) -> ProblemDocument {
        let mut document = crate::Problem::new(self, self.for_instance()).document();
        "req_01a1fc012c0879d497a4941b37d733fb".clone_into(&mut document.request_id);
        if self == Self::InvalidRequest {
            document.errors.push(FieldError {
                pointer: "?limit".to_owned(),
                code: "out_of_range".to_owned(),
                detail: "limit is 1 to 500".to_owned(),
            });
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_every_code_once() {
        let source = include_str!("problem.rs");
        let words = source
            .split("pub const fn as_str")
            .nth(1)
            .and_then(|rest| rest.split("\n    }\n").next())
            .expect("the wire words stand in one function");
        assert_eq!(words.matches("=> \"").count(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::from_word(code.as_str()), Some(code));
            assert!(code.cause().ends_with('.') && code.remedy().ends_with('.'));
            let example = code.example();
            assert_eq!(example.problem_type, format!("{CATALOGUE}{}", example.code));
        }
    }
}
