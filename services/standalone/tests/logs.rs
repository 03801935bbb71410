//! F011, F062: what processes write down holds nothing of a person, no token and no secret, and no line is anybody else's making.
//!
//! A whole story with known names is walked, and everything is searched that leaves a process beside its answers: the log with this program's
//! most talkative filter, the metrics, and the spans.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use support::{
    Caller, Installation, Split, b64,
    broker::{Broker, configuration},
    caller::and,
    free, run,
    servers::{self, Redis},
    split::SERVICES,
    text, until,
};
use warikan_testkit::{App, WebhookSink};

const NAME: &str = "秘密沢　黙子";
const ADDRESS: &str = "東京都新宿区内緒町９－８－７";
const BIRTH: &str = "1983-07-19";
const REFERENCE: &str = "C-77-of-the-firm";
/// A customer number that would start a line of its own, colour a terminal, or be looked up.
const HOSTILE: &str =
    "C-77\r\n{\"level\":\"ERROR\",\"forged\":true}\u{1b}[31m${jndi:ldap://x/a}\u{202e}";
const FILTER: &str = "debug,warikan=trace,warikan_gateway=trace,warikan_onboarding=trace,warikan_verification=trace,warikan_revocation=trace,warikan_webhooks=trace,warikan_billing=trace,warikan_sandbox=trace,warikan_messaging=trace,warikan_runtime=trace,warikan_http=trace";

/// What must not be found, by what it is.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, text: &str) {
        assert!(text.len() >= 4, "{what} would be found anywhere");
        self.0.push((what, text.to_owned()));
    }

    fn nowhere_in(&self, place: &str, octets: &[u8]) {
        for (what, text) in &self.0 {
            let found = octets
                .windows(text.len())
                .position(|part| part == text.as_bytes());
            if let Some(at) = found {
                let near = &octets[at.saturating_sub(300)..(at + 100).min(octets.len())];
                panic!(
                    "{what} is in the {place}: {}",
                    String::from_utf8_lossy(near)
                );
            }
        }
    }
}

async fn credential(operator: &Caller, secrets: &mut Secrets) -> Value {
    let tenant = operator.take_on("割勘証券株式会社").await;
    let path = format!("/v1/operator/tenants/{tenant}/credentials");
    let made = operator
        .post(&path, &json!({ "environment": "sandbox" }))
        .await;
    let made = made.expect(201).clone();
    secrets.add("a client secret", made["client_secret"].as_str().unwrap());
    made
}

fn token(caller: &Caller) -> String {
    let request = caller.request(Method::GET, "/").build().unwrap();
    let header = request.headers()["authorization"].to_str().unwrap();
    header.trim_start_matches("Bearer ").to_owned()
}

/// Wrong secrets, wrong tokens, bodies that are none, a signature that is not good.
async fn refused(anyone: &Caller, firm: &Caller, body: &Value) {
    let wrong = anyone
        .request(Method::POST, "/oauth/token")
        .basic_auth(
            "cli_01a1fc012c0879d497a4941b37d733fb",
            Some("wks_not-the-secret-at-all"),
        )
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    assert_eq!(App::read(wrong).await.status, 401);
    let forged = anyone
        .request(Method::GET, "/v1/verifications")
        .bearer_auth("forged-token-of-somebody");
    assert_eq!(App::read(forged).await.status, 401);
    // A good token where none belongs: it is not taken, and not repeated.
    let token = firm.token().unwrap();
    for place in ["access_token", "token", "authorization"] {
        let path = format!("/v1/verifications?{place}={token}");
        assert_eq!(anyone.get(&path).await.status, 401, "{place}");
    }
    let joined = anyone
        .request(Method::GET, "/v1/verifications")
        .header("authorization", format!("Bearer {token}, Bearer {token}"));
    assert_eq!(App::read(joined).await.status, 401);
    let malformed = and(body, json!({ "given_name": NAME }));
    firm.post("/v1/verifications", &malformed)
        .await
        .expect_problem(400, "invalid_request");
    let not_json = firm
        .request(Method::POST, "/v1/verifications")
        .header("content-type", "application/json")
        .body(format!("{{\"certificate\": \"{NAME}"));
    assert_eq!(App::read(not_json).await.status, 400);
    let nobodys = format!("/v1/verifications/{ADDRESS}?name={BIRTH}-and-more");
    assert!(firm.get(&nobodys).await.status.as_u16() >= 400);
    let mut tampered = body.clone();
    tampered["signed"]["message"] = json!(b64("別の文書"));
    assert_eq!(firm.verify(&tampered).await["verdict"], "invalid");
}

