//! Every public operation against every wrong token. The operations come from the document of the house that answers.

use reqwest::Method;
use serde_json::Value;
use warikan_gateway::PUBLIC_WITHOUT_TOKEN;
use warikan_testkit::Reply;
use warikan_types::{ClientScope, Environment, TenantId, TenantScope};

use crate::{
    cases::{self, CASES, Case},
    house::{Caller, Served},
    nothing_wrong,
    operations::{self, Operation},
};

/// As much of an answer as a failure's message needs.
pub(crate) fn brief(reply: &Reply) -> String {
    let body: String = String::from_utf8_lossy(&reply.body)
        .chars()
        .take(160)
        .collect();
    format!("{} {body}", reply.status.as_u16())
}

/// An error answer is a problem document, of this status and code, and never our fault.
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) -> Result<(), String> {
    let media_type = reply.headers.get("content-type");
    let problem = media_type.is_some_and(|it| it == "application/problem+json")
        && reply.json["status"] == status
        && reply.json["code"] == code
        && reply.json["request_id"]
            .as_str()
            .is_some_and(|id| !id.is_empty());
    if reply.status == status && problem {
        return Ok(());
    }
    Err(format!(
        "{} instead of {status} {code} as a problem document",
        brief(reply)
    ))
}

/// What `WWW-Authenticate` must say (RFC 6750 3).
fn challenged(reply: &Reply, with: &str) -> Result<(), String> {
    let header = reply
        .headers
        .get("www-authenticate")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if header.starts_with("Bearer ") && header.contains(with) {
        return Ok(());
    }
    Err(format!("WWW-Authenticate `{header}` does not say `{with}`"))
}

/// The callers who must be refused for want of a right, each with who they are.
fn unentitled(operation: &Operation, tenant: TenantScope) -> Vec<(&'static str, Caller)> {
    let tenants_scopes = ClientScope::TENANT.to_vec();
    let mut every_scope = tenants_scopes.clone();
    every_scope.push(ClientScope::Operator);
    let with = |tenant: Option<TenantScope>, scopes: Vec<ClientScope>| Caller { tenant, scopes };
    let without = |all: &[ClientScope]| -> Vec<ClientScope> {
        all.iter()
            .copied()
            .filter(|scope| Some(*scope) != operation.scope)
            .collect()
    };
    let mut callers = vec![
        ("no scope at all", with(Some(tenant), Vec::new())),
        (
            "a tenant with every scope but this",
            with(Some(tenant), without(&every_scope)),
        ),
        (
            "no tenant, every scope but this",
            with(None, without(&every_scope)),
        ),
    ];
    if operation.is_for_operator() {
        callers.push((
            "a tenant with every tenant scope",
            with(Some(tenant), tenants_scopes),
        ));
        callers.push((
            "a tenant whose token claims `operator`",
            with(Some(tenant), every_scope),
        ));
    } else {
        callers.push(("the operator", Caller::operator()));
        callers.push(("no tenant, every scope", with(None, every_scope)));
    }
    callers
}

struct Probe<'a> {
    house: &'a Served,
    operation: &'a Operation,
    path: String,
    body: Option<Value>,
    wrong: &'a mut Vec<String>,
}

impl Probe<'_> {
    fn note(&mut self, who: &str, checks: &[Result<(), String>]) {
        for check in checks {
            if let Err(why) = check {
                self.wrong
                    .push(format!("{}, {who}: {why}", self.operation.name()));
            }
        }
    }

    async fn without_a_good_token(&mut self) {
        let (method, house) = (&self.operation.method, self.house);
        let none = house.anyone(method, &self.path, self.body.as_ref()).await;
        let bad = house
            .bearing("nonsense", method, &self.path, self.body.as_ref())
            .await;
        for (who, reply) in [("no token", none), ("a token of nobody's", bad)] {
            self.note(
                who,
                &[
                    refused(&reply, 401, "invalid_token"),
                    challenged(&reply, "error=\"invalid_token\""),
                ],
            );
        }
        // Who may not even ask is not told what is wrong with the question.
        if self.operation.takes_body {
            let rubbish = Some(("application/json", b"{".to_vec()));
            let reply = house.raw(None, method, &self.path, rubbish).await;
            self.note(
                "no token and a body that is no JSON",
                &[refused(&reply, 401, "invalid_token")],
            );
        }
    }

    async fn with_the_wrong_token(&mut self, tenant: TenantScope) {
        let scope = self.operation.scope.map_or("", ClientScope::as_str);
        for (who, caller) in unentitled(self.operation, tenant) {
            let method = &self.operation.method;
            let reply = self
                .house
                .by(&caller, method, &self.path, self.body.as_ref())
                .await;
            self.note(
                who,
                &[
                    refused(&reply, 403, "insufficient_scope"),
                    challenged(&reply, &format!("scope=\"{scope}\"")),
                ],
            );
        }
    }
}

