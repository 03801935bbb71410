//! The catalogue of problems: every code of the source, served, written out in `docs/errors.md`, and nothing else.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use warikan_http::Code;

use crate::{
    house::Served,
    nothing_wrong,
    repository::{is_test, root, rust_files},
};

const WRITTEN: &str = "docs/errors.md";

fn page() -> String {
    let mut text = String::from(
        "# Errors\n\nEvery error is an RFC 9457 problem document, `application/problem+json`. `code` is the stable word for programs, \
         `type` leads to the entry below on the platform itself (`GET /problems/{code}`), `detail` says what was wrong with this request, \
         `errors` points at fields, `retryable` says whether the same request may succeed later, and `request_id` is what to tell when you \
         ask.\n\nThis page is made from the catalogue in `shared/http/src/catalogue.rs`, and a test compares them.\n",
    );
    for code in Code::ALL {
        let again = if code.retryable() { ", retryable" } else { "" };
        text.push_str(&format!(
            "\n## `{}`\n\nHTTP {}{again}. {}.\n\n- **Cause**: {}\n- **Remedy**: {}\n",
            code.as_str(),
            code.status().as_u16(),
            code.title(),
            code.cause(),
            code.remedy()
        ));
    }
    text
}

#[test]
fn the_written_catalogue_is_the_one_in_force() {
    let path = root().join(WRITTEN);
    if std::env::var_os("WARIKAN_REGENERATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page(),
        "{WRITTEN} is not the catalogue: WARIKAN_REGENERATE=1 cargo test -p warikan --test structure problems"
    );
}

#[test]
fn the_source_knows_no_code_that_is_not_in_the_catalogue() {
    let mut named = BTreeSet::new();
    for (path, text) in rust_files() {
        if is_test(&path) || path.starts_with("shared/pki") {
            continue;
        }
        for rest in text.split("Code::").skip(1) {
            let name: String = rest
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            named.insert(name);
        }
    }
    let known: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code:?}")).collect();
    let unused: Vec<String> = known
        .difference(&named)
        .map(|name| format!("{name} is in the catalogue and nobody answers it"))
        .collect();
    nothing_wrong("Take it out of the catalogue:", &unused);
    assert!(named.len() >= known.len(), "{named:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_leads_to_its_cause_and_remedy() {
    let house = Served::new().await;
    let listed = house.anyone(&Method::GET, "/problems", None).await;
    let listed = listed.expect(200)["problems"].as_array().unwrap().clone();
    assert_eq!(listed.len(), Code::ALL.len());
    for (code, kind) in Code::ALL.into_iter().zip(&listed) {
        let told = code.example();
        assert_eq!(kind["type"], told.problem_type.as_str());
        let reply = house.anyone(&Method::GET, &told.problem_type, None).await;
        assert_eq!(reply.expect(200), kind);
        for text in ["cause", "remedy", "title"] {
            assert!(
                !kind[text].as_str().unwrap_or_default().is_empty(),
                "{kind}"
            );
        }
        assert_eq!(kind["status"], told.status);
    }
    // A problem as it comes leads there too.
    let problem = house.anyone(&Method::GET, "/v1/verifications", None).await;
    let kind = problem.json["type"].as_str().unwrap_or_default().to_owned();
    let reply = house.anyone(&Method::GET, &kind, None).await;
    assert_eq!(reply.expect(200)["code"], problem.json["code"]);
    let none = house.anyone(&Method::GET, "/problems/no_such", None).await;
    let none: &Value = none.expect_problem(404, "not_found");
    assert_eq!(none["type"], "/problems/not_found");
    house.stop().await;
}
