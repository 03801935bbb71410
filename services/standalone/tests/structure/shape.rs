//! Holds a value against a schema of the document: as much of JSON Schema 2020-12 as the document uses. Members that a schema does
//! not name are wrong here though answers may grow: what is answered has to be told.

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) struct Shapes<'a>(pub(crate) &'a Value);

impl<'a> Shapes<'a> {
    /// What does not fit, each with where.
    pub(crate) fn misfits(&self, schema: &'a Value, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check(schema, value, "", &mut wrong);
        let known = self.names(schema);
        if let (Some(members), Some(known)) = (value.as_object(), known) {
            let unknown = members.keys().filter(|name| !known.contains(name.as_str()));
            wrong.extend(unknown.map(|name| format!("/{name} is not told of")));
        }
        wrong
    }

    /// Where a reference leads.
    pub(crate) fn resolve(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                self.resolve(self.0.pointer(pointer).expect("references resolve"))
            }
            None => schema,
        }
    }

    fn check(&self, schema: &'a Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if !of_type(&schema["type"], value) {
            wrong.push(format!("{at}: {value} is no {}", schema["type"]));
            return;
        }
        let listed = schema["enum"].as_array();
        if listed.is_some_and(|all| !all.contains(value)) {
            wrong.push(format!("{at}: {value} is none of its enum"));
        }
        size(schema, value, at, wrong);
        for one in schema["allOf"].as_array().into_iter().flatten() {
            self.check(one, value, at, wrong);
        }
        for several in ["oneOf", "anyOf"] {
            let Some(all) = schema[several].as_array() else {
                continue;
            };
            let fits = all.iter().filter(|one| {
                let mut wrong = Vec::new();
                self.check(one, value, at, &mut wrong);
                wrong.is_empty()
            });
            let fits = fits.count();
            if fits == 0 || (several == "oneOf" && fits > 1) {
                wrong.push(format!("{at}: fits {fits} of its {several}"));
            }
        }
        if let Some(items) = value.as_array() {
            for (index, item) in items.iter().enumerate() {
                self.within(&schema["items"], item, &format!("{at}/{index}"), wrong);
            }
        }
        self.members(schema, value, at, wrong);
    }

    fn members(&self, schema: &'a Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let Some(members) = value.as_object() else {
            return;
        };
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !members.contains_key(name) {
                wrong.push(format!("{at}/{name} is missing"));
            }
        }
        for (name, member) in members {
            match schema["properties"].get(name) {
                Some(told) => self.within(told, member, &format!("{at}/{name}"), wrong),
                None if schema["additionalProperties"] == false => {
                    wrong.push(format!("{at}/{name} is not taken"));
                }
                None => {}
            }
        }
    }

    /// A part: where its schema names members at all, others are not told of.
    fn within(&self, schema: &'a Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        if schema.is_null() {
            return;
        }
        self.check(schema, value, at, wrong);
        let known = self.names(schema);
        if let (Some(members), Some(known)) = (value.as_object(), known) {
            let unknown = members.keys().filter(|name| !known.contains(name.as_str()));
            wrong.extend(unknown.map(|name| format!("{at}/{name} is not told of")));
        }
    }

    /// The members that a schema names, its parts' included; `None` where it names none or leaves them open.
    fn names(&self, schema: &'a Value) -> Option<BTreeSet<&'a str>> {
        let schema = self.resolve(schema);
        if schema["additionalProperties"].is_object() {
            return None;
        }
        let mut names = BTreeSet::new();
        if let Some(properties) = schema["properties"].as_object() {
            names.extend(properties.keys().map(String::as_str));
        }
        for several in ["allOf", "oneOf", "anyOf"] {
            for one in schema[several].as_array().into_iter().flatten() {
                names.extend(self.names(one).into_iter().flatten());
            }
        }
        (!names.is_empty()).then_some(names)
    }
}

fn of_type(kind: &Value, value: &Value) -> bool {
    let fits = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    };
    match kind {
        Value::String(kind) => fits(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(fits),
        _ => true,
    }
}

fn size(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let (measure, least, most) = match value {
        Value::String(text) => (
            i64::try_from(text.chars().count()).unwrap_or(i64::MAX),
            "minLength",
            "maxLength",
        ),
        Value::Array(items) => (
            i64::try_from(items.len()).unwrap_or(i64::MAX),
            "minItems",
            "maxItems",
        ),
        Value::Number(number) => (number.as_i64().unwrap_or(i64::MAX), "minimum", "maximum"),
        _ => return,
    };
    let bound = |name| schema.get(name).and_then(Value::as_i64);
    if bound(least).is_some_and(|least| measure < least)
        || bound(most).is_some_and(|most| measure > most)
    {
        wrong.push(format!("{at}: {measure} is out of its bounds"));
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let document = serde_json::json!({ "components": { "schemas": {
        "Id": { "type": "string", "maxLength": 3 },
        "Thing": {
            "type": "object", "required": ["id"], "additionalProperties": false,
            "properties": {
                "id": { "$ref": "#/components/schemas/Id" },
                "kind": { "type": "string", "enum": ["a"] },
                "more": { "oneOf": [{ "$ref": "#/components/schemas/Thing" }, { "type": "null" }] },
                "list": { "type": ["array", "null"], "items": { "type": "integer", "minimum": 1 } },
            },
        },
    } } });
    let shapes = Shapes(&document);
    let thing = &document["components"]["schemas"]["Thing"];
    for (value, fits) in [
        (
            serde_json::json!({ "id": "1", "more": null, "list": [1] }),
            true,
        ),
        (
            serde_json::json!({ "id": "1", "more": { "id": "2" }, "list": null }),
            true,
        ),
        (serde_json::json!({}), false),
        (serde_json::json!({ "id": "1234" }), false),
        (serde_json::json!({ "id": 1 }), false),
        (serde_json::json!({ "id": "1", "kind": "b" }), false),
        (serde_json::json!({ "id": "1", "other": 1 }), false),
        (serde_json::json!({ "id": "1", "list": [0] }), false),
        (serde_json::json!({ "id": "1", "more": {} }), false),
        (serde_json::json!([]), false),
    ] {
        assert_eq!(shapes.misfits(thing, &value).is_empty(), fits, "{value}");
    }
}
