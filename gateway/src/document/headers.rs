//! The headers of answers.

use serde_json::{Value, json};

/// Of one answer: which headers it may carry.
pub(super) fn of_answer(answer: &mut Value, status: u16, limited: bool) {
    let mut names = vec!["X-Request-Id"];
    if limited {
        names.extend(["RateLimit", "RateLimit-Policy"]);
    }
    if matches!(status, 429 | 503 | 504) {
        names.push("Retry-After");
    }
    if matches!(status, 401 | 403) {
        names.push("WWW-Authenticate");
    }
    for name in names {
        answer["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
    }
}

/// Creating operations say whether the answer is one that was given before.
pub(super) fn replayed(operation: &mut Value) {
    let keyed = operation["parameters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["name"] == "Idempotency-Key"));
    if !keyed {
        return;
    }
    for status in ["200", "201", "202"] {
        if let Some(answer) = operation["responses"]
            .get_mut(status)
            .filter(|answer| answer.is_object())
        {
            answer["headers"]["Idempotency-Replayed"] =
                json!({ "$ref": "#/components/headers/Idempotency-Replayed" });
        }
    }
}

/// What each of them says.
pub(super) fn components() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request's id: yours where you sent one of 8 to 128 characters (letters, digits, `-_.:`), made here otherwise. \
                It is in the platform's logs; tell it when you ask.",
            "schema": { "type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[A-Za-z0-9_.:-]+$" },
            "example": "req_01a1fc012c0879d497a4941b37d733fb",
        },
        "RateLimit": {
            "description": "What is left of the quota, `r` requests, and in how many seconds it is whole again, `t` \
                (draft-ietf-httpapi-ratelimit-headers). Absent where nothing is limited.",
            "schema": { "type": "string", "maxLength": 128, "pattern": "^\"[a-z]+\";r=[0-9]+;t=[0-9]+$" },
            "example": "\"tenant\";r=599;t=1",
        },
        "RateLimit-Policy": {
            "description": "The quota: `q` requests in `w` seconds.",
            "schema": { "type": "string", "maxLength": 128, "pattern": "^\"[a-z]+\";q=[0-9]+;w=[0-9]+$" },
            "example": "\"tenant\";q=600;w=60",
        },
        "Retry-After": {
            "description": "Seconds to wait before the request is repeated (RFC 9110 10.2.3).",
            "schema": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 86_400 },
            "example": 7,
        },
        "WWW-Authenticate": {
            "description": "How to authenticate, and the scope that is missing (RFC 6750 3).",
            "schema": { "type": "string", "maxLength": 512, "pattern": "^(Bearer|Basic) " },
            "example": "Bearer realm=\"warikan\", error=\"insufficient_scope\", scope=\"verifications\"",
        },
        "Idempotency-Replayed": {
            "description": "`true`: this is the answer that was given before to this Idempotency-Key. Absent on a first answer.",
            "schema": { "type": "string", "enum": ["true"] },
            "example": "true",
        },
    })
}
