//! The operations of the public document.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use warikan_types::ClientScope;

/// What the members of a path item that are no operations are called (OpenAPI 3.1, Path Item Object).
const NO_OPERATIONS: [&str; 5] = ["parameters", "summary", "description", "servers", "$ref"];

/// One operation, as it is published.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With its parameters in braces.
    pub(crate) path: String,
    /// What a token must allow; `None` where the document says that none is needed.
    pub(crate) scope: Option<ClientScope>,
    /// The statuses it says it can answer.
    pub(crate) statuses: BTreeSet<u16>,
    pub(crate) takes_body: bool,
    pub(crate) takes_json: bool,
}

impl Operation {
    /// `GET /v1/watches/{id}`
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn is_for_operator(&self) -> bool {
        self.scope == Some(ClientScope::Operator)
    }
}

/// Every operation's method, path and object.
pub(crate) fn raw(document: &Value) -> Vec<(Method, String, &Value)> {
    let paths = document["paths"].as_object().expect("a document has paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        for (member, operation) in item.as_object().expect("a path item is an object") {
            if !NO_OPERATIONS.contains(&member.as_str()) {
                let method = member.to_uppercase().parse().expect("a method");
                all.push((method, path.clone(), operation));
            }
        }
    }
    assert!(
        all.len() > 40,
        "the document has {} operations only",
        all.len()
    );
    all
}

pub(crate) fn all(document: &Value) -> Vec<Operation> {
    raw(document)
        .into_iter()
        .map(|(method, path, operation)| Operation {
            scope: scope(&method, &path, operation),
            statuses: operation["responses"]
                .as_object()
                .expect("an operation has responses")
                .keys()
                .filter_map(|status| status.parse().ok())
                .collect(),
            takes_body: operation["requestBody"].is_object(),
            takes_json: operation["requestBody"]["content"]["application/json"].is_object(),
            method,
            path,
        })
        .collect()
}

/// `security` must say it plainly: one scope, or `{}` for none at all.
fn scope(method: &Method, path: &str, operation: &Value) -> Option<ClientScope> {
    let told = &operation["security"];
    let plain = told
        .as_array()
        .filter(|one| one.len() == 1)
        .and_then(|one| one[0].as_object());
    let Some(plain) = plain else {
        panic!(
            "{method} {path}: say `security((\"oauth2\" = [\"<scope>\"]))` or `security(())`, not {told}"
        );
    };
    if plain.is_empty() {
        return None;
    }
    let scope = plain
        .get("oauth2")
        .and_then(Value::as_array)
        .filter(|scopes| plain.len() == 1 && scopes.len() == 1)
        .and_then(|scopes| ClientScope::from_word(scopes[0].as_str()?));
    assert!(
        scope.is_some(),
        "{method} {path}: `security` names no scope of ours: {told}"
    );
    scope
}
