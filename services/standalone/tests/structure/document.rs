//! The public document: committed as it is served, whole, and without two things under one name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use warikan_gateway::Gateway;

use crate::{
    house, nothing_wrong,
    operations::{self, raw},
    repository::{is_test, root, rust_files},
    shape::Shapes,
};

const COMMITTED: &str = "openapi/warikan.json";

/// Types of one name of which only one is ever documented. The list only shrinks.
const ONE_NAME_TWICE: [(&str, &str); 0] = [];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f099_the_committed_document_is_the_generated_one() {
    let generated = warikan::document::openapi().await.expect("it is generated");
    let committed = std::fs::read_to_string(root().join(COMMITTED)).unwrap_or_default();
    if committed == generated {
        return;
    }
    let first = generated
        .lines()
        .zip(committed.lines().chain(std::iter::repeat("")))
        .position(|(new, old)| new != old)
        .unwrap_or(generated.lines().count());
    let line = |text: &str| text.lines().nth(first).unwrap_or("(nothing)").to_owned();
    panic!(
        "\n{COMMITTED} is not what the handlers say. If the change is meant, run\n  \
         cargo run -q -p warikan -- openapi > {COMMITTED}\nand commit it; readers of the API see it in the diff.\n\
         First difference in line {}:\n  committed: {}\n  generated: {}\n",
        first + 1,
        line(&committed),
        line(&generated)
    );
}

fn committed() -> Value {
    let text = std::fs::read_to_string(root().join(COMMITTED)).expect("the document is committed");
    serde_json::from_str(&text).expect("the document is JSON")
}

#[test]
fn every_operation_is_told_whole() {
    let document = committed();
    let mut wrong = Vec::new();
    let mut ids = BTreeMap::<&str, String>::new();
    for (method, path, operation) in raw(&document) {
        let name = format!("{method} {path}");
        match operation["operationId"].as_str() {
            None | Some("") => wrong.push(format!("{name}: has no operationId")),
            Some(id) => {
                if let Some(other) = ids.insert(id, name.clone()) {
                    wrong.push(format!(
                        "{name}: its operationId `{id}` is that of {other}; say `operation_id = \"..\"`"
                    ));
                }
            }
        }
        let tags = document["tags"].as_array().expect("tags are described");
        let tag = &operation["tags"][0];
        if !tags.iter().any(|known| known["name"] == *tag) {
            wrong.push(format!(
                "{name}: its tag {tag} is not described in gateway/src/document/words.rs"
            ));
        }
        if operation["summary"].as_str().unwrap_or("").is_empty() {
            wrong.push(format!("{name}: has no summary; write a doc comment"));
        }
        if operation["description"].as_str().unwrap_or("").is_empty() {
            wrong.push(format!(
                "{name}: has no description; a second paragraph of the doc comment is one"
            ));
        }
        for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
            let answer = Shapes(&document).resolve(answer);
            if answer["description"].as_str().unwrap_or("").is_empty() {
                wrong.push(format!("{name}: {status} has no description"));
            }
            if answer["headers"]["X-Request-Id"].is_null() {
                wrong.push(format!("{name}: {status} does not tell of X-Request-Id"));
            }
        }
        parameters(&name, &path, operation, &mut wrong);
    }
    for operation in operations::all(&document) {
        let name = operation.name();
        if !operation
            .statuses
            .iter()
            .any(|status| (200..300).contains(status))
        {
            wrong.push(format!("{name}: has no answer that is a success"));
        }
        for status in [401, 403] {
            if operation.scope.is_some() && !operation.statuses.contains(&status) {
                wrong.push(format!(
                    "{name}: needs a token and does not tell of {status}"
                ));
            }
        }
        for status in [400, 413, 415] {
            if operation.takes_json && !operation.statuses.contains(&status) {
                wrong.push(format!(
                    "{name}: takes a body and does not tell of {status}"
                ));
            }
        }
        let named = operation.path.contains("{id}") && operation.scope.is_some();
        if named && !operation.statuses.contains(&404) {
            wrong.push(format!("{name}: takes an id and does not tell of 404"));
        }
    }
    nothing_wrong("Say it in the handler's #[utoipa::path(..)]:", &wrong);
}

/// Every `{parameter}` of a path is told, and no other.
fn parameters(name: &str, path: &str, operation: &Value, wrong: &mut Vec<String>) {
    let in_path: BTreeSet<&str> = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .collect();
    let told: BTreeSet<&str> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "path")
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    if in_path != told {
        wrong.push(format!(
            "{name}: its path has {in_path:?}, its parameters tell {told:?}"
        ));
    }
}

#[test]
fn f099_every_error_answer_is_a_problem_document() {
    let document = committed();
    let mut wrong = Vec::new();
    for (method, path, operation) in raw(&document) {
        for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let schemas: Vec<&str> = Shapes(&document).resolve(answer)["content"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(media_type, _)| *media_type == "application/problem+json")
                .filter_map(|(_, content)| content["schema"]["$ref"].as_str())
                .collect();
            // Not ready is an answer of its own, told to probes.
            let probe = path == "/health/ready" && status == "503";
            if !probe && schemas != ["#/components/schemas/ProblemDocument"] {
                wrong.push(format!("{method} {path}: {status} tells {schemas:?}"));
            }
        }
    }
    nothing_wrong("Say `body = ProblemDocument`:", &wrong);
}

