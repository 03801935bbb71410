//! Every operation that takes a body, given bodies that it must not take. The answer names what was wrong, nothing panics, and
//! nothing is an error on our side.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cases,
    house::Served,
    nothing_wrong,
    operations::{self, Operation},
    things::Things,
    tokens::brief,
};

/// A body, how it is declared, and what must be answered.
struct Bad {
    what: &'static str,
    media_type: &'static str,
    body: Vec<u8>,
    statuses: &'static [u16],
}

/// What every operation with a JSON body is given.
fn bad_bodies() -> Vec<Bad> {
    let json = |what, body: Vec<u8>, statuses| Bad {
        what,
        media_type: "application/json",
        body,
        statuses,
    };
    let mut many_keys = String::from("{");
    for number in 0..20_000 {
        many_keys.push_str(&format!("\"k{number}\":1,"));
    }
    many_keys.push_str("\"end\":1}");
    vec![
        json("no JSON", b"{".to_vec(), &[400]),
        json("two documents", b"{} {}".to_vec(), &[400]),
        json("a list", b"[]".to_vec(), &[400]),
        json("null", b"null".to_vec(), &[400]),
        json("NaN", b"{\"a\":NaN}".to_vec(), &[400]),
        json("a lone surrogate", b"{\"\\ud800\":1}".to_vec(), &[400]),
        json("no UTF-8", b"{\"a\":\"\xff\xfe\"}".to_vec(), &[400]),
        json("a byte order mark", b"\xef\xbb\xbf{}".to_vec(), &[400]),
        json("UTF-16", b"\xff\xfe{\0}\0".to_vec(), &[400]),
        json("100,000 lists in one another", vec![b'['; 100_000], &[400]),
        json("20,000 keys", many_keys.into_bytes(), &[400, 413]),
        json(
            "an unknown field",
            b"{\"tenant_id\":\"ten_1\"}".to_vec(),
            &[400],
        ),
        json("300 KiB", vec![b' '; 300 * 1024], &[413]),
        Bad {
            what: "text",
            media_type: "text/plain",
            body: b"{}".to_vec(),
            statuses: &[415],
        },
        Bad {
            what: "a form",
            media_type: "application/x-www-form-urlencoded",
            body: b"a=1".to_vec(),
            statuses: &[415],
        },
    ]
}

/// The operations whose body is JSON.
fn takers(document: &Value) -> Vec<(Operation, bool)> {
    let json_bodies: Vec<(Method, String)> = operations::raw(document)
        .into_iter()
        .filter(|(_, _, operation)| {
            operation["requestBody"]["content"]["application/json"].is_object()
        })
        .map(|(method, path, _)| (method, path))
        .collect();
    operations::all(document)
        .into_iter()
        .filter(|operation| {
            json_bodies.contains(&(operation.method.clone(), operation.path.clone()))
        })
        .map(|operation| {
            let open = operation.scope.is_none();
            (operation, open)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f059_no_operation_takes_a_body_that_is_not_one() {
    let house = Served::new().await;
    let document = house.document();
    let things = Things::make(&house).await;
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (operation, open) in takers(&document) {
        let path = match cases::of(&operation.name()) {
            Some(case) => case.path(&case.existing(&things)),
            // Public ones need no row; none of their parameters is looked at before the body.
            None => operation
                .path
                .replace("{id}", "psn_00000000000000000000000000000000"),
        };
        for bad in bad_bodies() {
            let caller = (!open).then(|| {
                let case = cases::of(&operation.name()).expect("secured operations have rows");
                crate::ids::entitled(&operation, case, &things)
            });
            let body = Some((bad.media_type, bad.body));
            let reply = house
                .raw(caller.as_ref(), &operation.method, &path, body)
                .await;
            asked += 1;
            let told = reply
                .headers
                .get("content-type")
                .is_some_and(|value| value == "application/problem+json");
            if !bad.statuses.contains(&reply.status.as_u16()) || !told {
                wrong.push(format!(
                    "{} given {}: {}",
                    operation.name(),
                    bad.what,
                    brief(&reply)
                ));
            }
            if bad.what == "an unknown field" && reply.json["errors"][0]["pointer"] == json!(null) {
                wrong.push(format!(
                    "{} given {}: no pointer",
                    operation.name(),
                    bad.what
                ));
            }
        }
    }
    house.stop().await;
    nothing_wrong(
        "Take bodies with `warikan_http::Body` and `deny_unknown_fields`:",
        &wrong,
    );
    assert!(asked > 200, "{asked} bodies were sent");
}

/// Compressed bodies are refused before anybody unpacks them, whatever they are said to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f059_no_compressed_body_is_unpacked() {
    let house = Served::new().await;
    let document = house.document();
    let things = Things::make(&house).await;
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for operation in operations::all(&document)
        .iter()
        .filter(|one| one.takes_body)
    {
        let case = cases::of(&operation.name());
        let path = case.map_or_else(
            || {
                operation
                    .path
                    .replace("{id}", "psn_00000000000000000000000000000000")
            },
            |case| case.path(&case.existing(&things)),
        );
        let caller = case
            .filter(|_| operation.scope.is_some())
            .map(|case| crate::ids::entitled(operation, case, &things));
        let method = operation.method.as_str().to_lowercase();
        let content = &document["paths"][&operation.path][&method]["requestBody"]["content"];
        for media_type in content
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip", "nonsense"] {
                let reply = house
                    .encoded(
                        caller.as_ref(),
                        &operation.method,
                        &path,
                        media_type,
                        encoding,
                        BOMB,
                    )
                    .await;
                asked += 1;
                if crate::tokens::refused(&reply, 415, "unsupported_media_type").is_err() {
                    wrong.push(format!(
                        "{} as {media_type} in {encoding}: {}",
                        operation.name(),
                        brief(&reply)
                    ));
                }
            }
        }
    }
    house.stop().await;
    nothing_wrong("Refuse Content-Encoding with 415:", &wrong);
    assert!(asked > 200, "{asked} bodies were sent");
}

/// Ten mebibytes of spaces before an empty object, by gzip.
const BOMB: &[u8] = include_bytes!("bomb.gz");
