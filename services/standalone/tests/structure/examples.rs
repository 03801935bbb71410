//! Every operation shows how it is asked and what it answers, and what it shows fits what it tells.
//!
//! The examples are real: `WARIKAN_REGENERATE=1` records those that are missing from a house that serves, in the order of the case
//! table. Those that are there stay, so that a diff shows what is new.

use reqwest::Method;
use serde_json::{Map, Value, json};
use warikan_testkit::Reply;

use crate::{
    cases::{CASES, Case},
    house::{Caller, Served},
    ids::entitled,
    nothing_wrong,
    operations::{self, Operation},
    repository::root,
    shape::Shapes,
    things::Things,
};

const RECORDED: &str = "openapi/examples.json";
const KEY: &str = "8a3f5c0e-7b1d-4c7e-9a52-2f4b6f1f0b9d";
/// Of a long list an example shows the beginning.
const SHOWN: usize = 2;
const LONG: usize = 12;

fn document() -> Value {
    let text = std::fs::read_to_string(root().join("openapi/warikan.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_operation_shows_a_request_and_an_answer_that_fit_their_schemas() {
    let document = document();
    let shapes = Shapes(&document);
    let mut wrong = Vec::new();
    for (method, path, operation) in operations::raw(&document) {
        let name = format!("{method} {path}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let example = parameter.get("example");
            match example {
                Some(value) => wrong.extend(
                    shapes
                        .misfits(&parameter["schema"], value)
                        .into_iter()
                        .map(|why| format!("{name}, {}: {why}", parameter["name"])),
                ),
                None if parameter["in"] == "path" => {
                    wrong.push(format!("{name}: no example of {}", parameter["name"]));
                }
                None => {}
            }
        }
        let body = &operation["requestBody"]["content"];
        if readable(body) && contents(&name, body, &shapes, &mut wrong) == 0 {
            wrong.push(format!("{name}: no example of a request"));
        }
        answers(&name, operation, &shapes, &mut wrong);
    }
    nothing_wrong(
        "Record what is missing (WARIKAN_REGENERATE=1 cargo test -p warikan --test structure examples; then `make openapi`), and mend \
         the schema where an example does not fit:",
        &wrong,
    );
}

/// Every answer with a body shows one; of the successes one is enough.
fn answers<'a>(name: &str, operation: &'a Value, shapes: &Shapes<'a>, wrong: &mut Vec<String>) {
    let (mut successes, mut shown) = (0, 0);
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let content = &shapes.resolve(answer)["content"];
        let name = format!("{name}, {status}");
        if !readable(content) {
            continue;
        }
        let examples = contents(&name, content, shapes, wrong);
        if status.starts_with('2') {
            successes += 1;
            shown += usize::from(examples > 0);
        } else if examples == 0 && name != "GET /health/ready, 503" {
            wrong.push(format!("{name}: no example"));
        }
    }
    if successes > 0 && shown == 0 {
        wrong.push(format!("{name}: no example of an answer"));
    }
}

/// Octets are not shown, and of a 204 there is nothing to show.
fn readable(content: &Value) -> bool {
    content
        .as_object()
        .into_iter()
        .flatten()
        .any(|(media_type, _)| {
            ["json", "text/", "urlencoded"]
                .iter()
                .any(|word| media_type.contains(word))
        })
}

/// How many examples there are.
fn contents<'a>(
    name: &str,
    content: &'a Value,
    shapes: &Shapes<'a>,
    wrong: &mut Vec<String>,
) -> usize {
    let mut found = 0;
    for (media_type, one) in content.as_object().into_iter().flatten() {
        for (_, example) in one["examples"].as_object().into_iter().flatten() {
            found += 1;
            // Lines of a stream and tables are texts, whatever a line's schema is.
            if media_type.contains("ndjson") || media_type.starts_with("text/") {
                continue;
            }
            let example = &shapes.resolve(example)["value"];
            let misfits = shapes.misfits(&one["schema"], example);
            wrong.extend(misfits.into_iter().map(|why| format!("{name}: {why}")));
        }
    }
    found
}

/// An operation, its path, and media type and text of the body.
type Asked = (&'static str, String, Option<(&'static str, String)>);

