//! Every list: its pages have a limit, and where a page ended is known to its caller and its list alone (F002).

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use warikan_types::TenantScope;

use crate::{
    cases::{self, CASES},
    house::{Caller, Served},
    ids::entitled,
    nothing_wrong,
    operations::{self, Operation},
    things::Things,
    tokens::{brief, refused},
};

/// The query parameters of an operation.
fn queries(document: &Value, operation: &Operation) -> Vec<String> {
    let method = operation.method.as_str().to_lowercase();
    let told = document["paths"][&operation.path][&method]["parameters"].as_array();
    let in_query = told
        .into_iter()
        .flatten()
        .filter(|one| one["in"] == "query");
    in_query
        .filter_map(|one| one["name"].as_str().map(str::to_owned))
        .collect()
}

/// With another last octet, as near to a good one as can be.
fn flipped(cursor: &str) -> String {
    let (head, last) = cursor.split_at(cursor.len() - 1);
    // Of the last character some bits count for nothing; of the one before it all do.
    let (head, before) = head.split_at(head.len() - 1);
    format!("{head}{}{last}", if before == "A" { "B" } else { "A" })
}

struct Lists<'a> {
    house: &'a Served,
    things: &'a Things,
    wrong: Vec<String>,
    /// A good cursor of each list.
    cursors: BTreeMap<String, String>,
}