/// The verification that is told to a receiver that fails, and the customer's erasure.
async fn told_and_erased(firm: &Caller, body: &Value, sink: &WebhookSink, secrets: &mut Secrets) {
    sink.answer(&[500]);
    let endpoint = json!({ "url": format!("{}?key=receivers-own-secret", sink.url), "types": ["verification.completed", "certificate.revoked"] });
    let made = firm.post("/v1/webhook-endpoints", &endpoint).await;
    let made = made.expect(201);
    secrets.add("a webhook secret", made["secret"].as_str().unwrap());
    secrets.add("a receiver's key", "receivers-own-secret");
    let hostile = and(body, json!({ "watch": true, "subject_ref": HOSTILE }));
    firm.post("/v1/verifications", &hostile)
        .await
        .expect_problem(400, "invalid_request");
    let whole = and(body, json!({ "watch": true, "subject_ref": REFERENCE }));
    let request = firm.keyed(
        "/v1/verifications",
        "an-idempotency-key-of-the-firm",
        &whole,
    );
    let answer = App::read(request).await.expect(201).clone();
    assert_eq!(answer["verdict"], "valid", "{answer}");
    assert_eq!(answer["attributes"]["name"], NAME);
    secrets.add("a receipt", answer["receipt"].as_str().unwrap());
    until("the delivery", async || {
        (!sink.received().is_empty()).then_some(())
    })
    .await;
    let subjects = firm.all("/v1/subjects").await;
    let subject = subjects[0]["id"].as_str().unwrap().to_owned();
    let erased = App::read(firm.request(Method::DELETE, &format!("/v1/subjects/{subject}"))).await;
    assert!(erased.status.is_success(), "{}", erased.status);
}

/// The whole story, through the edge; gives what must be found nowhere.
async fn story(anyone: &Caller, operators: &Value, sink: &WebhookSink) -> Secrets {
    let mut secrets = Secrets::default();
    for (what, text) in [
        ("a name", NAME),
        ("a family name", "秘密沢"),
        ("an address", ADDRESS),
        ("a birthday", BIRTH),
        ("a customer number", "C-77"),
    ] {
        secrets.add(what, text);
    }
    secrets.add("a refused secret", "wks_not-the-secret-at-all");
    secrets.add("a refused token", "forged-token-of-somebody");
    secrets.add("an idempotency key", "an-idempotency-key-of-the-firm");
    let operator = anyone.with(operators).await;
    secrets.add(
        "the operator's secret",
        operators["client_secret"].as_str().unwrap(),
    );
    let made = credential(&operator, &mut secrets).await;
    let firm = anyone.with(&made).await;
    secrets.add("an access token", &token(&firm));
    secrets.add("the operator's token", &token(&operator));
    let person = json!({ "name": NAME, "address": ADDRESS, "birth_date": BIRTH });
    let person = anyone.person(&person).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    for (what, member) in [
        ("a certificate", "certificate"),
        ("a signature", "signature"),
    ] {
        // Its beginning is common to all; its end is not.
        let text = body[member].as_str().unwrap();
        secrets.add(what, &text[text.len() - 60..]);
    }
    until("the person's authority to be known", async || {
        (firm.verify(&body).await["verdict"] == "valid").then_some(())
    })
    .await;
    refused(anyone, &firm, &body).await;
    told_and_erased(&firm, &body, sink, &mut secrets).await;
    let moved = json!({ "event": "move", "address": format!("{ADDRESS}の二") });
    anyone
        .post(&format!("/sandbox/persons/{person}/events"), &moved)
        .await
        .expect(200);
    anyone
        .post("/sandbox/publish-crl", &json!({}))
        .await
        .expect(200);
    secrets
}

async fn metrics(ops: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{ops}/metrics")).send().await;
    answer.unwrap().text().await.unwrap()
}