/// Operations that take no token have no row in the case table; these say how they are asked.
fn public(house_knows: &Public) -> Vec<Asked> {
    let Public {
        person,
        signed_in,
        list,
    } = house_knows;
    let json = |body: Value| Some(("application/json", body.to_string()));
    let get = |operation: &'static str| (operation, operation[4..].to_owned(), None);
    vec![
        get("GET /.well-known/jwks.json"),
        get("GET /.well-known/oauth-authorization-server"),
        get("GET /health/live"),
        get("GET /health/ready"),
        get("GET /problems"),
        (
            "GET /problems/{code}",
            "/problems/rate_limited".to_owned(),
            None,
        ),
        get("GET /jlis/crl/index.json"),
        (
            "GET /jlis/crl/{ca}/{generation}/{partition}.crl",
            list.clone(),
            None,
        ),
        get("GET /jlis/roots"),
        (
            "POST /oauth/token",
            "/oauth/token".to_owned(),
            Some(("application/x-www-form-urlencoded", signed_in.clone())),
        ),
        get("GET /sandbox/clock"),
        get("GET /sandbox/faults"),
        get("GET /sandbox/municipalities"),
        get("GET /sandbox/persons"),
        (
            "POST /sandbox/persons",
            "/sandbox/persons".to_owned(),
            json(json!({ "name": "黒桐　幹也" })),
        ),
        (
            "GET /sandbox/persons/{id}",
            format!("/sandbox/persons/{person}"),
            None,
        ),
        (
            "POST /sandbox/persons/{id}/sign",
            format!("/sandbox/persons/{person}/sign"),
            json(json!({ "certificate": "signature", "message": "aGVsbG8=" })),
        ),
        (
            "POST /sandbox/persons/{id}/events",
            format!("/sandbox/persons/{person}/events"),
            json(json!({ "event": "move", "address": "東京都新宿区西新宿２－８－１" })),
        ),
        (
            "POST /sandbox/populations",
            "/sandbox/populations".to_owned(),
            json(json!({ "size": 2 })),
        ),
        (
            "POST /sandbox/publish-crl",
            "/sandbox/publish-crl".to_owned(),
            json(json!({})),
        ),
        (
            "POST /sandbox/faults",
            "/sandbox/faults".to_owned(),
            json(json!({ "fault": "clear" })),
        ),
        (
            "POST /sandbox/clock",
            "/sandbox/clock".to_owned(),
            json(json!({ "advance": "PT1H" })),
        ),
        get("GET /v1/billing-rules"),
        get("GET /v1/reasons"),
        get("GET /v1/status-freshness"),
    ]
}

struct Public {
    person: String,
    signed_in: String,
    /// A revocation list's path.
    list: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_are_recorded_where_they_are_missing() {
    if std::env::var_os("WARIKAN_REGENERATE").is_none() {
        return;
    }
    let text = std::fs::read_to_string(root().join(RECORDED)).unwrap_or_default();
    let before: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    let house = Served::new().await;
    let document = house.document();
    let things = Things::make(&house).await;
    let mut recorder = Recorder {
        document: &document,
        recorded: Map::new(),
    };
    let all = operations::all(&document);
    let find = |name: &str| {
        let found = all.iter().find(|one| one.name() == name);
        found.unwrap_or_else(|| panic!("{name} is not in the document"))
    };
    for case in CASES {
        ask(&house, &things, find(case.operation), case, &mut recorder).await;
    }
    let person = house
        .anyone(&Method::POST, "/sandbox/persons", Some(&json!({})))
        .await;
    let credential = house
        .by(
            &Caller::operator(),
            &Method::POST,
            &format!("/v1/operator/tenants/{}/credentials", things.stranger),
            Some(&json!({ "environment": "sandbox" })),
        )
        .await;
    credential.expect(201);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let index = house
        .anyone(&Method::GET, "/jlis/crl/index.json", None)
        .await;
    let knows = Public {
        list: text(&index.json["lists"][0]["url"]),
        person: text(&person.json["id"]),
        signed_in: format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            text(&credential.json["client_id"]),
            text(&credential.json["client_secret"])
        ),
    };
    for (name, path, body) in public(&knows) {
        let operation = find(name);
        let sent = body
            .clone()
            .map(|(media_type, text)| (media_type, text.into_bytes()));
        let reply = house.raw(None, &operation.method, &path, sent).await;
        let body = body.map(|(media_type, text)| {
            let form = || form_urlencoded(&text);
            (
                media_type,
                serde_json::from_str(&text).unwrap_or_else(|_| form()),
            )
        });
        recorder.keep(operation, &path, body, &reply);
    }
    house.stop().await;
    let mut recorded = recorder.recorded;
    recorded.extend(before);
    let known: Vec<&str> = operations::raw(&document)
        .iter()
        .filter_map(|(_, _, operation)| operation["operationId"].as_str())
        .collect();
    recorded.retain(|name, _| known.contains(&name.as_str()));
    let mut text = serde_json::to_string_pretty(&recorded).unwrap();
    text.push('\n');
    std::fs::write(root().join(RECORDED), text).unwrap();
}

