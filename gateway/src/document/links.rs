//! Links (OpenAPI 3.1, Link Object): where what an answer names is found. They follow from the paths, so none is written by hand: what `/v1/watches`
//! makes lies under `/v1/watches/{id}`. What an answer names beside itself stands in a table.

use serde_json::{Map, Value, json};

use super::operations;

/// What is named beside the thing itself: in whose answer, where in it, and under which path it lies.
const BESIDE: [(&str, &str, &str, &str); 7] = [
    ("post", "/v1/verifications", "/subject/id", "/v1/subjects"),
    (
        "post",
        "/v1/verifications",
        "/certificate/handle",
        "/v1/certificates",
    ),
    ("post", "/v1/verifications", "/watch/id", "/v1/watches"),
    (
        "post",
        "/v1/watches",
        "/certificate_handle",
        "/v1/certificates",
    ),
    (
        "post",
        "/v1/webhook-endpoints/{id}/test",
        "/id",
        "/v1/deliveries",
    ),
    (
        "post",
        "/v1/deliveries/{id}/resend",
        "/id",
        "/v1/deliveries",
    ),
    (
        "get",
        "/v1/webhook-endpoints/{id}/deliveries",
        "/data/0/id",
        "/v1/deliveries",
    ),
];

/// An operation that can be led to.
struct Target {
    id: String,
    path: String,
}

/// Adds a link to every operation on a thing that an answer names.
pub(super) fn lead(document: &mut Value) {
    let known = document.clone();
    let targets: Vec<Target> = operations(document)
        .filter_map(|(path, _, operation)| {
            let id = operation["operationId"].as_str()?.to_owned();
            path.contains('{').then_some(Target { id, path })
        })
        .collect();
    for (path, method, operation) in operations(document) {
        let Some(answers) = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut)
        else {
            continue;
        };
        for (status, answer) in answers {
            let schema = &answer["content"]["application/json"]["schema"];
            if !status.starts_with('2') || !schema.is_object() {
                continue;
            }
            let mut links = Map::new();
            for (place, collection) in named(&known, schema, &method, &path) {
                for target in &targets {
                    if let Some(link) = link(target, &path, &collection, &place) {
                        links.insert(target.id.clone(), link);
                    }
                }
            }
            if !links.is_empty() {
                answer["links"] = Value::Object(links);
            }
        }
    }
}

/// What an answer names: where in it, and under which path that lies.
fn named(document: &Value, schema: &Value, method: &str, path: &str) -> Vec<(String, String)> {
    let mut named = Vec::new();
    let item = ["", "/data/0"].into_iter().find_map(|place| {
        let key = ["id", "client_id", "handle"].into_iter().find(|key| {
            let parts = place
                .split('/')
                .filter(|part| !part.is_empty())
                .chain([*key]);
            has(document, schema, &parts.collect::<Vec<_>>())
        })?;
        Some(format!("{place}/{key}"))
    });
    // A list and what it makes: one path. A step of a thing (`/state`) names nothing that lies under it.
    if let Some(place) = item
        && (method == "post" || place.starts_with("/data"))
    {
        named.push((place, path.to_owned()));
    }
    let beside = BESIDE
        .iter()
        .filter(|(verb, of, _, _)| *verb == method && *of == path);
    named.extend(beside.map(|(_, _, place, there)| ((*place).to_owned(), (*there).to_owned())));
    named
}

/// Whether a shape has a member at this place; of several shapes, one of them.
fn has(document: &Value, schema: &Value, parts: &[&str]) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let there = document.pointer(reference.trim_start_matches('#'));
        return there.is_some_and(|there| has(document, there, parts));
    }
    for several in ["allOf", "oneOf", "anyOf"] {
        let mut all = schema[several].as_array().into_iter().flatten();
        if all.any(|one| has(document, one, parts)) {
            return true;
        }
    }
    match parts {
        [] => true,
        [first, rest @ ..] if first.bytes().all(|octet| octet.is_ascii_digit()) => {
            schema["items"].is_object() && has(document, &schema["items"], rest)
        }
        [first, rest @ ..] => {
            let member = &schema["properties"][*first];
            member.is_object() && has(document, member, rest)
        }
    }
}

/// The link to an operation on a thing of this collection, if that is what it is on, and of nothing else that is not known.
fn link(target: &Target, from: &str, collection: &str, place: &str) -> Option<Value> {
    let rest = target.path.strip_prefix(collection)?.strip_prefix("/{")?;
    let (own, rest) = rest.split_once('}')?;
    if rest.contains('{') {
        return None;
    }
    let mut parameters = Map::new();
    for name in collection
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    {
        // It lies in something that the request named.
        if !from.contains(&format!("{{{name}}}")) {
            return None;
        }
        parameters.insert(name.to_owned(), json!(format!("$request.path.{name}")));
    }
    parameters.insert(own.to_owned(), json!(format!("$response.body#{place}")));
    Some(json!({
        "operationId": target.id,
        "parameters": parameters,
        "description": format!("What `{place}` names."),
    }))
}
