//! Each shape once: where generics were written out in place, the name that the shape has. And which bodies may be left out.

use serde_json::{Value, json};

use super::operations;

/// Replaces shapes inside of others by their names.
pub(super) fn name(document: &mut Value) {
    let Some(named) = document["components"]["schemas"].as_object().cloned() else {
        return;
    };
    // Short shapes are as clear in place; `{}` and a bare string are nobody's in particular.
    let shapes: Vec<(&String, &Value)> = named
        .iter()
        .filter(|(_, schema)| {
            schema["properties"]
                .as_object()
                .is_some_and(|all| all.len() > 1)
        })
        .collect();
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return;
    };
    for (_, schema) in schemas {
        for inner in ["properties", "items"] {
            if let Some(inner) = schema.get_mut(inner) {
                replace(inner, &shapes);
            }
        }
    }
}

/// An absent body counts as `{}`: where nothing is required in it, it is not required itself.
pub(super) fn optional_bodies(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for (_, _, operation) in operations(document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let named = schema["$ref"].as_str().unwrap_or_default();
        let Some(shape) = schemas.get(named.trim_start_matches("#/components/schemas/")) else {
            continue;
        };
        if shape["type"] == "object" && shape.get("required").is_none() {
            operation["requestBody"]["required"] = json!(false);
        }
    }
}

/// What is said of a member that may be null stands beside its name, and not inside of `oneOf`, where readers of the document
/// have to open the member to see it.
pub(super) fn lift_descriptions(value: &mut Value) {
    if value.get("description").is_none()
        && let Some([shape, null]) = value
            .get_mut("oneOf")
            .and_then(Value::as_array_mut)
            .map(Vec::as_mut_slice)
        && *null == json!({ "type": "null" })
        && let Some(words) = shape
            .as_object_mut()
            .and_then(|shape| shape.remove("description"))
    {
        value["description"] = words;
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(lift_descriptions),
        Value::Array(items) => items.iter_mut().for_each(lift_descriptions),
        _ => {}
    }
}

fn replace(value: &mut Value, shapes: &[(&String, &Value)]) {
    if let Some((name, _)) = shapes.iter().find(|(_, shape)| *shape == value) {
        *value = json!({ "$ref": format!("#/components/schemas/{name}") });
        return;
    }
    match value {
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| replace(member, shapes)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, shapes)),
        _ => {}
    }
}