async fn ask(
    house: &Served,
    things: &Things,
    operation: &Operation,
    case: &Case,
    recorder: &mut Recorder<'_>,
) {
    let path = case.path(&case.existing(things));
    let body = case.body(things);
    let caller = entitled(operation, case, things);
    let reply = house
        .by(&caller, &operation.method, &path, body.as_ref())
        .await;
    let body = body.map(|body| {
        let media_type = if body.is_string() {
            "text/csv"
        } else {
            "application/json"
        };
        (media_type, body)
    });
    recorder.keep(operation, &path, body, &reply);
}

/// A form as the object that the document describes it as.
fn form_urlencoded(text: &str) -> Value {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

struct Recorder<'a> {
    document: &'a Value,
    recorded: Map<String, Value>,
}

impl Recorder<'_> {
    fn keep(
        &mut self,
        operation: &Operation,
        path: &str,
        body: Option<(&str, Value)>,
        reply: &Reply,
    ) {
        assert!(
            reply.status.is_success(),
            "{} answers {} {}",
            operation.name(),
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
        let told =
            &self.document["paths"][&operation.path][operation.method.as_str().to_lowercase()];
        let mut parameters = Map::new();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        for (template, part) in operation.path.split('/').zip(path.split('/')) {
            if let Some((name, after)) = template
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'))
            {
                let part = part.strip_suffix(after).unwrap_or(part);
                parameters.insert(name.to_owned(), number_or_text(part));
            }
        }
        for pair in query.split('&').filter_map(|pair| pair.split_once('=')) {
            parameters.insert(pair.0.to_owned(), number_or_text(pair.1));
        }
        for parameter in told["parameters"].as_array().into_iter().flatten() {
            match parameter["name"].as_str().unwrap_or_default() {
                "Idempotency-Key" => parameters.insert("Idempotency-Key".to_owned(), json!(KEY)),
                "limit" => parameters.insert("limit".to_owned(), json!(50)),
                _ => None,
            };
        }
        let mut entry = json!({ "parameters": parameters });
        if let Some((media_type, body)) = body {
            entry["request"][media_type] = shown(body);
        }
        let media_type = reply
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        let media_type = media_type
            .and_then(|value| value.split(';').next())
            .unwrap_or("");
        let status = reply.status.as_str();
        if media_type.ends_with("json") && !media_type.contains("ndjson") {
            entry["answers"][status][media_type] = shown(reply.json.clone());
        } else if media_type.starts_with("text/") || media_type.contains("ndjson") {
            let text = String::from_utf8_lossy(&reply.body);
            let lines: Vec<&str> = text.lines().take(LONG).collect();
            entry["answers"][status][media_type] = json!(lines.join("\n"));
        }
        let name = told["operationId"].as_str().unwrap_or_default();
        self.recorded.insert(name.to_owned(), entry);
    }
}

fn number_or_text(text: &str) -> Value {
    text.parse::<u32>()
        .map_or_else(|_| json!(text), |number| json!(number))
}

/// Long lists cut, secrets unreadable.
fn shown(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let many = items.len() > LONG;
            let take = if many { SHOWN } else { items.len() };
            items.into_iter().take(take).map(shown).collect()
        }
        // A schema in full is not an answer's example, and its references would lead nowhere in the document.
        Value::Object(members) if members.contains_key("$defs") => json!({ "type": "object" }),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| {
                let secret = ["client_secret", "secret", "access_token"].contains(&name.as_str());
                let member = match member {
                    Value::String(text) if secret => json!(unreadable(&text)),
                    other => shown(other),
                };
                (name, member)
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

/// Of the same length, and nobody's.
fn unreadable(text: &str) -> String {
    text.chars()
        .enumerate()
        .map(|(index, one)| {
            if index > 8 && one.is_ascii_alphanumeric() {
                'x'
            } else {
                one
            }
        })
        .collect()
}