/// What an answer names can be looked up, and the document says where.
#[test]
fn f099_every_link_leads_to_an_operation_by_a_member_that_is_there() {
    let document = committed();
    let all = raw(&document);
    let (mut wrong, mut led) = (Vec::new(), BTreeSet::new());
    for (method, path, operation) in &all {
        for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
            for (name, link) in answer["links"].as_object().into_iter().flatten() {
                let at = format!("{method} {path}: {status}: {name}");
                let there = all
                    .iter()
                    .find(|(_, _, one)| one["operationId"] == link["operationId"]);
                let Some((_, to, _)) = there else {
                    wrong.push(format!("{at}: no such operation"));
                    continue;
                };
                let told: BTreeSet<&str> = link["parameters"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.as_str())
                    .collect();
                let wanted: BTreeSet<&str> = to
                    .split('{')
                    .skip(1)
                    .filter_map(|rest| rest.split('}').next())
                    .collect();
                if told != wanted {
                    wrong.push(format!("{at}: tells {told:?}, {to} takes {wanted:?}"));
                }
                led.insert(name.clone());
            }
        }
    }
    nothing_wrong("Mend gateway/src/document/links.rs:", &wrong);
    assert!(
        led.len() > 40,
        "{} operations are led to: {led:?}",
        led.len()
    );
}

#[test]
fn every_reference_resolves() {
    let document = committed();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100, "{} references", references.len());
    let wrong: Vec<String> = references
        .into_iter()
        .filter(|reference| {
            reference
                .strip_prefix('#')
                .is_none_or(|pointer| document.pointer(pointer).is_none())
        })
        .map(str::to_owned)
        .collect();
    nothing_wrong(
        "These references lead nowhere; name the type in a `body` or in `components(schemas(..))`:",
        &wrong,
    );
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(reference) if name == "$ref" => references.push(reference),
                    _ => collect(member, references),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, references);
            }
        }
        _ => {}
    }
}

/// Where services are merged into one document, the later of two schemas under one name silently wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_services_mean_different_things_by_one_name() {
    let directory = tempfile::tempdir().unwrap();
    let house = house::open(&directory, ([127, 0, 0, 1], 0).into()).await;
    let mut seen = BTreeMap::<String, (&str, Value)>::new();
    let mut wrong = Vec::new();
    for module in &house.modules {
        let alone = Gateway::new(house.platform.clone(), vec![module.clone()], 1).openapi();
        let alone = serde_json::to_value(alone).unwrap();
        let schemas = alone["components"]["schemas"].as_object().cloned();
        for (name, schema) in schemas.into_iter().flatten() {
            match seen.get(&name) {
                Some((other, first)) if *first != schema => wrong.push(format!(
                    "`{name}` of {} and of {other}; give one of them another public name with #[schema(as = ..)]",
                    module.name
                )),
                Some(_) => {}
                None => {
                    seen.insert(name, (module.name, schema));
                }
            }
        }
    }
    assert!(seen.len() > 50, "{} schemas", seen.len());
    nothing_wrong(
        "The merged document keeps one of two shapes under one name:",
        &wrong,
    );
}

/// Inside one service the document cannot show it; the source can.
#[test]
fn every_documented_type_has_a_name_of_its_own() {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for (path, text) in rust_files() {
        if is_test(&path) {
            continue;
        }
        for (name, line) in documented(&text) {
            let place = format!("{}:{line}", path.display());
            places.entry(name).or_default().push(place);
        }
    }
    assert!(places.len() > 50, "{} documented types", places.len());
    let mut wrong: Vec<String> = places
        .iter()
        .filter(|(name, places)| {
            places.len() > 1 && !ONE_NAME_TWICE.iter().any(|(known, _)| known == name)
        })
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    for (name, why) in ONE_NAME_TWICE {
        if places.get(name).is_none_or(|places| places.len() < 2) {
            wrong.push(format!(
                "{name} ({why}) stands once now; remove it from ONE_NAME_TWICE"
            ));
        }
    }
    nothing_wrong(
        "Two types of one public name; give one of them #[schema(as = ..)]:",
        &wrong,
    );
}

/// The public names of the types that derive `ToSchema`, with their lines.
fn documented(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let (mut derives, mut renamed) = (false, None);
    let mut in_derive = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        in_derive |= line.starts_with("#[derive(");
        if in_derive {
            derives |= line.contains("ToSchema");
            in_derive = !line.ends_with(")]");
            continue;
        }
        if let Some(name) = line
            .strip_prefix("#[schema(as = ")
            .and_then(|rest| rest.split([',', ')']).next())
        {
            renamed = Some(name.to_owned());
        }
        let words: Vec<&str> = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .collect();
        let item = words
            .iter()
            .position(|word| *word == "struct" || *word == "enum");
        let is_item = !line.starts_with("//") && !line.starts_with('#');
        if let (Some(index), true) = (item, is_item) {
            if let (true, Some(name)) = (derives, words.get(index + 1)) {
                let name = renamed.take().unwrap_or_else(|| (*name).to_owned());
                found.push((name, number + 1));
            }
            (derives, renamed) = (false, None);
        }
    }
    found
}
