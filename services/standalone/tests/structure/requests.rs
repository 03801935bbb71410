//! Whole requests for every operation that takes JSON, and what can be changed in them: the places of its schema, one by one.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    cases,
    operations::{self, Operation},
    shape::Shapes,
    things::Things,
};

/// Deeper than any request goes.
const DEEPEST: usize = 8;

/// An operation with a body that it takes, and where it is asked.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// A place in a request's body: a JSON Pointer (the first item stands for all), and what the document says of it.
pub(crate) struct Place<'a> {
    pub(crate) pointer: String,
    pub(crate) schema: &'a Value,
}

/// What the sandbox's operations, which take no token, are sent.
fn public(name: &str) -> Option<Value> {
    Some(match name {
        "POST /sandbox/clock" => json!({ "advance": "PT1S" }),
        "POST /sandbox/faults" => json!({ "fault": "crl_frozen" }),
        "POST /sandbox/persons" => json!({ "name": "黒桐　幹也" }),
        "POST /sandbox/persons/{id}/events" => json!({ "event": "hold" }),
        "POST /sandbox/persons/{id}/sign" => json!({ "certificate": "signature", "message": "" }),
        "POST /sandbox/populations" => json!({ "size": 1 }),
        "POST /sandbox/publish-crl" => json!({}),
        _ => return None,
    })
}

/// Every operation that takes JSON.
pub(crate) fn all(document: &Value, things: &Things) -> Vec<Request> {
    let takers = operations::all(document);
    let takers = takers.into_iter().filter(|operation| operation.takes_json);
    takers
        .map(|operation| {
            let name = operation.name();
            if let Some(case) = cases::of(&name) {
                let path = case.path(&case.existing(things));
                let body = case.body(things).filter(Value::is_object);
                let body = body.unwrap_or_else(|| json!({}));
                return Request {
                    operation,
                    path,
                    body,
                };
            }
            let body = public(&name).unwrap_or_else(|| {
                panic!("{name}: say in tests/structure/requests.rs what it is sent")
            });
            // None of a public operation's parameters is looked at before its body.
            let id = "psn_00000000000000000000000000000000";
            let path = operation.path.replace("{id}", id);
            Request {
                operation,
                path,
                body,
            }
        })
        .collect()
}

/// The schema of an operation's JSON.
pub(crate) fn schema<'a>(document: &'a Value, method: &Method, path: &str) -> &'a Value {
    let method = method.as_str().to_lowercase();
    &document["paths"][path][&method]["requestBody"]["content"]["application/json"]["schema"]
}

/// Every place of a request, the whole first.
pub(crate) fn places<'a>(shapes: &Shapes<'a>, schema: &'a Value) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    walk(shapes, schema, String::new(), 0, &mut found);
    found
}

fn walk<'a>(
    shapes: &Shapes<'a>,
    schema: &'a Value,
    pointer: String,
    depth: usize,
    found: &mut Vec<Place<'a>>,
) {
    let schema = shapes.resolve(schema);
    if depth > DEEPEST {
        return;
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        for one in schema[several].as_array().into_iter().flatten() {
            walk(shapes, one, pointer.clone(), depth + 1, found);
        }
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        walk(
            shapes,
            member,
            format!("{pointer}/{name}"),
            depth + 1,
            found,
        );
    }
    if schema["items"].is_object() {
        walk(
            shapes,
            &schema["items"],
            format!("{pointer}/0"),
            depth + 1,
            found,
        );
    }
    if !schema["type"].is_null() {
        found.push(Place { pointer, schema });
    }
}

/// Whether a schema is of this type, or may be.
pub(crate) fn is(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    }
}

