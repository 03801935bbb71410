//! Every operation that takes an Idempotency-Key: one request, one thing, one answer, however often it is sent, by whomever else (F003, F073).

use std::sync::Arc;

use serde_json::Value;
use warikan_testkit::Reply;
use warikan_types::TenantScope;

use crate::{
    cases::{self, CASES},
    house::{Caller, Served},
    ids::{entitled, told},
    nothing_wrong,
    operations::{self, Operation},
    things::Things,
    tokens::{brief, refused},
};

/// How many send the same at once.
const AT_ONCE: usize = 6;

fn takes_a_key(document: &Value, operation: &Operation) -> bool {
    let method = operation.method.as_str().to_lowercase();
    let told = document["paths"][&operation.path][&method]["parameters"].as_array();
    let mut told = told.into_iter().flatten();
    told.any(|one| {
        one["name"]
            .as_str()
            .is_some_and(|name| name.eq_ignore_ascii_case("idempotency-key"))
    })
}

struct Desk<'a> {
    house: &'a Served,
    operation: &'a Operation,
    caller: Caller,
    path: String,
    body: String,
    wrong: Vec<String>,
}

impl Desk<'_> {
    async fn send(&self, caller: &Caller, key: &str, body: &str) -> Reply {
        self.house
            .keyed(caller, &self.operation.method, &self.path, key, body)
            .await
    }

    fn wrong(&mut self, what: &str, reply: &Reply) {
        self.wrong.push(format!(
            "{}, {what}: {}",
            self.operation.name(),
            brief(reply)
        ));
    }

    /// Gives what was answered first.
    async fn again(&mut self) -> Reply {
        let caller = self.caller.clone();
        let first = self.send(&caller, "once-1", &self.body).await;
        if !first.status.is_success() {
            self.wrong("the first time", &first);
        }
        let second = self.send(&caller, "once-1", &self.body).await;
        let replayed = second
            .headers
            .get("idempotency-replayed")
            .is_some_and(|value| value == "true");
        if second.status != first.status || second.body != first.body || !replayed {
            self.wrong("the same again", &second);
        }
        if self.operation.takes_body {
            let other = format!("{} ", self.body);
            let reply = self.send(&caller, "once-1", &other).await;
            if refused(&reply, 409, "idempotency_key_reused").is_err() {
                self.wrong("another body under its key", &reply);
            }
        }
        let long = "k".repeat(256);
        let reply = self.send(&caller, &long, &self.body).await;
        if refused(&reply, 400, "invalid_request").is_err() {
            self.wrong("a key that is too long", &reply);
        }
        first
    }

    async fn at_once(&mut self) {
        let key = Arc::new("once-2".to_owned());
        let all = (0..AT_ONCE).map(|_| self.send(&self.caller, &key, &self.body));
        let all = futures_util::future::join_all(all).await;
        for reply in &all[1..] {
            if told(reply) != told(&all[0]) {
                let what = format!("at once: {} and", brief(&all[0]));
                self.wrong(&what, reply);
            }
        }
    }

    /// Another's key is another's: the same octets make its own thing.
    async fn by_a_stranger(&mut self, stranger: TenantScope, first: &Reply) {
        let Some(scope) = self
            .operation
            .scope
            .filter(|_| !self.operation.is_for_operator())
        else {
            return;
        };
        let caller = Caller::tenant(stranger, &[scope]);
        let reply = self.send(&caller, "once-1", &self.body).await;
        let replayed = reply.headers.contains_key("idempotency-replayed");
        let same = reply.status == first.status && reply.body == first.body;
        if replayed || same || reply.status == 409 {
            self.wrong("a stranger with the same key", &reply);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f003_f073_whatever_takes_a_key_is_done_once_for_it() {
    let house = Served::new().await;
    let document = house.document();
    let things = Things::make(&house).await;
    let operations = operations::all(&document);
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for case in CASES {
        let operation = operations.iter().find(|one| one.name() == case.operation);
        let Some(operation) = operation.filter(|one| takes_a_key(&document, one)) else {
            continue;
        };
        let case = cases::of(&operation.name()).expect("it stands in the table");
        let mut desk = Desk {
            house: &house,
            operation,
            caller: entitled(operation, case, &things),
            path: case.path(&case.existing(&things)),
            body: case
                .body(&things)
                .map_or_else(|| "{}".to_owned(), |body| body.to_string()),
            wrong: Vec::new(),
        };
        let first = desk.again().await;
        let stranger = TenantScope::of_event(things.stranger, case.environment());
        desk.by_a_stranger(stranger, &first).await;
        desk.at_once().await;
        wrong.extend(desk.wrong);
        asked += 1;
    }
    house.stop().await;
    nothing_wrong(
        "Claim and keep an `Idempotency` in the transaction that makes it:",
        &wrong,
    );
    assert!(asked > 10, "{asked} operations take a key");
}
