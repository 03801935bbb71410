//! No route outside the document.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::{
    house::Served,
    nothing_wrong,
    operations::{self, Operation},
    repository::{is_test, rust_files},
    tokens::{brief, refused},
};

/// Served without being operations: the document and the page that shows it.
const BESIDE_THE_DOCUMENT: [&str; 3] = ["/docs", "/docs/{tail:.*}", "/openapi.json"];

/// What people try.
const GUESSES: [&str; 46] = [
    "/",
    "//",
    "/v1",
    "/v1/",
    "/v0",
    "/v2/verifications",
    "/V1/verifications",
    "/v1//verifications",
    "/v1/verifications/",
    "/v1/verification",
    "/api",
    "/api/v1/verifications",
    "/v1/tenants",
    "/v1/operator",
    "/v1/operator/",
    "/v1/operator/keys",
    "/v1/operator/audit/raw",
    "/v1/admin",
    "/v1/internal",
    "/v1/debug",
    "/admin",
    "/internal",
    "/debug",
    "/debug/pprof/",
    "/metrics",
    "/actuator",
    "/actuator/health",
    "/health",
    "/health/",
    "/healthz",
    "/status",
    "/.env",
    "/.git/config",
    "/keys.json",
    "/operator-credential.json",
    "/onboarding.sqlite",
    "/swagger",
    "/swagger-ui/",
    "/swagger.json",
    "/openapi.yaml",
    "/docs/../keys.json",
    "/docs/%2e%2e/keys.json",
    "/docs/nothing",
    "/.well-known/",
    "/.well-known/openid-configuration",
    "/sandbox",
];

/// `HEAD` is left out: its answers have no body to look at.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

/// A path that fits a template.
fn example(template: &str) -> String {
    template
        .split('/')
        .map(|part| match part.split_once('{') {
            Some((before, rest)) => {
                let after = rest.split_once('}').map_or("", |(_, after)| after);
                format!("{before}1{after}")
            }
            None => part.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f012_nothing_answers_but_what_is_published() {
    let house = Served::new().await;
    other_paths_are_not_there(&house).await;
    published_paths_take_their_methods_only(&house).await;
    house.stop().await;
}

async fn other_paths_are_not_there(house: &Served) {
    let mut wrong = Vec::new();
    for path in GUESSES {
        for method in [Method::GET, Method::POST] {
            let reply = house.anyone(&method, path, None).await;
            // Where the path is a published one by accident of spelling, the method is what is not there.
            let answered =
                refused(&reply, 404, "not_found").or(refused(&reply, 405, "method_not_allowed"));
            if answered.is_err() || (method == Method::GET && reply.status != 404) {
                wrong.push(format!("{method} {path}: {}", brief(&reply)));
            }
        }
    }
    for path in ["/docs/", "/openapi.json"] {
        let reply = house.anyone(&Method::GET, path, None).await;
        if reply.status != 200 {
            wrong.push(format!("GET {path}: {}", reply.status));
        }
    }
    nothing_wrong(
        "Answered, and not in the document. Publish it (utoipa) or take it away:",
        &wrong,
    );
}

async fn published_paths_take_their_methods_only(house: &Served) {
    let document = house.document();
    let operations = operations::all(&document);
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for path in operations
        .iter()
        .map(|operation| &operation.path)
        .collect::<BTreeSet<_>>()
    {
        let published = methods(&operations, path);
        let allow = published
            .iter()
            .map(Method::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        for method in METHODS.iter().filter(|method| !published.contains(method)) {
            let reply = house.anyone(method, &example(path), None).await;
            asked += 1;
            if let Err(why) = refused(&reply, 405, "method_not_allowed") {
                wrong.push(format!("{method} {path}: {why}"));
            }
            let told = reply
                .headers
                .get("allow")
                .and_then(|value| value.to_str().ok())
                .unwrap_or("");
            if told != allow {
                wrong.push(format!("{method} {path}: Allow `{told}`, not `{allow}`"));
            }
        }
    }
    nothing_wrong(
        "A published path answers methods that are not published:",
        &wrong,
    );
    assert!(asked > 150, "{asked} requests were made");
}

/// In the order of their names, as `Allow` tells them.
fn methods(operations: &[Operation], path: &str) -> Vec<Method> {
    let mut methods: Vec<Method> = operations
        .iter()
        .filter(|operation| operation.path == path)
        .map(|operation| operation.method.clone())
        .collect();
    methods.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    methods
}

/// Guessing finds only what one thinks of; the source names every route there is.
#[test]
fn f012_every_route_in_the_source_is_in_the_document() {
    let document: Value =
        serde_json::from_str(include_str!("../../../../openapi/warikan.json")).unwrap();
    let published: BTreeSet<String> = operations::all(&document)
        .iter()
        .map(Operation::name)
        .collect();
    let (mut wrong, mut found) = (Vec::new(), BTreeSet::new());
    for (path, text) in rust_files() {
        let serves = path.starts_with("services") || path.starts_with("gateway");
        // The demo's receiver is a server of its own, and no part of what `warikan serve` serves.
        if !serves || is_test(&path) || path.ends_with("demo/receiver.rs") {
            continue;
        }
        // A unit test may play another's server.
        let served = text
            .split("\n#[cfg(test)]\nmod ")
            .next()
            .unwrap_or_default();
        for (number, line) in served.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            if let Some((method, route)) = attribute(line) {
                let name = format!("{method} {route}");
                // Inner routes and the operator's are mounted on listeners of their own (`split` and `operations` show that the edge does not have them).
                let aside = BESIDE_THE_DOCUMENT.contains(&route)
                    || route.starts_with("/inner/")
                    || path.ends_with("gateway/src/ops.rs");
                if !published.contains(&name) && !aside {
                    wrong.push(format!("{place}: {name} is not in the document"));
                }
                found.insert(name);
            }
            // Ways of registering a route that the document would not hear of.
            for hidden in [
                "web::resource(",
                "web::scope(",
                ".route(",
                "web::get()",
                "web::post()",
            ] {
                if line.contains(hidden) {
                    wrong.push(format!(
                        "{place}: {hidden} registers a route past the document"
                    ));
                }
            }
        }
    }
    for name in published.difference(&found) {
        wrong.push(format!(
            "{name} is published, and no handler's attribute names it"
        ));
    }
    nothing_wrong(
        "Give every handler #[utoipa::path(..)] and #[get(..)] and register it with `.service`:",
        &wrong,
    );
}

/// `#[get("/v1/watches")]`
fn attribute(line: &str) -> Option<(String, &str)> {
    let (method, rest) = line.trim().strip_prefix("#[")?.split_once("(\"")?;
    let methods = ["get", "post", "put", "patch", "delete", "head", "options"];
    let route = rest.strip_suffix("\")]")?;
    methods
        .contains(&method)
        .then(|| (method.to_uppercase(), route))
}