/// Something that fits a schema.
pub(crate) fn sample(shapes: &Shapes<'_>, schema: &Value) -> Value {
    let Value::Object(_) = schema else {
        return Value::Null;
    };
    // A schema of the document lives as long as the document; a copy of it is resolved here by hand.
    let mut schema = schema.clone();
    while let Some(reference) = schema["$ref"].as_str() {
        schema = shapes
            .0
            .pointer(reference.trim_start_matches('#'))
            .cloned()
            .expect("references resolve");
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(one) = schema[several]
            .as_array()
            .and_then(|all| all.iter().find(|one| !is(one, "null")))
        {
            return sample(shapes, one);
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    if !schema["const"].is_null() {
        return schema["const"].clone();
    }
    if is(&schema, "object") {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let members = schema["properties"].as_object().into_iter().flatten();
        let members = members.filter(|(name, _)| required.contains(&name.as_str()));
        return Value::Object(
            members
                .map(|(name, member)| (name.clone(), sample(shapes, member)))
                .collect::<Map<_, _>>(),
        );
    }
    if is(&schema, "array") {
        return json!([sample(shapes, &schema["items"])]);
    }
    if is(&schema, "integer") {
        return schema["minimum"].clone();
    }
    if is(&schema, "boolean") {
        return json!(true);
    }
    json!(
        match (schema["format"].as_str(), schema["pattern"].as_str()) {
            (Some("date"), _) => "2026-11-30",
            (Some("date-time"), _) => "2026-11-30T00:00:00Z",
            (Some("uri"), _) => "https://127.0.0.1:8443/hook",
            (_, Some(pattern)) if pattern.starts_with("^[0-9]{4}-") => "2026-11",
            (_, Some(pattern)) if pattern.starts_with("^P(") => "PT1H",
            (_, Some(pattern)) if pattern.contains("A-Za-z0-9+/") => "ZG9jdW1lbnQ=",
            _ => "a",
        }
    )
}

/// The body with this at that place; what leads there is made where it is missing.
pub(crate) fn with(
    shapes: &Shapes<'_>,
    root: &Value,
    body: &Value,
    pointer: &str,
    value: Value,
) -> Value {
    let mut whole = body.clone();
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    let mut at = &mut whole;
    let mut schema = root.clone();
    for (index, part) in parts.iter().enumerate() {
        schema = step(shapes, &schema, part);
        let fresh = || {
            if index + 1 == parts.len() {
                Value::Null
            } else {
                sample(shapes, &schema)
            }
        };
        at = match part.parse::<usize>() {
            Ok(place) if at.is_array() || at.is_null() => {
                if at.is_null() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().expect("a list");
                if items.len() <= place {
                    items.push(fresh());
                }
                &mut items[place]
            }
            _ => {
                if !at.is_object() {
                    *at = json!({});
                }
                let members = at.as_object_mut().expect("an object");
                let member = members.entry((*part).to_owned()).or_insert(Value::Null);
                if member.is_null() {
                    *member = fresh();
                }
                member
            }
        };
    }
    *at = value;
    whole
}

/// The schema of a member or an item, in whichever of several shapes has it.
fn step(shapes: &Shapes<'_>, schema: &Value, part: &str) -> Value {
    let mut schema = schema.clone();
    while let Some(reference) = schema["$ref"].as_str() {
        schema = shapes
            .0
            .pointer(reference.trim_start_matches('#'))
            .cloned()
            .expect("references resolve");
    }
    if schema["properties"][part].is_object() {
        return schema["properties"][part].clone();
    }
    if schema["items"].is_object() && part.parse::<usize>().is_ok() {
        return schema["items"].clone();
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        for one in schema[several].as_array().into_iter().flatten() {
            let found = step(shapes, one, part);
            if found.is_object() {
                return found;
            }
        }
    }
    Value::Null
}

/// As text, with the first member of the object at `pointer` said twice; `None` where there is none.
pub(crate) fn said_twice(body: &Value, pointer: &str) -> Option<String> {
    let (name, value) = body.pointer(pointer)?.as_object()?.iter().next()?;
    let twice = format!("{}:{},{}:{}", json!(name), value, json!(name), value);
    let mut marked = body.clone();
    let object = marked.pointer_mut(pointer)?.as_object_mut()?;
    let name = name.clone();
    object.insert(name.clone(), json!("said-twice"));
    let once = format!("{}:\"said-twice\"", json!(name));
    let text = marked.to_string();
    text.contains(&once).then(|| text.replace(&once, &twice))
}
