//! Every operation with an id, asked for another tenant's: it must answer exactly as for an id that never was.
//!
//! An owner then asks the same, and is served: so the ids were real, and the strangers were refused for being strangers.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use warikan_testkit::Reply;
use warikan_types::{ClientScope, Environment, TenantScope};

use crate::{
    cases::{self, CASES, Case},
    house::{Caller, Served},
    nothing_wrong,
    operations::{self, Operation},
    things::{Thing, Things},
    tokens::{brief, refused},
};

const fn other(environment: Environment) -> Environment {
    match environment {
        Environment::Production => Environment::Sandbox,
        Environment::Sandbox => Environment::Production,
    }
}

/// What a caller can tell two answers apart by; the request's own id is no such thing.
pub(crate) fn told(reply: &Reply) -> (u16, Option<String>, Value) {
    let mut body = reply.json.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    let media_type = reply.headers.get("content-type");
    (
        reply.status.as_u16(),
        media_type.and_then(|value| Some(value.to_str().ok()?.to_owned())),
        body,
    )
}

/// Paths that name nothing: each parameter in turn replaced by what does not exist.
fn absent(case: &Case, things: &Things) -> Vec<(String, String)> {
    let existing = case.existing(things);
    let mut paths = Vec::new();
    for (index, thing) in case.names.iter().enumerate() {
        let mut replacements = thing.absent(&existing[index]).to_vec();
        // Under a tenant that exists and is not its own, a credential does not exist.
        if *thing == Thing::Tenant && case.names.len() > 1 {
            replacements.push(things.stranger.to_string());
        }
        for replacement in replacements {
            let mut texts = existing.clone();
            texts[index].clone_from(&replacement);
            paths.push((format!("{thing:?} {replacement}"), case.path(&texts)));
        }
    }
    paths
}

/// What is read, as octets, but for a problem's own request id.
pub(crate) fn read(reply: &Reply) -> (u16, Vec<u8>) {
    let body = match &reply.json {
        Value::Object(_) if reply.json["request_id"].is_string() => {
            told(reply).2.to_string().into()
        }
        _ => reply.body.clone(),
    };
    (reply.status.as_u16(), body)
}

struct Round<'a> {
    house: &'a Served,
    things: &'a Things,
    wrong: Vec<String>,
    asked: usize,
}

