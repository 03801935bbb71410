//! F015: whoever guesses at secrets, of one credential or with one secret at ten thousand, is stopped by address; learns nothing; is heard
//! of; and keeps nobody else out.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use reqwest::Client;
use serde_json::Value;
use support::{Installation, Server, free, until};
use tokio::task::JoinSet;
use warikan_testkit::{App, Reply};

const GUESSES: usize = 10_000;
/// `limits.refused_tokens_per_minute` as it is unless somebody says otherwise.
const LIMIT: usize = 100;
/// Guesses under way at a time. So many may pass the limit together.
const AT_ONCE: usize = 8;

/// Somebody at this address of this machine.
fn at(address: &str) -> Client {
    let address: IpAddr = address.parse().unwrap();
    Client::builder()
        .no_proxy()
        .local_address(address)
        .build()
        .unwrap()
}

async fn sign_in(client: &Client, base: &str, id: &str, secret: &str) -> Reply {
    let request = client
        .post(format!("{base}/oauth/token"))
        .basic_auth(id, Some(secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    App::read(request).await
}

/// What is told, without what is every request's own: status, and body.
fn told(reply: &Reply) -> (u16, String) {
    let mut body = reply.json.clone();
    body["request_id"] = Value::Null;
    if reply.status == 429 {
        // How long to wait is no secret and differs.
        body["detail"] = Value::Null;
        assert!(reply.headers.contains_key("retry-after"));
    }
    (reply.status.as_u16(), body.to_string())
}

/// Guesses from one address; gives how often each answer came.
async fn guess(
    server: &Server,
    address: &str,
    whom: impl Fn(usize) -> (String, String),
) -> BTreeMap<(u16, String), usize> {
    let client = at(address);
    let (mut answers, mut under_way) = (BTreeMap::new(), JoinSet::new());
    for number in 0..GUESSES {
        let ((id, secret), client, base) = (whom(number), client.clone(), server.base.clone());
        under_way.spawn(async move { told(&sign_in(&client, &base, &id, &secret).await) });
        if under_way.len() == AT_ONCE {
            *answers
                .entry(under_way.join_next().await.unwrap().unwrap())
                .or_insert(0) += 1;
        }
    }
    while let Some(answer) = under_way.join_next().await {
        *answers.entry(answer.unwrap()).or_insert(0) += 1;
    }
    answers
}

/// One text for every refusal, one for every stop; and the guesser was stopped: the bucket at first, and then whatever was under way when one more fell in.
fn uniform(answers: &BTreeMap<(u16, String), usize>, took: Duration) {
    let statuses: Vec<u16> = answers.keys().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [401, 429], "{answers:?}");
    let refused = answers
        .iter()
        .find(|((status, _), _)| *status == 401)
        .unwrap()
        .1;
    let fell_in = took.as_secs() as usize * LIMIT / 60 + 2;
    let most = LIMIT + fell_in * AT_ONCE;
    assert!(
        (LIMIT..=most).contains(refused),
        "{refused} of {GUESSES} were judged, {most} may be"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f015_ten_thousand_guesses_are_stopped_alike_and_keep_nobody_out() {
    let ops = free();
    let here = Installation::configured(&format!("json_logs = true\n[ops]\nlisten = \"{ops}\"\n"));
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let path = format!("/v1/operator/tenants/{tenant}/credentials");
    let wanted = serde_json::json!({ "environment": "sandbox" });
    let made = operator.post(&path, &wanted).await.expect(201).clone();
    let (id, secret) = (
        made["client_id"].as_str().unwrap(),
        made["client_secret"].as_str().unwrap(),
    );
    let wrong = |number: usize| format!("wks_{number:043}");
    let begun = std::time::Instant::now();
    let minutes = || begun.elapsed().as_secs() as usize / 60 + 1;

    let owner = at("127.0.0.4");
    let one_client = guess(&server, "127.0.0.2", |number| {
        (id.to_owned(), wrong(number))
    })
    .await;
    uniform(&one_client, begun.elapsed());
    // Its owner comes from elsewhere, and while it is tried as often as it likes.
    sign_in(&owner, &server.base, id, secret).await.expect(200);
    let many_clients = guess(&server, "127.0.0.3", |number| {
        (format!("cli_{number:032x}"), wrong(7))
    })
    .await;
    uniform(&many_clients, begun.elapsed());
    for _ in 0..3 {
        sign_in(&owner, &server.base, id, secret).await.expect(200);
    }
    // Nothing tells a client that exists from one that does not.
    let refusals =
        |answers: &BTreeMap<(u16, String), usize>| answers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(refusals(&one_client), refusals(&many_clients));

    // It is heard of: in the metrics, in the log, in the trail of whom it concerns.
    let client = Client::builder().no_proxy().build().unwrap();
    let shown = client
        .get(format!("http://{ops}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let counted = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {shown}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as usize
    };
    assert!(counted("warikan_sign_ins_refused_total{reason=\"secret\"") >= LIMIT);
    assert!(counted("warikan_sign_ins_refused_total{reason=\"unknown\"") >= LIMIT);
    assert!(counted("warikan_rate_limited_total{bucket=\"refused\"") > GUESSES);
    let log = server.log();
    for address in ["127.0.0.2", "127.0.0.3"] {
        let lines = log
            .lines()
            .filter(|line| line.contains("so many token requests") && line.contains(address));
        let lines = lines.count();
        assert!(
            (1..=minutes() * LIMIT).contains(&lines),
            "{address}: {lines} lines"
        );
    }
    // The guessing may have taken longer than a token lives.
    let operator = server.operator().await;
    until("the trail", async || {
        let trail = operator
            .get(&format!("/v1/operator/audit?of={tenant}&limit=500"))
            .await;
        let trail = trail.expect(200)["data"].as_array().unwrap().clone();
        trail
            .iter()
            .any(|one| {
                one["act"] == "token.granted" && one["outcome"] == "refused" && one["subject"] == id
            })
            .then_some(())
    })
    .await;
    server.stop().await;
}
