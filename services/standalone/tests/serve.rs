//! `warikan serve` and the commands around it, as an operator meets them: a process, its output, its exit code.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{collections::BTreeSet, net::TcpListener, os::unix::fs::PermissionsExt, time::Duration};

use serde_json::{Value, json};
use support::{Caller, Installation, caller::and, run, text, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_says_where_everything_is_and_becomes_ready() {
    let here = Installation::new();
    let server = here.serve().await;
    let base = server.base.clone();
    assert_eq!(server.announced[0], "warikan serves");
    assert!(
        server
            .line("  documentation ")
            .contains(&format!("{base}/docs/"))
    );
    assert!(
        server
            .line("  sandbox ")
            .ends_with(&format!("{base}/sandbox/persons"))
    );
    assert!(
        server
            .line("  readiness ")
            .ends_with(&format!("{base}/health/ready"))
    );
    assert!(server.line("  data ").ends_with(&here.data_text()));
    let credential = here.data().join("operator-credential.json");
    assert!(
        server
            .line("  operator ")
            .contains(credential.to_str().unwrap())
    );
    for (secret, private) in [
        (here.data(), 0o700),
        (credential, 0o600),
        (here.data().join("keys.json"), 0o600),
    ] {
        let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, private, "{}", secret.display());
    }

    let anyone = server.anyone();
    anyone.get("/health/live").await.expect(200);
    server.ready().await;
    let reply = anyone.get("/health/ready").await;
    let services: BTreeSet<&str> = reply.expect(200)["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["service"].as_str().unwrap())
        .collect();
    assert_eq!(
        services,
        BTreeSet::from([
            "billing",
            "onboarding",
            "revocation",
            "sandbox",
            "verification",
            "webhooks"
        ])
    );
    // "Ready" means that every list the sandbox publishes is in force, not the first of them.
    let index = anyone.get("/jlis/crl/index.json").await;
    let published = index.expect(200)["lists"].as_array().unwrap().len();
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let reply = firm.get("/v1/freshness").await;
    let freshness = reply.expect(200);
    assert_eq!(freshness["lists"], published, "{freshness}");
    assert_eq!(freshness["stale_lists"], 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_is_served_and_is_what_openapi_prints() {
    let here = Installation::new();
    let server = here.serve().await;
    let anyone = server.anyone();
    let page = anyone.get("/docs/").await;
    page.expect(200);
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    let html = String::from_utf8(page.body).unwrap();
    // Nothing may be fetched from elsewhere.
    assert!(html.contains("redoc.standalone.js"), "{html}");
    assert!(
        !html.contains("src=\"http") && !html.contains("href=\"http"),
        "{html}"
    );
    let served = anyone.get("/openapi.json").await;
    let served = served.expect(200);

    let (printed, _) = text(&run(&["openapi"], &[]));
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(&printed, served);
    let operations: usize = printed["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|item| item.as_object().unwrap().len())
        .sum();
    assert!(operations > 50, "{operations} operations");
    assert!(printed["paths"]["/v1/verifications"]["post"].is_object());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f088_a_second_process_on_the_same_directory_refuses_to_start() {
    let here = Installation::new();
    let mut server = here.serve().await;
    let data = here.data_text();
    for command in ["serve", "migrate"] {
        let output = run(
            &[command, "--data-dir", &data, "--listen", "127.0.0.1:0"],
            &[],
        );
        let (said, complained) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(
            complained.contains(&format!("{data} is in use by another warikan process")),
            "{complained}"
        );
        assert!(!said.contains("warikan serves"), "{said}");
    }
    // A port that is taken is refused before anything is made.
    let other = Installation::new();
    let output = run(
        &[
            "serve",
            "--data-dir",
            &other.data_text(),
            "--listen",
            server.address(),
        ],
        &[],
    );
    let (_, complained) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complained.contains(&format!("cannot listen on {}", server.address())),
        "{complained}"
    );
    assert!(!other.data().exists());
    // The first one has not noticed.
    server.anyone().get("/health/live").await.expect(200);
    let address = server.address().to_owned();
    server.kill();
    // The lock goes with its holder, however that ended.
    here.serve_at(&address).await.stop().await;
}

#[test]
fn an_unknown_key_is_refused_by_its_name() {
    let here = Installation::new();
    let file = here.beside("wrong.toml");
    std::fs::write(&file, "[webhooks]\nretry_secnods = [1]\n").unwrap();
    let data = here.data_text();
    let options = ["serve", "--data-dir", &data, "--listen", "127.0.0.1:0"];
    let with_file = [&options[..], &["--config", file.to_str().unwrap()]].concat();
    let in_file = run(&with_file, &[]);
    let in_environment = run(&options, &[("WARIKAN_SANDBOX__ENABELD", "true")]);
    let of_another_type = run(&options, &[("WARIKAN_WORKERS", "many")]);
    for (output, key) in [
        (in_file, "retry_secnods"),
        (in_environment, "enabeld"),
        (of_another_type, "workers"),
    ] {
        let (_, complained) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{key}");
        assert!(complained.contains(key), "{complained}");
        assert!(complained.starts_with("warikan: "), "{complained}");
    }
    assert!(!here.data().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_what_is_wrong_and_changes_nothing() {
    let here = Installation::new();
    let data = here.data_text();
    let ask = |listen: &str| run(&["doctor", "--data-dir", &data, "--listen", listen], &[]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let output = ask(&address);
    let (said, _) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("does not exist yet; serve makes it"),
        "{said}"
    );
    assert!(said.contains("note   production lists"), "{said}");
    assert!(
        said.contains(&format!("good   port: {address} is free")),
        "{said}"
    );
    assert!(!here.data().exists(), "looking makes nothing");

    let server = here.serve().await;
    server.ready().await;
    let listen = server.address().to_owned();
    let output = ask(&listen);
    let (said, _) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("good   keys: there, and private"), "{said}");
    assert!(
        said.contains(&format!("answers at http://{listen}/health/ready: ready")),
        "{said}"
    );

    let keys = here.data().join("keys.json");
    std::fs::set_permissions(&keys, PermissionsExt::from_mode(0o644)).unwrap();
    let output = ask(&listen);
    let (said, _) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("WRONG  keys: "), "{said}");
    assert!(said.contains("chmod 600"), "it says what to do: {said}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_prepares_a_directory_that_serve_then_uses() {
    let here = Installation::new();
    let data = here.data_text();
    for _ in 0..2 {
        let output = run(&["migrate", "--data-dir", &data], &[]);
        let (said, complained) = text(&output);
        assert_eq!(output.status.code(), Some(0), "{complained}");
        let lines: BTreeSet<&str> = said.lines().collect();
        for service in [
            "billing",
            "onboarding",
            "revocation",
            "sandbox",
            "verification",
            "webhooks",
        ] {
            assert!(
                lines.contains(format!("{service}: up to date").as_str()),
                "{said}"
            );
            assert!(here.data().join(format!("{service}.sqlite")).exists());
        }
        // Keys and the operator's credential are made where they will be used.
        assert!(!here.data().join("keys.json").exists());
        assert!(!here.data().join("operator-credential.json").exists());
    }
    let server = here.serve().await;
    server
        .operator()
        .await
        .get("/v1/operator/tenants")
        .await
        .expect(200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_tenants_watches_citizens_and_status() {
    let here = Installation::new();
    let server = here.serve().await;
    server.ready().await;
    let address = server.address().to_owned();
    let operator = server.operator().await;
    let tenant = operator.take_on("隣町銀行株式会社").await;
    let bank = operator.credential(&tenant, "sandbox").await;
    let anyone = server.anyone();
    let person = anyone.person(&json!({ "name": "黒桐　幹也" })).await;
    let signed = anyone.sign(&person, "口座開設申込書").await;
    let first = bank.verify(&and(&signed, json!({ "watch": true }))).await;
    assert_eq!(first["verdict"], "valid", "{first}");
    let path = format!("/v1/watches/{}", first["watch"]["id"].as_str().unwrap());
    let watch = until("the watch", async || {
        let reply = bank.get(&path).await;
        (reply.status == 200).then_some(reply.json)
    })
    .await;
    anyone
        .post("/sandbox/clock", &json!({ "advance": "PT5H" }))
        .await
        .expect(200);
    let moved = anyone.get("/sandbox/clock").await.expect(200)["now"].clone();
    server.stop().await;

    let server = here.serve_at(&address).await;
    // Before anything was fetched anew: the lists taken over last answer at once.
    let again = bank.verify(&signed).await;
    assert_eq!(again["verdict"], "valid", "{again}");
    assert_eq!(
        again["status"]["source_version"],
        first["status"]["source_version"]
    );
    assert_eq!(
        again["certificate"]["handle"],
        first["certificate"]["handle"]
    );
    assert_eq!(again["subject"]["id"], first["subject"]["id"]);
    assert_eq!(bank.get(&path).await.expect(200), &watch);
    let stored = bank
        .get(&format!(
            "/v1/verifications/{}",
            first["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(stored.expect(200)["receipt"], first["receipt"]);
    let tenants = operator.get("/v1/operator/tenants").await;
    assert_eq!(tenants.expect(200)["data"][0]["name"], "隣町銀行株式会社");
    let citizen = anyone.get(&format!("/sandbox/persons/{person}")).await;
    assert_eq!(citizen.expect(200)["name"], "黒桐　幹也");
    let now = anyone.get("/sandbox/clock").await.expect(200)["now"].clone();
    assert!(now.as_str() >= moved.as_str(), "{now} {moved}");
    assert!(
        server
            .line("  operator ")
            .contains("written at the first start")
    );
    server.stop().await;
}

/// What became of one request when the process was told to stop.
enum Fate {
    Answered(Value),
    /// 503, or a connection that was closed or refused: to be sent again.
    Refused,
}

async fn send(caller: &Caller, key: &str, body: &Value) -> Fate {
    match caller.keyed("/v1/verifications", key, body).send().await {
        Ok(response) if response.status() == 201 => match response.json().await {
            Ok(answer) => Fate::Answered(answer),
            Err(_) => Fate::Refused,
        },
        Ok(response) => {
            assert_eq!(response.status(), 503);
            Fate::Refused
        }
        Err(_) => Fate::Refused,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f091_a_stop_signal_loses_nothing_that_was_acknowledged() {
    const REQUESTS: usize = 200;
    let here = Installation::new();
    let server = here.serve().await;
    server.ready().await;
    let address = server.address().to_owned();
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let anyone = server.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "注文書").await;

    let (answered, mut count) = tokio::sync::mpsc::unbounded_channel();
    let mut flights = tokio::task::JoinSet::new();
    for number in 0..REQUESTS {
        let (firm, body, answered) = (firm.clone(), body.clone(), answered.clone());
        flights.spawn(async move {
            let key = format!("in-flight-{number}");
            let fate = send(&firm, &key, &body).await;
            // Nobody counts any more once the signal is out.
            let _ = answered.send(());
            (key, fate)
        });
    }
    // In the middle: some have their answer, the others are on their way.
    for _ in 0..REQUESTS / 10 {
        count.recv().await.unwrap();
    }
    server.terminate();
    let (status, took) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(
        took < Duration::from_secs(35),
        "within the grace limit: {took:?}"
    );
    let fates = flights.join_all().await;
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for (key, fate) in fates {
        match fate {
            Fate::Answered(answer) => acknowledged.push((key, answer)),
            Fate::Refused => refused.push(key),
        }
    }
    println!(
        "stopped in {took:?}: {} acknowledged, {} refused of {REQUESTS}",
        acknowledged.len(),
        refused.len()
    );
    assert!(acknowledged.len() >= REQUESTS / 10);

    let server = here.serve_at(&address).await;
    for key in refused {
        match send(&firm, &key, &body).await {
            Fate::Answered(answer) => acknowledged.push((key, answer)),
            Fate::Refused => panic!("{key} is refused by a platform that runs"),
        }
    }
    let stored = firm.all("/v1/verifications").await;
    let ids: BTreeSet<&str> = stored
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(stored.len(), REQUESTS, "each request once");
    for (key, answer) in &acknowledged {
        assert_eq!(answer["verdict"], "valid", "{key}: {answer}");
        assert!(
            ids.contains(answer["id"].as_str().unwrap()),
            "{key} is lost"
        );
    }
    server.stop().await;
}