fn searched(secrets: &Secrets, place: &str, log: Vec<u8>, collector: &WebhookSink) {
    assert!(log.len() > 2_000, "{place} was on: {} octets", log.len());
    secrets.nowhere_in(place, &log);
    each_line_is_one_event(log);
    let spans = collector.received();
    assert!(!spans.is_empty(), "no span was sent");
    for one in &spans {
        secrets.nowhere_in("spans", &one.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f011_f019_f062_nothing_of_a_person_and_no_secret_is_written_down() {
    let (collector, sink) = (WebhookSink::start().await, WebhookSink::start().await);
    let ops = free();
    let here = Installation::configured(&format!(
        "json_logs = true\n[ops]\nlisten = \"{ops}\"\notlp_traces = \"{}\"\n[revocation]\nsync_period_seconds = 1\n[webhooks]\nallow_loopback_http_in_sandbox = true\n",
        collector.url
    ))
    .with("WARIKAN_LOG", FILTER);
    let server = here.serve().await;
    server.ready().await;
    let mut secrets = story(&server.anyone(), &server.credential(), &sink).await;
    let metrics = metrics(&ops).await;
    let said = server.announced.join("\n");
    keys_of(&here.data(), &mut secrets);
    server.stop().await;

    secrets.nowhere_in("metrics", metrics.as_bytes());
    secrets.nowhere_in("announcement", said.as_bytes());
    let log = std::fs::read(here.beside("serve.log")).unwrap();
    searched(&secrets, "log", log, &collector);
}

/// The same where the parts tell each other over HTTP, RabbitMQ and Redis, each with a log, metrics and spans of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f011_f019_f062_separate_processes_write_nothing_of_a_person_and_no_secret_down() {
    let Some(broker) = Broker::find("logs").await else {
        return;
    };
    let Some(redis) = Redis::find() else { return };
    let url = redis.url();
    let mut redis = servers::Server::Redis(redis);
    redis.start().await;
    let (collector, sink) = (WebhookSink::start().await, WebhookSink::start().await);
    let (config, database) = configuration(&broker);
    let mut split = Split::new(&format!(
        "json_logs = true\n{config}[redis]\nurl = \"{url}\"\n[ops]\notlp_traces = \"{}\"\n[webhooks]\nallow_loopback_http_in_sandbox = true\n",
        collector.url
    ));
    let roles: Vec<&str> = SERVICES.into_iter().chain(["gateway"]).collect();
    let mut ops = Vec::new();
    for role in &roles {
        let listen = free();
        let variables = [
            ("WARIKAN_OPS__LISTEN", listen.as_str()),
            ("WARIKAN_LOG", FILTER),
        ];
        split.start_with(role, &variables).await;
        ops.push(listen);
    }
    split.ready().await;
    let operators = split.process("onboarding").credential();
    let mut secrets = story(&split.anyone(), &operators, &sink).await;
    for (role, ops) in roles.iter().zip(&ops) {
        let shown = metrics(ops).await;
        assert!(shown.contains("warikan_"), "{role}");
        secrets.nowhere_in(&format!("metrics of {role}"), shown.as_bytes());
        let said = split.process(role).announced.join("\n");
        secrets.nowhere_in(&format!("announcement of {role}"), said.as_bytes());
    }
    keys_of(&split.data(), &mut secrets);
    split.stop_all().await;
    for role in roles {
        let log = std::fs::read(split.beside(&format!("{role}.log"))).unwrap();
        searched(&secrets, &format!("log of {role}"), log, &collector);
    }
    broker.clear().await;
    drop((database, redis));
}

fn keys_of(data: &Path, secrets: &mut Secrets) {
    let keys = std::fs::read_to_string(data.join("keys.json")).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    for (name, key) in keys.as_object().unwrap() {
        // The wrapping keys have names, which are no secret.
        let keys = match key {
            Value::Array(wrapping) => wrapping.iter().map(|one| &one["key"]).collect(),
            key => vec![key],
        };
        assert!(!keys.is_empty(), "{name}");
        for key in keys {
            secrets.add("a key of the platform", key.as_str().unwrap());
        }
    }
}

/// A line that somebody else had begun would be no event, or one that says so.
fn each_line_is_one_event(log: Vec<u8>) {
    for line in String::from_utf8(log).unwrap().lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}"));
        assert!(
            event["timestamp"].is_string() && event["forged"].is_null(),
            "{line}"
        );
    }
}

#[test]
fn a_secret_in_a_refused_configuration_is_not_repeated() {
    for (name, value) in [
        ("WARIKAN_REDIS__URL", "nonsense-with-verysecret"),
        ("WARIKAN_RABBITMQ__URL", "nonsense-with-verysecret"),
        (
            "WARIKAN_DATABASE__URL",
            "postgres://someone:verysecret@db/warikan",
        ),
        ("WARIKAN_DATABASE__OWNER_URL", "nonsense-with-verysecret"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let more = [(name, value), ("WARIKAN_DATABASE__KIND", "postgres")];
        let more = if name.contains("DATABASE") {
            &more[..]
        } else {
            &more[..1]
        };
        for command in ["doctor", "serve"] {
            let listen = free();
            let arguments = [
                command,
                "--data-dir",
                data.to_str().unwrap(),
                "--listen",
                &listen,
            ];
            let output = run(&arguments, more);
            let (said, complained) = text(&output);
            assert!(!output.status.success(), "{name}: {command} took {value}");
            assert!(
                !said.contains("verysecret") && !complained.contains("verysecret"),
                "{name}: {said}{complained}"
            );
        }
    }
}
