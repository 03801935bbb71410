//! Every operation against paths and queries that nobody should send, and the few whose body is no JSON against bodies that are
//! nothing. Each is refused with a problem document, and none is our fault.

use reqwest::Method;
use serde_json::Value;
use warikan_http::BODY_LIMIT;
use warikan_testkit::Reply;
use warikan_types::{ClientScope, Environment, TenantId, TenantScope};

use crate::{
    house::{Caller, Served},
    nothing_wrong,
    operations::{self, Operation},
    tokens::{brief, refused},
};

/// Path parameters that cannot name anything: no UTF-8, a zero, a slash in disguise, far too long.
fn unreadable() -> [String; 4] {
    [
        "%FF".into(),
        "%00".into(),
        "a%2Fb".into(),
        "a".repeat(5_000),
    ]
}

/// The template with texts of the right form that name nothing.
fn formed(template: &str) -> String {
    let mut path = String::new();
    let mut before = "";
    for part in template.split('/').skip(1) {
        path.push('/');
        match part {
            "{id}" => path.push_str(&format!("{}_{:032x}", prefix(before), 1)),
            "{handle}" => path.push_str(&format!("crt_{:032x}", 1)),
            "{client_id}" => path.push_str(&format!("cli_{:032x}", 1)),
            "{period}" => path.push_str("2026-11"),
            "{n}" | "{generation}" => path.push('1'),
            _ => path.push_str(part.trim_start_matches('{').trim_end_matches('}')),
        }
        before = part;
    }
    path
}

fn prefix(collection: &str) -> &'static str {
    match collection {
        "verifications" => "ver",
        "subjects" => "sub",
        "certificates" => "crt",
        "watches" => "wch",
        "campaigns" => "cmp",
        "webhook-endpoints" => "whe",
        "deliveries" => "dlv",
        "invoices" => "inv",
        "tenants" => "ten",
        "accounts" => "cli",
        "persons" => "psn",
        other => panic!("say in tests/structure/strict.rs which ids lie under /{other}/"),
    }
}

fn caller(operation: &Operation) -> Option<Caller> {
    let tenant: TenantId = format!("ten_{:032x}", 1).parse().unwrap();
    match operation.scope {
        None => None,
        Some(ClientScope::Operator) => Some(Caller::operator()),
        Some(scope) => Some(Caller::tenant(
            TenantScope::of_event(tenant, Environment::Sandbox),
            &[scope],
        )),
    }
}

struct Desk<'a> {
    house: &'a Served,
    wrong: Vec<String>,
    asked: usize,
}

impl Desk<'_> {
    async fn send(
        &mut self,
        operation: &Operation,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Reply {
        self.asked += 1;
        self.house
            .raw(caller(operation).as_ref(), &operation.method, path, body)
            .await
    }

    fn expect(
        &mut self,
        operation: &Operation,
        what: &str,
        reply: &Reply,
        status: u16,
        code: &str,
    ) {
        if let Err(why) = refused(reply, status, code) {
            self.wrong
                .push(format!("{}, {what}: {why}", operation.name()));
        } else if !operation.statuses.contains(&status) {
            self.wrong.push(format!(
                "{}, {what}: {status} is not among the answers of its document",
                operation.name()
            ));
        }
    }

    /// Forms and DER have no fields to name; they are refused or answered, and never our fault.
    async fn other_body(&mut self, operation: &Operation, media_type: &str) {
        let path = formed(&operation.path);
        let large = vec![0; BODY_LIMIT + 1];
        let reply = self.send(operation, &path, Some((media_type, large))).await;
        self.expect(operation, "too large", &reply, 413, "body_too_large");
        for body in [Vec::new(), vec![0xff; 40]] {
            let reply = self.send(operation, &path, Some((media_type, body))).await;
            let problem = reply.headers["content-type"] == "application/problem+json";
            let answered = reply.status.is_success() || (reply.status.is_client_error() && problem);
            if !answered {
                self.wrong
                    .push(format!("{}, rubbish: {}", operation.name(), brief(&reply)));
            }
        }
    }

    async fn parameters(&mut self, operation: &Operation, queries: bool) {
        for (at, _) in operation.path.match_indices('{') {
            let end = operation.path[at..]
                .find('}')
                .map_or(at, |end| at + end + 1);
            for text in unreadable() {
                let template = format!("{}{text}{}", &operation.path[..at], &operation.path[end..]);
                let reply = self.send(operation, &formed(&template), None).await;
                let what = format!("{} in its path", &text[..text.len().min(8)]);
                self.expect(operation, &what, &reply, 404, "not_found");
            }
        }
        if queries {
            let path = format!("{}?no_such_parameter=1", formed(&operation.path));
            let reply = self.send(operation, &path, None).await;
            self.expect(
                operation,
                "a parameter too many",
                &reply,
                400,
                "invalid_request",
            );
        }
    }
}

fn takes_queries(document: &Value, operation: &Operation) -> bool {
    let method = operation.method.as_str().to_lowercase();
    let told = &document["paths"][&operation.path][method]["parameters"];
    told.as_array()
        .is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"))
}

fn media_type<'a>(document: &'a Value, operation: &Operation) -> Option<&'a str> {
    let method = operation.method.as_str().to_lowercase();
    let content = &document["paths"][&operation.path][method]["requestBody"]["content"];
    content.as_object()?.keys().next().map(String::as_str)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f059_no_operation_takes_a_path_or_query_that_cannot_be_read() {
    let house = Served::new().await;
    let document = house.document();
    let mut desk = Desk {
        house: &house,
        wrong: Vec::new(),
        asked: 0,
    };
    for operation in operations::all(&document) {
        if let Some(media_type) = media_type(&document, &operation)
            && media_type != "application/json"
        {
            desk.other_body(&operation, media_type).await;
        }
        let queries = operation.method == Method::GET && takes_queries(&document, &operation);
        desk.parameters(&operation, queries).await;
    }
    let Desk { wrong, asked, .. } = desk;
    house.stop().await;
    nothing_wrong(
        "Read queries with `Params`, ids with `PathId`, other bodies with a limit, and name the refusal in `responses`:",
        &wrong,
    );
    assert!(asked > 100, "{asked} requests were made");
}
