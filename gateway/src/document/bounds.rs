//! What no schema leaves open: the size of texts and lists and the range of numbers. Where a type says its own limit, that
//! stands; the rest gets a limit that holds for any request (its body's) and for any answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use warikan_http::BODY_LIMIT;

use super::{items_of, members_of, operations, references};

/// No text in an answer is longer.
const LONGEST_TOLD: usize = 1 << 20;
/// No parameter is longer; the whole head of a request has its own limit.
const LONGEST_PARAMETER: usize = 1_000;
/// No list in an answer that is not a page is longer.
const MOST_TOLD: usize = 100_000;
/// Integers that a reader of JSON in any language gets exactly (RFC 8259 6).
const EXACT: i64 = (1 << 53) - 1;

/// Bounds everything, requests by what a body can hold.
pub(super) fn bound(document: &mut Value) {
    let asked = asked(document);
    for (name, schema) in members_of(&mut document["components"], "schemas") {
        bound_schema(schema, asked.contains(name));
    }
    for (_, _, operation) in operations(document) {
        for parameter in items_of(operation, "parameters") {
            let schema = &mut parameter["schema"];
            if let Some([kind, null]) = schema["type"].as_array().map(Vec::as_slice)
                && null == "null"
            {
                // A header or a query has no null; that it may be absent says `required`.
                let kind = kind.clone();
                schema["type"] = kind;
            }
            if is(schema, "string") && longest(schema).is_none() && schema.get("enum").is_none() {
                default(schema, "maxLength", json!(LONGEST_PARAMETER));
            }
            bound_schema(schema, true);
        }
        if let Some(body) = operation.get_mut("requestBody") {
            contents(body, true);
        }
        for (_, answer) in members_of(operation, "responses") {
            contents(answer, false);
        }
    }
}

fn contents(place: &mut Value, asked: bool) {
    for (_, content) in members_of(place, "content") {
        bound_schema(&mut content["schema"], asked);
    }
}

/// The names of the schemas that requests use, by whatever way.
fn asked(document: &mut Value) -> BTreeSet<String> {
    let mut open: Vec<String> = operations(document)
        .flat_map(|(_, _, operation)| references(&operation["requestBody"]))
        .collect();
    let mut asked = BTreeSet::new();
    while let Some(name) = open.pop() {
        if asked.insert(name.clone()) {
            open.extend(references(&document["components"]["schemas"][&name]));
        }
    }
    asked
}

fn is(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    }
}

fn default(schema: &mut Value, name: &str, value: Value) {
    if schema.get(name).is_none() {
        schema[name] = value;
    }
}

/// Where the form of a text bounds it.
fn longest(schema: &Value) -> Option<usize> {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    match schema["format"].as_str() {
        Some("date") => Some(10),
        Some("date-time") => Some(64),
        // Ids, months, lengths of time.
        _ if pattern.ends_with("_[0-9a-f]{32}$") => Some(36),
        _ if pattern.starts_with("^[0-9]{4}-") => Some(7),
        _ if pattern.starts_with("^P(") => Some(64),
        _ => None,
    }
}

fn bound_schema(schema: &mut Value, asked: bool) {
    if schema.get("enum").is_none() && schema.get("const").is_none() {
        if is(schema, "string") {
            let otherwise = if asked { BODY_LIMIT } else { LONGEST_TOLD };
            let most = longest(schema).unwrap_or(otherwise);
            default(schema, "maxLength", json!(most));
        }
        if is(schema, "integer") {
            default(schema, "format", json!("int64"));
            let (least, most) = match schema["format"].as_str() {
                Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
                _ => (-EXACT, EXACT),
            };
            default(schema, "minimum", json!(least));
            default(schema, "maximum", json!(most));
        }
    }
    if is(schema, "array") {
        // An item is one octet and a comma at least.
        let most = if asked { BODY_LIMIT / 2 } else { MOST_TOLD };
        default(schema, "maxItems", json!(most));
    }
    for (_, member) in members_of(schema, "properties") {
        bound_schema(member, asked);
    }
    for inner in ["items", "additionalProperties", "propertyNames"] {
        if let Some(inner) = schema.get_mut(inner).filter(|inner| inner.is_object()) {
            bound_schema(inner, asked);
        }
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        for one in items_of(schema, several) {
            bound_schema(one, asked);
        }
    }
}
