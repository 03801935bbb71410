//! The catalogue: what it says about the types is true of what endpoints get.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use common::Scene;
use serde_json::{Value, json};
use warikan_testkit::WebhookSink;
use warikan_types::{ClientScope, RevocationReason};

const TYPES: [&str; 12] = [
    "verification.completed",
    "certificate.revoked",
    "certificate.expiring",
    "certificate.expired",
    "campaign.completed",
    "subject.changed",
    "source.stale",
    "source.recovered",
    "invoice.finalized",
    "budget.threshold_reached",
    "endpoint.disabled",
    "endpoint.tested",
];

/// What the schemas use of JSON Schema; anything else fails the test, so that nothing passes unread.
fn check(schema: &Value, root: &Value, value: &Value, place: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("{place}: {why}: {value}"));
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$ref" => {
                let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check(root.pointer(target).unwrap(), root, value, place)?;
            }
            "type" => {
                let kinds = match rule {
                    Value::Array(kinds) => kinds.clone(),
                    kind => vec![kind.clone()],
                };
                let kind = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                if !kinds.contains(&kind.into()) {
                    return refuse("of another type");
                }
            }
            "const" if rule != value => return refuse("not the constant"),
            "enum" if !rule.as_array().unwrap().contains(value) => return refuse("no such word"),
            "minimum" if value.as_i64() < rule.as_i64() => return refuse("too small"),
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        return refuse(&format!("lacks {name}"));
                    }
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        check(rule, root, member, &format!("{place}/{name}"))?;
                    }
                }
            }
            "oneOf" => {
                let fitting = rule.as_array().unwrap().iter();
                let fitting = fitting.filter(|one| check(one, root, value, place).is_ok());
                if fitting.count() != 1 {
                    return refuse("fits not exactly one of the alternatives");
                }
            }
            "pattern" => {
                let (prefix, _) = rule.as_str().unwrap().split_once('[').unwrap();
                let prefix = prefix.strip_prefix('^').unwrap();
                if !value.as_str().unwrap_or_default().starts_with(prefix) {
                    return refuse("of another form");
                }
            }
            "const" | "enum" | "minimum" | "format" | "description" | "title" | "$id"
            | "$schema" | "$defs" | "example" | "examples" => {}
            other => panic!("{place}: the test does not know {other}"),
        }
    }
    Ok(())
}

async fn catalogue(scene: &Scene, token: &str) -> Vec<Value> {
    let reply = scene.app.get("/v1/event-types", token).await;
    reply.expect(200)["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_can_be_triggered_in_the_sandbox_and_is_as_its_schema_says() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (_, token) = scene.sandbox_tenant();
    let endpoint = scene.endpoint(&token, &sink.url).await;
    let path = format!(
        "/v1/webhook-endpoints/{}/test",
        endpoint["id"].as_str().unwrap()
    );
    let types = catalogue(&scene, &token).await;
    let words: Vec<&str> = types
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(words, TYPES);
    for (index, one) in types.iter().enumerate() {
        let made = scene
            .app
            .post(&path, &token, &json!({ "type": one["type"] }))
            .await;
        assert_eq!(made.expect(202)["type"], one["type"]);
        scene.deliver().await;
        let received = sink.received();
        assert_eq!(received.len(), index + 1);
        let message: Value = serde_json::from_slice(&received[index].body).unwrap();
        let schema = &one["schema"];
        check(schema, schema, &message, "").unwrap();
        check(schema, schema, &one["example"], "").unwrap();
        // The check can fail: another type's message does not fit.
        let other = &types[(index + 1) % types.len()]["schema"];
        assert!(check(other, other, &message, "").is_err());
    }
    let feed = scene.feed(&token, "").await;
    assert_eq!(feed["data"].as_array().unwrap().len(), TYPES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_really_happened_is_as_its_schema_says_too() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (tenant, token) = scene.tenant();
    scene.endpoint(&token, &sink.url).await;
    for fact in [
        scene.verification(tenant),
        scene.revocation(tenant, RevocationReason::KeyCompromise),
        scene.invoice(tenant),
    ] {
        scene.publish(&fact).await;
    }
    scene.deliver().await;
    let types = catalogue(&scene, &token).await;
    let received = sink.received();
    assert_eq!(received.len(), 3);
    for one in &received {
        let message: Value = serde_json::from_slice(&one.body).unwrap();
        let described = types
            .iter()
            .find(|described| described["type"] == message["type"])
            .unwrap();
        let schema = &described["schema"];
        check(schema, schema, &message, "").unwrap();
    }
}

/// What messages may hold: ids of ours, words of closed lists, numbers and moments. A new member is a decision to be made here.
const THIN: [&str; 34] = [
    "budget",
    // Of the platform's own: a campaign's counts, its version and its root tell nothing of one certificate.
    "campaign_id",
    "cause",
    "certificate_handle",
    "change",
    "channel",
    "counts",
    // One of a few fixed texts in two languages.
    "customer_wording",
    "endpoint_id",
    "invoice_id",
    "kind",
    "lists",
    "meaning",
    "not_after",
    "period",
    "reason",
    "recommended_action",
    "renewed_by",
    "replaces",
    "revoked_at",
    "root",
    "since",
    "source_version",
    "spent",
    "stale_lists",
    "stale_since",
    "status_version",
    "subject_id",
    "this_update",
    "threshold_percent",
    "total",
    "verdict",
    "verification_id",
    "watch_id",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f071_no_type_has_a_member_that_names_a_person_or_a_serial() {
    let scene = Scene::new().await;
    let (_, token) = scene.tenant();
    for one in catalogue(&scene, &token).await {
        let example = &one["example"];
        assert!(example.to_string().len() < 20_000);
        let data = &one["schema"]["properties"]["data"];
        let members = data["properties"].as_object().unwrap();
        assert!(!members.is_empty());
        for name in members.keys() {
            assert!(THIN.contains(&name.as_str()), "{}: {name}", one["type"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_production_nothing_is_said_that_did_not_happen() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let endpoint = scene.endpoint(&token, "http://127.0.0.1:9/hook").await;
    let path = format!(
        "/v1/webhook-endpoints/{}/test",
        endpoint["id"].as_str().unwrap()
    );
    for word in &TYPES[..TYPES.len() - 1] {
        let reply = scene
            .app
            .post(&path, &token, &json!({ "type": word }))
            .await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["code"], "sandbox_only");
        assert_eq!(problem["errors"][0]["pointer"], "/type");
    }
    let unknown = json!({ "type": "nothing.happened" });
    let reply = scene.app.post(&path, &token, &unknown).await;
    reply.expect_problem(400, "invalid_request");
    assert_eq!(scene.feed(&token, "").await["data"], json!([]));

    let other = scene.house.token(tenant, &[ClientScope::Webhooks]);
    let reply = scene.app.get("/v1/event-types", &other).await;
    reply.expect_problem(403, "insufficient_scope");
    let reply = scene.app.get("/v1/event-types", "nothing").await;
    reply.expect_problem(401, "invalid_token");
}