/// A path whose parameters name nothing: who has no right must not learn even that.
fn some_path(case: &Case) -> String {
    let texts: Vec<String> = case
        .names
        .iter()
        .map(|_| "no-such-thing".to_owned())
        .collect();
    case.path(&texts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f005_f007_every_operation_refuses_every_wrong_token() {
    let house = Served::new().await;
    let document = house.document();
    let tenant: TenantId = format!("ten_{:032x}", 1).parse().unwrap();
    let tenant = TenantScope::of_event(tenant, Environment::Sandbox);
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for operation in operations::all(&document) {
        if operation.scope.is_none() {
            continue;
        }
        let Some(case) = cases::of(&operation.name()) else {
            wrong.push(format!(
                "{}: add a case for it to CASES in tests/structure/cases.rs",
                operation.name()
            ));
            continue;
        };
        let mut probe = Probe {
            house: &house,
            operation: &operation,
            path: some_path(case),
            // What is in it does not matter: nobody gets so far.
            body: operation.takes_body.then(|| serde_json::json!({})),
            wrong: &mut wrong,
        };
        probe.without_a_good_token().await;
        probe.with_the_wrong_token(tenant).await;
        asked += 1;
    }
    house.stop().await;
    nothing_wrong(
        "These operations answer a caller who has no right to ask. Take a `TenantCaller<needs::..>` or an `OperatorCaller` as the \
         handler's first argument:",
        &wrong,
    );
    assert!(asked > 30, "{asked} operations need a token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_without_a_token_are_listed_with_their_reason() {
    let house = Served::new().await;
    // Without a revocation list it would say, rightly, that it is not ready.
    house.run("revocation.sync").await;
    let document = house.document();
    let operations = operations::all(&document);
    let mut wrong = Vec::new();
    for operation in operations.iter().filter(|one| one.scope.is_none()) {
        let listed = PUBLIC_WITHOUT_TOKEN
            .iter()
            .any(|(prefix, _)| operation.path.starts_with(prefix));
        if !listed {
            wrong.push(format!("{}: not listed", operation.name()));
        }
        // It says that anyone may ask; a GET shows whether that is so, and changes nothing.
        if operation.method == Method::GET && !operation.path.contains('{') {
            let reply = house.anyone(&Method::GET, &operation.path, None).await;
            if !reply.status.is_success() {
                wrong.push(format!("{}: answers {}", operation.name(), reply.status));
            }
        }
    }
    for operation in operations.iter().filter(|one| one.scope.is_some()) {
        let listed = PUBLIC_WITHOUT_TOKEN
            .iter()
            .find(|(prefix, _)| operation.path.starts_with(prefix));
        if let Some((prefix, _)) = listed {
            wrong.push(format!(
                "{}: needs a token, yet lies under {prefix}",
                operation.name()
            ));
        }
    }
    for (prefix, why) in PUBLIC_WITHOUT_TOKEN {
        if !operations.iter().any(|one| one.path.starts_with(prefix)) {
            wrong.push(format!(
                "{prefix} ({why}): nothing lies there any more; remove it"
            ));
        }
    }
    house.stop().await;
    nothing_wrong(
        "Give the operation a scope, or list it in PUBLIC_WITHOUT_TOKEN (gateway/src/document/mod.rs) with the reason:",
        &wrong,
    );
}

#[test]
fn every_case_is_of_an_operation_and_stands_once() {
    let document: Value =
        serde_json::from_str(include_str!("../../../../openapi/warikan.json")).unwrap();
    let names: Vec<String> = operations::all(&document)
        .iter()
        .map(Operation::name)
        .collect();
    let mut wrong = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        if !names.iter().any(|name| name == case.operation) {
            wrong.push(format!("{}: no such operation", case.operation));
        }
        if CASES[..index]
            .iter()
            .any(|one| one.operation == case.operation)
        {
            wrong.push(format!("{}: stands twice", case.operation));
        }
    }
    nothing_wrong("Remove from CASES in tests/structure/cases.rs:", &wrong);
}
