//! Examples of requests and answers: `openapi/examples.json`, recorded from a house that served them.
//!
//! By operation id: `parameters` by name, `request` by media type, `answers` by status and media type. A test of the structure suite
//! records what is missing there and holds every example against its schema.

use serde_json::{Value, json};

use super::{items_of, members_of, operations};

const RECORDED: &str = include_str!("../../../openapi/examples.json");

/// Puts each example where readers look for it.
pub(super) fn show(document: &mut Value) {
    let Ok(recorded) = serde_json::from_str::<Value>(RECORDED) else {
        return;
    };
    for (_, _, operation) in operations(document) {
        let name = operation["operationId"].as_str().unwrap_or_default();
        let Some(recorded) = recorded.get(name) else {
            continue;
        };
        for parameter in items_of(operation, "parameters") {
            let name = parameter["name"].as_str().unwrap_or_default();
            if let Some(value) = recorded["parameters"].get(name) {
                parameter["example"] = value.clone();
            }
        }
        if let Some(body) = operation.get_mut("requestBody") {
            contents(body, &recorded["request"]);
        }
        for (status, answer) in members_of(operation, "responses") {
            contents(answer, &recorded["answers"][status.as_str()]);
        }
    }
}

fn contents(place: &mut Value, recorded: &Value) {
    for (media_type, content) in members_of(place, "content") {
        if let Some(value) = recorded.get(media_type) {
            content["examples"] = json!({ "recorded": { "value": value } });
        }
    }
}
