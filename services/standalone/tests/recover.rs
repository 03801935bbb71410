//! `warikan operator recover`: a lost secret costs a command on the machine, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use serde_json::{Value, json};
use support::{Caller, Installation, run, text, until};
use warikan_testkit::App;

/// What the command says; `Err` where it does not end well.
fn recover(here: &Installation, more: &[&str]) -> Result<Value, String> {
    let data = here.data_text();
    let arguments = [&["operator", "recover", "--data-dir", &data], more].concat();
    let output = run(&arguments, &[]);
    let (said, complained) = text(&output);
    if output.status.success() {
        Ok(serde_json::from_str(&said).unwrap())
    } else {
        assert!(said.is_empty(), "{said}");
        Err(complained)
    }
}

/// Whether the token endpoint still knows it.
async fn known(anyone: &Caller, credential: &Value) -> u16 {
    let part = |name: &str| credential[name].as_str().unwrap().to_owned();
    let request = anyone
        .request(reqwest::Method::POST, "/oauth/token")
        .basic_auth(part("client_id"), Some(part("client_secret")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    App::read(request).await.status.as_u16()
}

async fn told_in_the_trail(after: &Caller, first: &Value, made: &Value) {
    let trail = after.get("/v1/operator/audit?of=operator&limit=500").await;
    let trail = trail.expect(200)["data"].as_array().unwrap().clone();
    let one = |act: &str| {
        trail
            .iter()
            .find(|record| record["act"] == act)
            .unwrap()
            .clone()
    };
    let recovered = one("account.recovered");
    assert_eq!(recovered["actor"]["kind"], "system");
    assert_eq!(recovered["subject"], made["client_id"]);
    assert_eq!(recovered["details"]["replaces"], first["client_id"]);
    assert_eq!(one("account.disabled")["subject"], first["client_id"]);
    assert!(
        !json!(trail)
            .to_string()
            .contains(made["client_secret"].as_str().unwrap())
    );
}

/// With two accounts; gives the lost one and what was made in its place.
async fn one_of_two(here: &Installation, anyone: &Caller, after: &Caller) -> (Value, Value) {
    // With a second account it must be said which; the other goes on.
    let second = json!({ "name": "第二管理者", "role": "admin" });
    let second = after
        .post("/v1/operator/accounts", &second)
        .await
        .expect(201)
        .clone();
    let refused = recover(here, &[]).unwrap_err();
    for part in [
        "2 accounts may do everything",
        "第二管理者",
        "--account",
        "--all",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let nobody = recover(here, &["--account", "cli_00000000000000000000000000000000"]);
    assert!(nobody.unwrap_err().contains("no account of the operator's"));
    let third = recover(here, &["--account", second["client_id"].as_str().unwrap()]).unwrap();
    assert_eq!(third["disabled"], json!([second["client_id"]]));
    assert_eq!(known(anyone, &third).await, 200);
    assert_eq!(known(anyone, &second).await, 401);
    let listed = after.get("/v1/operator/accounts").await;
    let listed = listed.expect(200)["data"].as_array().unwrap().clone();
    let heir = listed
        .iter()
        .find(|one| one["client_id"] == third["client_id"])
        .unwrap();
    assert_eq!(heir["name"], "第二管理者");
    (second, third)
}

fn nowhere_on_the_disk(here: &Installation, first: &Value, others: &[&Value]) {
    // Of secrets only their hashes are kept: none stands in any file but the one that the first was written to.
    for file in std::fs::read_dir(here.data()).unwrap() {
        let path = file.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let octets = std::fs::read(&path).unwrap();
        for credential in others.iter().chain([&first]) {
            let secret = credential["client_secret"].as_str().unwrap().as_bytes();
            let found = octets.windows(secret.len()).any(|part| part == secret);
            let own = path.ends_with("operator-credential.json") && *credential == first;
            assert!(own || !found, "a secret is in {}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_secret_is_replaced_beside_a_running_server_and_the_old_one_is_over() {
    let here = Installation::new();
    let refused = recover(&here, &[]).unwrap_err();
    assert!(
        refused.contains("there is no database of onboarding here"),
        "{refused}"
    );
    let server = here.serve().await;
    server.ready().await;
    let first = server.credential();
    let anyone = server.anyone();
    let before = anyone.with(&first).await;
    before.get("/v1/operator/tenants").await.expect(200);

    let made = recover(&here, &[]).unwrap();
    assert_eq!(made["disabled"], json!([first["client_id"]]));
    assert_eq!(known(&anyone, &first).await, 401, "refused at once");
    let after = anyone.with(&made).await;
    after.get("/v1/operator/tenants").await.expect(200);
    until("the old token to be refused", async || {
        let reply = before.get("/v1/operator/tenants").await;
        (reply.status == 401).then_some(())
    })
    .await;
    told_in_the_trail(&after, &first, &made).await;

    let (second, third) = one_of_two(&here, &anyone, &after).await;
    assert_eq!(known(&anyone, &made).await, 200, "the other goes on");

    // And where nothing is known any more, without a server.
    server.stop().await;
    let last = recover(&here, &["--all"]).unwrap();
    assert_eq!(last["disabled"].as_array().unwrap().len(), 2);
    let server = here.serve().await;
    let anyone = server.anyone();
    for (credential, status) in [(&made, 401), (&third, 401), (&last, 200)] {
        assert_eq!(known(&anyone, credential).await, status);
    }
    nowhere_on_the_disk(&here, &first, &[&made, &second, &third, &last]);
    let verified = run(&["audit", "verify", "--data-dir", &here.data_text()], &[]);
    let (said, complained) = text(&verified);
    assert!(verified.status.success(), "{said}{complained}");
    server.stop().await;
}
