//! What a caller may not set and what may not stand twice (F004, F059), in every request and at every place of it.

use reqwest::Method;
use serde_json::{Value, json};
use warikan_testkit::Reply;

use crate::{
    cases::{self, CASES},
    house::Served,
    ids::{entitled, read},
    nothing_wrong, operations,
    requests::{self, Request},
    shape::Shapes,
    things::Things,
    tokens::{brief, refused},
};

/// Whose it is, and what the platform alone decides.
const NOT_THE_CALLERS: [&str; 20] = [
    "tenant_id",
    "tenant",
    "org",
    "organization_id",
    "account",
    "account_id",
    "owner",
    "id",
    "client_id",
    "created_at",
    "verified_at",
    "revoked_at",
    "billed",
    "billable",
    "amount_due",
    "status",
    "verdict",
    "state",
    "missing",
    "is_admin",
];

async fn send(house: &Served, things: &Things, request: &Request, body: &str) -> Reply {
    let operation = &request.operation;
    let caller = operation.scope.is_some().then(|| {
        let case = cases::of(&operation.name()).expect("secured operations have rows");
        entitled(operation, case, things)
    });
    let body = Some(("application/json", body.as_bytes().to_vec()));
    house
        .raw(caller.as_ref(), &operation.method, &request.path, body)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f004_nobody_sets_what_is_not_the_callers_to_set() {
    let house = Served::new().await;
    let document = house.document();
    let shapes = Shapes(&document);
    let things = Things::make(&house).await;
    let stranger = things.stranger.to_string();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for request in requests::all(&document, &things) {
        let operation = &request.operation;
        let root = requests::schema(&document, &operation.method, &operation.path);
        let places = requests::places(&shapes, root);
        let mut objects: Vec<&str> = places
            .iter()
            .filter(|place| requests::is(place.schema, "object"))
            .map(|place| place.pointer.as_str())
            .collect();
        objects.sort_unstable();
        objects.dedup();
        for object in objects {
            for name in NOT_THE_CALLERS {
                let pointer = format!("{object}/{name}");
                if places.iter().any(|place| place.pointer == pointer) {
                    continue;
                }
                let body = requests::with(&shapes, root, &request.body, &pointer, json!(stranger));
                let reply = send(&house, &things, &request, &body.to_string()).await;
                asked += 1;
                let named = reply.json["errors"][0]["pointer"].as_str();
                // Inside a choice of shapes it may be the choice that is named.
                let named_it = named.is_some_and(|named| {
                    if object.is_empty() {
                        named == pointer
                    } else {
                        pointer.starts_with(named)
                    }
                });
                if refused(&reply, 400, "invalid_request").is_err() || !named_it {
                    wrong.push(format!(
                        "{} with {pointer}: {}",
                        operation.name(),
                        brief(&reply)
                    ));
                }
            }
        }
    }
    wrong.extend(in_queries(&house, &things).await);
    house.stop().await;
    nothing_wrong(
        "Take bodies with `deny_unknown_fields`, at every depth:",
        &wrong,
    );
    assert!(asked > 800, "{asked} requests were made");
}

/// A query or a header that claims another tenant is refused or changes nothing.
async fn in_queries(house: &Served, things: &Things) -> Vec<String> {
    let document = house.document();
    let mut wrong = Vec::new();
    for operation in operations::all(&document) {
        let Some(case) = cases::of(&operation.name()).filter(|_| operation.method == Method::GET)
        else {
            continue;
        };
        let caller = entitled(&operation, case, things);
        let path = case.path(&case.existing(things));
        let plain = house.by(&caller, &Method::GET, &path, None).await;
        for name in ["tenant_id", "tenant", "account", "environment"] {
            let mark = if path.contains('?') { '&' } else { '?' };
            let claiming = format!("{path}{mark}{name}={}", things.stranger);
            let reply = house.by(&caller, &Method::GET, &claiming, None).await;
            let same = read(&reply) == read(&plain);
            if !same && refused(&reply, 400, "invalid_request").is_err() {
                wrong.push(format!(
                    "{} with ?{name}: {}",
                    operation.name(),
                    brief(&reply)
                ));
            }
        }
        let headers = [
            ("x-tenant-id", things.stranger.to_string()),
            ("x-user", "admin".to_owned()),
            ("x-warikan-tenant", things.stranger.to_string()),
        ];
        let reply = house.claiming(&caller, &path, &headers).await;
        if read(&reply) != read(&plain) {
            wrong.push(format!(
                "{} with a header of another tenant's: {}",
                operation.name(),
                brief(&reply)
            ));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f059_no_member_may_stand_twice_at_any_depth() {
    let house = Served::new().await;
    let document = house.document();
    let shapes = Shapes(&document);
    let things = Things::make(&house).await;
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for request in requests::all(&document, &things) {
        let operation = &request.operation;
        let root = requests::schema(&document, &operation.method, &operation.path);
        for place in requests::places(&shapes, root) {
            // The first member of whatever it has, and what leads to it.
            let Some((name, member)) = place.schema["properties"]
                .as_object()
                .and_then(|all| all.iter().next())
            else {
                continue;
            };
            let pointer = format!("{}/{name}", place.pointer);
            let body = requests::with(
                &shapes,
                root,
                &request.body,
                &pointer,
                requests::sample(&shapes, member),
            );
            let Some(text) = requests::said_twice(&body, &place.pointer) else {
                wrong.push(format!(
                    "{} at {pointer}: nothing could be repeated",
                    operation.name()
                ));
                continue;
            };
            let reply = send(&house, &things, &request, &text).await;
            asked += 1;
            if reply.status != 400 {
                wrong.push(format!(
                    "{} with {pointer} twice: {}",
                    operation.name(),
                    brief(&reply)
                ));
            }
        }
    }
    house.stop().await;
    nothing_wrong("Which of two would count? Neither:", &wrong);
    assert!(asked > 50, "{asked} requests were made");
    assert!(CASES.len() > asked / 4, "the table is read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f061_every_list_text_and_number_has_a_documented_maximum_and_it_holds() {
    let house = Served::new().await;
    let document = house.document();
    let shapes = Shapes(&document);
    let things = Things::make(&house).await;
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for request in requests::all(&document, &things) {
        let operation = &request.operation;
        let root = requests::schema(&document, &operation.method, &operation.path);
        for place in requests::places(&shapes, root) {
            for (what, value) in beyond(&shapes, place.schema) {
                let name = format!("{} with {what} at {}", operation.name(), place.pointer);
                let Some(value) = value else {
                    wrong.push(format!("{name}: the document names no maximum of its own"));
                    continue;
                };
                let body = requests::with(&shapes, root, &request.body, &place.pointer, value);
                let reply = send(&house, &things, &request, &body.to_string()).await;
                asked += 1;
                let named = reply.json["errors"][0]["pointer"].as_str();
                // A business has no basis and no members, and is told that first.
                let association =
                    place.pointer == "/association_basis" && named == Some("/members");
                let told = association
                    || named.is_some_and(|named| {
                        place.pointer.starts_with(named) || named.starts_with(&place.pointer)
                    });
                if reply.status != 413 && !(reply.status == 400 && told) {
                    wrong.push(format!("{name}: {}", brief(&reply)));
                }
            }
        }
    }
    house.stop().await;
    nothing_wrong(
        "Say the maximum in the schema (`max_items`, `max_length`, `maximum`), and hold it:",
        &wrong,
    );
    assert!(asked > 80, "{asked} requests were made");
}

/// What lies one beyond what a schema allows; `None` where only the size of a body bounds a list.
fn beyond(shapes: &Shapes<'_>, schema: &Value) -> Vec<(&'static str, Option<Value>)> {
    /// What the document says where nobody said anything: as much as a body or an exact integer can hold.
    const ANY_LIST: u64 = warikan_http::BODY_LIMIT as u64 / 2;
    const ANY_NUMBER: i64 = (1 << 53) - 1;
    let mut all = Vec::new();
    if requests::is(schema, "array") {
        let most = schema["maxItems"].as_u64().filter(|most| *most < ANY_LIST);
        let item = requests::sample(shapes, &schema["items"]);
        all.push((
            "one item too many",
            most.map(|most| json!(vec![item; most as usize + 1])),
        ));
    }
    if requests::is(schema, "string") && schema["enum"].is_null() {
        let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX) as usize;
        if most < warikan_http::BODY_LIMIT {
            all.push(("a text too long", Some(json!("a".repeat(most + 1)))));
        }
    }
    if requests::is(schema, "integer") {
        let most = schema["maximum"].as_i64().filter(|most| *most < ANY_NUMBER);
        all.extend(most.map(|most| ("a number too large", Some(json!(most + 1)))));
        let least = schema["minimum"]
            .as_i64()
            .filter(|least| *least > -ANY_NUMBER);
        all.extend(least.map(|least| ("a number too small", Some(json!(least - 1)))));
        all.push(("a number beyond any", Some(json!(1e30))));
    }
    all
}