impl Lists<'_> {
    async fn get(&self, operation: &Operation, query: &str) -> warikan_testkit::Reply {
        let case = cases::of(&operation.name()).expect("secured operations have rows");
        let path = case.path(&case.existing(self.things));
        let mark = if path.contains('?') { '&' } else { '?' };
        let caller = entitled(operation, case, self.things);
        self.house
            .by(&caller, &Method::GET, &format!("{path}{mark}{query}"), None)
            .await
    }

    fn refuses(&mut self, operation: &Operation, what: &str, reply: &warikan_testkit::Reply) {
        if let Err(why) = refused(reply, 400, "invalid_request") {
            self.wrong
                .push(format!("{} with {what}: {why}", operation.name()));
        }
    }

    async fn limits(&mut self, operation: &Operation) {
        for limit in [
            "1000000000",
            "0",
            "-1",
            "18446744073709551616",
            "1e3",
            "all",
            "",
        ] {
            let query = format!("limit={limit}");
            let reply = self.get(operation, &query).await;
            self.refuses(operation, &query, &reply);
        }
        let twice = self.get(operation, "limit=1&limit=2").await;
        self.refuses(operation, "two limits", &twice);
        let reply = self.get(operation, "limit=1").await;
        match &reply.json["data"] {
            Value::Array(rows) if reply.status == 200 && rows.len() <= 1 => {
                if let Some(cursor) = reply.json["next_cursor"].as_str() {
                    self.cursors.insert(operation.name(), cursor.to_owned());
                }
            }
            _ => self.wrong.push(format!(
                "{} with limit=1: {}",
                operation.name(),
                brief(&reply)
            )),
        }
    }

    async fn strangers(&mut self, operation: &Operation, cursor: &str) {
        let case = cases::of(&operation.name()).expect("secured operations have rows");
        let Some(scope) = operation.scope.filter(|_| !operation.is_for_operator()) else {
            return;
        };
        let path = case.path(&case.existing(self.things));
        let mark = if path.contains('?') { '&' } else { '?' };
        let caller = Caller::tenant(
            TenantScope::of_event(self.things.stranger, case.environment()),
            &[scope],
        );
        let reply = self
            .house
            .by(
                &caller,
                &Method::GET,
                &format!("{path}{mark}cursor={cursor}"),
                None,
            )
            .await;
        // Under an id of the owner's there is nothing for a stranger, whatever the cursor.
        if !case.names.is_empty() && refused(&reply, 404, "not_found").is_ok() {
            return;
        }
        self.refuses(operation, "another tenant's cursor", &reply);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f002_pages_are_limited_and_a_cursor_is_of_its_list_and_its_caller() {
    let house = Served::new().await;
    let document = house.document();
    let things = Things::make(&house).await;
    let operations = operations::all(&document);
    // A second of each, so that there is a page after the first.
    for case in CASES
        .iter()
        .filter(|case| case.answer == 201 || case.operation.ends_with("/test"))
    {
        let name = |one: &&Operation| one.name() == case.operation;
        if let Some(operation) = operations.iter().find(name) {
            let path = case.path(&case.existing(&things));
            let caller = entitled(operation, case, &things);
            house
                .by(
                    &caller,
                    &operation.method,
                    &path,
                    case.body(&things).as_ref(),
                )
                .await;
        }
    }
    house.settle().await;
    let mut lists = Lists {
        house: &house,
        things: &things,
        wrong: Vec::new(),
        cursors: BTreeMap::new(),
    };
    let pages: Vec<&Operation> = operations
        .iter()
        .filter(|one| {
            one.scope.is_some() && queries(&document, one).iter().any(|name| name == "cursor")
        })
        .collect();
    assert!(pages.len() > 12, "{} lists", pages.len());
    for operation in &pages {
        lists.limits(operation).await;
    }
    let cursors = lists.cursors.clone();
    for operation in &pages {
        let name = operation.name();
        for (list, cursor) in &cursors {
            let reply = lists.get(operation, &format!("cursor={cursor}")).await;
            if *list != name {
                lists.refuses(operation, &format!("the cursor of {list}"), &reply);
            } else if reply.status != 200 {
                lists
                    .wrong
                    .push(format!("{name} with its own cursor: {}", brief(&reply)));
            }
        }
        if let Some(cursor) = cursors.get(&name) {
            let bad = lists
                .get(operation, &format!("cursor={}", flipped(cursor)))
                .await;
            lists.refuses(operation, "a flipped bit", &bad);
            lists.strangers(operation, cursor).await;
        }
    }
    let wrong = lists.wrong;
    house.stop().await;
    nothing_wrong("Read pages with `PageQuery` and `Cursors`:", &wrong);
    assert!(cursors.len() > 8, "cursors of {:?}", cursors.keys());
}

/// The feed's place is a number of the tenant's own: another's means nothing, and none is skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f002_the_feed_reads_places_of_its_own_tenant_only() {
    let house = Served::new().await;
    let things = Things::make(&house).await;
    let feed = operations::all(&house.document())
        .into_iter()
        .find(|one| one.name() == "GET /v1/events")
        .expect("there is a feed");
    let lists = Lists {
        house: &house,
        things: &things,
        wrong: Vec::new(),
        cursors: BTreeMap::new(),
    };
    let whole = lists.get(&feed, "after=0").await;
    let last = whole.expect(200)["next_cursor"]
        .as_str()
        .expect("a place")
        .to_owned();
    assert!(
        whole.json["data"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
    for query in [
        "limit=1000000000",
        "limit=0",
        "after=-1",
        "after=x",
        "after=99999999999999999999999",
    ] {
        let reply = lists.get(&feed, query).await;
        assert!(
            refused(&reply, 400, "invalid_request").is_ok(),
            "{query}: {}",
            brief(&reply)
        );
    }
    let scope = feed.scope.expect("it has a scope");
    let stranger = TenantScope::of_event(things.stranger, warikan_types::Environment::Sandbox);
    let stranger = Caller::tenant(stranger, &[scope]);
    for after in ["0", last.as_str()] {
        let reply = house
            .by(
                &stranger,
                &Method::GET,
                &format!("/v1/events?after={after}"),
                None,
            )
            .await;
        let nothing =
            reply.status == 400 || reply.json["data"].as_array().is_some_and(Vec::is_empty);
        assert!(nothing, "{after}: {}", brief(&reply));
    }
    house.stop().await;
}
