//! The command's door.

use serde_json::Value;

/// The answer to one request.
pub fn ask(request: &Value) -> Value {
    let mut output = Vec::new();
    warikan::pki_command::run(request.to_string().as_bytes(), &mut output).unwrap();
    serde_json::from_slice(&output).unwrap()
}

/// The case as it stands, named as an operation.
pub fn request(operation: &str, case: &Value) -> Value {
    let mut request = case.clone();
    request["operation"] = operation.into();
    request
}
