//! The operator's own accounts.

use reqwest::Method;
use serde_json::{Value, json};
use warikan_testkit::{App, Reply};
use warikan_types::{ClientScope, Environment};

use crate::world::World;

const ACCOUNTS: &str = "/v1/operator/accounts";

async fn token(world: &World, credential: &Value) -> Reply {
    world
        .token(&credential["client_id"], &credential["client_secret"], &[])
        .await
}

async fn token_of(world: &World, credential: &Value) -> String {
    let reply = token(world, credential).await;
    reply.expect(200)["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn patch(world: &World, token: &str, id: &Value, body: &Value) -> Reply {
    let path = format!("{ACCOUNTS}/{}", id.as_str().unwrap());
    let request = world.app.request(Method::PATCH, &path);
    App::read(request.bearer_auth(token).json(body)).await
}

async fn account(world: &World, token: &str, name: &str, role: &str) -> Value {
    let body = json!({ "name": name, "role": role });
    let reply = world.app.post(ACCOUNTS, token, &body).await;
    reply.expect(201).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_everything_and_changes_nothing() {
    let world = World::new().await;
    let admin = token_of(&world, &world.first_credential()).await;
    let made = account(&world, &admin, "監査　花子", "auditor").await;
    assert_eq!(
        (&made["role"], &made["name"]),
        (&json!("auditor"), &json!("監査　花子"))
    );
    assert_eq!(made["scopes"], json!(["operator_read"]));
    let reply = token(&world, &made).await;
    assert_eq!(reply.expect(200)["scope"], "operator_read");
    let auditor = token_of(&world, &made).await;
    let tenant = world.tenant(&admin).await;
    for path in [
        "/v1/operator/tenants".to_owned(),
        format!("/v1/operator/tenants/{tenant}"),
        "/v1/operator/audit".to_owned(),
        ACCOUNTS.to_owned(),
        "/v1/operator/token-keys".to_owned(),
    ] {
        world.app.get(&path, &auditor).await.expect(200);
    }
    let refused = |reply: Reply| {
        reply.expect_problem(403, "insufficient_scope");
        assert!(
            reply.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .contains("scope=\"operator\"")
        );
    };
    refused(
        world
            .app
            .post("/v1/operator/tenants", &auditor, &json!({ "name": "甲" }))
            .await,
    );
    refused(
        world
            .app
            .post(
                ACCOUNTS,
                &auditor,
                &json!({ "name": "乙", "role": "admin" }),
            )
            .await,
    );
    refused(world.to(&auditor, &tenant, "closed").await);
    refused(
        patch(
            &world,
            &auditor,
            &made["client_id"],
            &json!({ "disabled": true }),
        )
        .await,
    );
    // It is the operator's and no tenant's, and no tenant's is it.
    world
        .app
        .get("/v1/credentials", &auditor)
        .await
        .expect_problem(403, "insufficient_scope");
    let sandbox = world.house.tenant(Environment::Sandbox);
    let posing = world
        .house
        .token(sandbox, &[ClientScope::OperatorRead, ClientScope::Operator]);
    refused(world.app.get("/v1/operator/tenants", &posing).await);
    for scope in ["operator", "operator_read"] {
        let body = json!({ "environment": "sandbox", "scopes": ["events", scope] });
        let path = format!("/v1/operator/tenants/{tenant}/credentials");
        world
            .app
            .post(&path, &admin, &body)
            .await
            .expect_problem(400, "invalid_request");
    }
}

/// What was done to accounts, and by which.
async fn account_acts(world: &World, token: &str) -> Vec<(String, String)> {
    let trail = world.app.get("/v1/operator/audit?of=operator", token).await;
    let records = trail.expect(200)["data"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    records
        .iter()
        .filter(|one| text(&one["act"]).starts_with("account."))
        .map(|one| (text(&one["act"]), text(&one["actor"]["id"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_a_disabled_account_is_refused_at_once_and_one_that_may_do_everything_stays() {
    let world = World::new().await;
    let first = world.first_credential();
    let admin = token_of(&world, &first).await;
    let disable = json!({ "disabled": true });
    let last = patch(&world, &admin, &first["client_id"], &disable).await;
    last.expect_problem(409, "conflict");
    account(&world, &admin, "監査", "auditor").await;
    let last = patch(&world, &admin, &first["client_id"], &disable).await;
    last.expect_problem(409, "conflict");

    let second = account(&world, &admin, "運用　次郎", "admin").await;
    let ends = json!({ "expires_at": "2027-01-01T00:00:00Z" });
    patch(&world, &admin, &second["client_id"], &ends)
        .await
        .expect(200);
    let last = patch(&world, &admin, &first["client_id"], &disable).await;
    last.expect_problem(409, "conflict");
    let third = account(&world, &admin, "運用　三郎", "admin").await;
    let own = token_of(&world, &third).await;
    let view = patch(&world, &own, &first["client_id"], &disable).await;
    assert_eq!(view.expect(200)["disabled_at"], "2026-11-21T00:00:00Z");
    token(&world, &first)
        .await
        .expect_problem(401, "invalid_client");
    let denied = world.denied().await;
    assert!(
        denied.contains(&first["client_id"]),
        "tokens that are out are denied: {denied:?}"
    );
    patch(
        &world,
        &own,
        &first["client_id"],
        &json!({ "disabled": false }),
    )
    .await
    .expect(200);
    token(&world, &first).await.expect(200);
    assert!(!world.denied().await.contains(&first["client_id"]));

    let list = world.app.get(ACCOUNTS, &own).await;
    let names: Vec<&Value> = list.expect(200)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(
        names,
        [
            &Value::Null,
            &json!("監査"),
            &json!("運用　次郎"),
            &json!("運用　三郎")
        ]
    );
    let told = account_acts(&world, &own).await;
    let by_first = first["client_id"].as_str().unwrap().to_owned();
    let by_third = third["client_id"].as_str().unwrap().to_owned();
    let line = |act: &str, by: &str| (act.to_owned(), by.to_owned());
    assert_eq!(
        told,
        [
            line("account.created", &by_first),
            line("account.created", &by_first),
            line("account.changed", &by_first),
            line("account.created", &by_first),
            line("account.disabled", &by_third),
            line("account.enabled", &by_third),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_once_shown_once_and_rotated_and_a_tenants_credential_is_none() {
    let world = World::new().await;
    let admin = token_of(&world, &world.first_credential()).await;
    let order = |name: &str| {
        let request = world
            .app
            .request(Method::POST, ACCOUNTS)
            .bearer_auth(&admin);
        let request = request.header("idempotency-key", "k1");
        App::read(request.json(&json!({ "name": name, "role": "admin" })))
    };
    let made = order("甲").await;
    let made = made.expect(201);
    assert_eq!(
        order("甲").await.expect(201),
        made,
        "the same secret, to a repeated request"
    );
    order("乙")
        .await
        .expect_problem(409, "idempotency_key_reused");
    let list = world.app.get(ACCOUNTS, &admin).await;
    assert!(!String::from_utf8(list.body).unwrap().contains("wks_"));
    let path = format!("{ACCOUNTS}/{}/rotate", made["client_id"].as_str().unwrap());
    let rotated = world
        .app
        .post(&path, &admin, &json!({ "overlap_seconds": 0 }))
        .await;
    let rotated = rotated.expect(200).clone();
    token(&world, made)
        .await
        .expect_problem(401, "invalid_client");
    token(&world, &rotated).await.expect(200);

    let tenant = world.tenant(&admin).await;
    let credential = world.credential(&admin, &tenant, "sandbox").await;
    let client = &credential.expect(201)["client_id"];
    patch(&world, &admin, client, &json!({ "name": "丙" }))
        .await
        .expect_problem(404, "not_found");
    let path = format!("{ACCOUNTS}/{}/rotate", client.as_str().unwrap());
    world
        .app
        .post(&path, &admin, &json!({}))
        .await
        .expect_problem(404, "not_found");
    let own = &made["client_id"];
    let path = format!(
        "/v1/operator/tenants/{tenant}/credentials/{}",
        own.as_str().unwrap()
    );
    world
        .app
        .delete(&path, &admin)
        .await
        .expect_problem(404, "not_found");
    for body in [
        json!({ "role": "admin" }),
        json!({ "name": "丁" }),
        json!({ "name": "丁", "role": "root" }),
        json!({ "name": "", "role": "admin" }),
        json!({ "name": "丁", "role": "admin", "scopes": ["operator"] }),
        json!({ "name": "丁", "role": "admin", "secret": false }),
    ] {
        world
            .app
            .post(ACCOUNTS, &admin, &body)
            .await
            .expect_problem(400, "invalid_request");
    }
}
