//! Several credentials for a tenant: from where, until when, and by which secret.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use warikan_testkit::App;
use warikan_types::{ClientScope, Environment, TenantScope};

use crate::world::World;

async fn tenant(world: &World) -> (String, String) {
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    (operator, tenant)
}

fn path(tenant: &str, more: &str) -> String {
    format!("/v1/operator/tenants/{tenant}/credentials{more}")
}

async fn patch(world: &World, path: &str, token: &str, body: &Value) -> warikan_testkit::Reply {
    let request = world.app.request(Method::PATCH, path);
    App::read(request.bearer_auth(token).json(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_rotated_with_an_overlap_and_shown_once() {
    let world = World::new().await;
    let (operator, tenant) = tenant(&world).await;
    let first = world.credential(&operator, &tenant, "sandbox").await;
    let first = first.expect(201);
    let id = &first["client_id"];
    let rotate = path(&tenant, &format!("/{}/rotate", id.as_str().unwrap()));
    let overlap = json!({ "overlap_seconds": 3600 });
    let keyed = || {
        let request = world.app.request(Method::POST, &rotate);
        let request = request
            .bearer_auth(&operator)
            .header("idempotency-key", "r");
        App::read(request.json(&overlap))
    };
    let second = keyed().await;
    assert_eq!(keyed().await.expect(200), second.expect(200), "replayed");
    let second = second.expect(200);
    assert_ne!(first["client_secret"], second["client_secret"]);
    for secret in [&first["client_secret"], &second["client_secret"]] {
        world.token(id, secret, &[]).await.expect(200);
    }
    // Within the overlap a second rotation ends the first secret: two are good at a time.
    let third = world.app.post(&rotate, &operator, &overlap).await;
    let third = third.expect(200);
    let old = world.token(id, &first["client_secret"], &[]).await;
    old.expect_problem(401, "invalid_client");
    let before = world.token(id, &second["client_secret"], &[]).await;
    before.expect(200);
    world
        .house
        .clock()
        .advance(Duration::from_secs(3601))
        .unwrap();
    let operator = world.house.operator_token();
    let before = world.token(id, &second["client_secret"], &[]).await;
    before.expect_problem(401, "invalid_client");
    world
        .token(id, &third["client_secret"], &[])
        .await
        .expect(200);

    let list = world.app.get(&path(&tenant, ""), &operator).await;
    let shown = list.expect(200)["data"][0].clone();
    assert_eq!(shown["previous_secret_until"], Value::Null);
    let text = shown.to_string();
    assert!(!text.contains("wks_") && !text.contains("digest"), "{text}");
    let leaked = json!({ "overlap_seconds": 0 });
    world
        .app
        .post(&rotate, &operator, &leaked)
        .await
        .expect(200);
    let gone = world.token(id, &third["client_secret"], &[]).await;
    gone.expect_problem(401, "invalid_client");
    let long = json!({ "overlap_seconds": 604_801 });
    let problem = world.app.post(&rotate, &operator, &long).await;
    let problem = problem.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/overlap_seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_ends_and_says_when_it_was_used() {
    let world = World::new().await;
    let (operator, tenant) = tenant(&world).await;
    let new = json!({ "environment": "sandbox", "name": "夜間処理", "expires_at": "2026-11-21T00:10:00Z" });
    let reply = world.app.post(&path(&tenant, ""), &operator, &new).await;
    let made = reply.expect(201);
    let (id, secret) = (&made["client_id"], &made["client_secret"]);
    let used = async || {
        let operator = world.house.operator_token();
        let list = world.app.get(&path(&tenant, ""), &operator).await;
        list.expect(200)["data"][0]["last_used_at"].clone()
    };
    assert_eq!(used().await, Value::Null);
    world.token(id, secret, &[]).await.expect(200);
    assert_eq!(used().await, "2026-11-21T00:00:00Z");
    // Within the minute it is not written again, after it is.
    world
        .house
        .clock()
        .advance(Duration::from_secs(59))
        .unwrap();
    world.token(id, secret, &[]).await.expect(200);
    assert_eq!(used().await, "2026-11-21T00:00:00Z");
    world.house.clock().advance(Duration::from_secs(1)).unwrap();
    world.token(id, secret, &[]).await.expect(200);
    assert_eq!(used().await, "2026-11-21T00:01:00Z");
    world
        .house
        .clock()
        .advance(Duration::from_secs(540))
        .unwrap();
    let over = world.token(id, secret, &[]).await;
    over.expect_problem(401, "invalid_client");

    let operator = world.house.operator_token();
    for (settings, pointer) in [
        (
            json!({ "expires_at": "2026-11-20T00:00:00Z" }),
            "/expires_at",
        ),
        (json!({ "name": "" }), "/name"),
        (json!({ "networks": vec!["192.0.2.0/24"; 17] }), "/networks"),
        (json!({ "networks": ["192.0.2.0/33"] }), "/networks/0"),
        (json!({ "secret": "wks_mine" }), "/secret"),
    ] {
        let one = path(&tenant, &format!("/{}", id.as_str().unwrap()));
        let reply = patch(&world, &one, &operator, &settings).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{settings}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_used_from_its_networks_alone_tokens_included() {
    let world = World::new().await;
    let (operator, tenant) = tenant(&world).await;
    let made = |networks: Value| {
        let new = json!({ "environment": "sandbox", "networks": networks, "scopes": ["access"] });
        let (world, path, operator) = (&world, path(&tenant, ""), &operator);
        async move {
            world
                .app
                .post(&path, operator, &new)
                .await
                .expect(201)
                .clone()
        }
    };
    let elsewhere = made(json!(["192.0.2.0/24", "2001:db8::/32"])).await;
    let reply = world
        .token(&elsewhere["client_id"], &elsewhere["client_secret"], &[])
        .await;
    reply.expect_problem(401, "invalid_client");
    let here = made(json!(["127.0.0.0/8", "192.0.2.0/24"])).await;
    let reply = world
        .token(&here["client_id"], &here["client_secret"], &[])
        .await;
    let token = reply.expect(200)["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    world.app.get("/v1/credentials", &token).await.expect(200);
    // The same token, brought by a proxy that the edge trusts from another place.
    let list = |app: &App, from: &str| {
        let request = app.request(Method::GET, "/v1/credentials");
        App::read(
            request
                .bearer_auth(&token)
                .header("x-forwarded-for", from.to_owned()),
        )
    };
    // Without trusted proxies the header is nobody's word.
    list(&world.app, "198.51.100.1").await.expect(200);
    let behind = world.behind_a_proxy().await;
    list(&behind, "192.0.2.77").await.expect(200);
    let refused = list(&behind, "198.51.100.1").await;
    refused.expect_problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_a_tenant_manages_its_own_credentials_of_its_own_environment() {
    let world = World::new().await;
    let (operator, first) = tenant(&world).await;
    let second = world.tenant(&operator).await;
    world.go_live(&operator, &first).await;
    let token = |tenant: &str, environment, scopes: &[ClientScope]| {
        let scope = TenantScope::of_event(tenant.parse().unwrap(), environment);
        world.house.token(scope, scopes)
    };
    let access = token(&first, Environment::Sandbox, &[ClientScope::Access]);
    let production = token(&first, Environment::Production, &[ClientScope::Access]);
    let stranger = token(&second, Environment::Sandbox, &[ClientScope::Access]);
    let new = json!({ "environment": "sandbox" });
    let reply = world.app.post("/v1/credentials", &access, &new).await;
    let made = reply.expect(201);
    assert!(
        !made["scopes"]
            .as_array()
            .unwrap()
            .contains(&json!("access")),
        "only where it is named"
    );
    let live = json!({ "environment": "production" });
    let refused = world.app.post("/v1/credentials", &access, &live).await;
    refused.expect_problem(400, "invalid_request");
    world
        .app
        .post("/v1/credentials", &production, &live)
        .await
        .expect(201);
    let usual = token(&first, Environment::Sandbox, &ClientScope::USUAL);
    let refused = world.app.post("/v1/credentials", &usual, &new).await;
    refused.expect_problem(403, "insufficient_scope");
    let operators = json!({ "environment": "sandbox", "scopes": ["operator"] });
    let refused = world.app.post("/v1/credentials", &access, &operators).await;
    refused.expect_problem(400, "invalid_request");

    let own = world.app.get("/v1/credentials", &access).await;
    assert_eq!(own.expect(200)["data"].as_array().unwrap().len(), 1);
    let one = format!("/v1/credentials/{}", made["client_id"].as_str().unwrap());
    for other in [&stranger, &production] {
        let absent = "/v1/credentials/cli_00000000000000000000000000000000";
        for path in [one.as_str(), absent] {
            let renamed = patch(&world, path, other, &json!({ "name": "mine" })).await;
            renamed.expect_problem(404, "not_found");
            world
                .app
                .delete(path, other)
                .await
                .expect_problem(404, "not_found");
            let rotate = format!("{path}/rotate");
            let rotated = world.app.post(&rotate, other, &json!({})).await;
            rotated.expect_problem(404, "not_found");
        }
    }
    world
        .token(&made["client_id"], &made["client_secret"], &[])
        .await
        .expect(200);
    world.app.delete(&one, &access).await.expect(204);
    world.app.delete(&one, &access).await.expect(204);
    let revoked = patch(&world, &one, &access, &json!({ "name": "late" })).await;
    revoked.expect_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_a_tenant_ends_its_credentials() {
    let world = World::new().await;
    let (operator, tenant) = tenant(&world).await;
    for _ in 0..2 {
        world
            .credential(&operator, &tenant, "sandbox")
            .await
            .expect(201);
    }
    world.to(&operator, &tenant, "closed").await.expect(200);
    let list = world.app.get(&path(&tenant, ""), &operator).await;
    for credential in list.expect(200)["data"].as_array().unwrap() {
        assert_ne!(credential["revoked_at"], Value::Null);
    }
    let late = world.credential(&operator, &tenant, "sandbox").await;
    late.expect_problem(403, "tenant_not_active");
}