impl Round<'_> {
    /// Asks; anything but a documented answer is wrong, and an answer of 5xx never is documented here.
    async fn ask(
        &mut self,
        operation: &Operation,
        case: &Case,
        caller: &Caller,
        path: &str,
    ) -> Reply {
        let body = case.body(self.things);
        let reply = self
            .house
            .by(caller, &operation.method, path, body.as_ref())
            .await;
        self.asked += 1;
        let status = reply.status.as_u16();
        if status >= 500 || !operation.statuses.contains(&status) {
            self.wrong.push(format!(
                "{}: not among the answers of its document ({:?}): {}",
                operation.name(),
                operation.statuses,
                brief(&reply)
            ));
        }
        reply
    }

    /// The strangers: another tenant, and the same tenant in the other environment.
    async fn strangers(&mut self, operation: &Operation, case: &Case, scope: ClientScope) {
        let environment = case.environment();
        let stranger = TenantScope::of_event(self.things.stranger, environment);
        let elsewhere = self.things.owner(other(environment));
        for (who, tenant) in [
            ("another tenant", stranger),
            ("the other environment", elsewhere),
        ] {
            let caller = Caller::tenant(tenant, &[scope]);
            let path = case.path(&case.existing(self.things));
            let real = self.ask(operation, case, &caller, &path).await;
            if let Err(why) = refused(&real, 404, "not_found") {
                self.wrong
                    .push(format!("{}, {who}: {why}", operation.name()));
            }
            for (what, path) in absent(case, self.things) {
                let reply = self.ask(operation, case, &caller, &path).await;
                if told(&reply) != told(&real) {
                    self.wrong.push(format!(
                        "{}, {who}: tells an existing id from {what}: {} and {}",
                        operation.name(),
                        brief(&real),
                        brief(&reply)
                    ));
                }
            }
        }
    }

    /// Also who may see everything gets 404 for what is not there.
    async fn nothing_there(&mut self, operation: &Operation, case: &Case, caller: &Caller) {
        for (what, path) in absent(case, self.things) {
            let reply = self.ask(operation, case, caller, &path).await;
            if let Err(why) = refused(&reply, 404, "not_found") {
                self.wrong
                    .push(format!("{}, {what}: {why}", operation.name()));
            }
        }
    }

    /// All that the owner and the operator can read, as octets. Of trails only the owner's: that a stranger was refused may stand in others.
    async fn readable(&self, operations: &[Operation]) -> BTreeMap<String, (u16, Vec<u8>)> {
        let mut seen = BTreeMap::new();
        for operation in operations {
            let trail = operation.path.starts_with("/v1/operator/audit");
            let Some(case) = cases::of(&operation.name()).filter(|_| !trail) else {
                continue;
            };
            if operation.method == Method::GET {
                let caller = entitled(operation, case, self.things);
                let path = case.path(&case.existing(self.things));
                let reply = self.house.by(&caller, &Method::GET, &path, None).await;
                seen.insert(operation.name(), read(&reply));
            }
        }
        seen
    }

    async fn owner(&mut self, operation: &Operation, case: &Case, caller: &Caller) {
        let path = case.path(&case.existing(self.things));
        let reply = self.ask(operation, case, caller, &path).await;
        if reply.status != case.answer {
            self.wrong.push(format!(
                "{}: its owner is answered {}, not {}",
                operation.name(),
                brief(&reply),
                case.answer
            ));
        }
    }
}

pub(crate) fn entitled(operation: &Operation, case: &Case, things: &Things) -> Caller {
    match operation.scope {
        Some(scope) if !operation.is_for_operator() => {
            Caller::tenant(things.owner(case.environment()), &[scope])
        }
        _ => Caller::operator(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_another_tenants_thing_is_not_there_and_asking_changes_nothing() {
    let house = Served::new().await;
    let document = house.document();
    let things = Things::make(&house).await;
    let mut round = Round {
        house: &house,
        things: &things,
        wrong: Vec::new(),
        asked: 0,
    };
    let operations: Vec<Operation> = operations::all(&document)
        .into_iter()
        .filter(|operation| operation.scope.is_some())
        .collect();
    let before = round.readable(&operations).await;
    for operation in &operations {
        let Some(case) = cases::of(&operation.name()) else {
            round.wrong.push(format!(
                "{}: add a case for it to CASES in tests/structure/cases.rs",
                operation.name()
            ));
            continue;
        };
        let caller = entitled(operation, case, &things);
        round.nothing_there(operation, case, &caller).await;
        if let Some(scope) = operation.scope
            && !operation.is_for_operator()
            && !case.names.is_empty()
        {
            round.strangers(operation, case, scope).await;
        }
    }
    for (name, now) in round.readable(&operations).await {
        let then = &before[&name];
        if now != *then {
            let (then, now) = (
                String::from_utf8_lossy(&then.1),
                String::from_utf8_lossy(&now.1),
            );
            round.wrong.push(format!(
                "{name}: strangers' requests changed it from {then} to {now}"
            ));
        }
    }
    assert!(before.len() > 35, "{} things were read", before.len());
    // In the table's order: what takes things away comes last.
    for case in CASES {
        if let Some(operation) = operations
            .iter()
            .find(|operation| operation.name() == case.operation)
        {
            let caller = entitled(operation, case, &things);
            round.owner(operation, case, &caller).await;
        }
    }
    let Round { wrong, asked, .. } = round;
    house.stop().await;
    nothing_wrong(
        "Ids of others must read as ids that never were (`Problem::not_found()`), owners must be served, and every answer must be \
         in the operation's `responses`:",
        &wrong,
    );
    assert!(asked > 150, "{asked} requests were made");
}
