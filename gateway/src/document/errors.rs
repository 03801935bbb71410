//! The answers that are errors, told once: a shared answer per status, with an example of every problem that may come under it.
//! What comes to every operation of a kind (429, 500, 503 ..) no handler has to say.

use serde_json::{Map, Value, json};
use warikan_http::Code;

use super::{headers, meaning, operations};

/// A shared answer: its name, and the problems that come under it.
struct Shared {
    name: &'static str,
    codes: &'static [Code],
}

const PROBLEM: &str = "#/components/schemas/ProblemDocument";

/// By status; the token endpoint's 401 is about a client and not about a token.
const fn shared(status: u16, token_endpoint: bool) -> Option<Shared> {
    let (name, codes): (_, &[Code]) = match status {
        400 => ("BadRequest", &[Code::InvalidRequest, Code::InvalidJson]),
        401 if token_endpoint => ("InvalidClient", &[Code::InvalidClient]),
        401 => ("Unauthorized", &[Code::InvalidToken]),
        403 => (
            "Forbidden",
            &[Code::InsufficientScope, Code::TenantNotActive],
        ),
        404 => ("NotFound", &[Code::NotFound]),
        408 => ("RequestTimeout", &[Code::RequestTimeout]),
        409 => ("Conflict", &[Code::Conflict, Code::IdempotencyKeyReused]),
        413 => ("BodyTooLarge", &[Code::BodyTooLarge]),
        415 => ("UnsupportedMediaType", &[Code::UnsupportedMediaType]),
        429 => ("TooManyRequests", &[Code::RateLimited]),
        500 => ("InternalError", &[Code::Internal]),
        503 => ("Unavailable", &[Code::Unavailable]),
        504 => ("DeadlineExceeded", &[Code::DeadlineExceeded]),
        _ => return None,
    };
    Some(Shared { name, codes })
}

/// Says every operation's errors: those that its handler names, and those that may come to any operation of its kind.
pub(super) fn tell(document: &mut Value) {
    let mut responses = Map::new();
    for (path, method, operation) in operations(document) {
        let token_endpoint = path == "/oauth/token";
        let everywhere = everywhere(&path, &method, operation);
        let limited = everywhere.contains(&429);
        let Some(told) = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut)
        else {
            continue;
        };
        for status in everywhere {
            let answer = json!({
                "description": meaning(&status.to_string()),
                "content": { "application/json": { "schema": { "$ref": PROBLEM } } },
            });
            told.entry(status.to_string()).or_insert(answer);
        }
        for (word, answer) in told.iter_mut() {
            let status: u16 = word.parse().unwrap_or_default();
            let problem = answer["content"]["application/json"]["schema"]["$ref"] == PROBLEM;
            let Some(shared) = shared(status, token_endpoint).filter(|_| problem) else {
                headers::of_answer(answer, status, limited);
                continue;
            };
            if answer["description"] == meaning(word) {
                *answer = json!({ "$ref": format!("#/components/responses/{}", shared.name) });
            } else {
                answer["content"] = content(&shared);
                headers::of_answer(answer, status, true);
            }
            let whole = || whole(&shared, status);
            responses.entry(shared.name).or_insert_with(whole);
        }
    }
    document["components"]["responses"] = Value::Object(responses);
    document["components"]["examples"] = examples();
}

/// What may come to any operation of its kind.
fn everywhere(path: &str, method: &str, operation: &Value) -> Vec<u16> {
    let secured = operation["security"][0]["oauth2"][0].as_str();
    let mut statuses = vec![500];
    if ["/health/", "/problems"]
        .iter()
        .any(|own| path.starts_with(own))
    {
        // The edge answers these itself, and asks nobody.
        return statuses;
    }
    statuses.extend([503, 504]);
    // The operator is not limited; of what takes no token the sandbox and the discovery documents are not.
    let limited = match secured {
        Some(scope) => scope != "operator",
        None => path == "/oauth/token" || path.starts_with("/v1/"),
    };
    if limited {
        statuses.push(429);
    }
    if operation["requestBody"].is_object() {
        statuses.push(408);
    }
    if secured.is_some() && method == "post" {
        // Each takes an Idempotency-Key or a query; both are read strictly.
        statuses.push(400);
    }
    statuses
}

fn content(shared: &Shared) -> Value {
    let examples: Map<String, Value> = shared
        .codes
        .iter()
        .map(|code| {
            let reference = format!("#/components/examples/{}", code.as_str());
            (code.as_str().to_owned(), json!({ "$ref": reference }))
        })
        .collect();
    json!({ "application/problem+json": { "schema": { "$ref": PROBLEM }, "examples": examples } })
}

fn whole(shared: &Shared, status: u16) -> Value {
    let mut answer = json!({
        "description": meaning(&status.to_string()),
        "content": content(shared),
    });
    headers::of_answer(&mut answer, status, true);
    answer
}

/// An example of every problem.
fn examples() -> Value {
    Code::ALL
        .into_iter()
        // No operation answers it: it is about methods that are none.
        .filter(|code| *code != Code::MethodNotAllowed)
        .map(|code| {
            let example = json!({ "summary": code.title(), "value": code.example() });
            (code.as_str().to_owned(), example)
        })
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_comes_under_a_shared_answer() {
        for status in Code::ALL.map(|code| code.status().as_u16()) {
            let there = shared(status, false).is_some();
            assert_eq!(there, status != 405, "{status}");
        }
    }
}
