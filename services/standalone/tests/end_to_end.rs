//! The sandbox as a newcomer uses it: over HTTP, with the signed bodies that the sandbox itself hands out.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{collections::BTreeMap, net::TcpListener, sync::Arc, time::Duration};

use serde_json::{Value, json};
use support::{
    Caller, Installation, ProductionJlis, Server, b64,
    caller::{and, check},
    real,
};
use warikan::{
    compose,
    config::{Config, SandboxConfig},
};
use warikan_runtime::Clocks;
use warikan_types::{BillingMonth, Clock};

/// A platform with one sandbox tenant.
async fn sandbox(here: &Installation) -> (Server, Caller, Caller) {
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let anyone = server.anyone();
    (server, firm, anyone)
}

/// What the list of named persons says to do beyond "sign and send".
fn channel_of(how_to: &str) -> Option<&'static str> {
    ["crl", "ocsp"]
        .into_iter()
        .find(|channel| how_to.contains(&format!("\"channel\": \"{channel}\"")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_named_person_shows_the_reason_they_are_listed_for() {
    let here = Installation::new();
    let (server, firm, anyone) = sandbox(&here).await;
    let reasons = anyone.get("/v1/reasons").await.expect(200)["reasons"].clone();
    let list = anyone.get("/sandbox/persons").await.expect(200)["data"].clone();
    let list = list.as_array().unwrap();
    let listed: Vec<&Value> = list.iter().map(|line| &line["demonstrates"]).collect();
    let expected: Vec<&Value> = std::iter::once(&Value::Null)
        .chain(reasons.as_array().unwrap())
        .collect();
    assert_eq!(listed, expected, "one line a reason, after the valid one");

    let mut shown = BTreeMap::new();
    for line in list.iter().filter(|line| line["by_itself"] == true) {
        let id = line["id"].as_str().unwrap();
        let mut body = anyone.sign(id, "証券総合口座開設申込書").await;
        if let Some(channel) = channel_of(line["how_to"].as_str().unwrap()) {
            body = and(&body, json!({ "channel": channel }));
        }
        let answer = firm.verify(&body).await;
        let expected = line["demonstrates"].clone();
        assert_eq!(answer["reason"], expected, "{}: {answer}", line["name"]);
        let verdict = match expected.as_str() {
            None => "valid",
            Some(reason) if reason.starts_with("status_") => "indeterminate",
            Some(_) => "invalid",
        };
        assert_eq!(answer["verdict"], verdict, "{answer}");
        shown.insert(line["demonstrates"].to_string(), answer);
    }
    assert_eq!(shown.len(), 14, "{:?}", shown.keys());
    let valid = &shown["null"];
    assert_eq!(valid["attributes"]["name"], "試験　花子");
    assert_eq!(valid["certificate"]["environment"], "sandbox");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reasons_about_challenges_are_shown_as_their_how_to_says() {
    let here = Installation::new();
    let (server, firm, anyone) = sandbox(&here).await;
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "同意書").await;
    let challenge = async |signed: &Value| {
        let wish = json!({ "purpose": "signature", "signed": signed });
        let reply = firm.post("/v1/challenges", &wish).await;
        reply.expect(201)["id"].clone()
    };
    let answer = async |body: &Value, challenge: &Value| {
        let body = and(body, json!({ "challenge_id": challenge }));
        let answer = firm.verify(&body).await;
        (answer["verdict"].clone(), answer["reason"].clone())
    };
    let good = challenge(&body["signed"]).await;
    assert_eq!(answer(&body, &good).await, (json!("valid"), Value::Null));
    let invalid = |reason: &str| (json!("invalid"), json!(reason));
    assert_eq!(answer(&body, &good).await, invalid("challenge_used"));
    let other = anyone.sign(&person, "別の同意書").await;
    let fixed = challenge(&other["signed"]).await;
    assert_eq!(answer(&body, &fixed).await, invalid("challenge_mismatch"));
    let never = json!("chl_019aa000-0000-7000-8000-000000000000");
    let text = good.as_str().unwrap().to_owned();
    let never = if text.contains('-') {
        never
    } else {
        // The same length and alphabet as a real one.
        json!(format!("chl_{}", "0".repeat(text.len() - 4)))
    };
    assert_eq!(answer(&body, &never).await, invalid("challenge_unknown"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f033_a_real_test_card_is_known_in_the_sandbox_and_refused_in_production() {
    let here = Installation::new();
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    operator.activate(&tenant).await;
    let sandbox = operator.credential(&tenant, "sandbox").await;
    let production = operator.credential(&tenant, "production").await;
    // Nobody here has the card, so nobody can sign with it: what is judged is the certificate.
    let certificate = b64(real("test-leaf/jpki-sign-cert.der"));
    let body = json!({
        "certificate": certificate,
        "signature": b64([1; 256]),
        "signed": { "message": b64("申込書"), "algorithm": "sha256" },
    });

    let known = sandbox.verify(&body).await;
    for passed in [
        "certificate_structure",
        "certificate_kind",
        "issuer",
        "environment",
        "profile",
    ] {
        assert_eq!(check(&known, passed)["result"], "passed", "{known}");
    }
    assert_eq!(known["reason"], "signature_mismatch");
    assert_eq!(known["certificate"]["kind"], "card_signature");
    assert_eq!(known["certificate"]["environment"], "sandbox");
    assert_eq!(known["attributes"]["name"], "黒桐　幹也");
    assert_eq!(
        known["attributes"]["address"],
        "東京都清瀬市観布子南１２－７－２０２"
    );
    assert_eq!(known["attributes"]["birth_date"]["date"], "1980-02-17");

    let refused = production.verify(&body).await;
    assert_eq!(refused["verdict"], "invalid");
    assert_eq!(check(&refused, "environment")["result"], "failed");
    assert_eq!(
        check(&refused, "environment")["reason"],
        "environment_mismatch"
    );
    assert_eq!(
        refused["attributes"],
        Value::Null,
        "nothing is read from it"
    );
    assert_eq!(refused["certificate"]["handle"], Value::Null);
    assert_eq!(refused["subject"], Value::Null);
    let watch = json!({ "certificate": certificate });
    let reply = production.post("/v1/watches", &watch).await;
    let problem = reply.expect(400);
    assert_eq!(problem["errors"][0]["pointer"], "/certificate", "{problem}");
    assert_eq!(problem["errors"][0]["code"], "environment_mismatch");

    // A card of the sandbox's own J-LIS, with a good signature: in production the environment alone speaks against it.
    let anyone = server.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "申込書").await;
    assert_eq!(sandbox.verify(&body).await["verdict"], "valid");
    let refused = production.verify(&body).await;
    assert_eq!(refused["reason"], "environment_mismatch", "{refused}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_reaches_the_feed_and_the_watch_with_the_next_list() {
    let here = Installation::new();
    let (server, firm, anyone) = sandbox(&here).await;
    let person = anyone
        .person(&json!({ "name": "黒桐　幹也", "address": "東京都清瀬市観布子南１２－７－２０２" }))
        .await;
    let stays = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "申込書").await;
    let watched = and(&body, json!({ "watch": true, "subject_ref": "C-0001" }));
    let first = firm.verify(&watched).await;
    assert_eq!(first["verdict"], "valid");
    let other = anyone.sign(&stays, "申込書").await;
    let other = firm.verify(&and(&other, json!({ "watch": true }))).await;
    assert_eq!(other["verdict"], "valid");

    let happened = anyone
        .post(
            &format!("/sandbox/persons/{person}/events"),
            &json!({ "event": "move", "address": "東京都清瀬市観布子北３－１－５" }),
        )
        .await;
    let happened = happened.expect(200);
    assert_eq!(happened["revoked"][0]["reason"], "affiliation_changed");
    // Until the next list nobody outside J-LIS can know.
    assert_eq!(firm.verify(&body).await["verdict"], "valid");
    let published = anyone.post("/sandbox/publish-crl", &json!({})).await;
    assert_eq!(published.expect(200)["delivered"], true);

    let feed = firm
        .get("/v1/events?types=certificate.revoked&wait_seconds=20")
        .await;
    let events = feed.expect(200)["data"].as_array().unwrap();
    assert_eq!(events.len(), 1, "exactly the one who moved: {events:?}");
    let event = &events[0]["data"];
    assert_eq!(event["watch_id"], first["watch"]["id"]);
    assert_eq!(event["certificate_handle"], first["certificate"]["handle"]);
    assert_eq!(event["subject_id"], first["subject"]["id"]);
    assert_eq!(event["reason"], "affiliation_changed");
    let flagged = firm.get("/v1/watches?state=flagged").await;
    let flagged = flagged.expect(200)["data"].as_array().unwrap();
    assert_eq!(flagged.len(), 1);
    assert_eq!(flagged[0]["id"], first["watch"]["id"]);
    assert_eq!(flagged[0]["ref"], "C-0001");
    assert_eq!(flagged[0]["flag"]["reason"], "affiliation_changed");
    assert_eq!(firm.verify(&body).await["reason"], "certificate_revoked");
    let new = anyone.sign(&person, "申込書").await;
    assert_ne!(new["certificate"], body["certificate"]);
    assert_eq!(
        firm.verify(&new).await["verdict"],
        "valid",
        "the card's new certificate is another one"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f041_lists_that_stop_coming_are_never_silently_good() {
    let here = Installation::new();
    let (server, firm, anyone) = sandbox(&here).await;
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "申込書").await;
    // Without a channel the responder is asked where the list is too old.
    let any = body.clone();
    let body = and(&body, json!({ "channel": "crl" }));
    let advance = async |by: &str| {
        let reply = anyone
            .post("/sandbox/clock", &json!({ "advance": by }))
            .await;
        reply.expect(200);
    };
    let outcome = async |more: Value| {
        let answer = firm.verify(&and(&body, more)).await;
        (answer["verdict"].clone(), answer["reason"].clone())
    };
    let valid = (json!("valid"), Value::Null);
    let stale = (json!("indeterminate"), json!("status_stale"));
    assert_eq!(outcome(json!({ "max_age": "PT1H" })).await, valid);

    advance("PT2H").await;
    assert_eq!(outcome(json!({ "max_age": "PT1H" })).await, stale);
    assert_eq!(outcome(json!({ "max_age": "PT3H" })).await, valid);
    let answer = firm.verify(&body).await;
    assert_eq!(answer["verdict"], "valid", "the list itself is in force");
    let age = answer["status"]["age_seconds"].as_u64().unwrap();
    assert!((7_200..10_800).contains(&age), "it tells its age: {age}");

    advance("P3D").await;
    let answer = firm.verify(&body).await;
    assert_eq!(answer["verdict"], "indeterminate", "{answer}");
    assert_eq!(answer["reason"], "status_stale");
    // What the old list said stands beside it, and decides nothing.
    assert_eq!(answer["status"]["state"], "unknown");
    assert_eq!(answer["status"]["sources"][0]["state"], "good");
    let asked = firm.verify(&any).await;
    assert_eq!(asked["verdict"], "valid", "{asked}");
    assert_eq!(asked["status"]["channel"], "ocsp");
    let freshness = firm.get("/v1/freshness").await;
    let freshness = freshness.expect(200);
    assert_eq!(freshness["stale_lists"], freshness["lists"]);
    // The process goes on answering, truthfully: feeds, webhooks and bills do not depend on fresh lists.
    anyone.get("/health/ready").await.expect(200);

    let published = anyone.post("/sandbox/publish-crl", &json!({})).await;
    assert_eq!(published.expect(200)["delivered"], true);
    assert_eq!(outcome(json!({ "max_age": "PT1H" })).await, valid);
    server.stop().await;
}

/// The same composition as `serve`, in this process, because a month has to pass.
struct Month {
    clock: Clock,
    running: compose::Running,
    anyone: Caller,
    operator_credential: Value,
    _directory: tempfile::TempDir,
}

impl Month {
    async fn begin(jlis: &ProductionJlis, clock: Clock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clocks = Clocks {
            production: clock.clone(),
            sandbox: clock.clone(),
        };
        let mut config = Config {
            data_dir: directory.path().to_owned(),
            sandbox: SandboxConfig { enabled: true },
            ..Config::default()
        };
        config.production.anchors = Some(jlis.anchors());
        config.revocation.sync_period_seconds = 1;
        config.revocation.sources.push(warikan_revocation::Source {
            environment: warikan_types::Environment::Production,
            index_url: jlis.index_url(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let house = compose::open(&config, clocks, address).await.unwrap();
        let credential = std::fs::read(&house.bootstrap.as_ref().unwrap().path).unwrap();
        let running = house.serve(listener).unwrap();
        Self {
            clock,
            running,
            anyone: Caller::anyone(&format!("http://{address}")),
            operator_credential: serde_json::from_slice(&credential).unwrap(),
            _directory: directory,
        }
    }

    async fn operator(&self) -> Caller {
        self.anyone.with(&self.operator_credential).await
    }
}

/// Rows of a usage answer as `(meter, quantity, billable)`.
fn usage(answer: &Value) -> Vec<(String, i64, i64)> {
    answer["usage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["meter"].as_str().unwrap().to_owned(),
                row["quantity"].as_i64().unwrap(),
                row["billable_quantity"].as_i64().unwrap(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f075_the_sandbox_is_counted_and_free_and_on_no_invoice() {
    let clock = Clock::adjustable(Duration::ZERO);
    let jlis = ProductionJlis::start(&clock).await;
    let month = Month::begin(&jlis, clock).await;
    support::until("the platform to be ready", async || {
        let reply = month.anyone.get("/health/ready").await;
        (reply.status == 200).then_some(())
    })
    .await;
    let operator = month.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    operator.activate(&tenant).await;
    let only_tries = operator.take_on("試用株式会社").await;
    let sandbox = operator.credential(&tenant, "sandbox").await;
    let production = operator.credential(&tenant, "production").await;
    let trial = operator.credential(&only_tries, "sandbox").await;

    let tester = month.anyone.person(&json!({})).await;
    let test = month.anyone.sign(&tester, "試験").await;
    for (firm, times) in [(&sandbox, 3), (&trial, 2)] {
        for _ in 0..times {
            let answer = firm.verify(&and(&test, json!({ "watch": true }))).await;
            assert_eq!(answer["verdict"], "valid", "{answer}");
        }
    }
    let citizens = jlis.caller();
    let citizen = citizens.person(&json!({})).await;
    let real = citizens.sign(&citizen, "申込書").await;
    let answer = production.verify(&real).await;
    assert_eq!(answer["verdict"], "valid", "{answer}");

    let period = BillingMonth::of(month.clock.now());
    let counted = Arc::new(format!("/v1/usage?period={period}"));
    let quiet = support::until("the sandbox's usage", async || {
        let answer = sandbox.get(&counted).await.expect(200).clone();
        (usage(&answer).len() == 2).then_some(answer)
    })
    .await;
    assert_eq!(
        usage(&quiet),
        [
            ("verification".to_owned(), 3, 0),
            ("status_check".to_owned(), 1, 0)
        ]
    );
    for row in quiet["usage"].as_array().unwrap() {
        assert_eq!(row["platform_amount"], 0, "{row}");
        assert_eq!(row["jlis_amount"], 0, "{row}");
    }
    support::until("production's usage", async || {
        let answer = production.get(&counted).await.expect(200).clone();
        (usage(&answer) == [("verification".to_owned(), 1, 1)]).then_some(())
    })
    .await;

    let rest = period.end().since(month.clock.now()) + Duration::from_secs(3_600);
    month.clock.advance(rest).unwrap();
    let operator = month.operator().await;
    let close = format!("/v1/operator/months/{period}/close");
    let closed = operator.post(&close, &json!({})).await;
    let closed = closed.expect(200);
    assert_eq!(closed["invoiced"]["invoices"], 1, "{closed}");
    // The tokens have run out with the month.
    let sandbox = operator.credential(&tenant, "sandbox").await;
    let production = operator.credential(&tenant, "production").await;
    let trial = operator.credential(&only_tries, "sandbox").await;
    for firm in [&sandbox, &trial] {
        assert_eq!(firm.all("/v1/invoices").await, [Value::Null; 0]);
    }
    let invoices = production.all("/v1/invoices").await;
    let path = format!("/v1/invoices/{}", invoices[0]["id"].as_str().unwrap());
    let invoice = production.get(&path).await;
    let lines = invoice.expect(200)["lines"].as_array().unwrap().clone();
    let metered: i64 = lines
        .iter()
        .filter(|line| line["category"] == "platform_usage")
        .map(|line| line["quantity"].as_i64().unwrap())
        .sum();
    assert_eq!(metered, 1, "production's one verification alone: {lines:?}");
    month.running.stop().await.unwrap();
    jlis.stop().await;
}
