//! A tenant's life and the first operator's, over HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use warikan_onboarding::{Config, Onboarding};
use warikan_runtime::TOKEN_LIFETIME;
use warikan_testkit::{App, Reply, TestHouse};
use warikan_types::{ClientScope, Environment};

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_operator_can_get_to_work_and_is_made_once() {
    let world = World::new().await;
    let credential = world.first_credential();
    let reply = world
        .token(&credential["client_id"], &credential["client_secret"], &[])
        .await;
    let token = reply.expect(200);
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["scope"], "operator");
    assert_eq!(token["expires_in"], TOKEN_LIFETIME.as_secs());
    let operator = token["access_token"].as_str().unwrap();
    world.tenant(operator).await;
    let again = Onboarding::open(
        Config::default(),
        world.house.directory().join("other.json"),
        &world.house.platform,
    )
    .await
    .unwrap();
    assert!(!again.bootstrap().created, "an operator exists already");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = world.house.directory().join("operator-credential.json");
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o077,
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_opens_only_when_everything_stands_and_the_sandbox_at_once() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    let sandbox = world.credential(&operator, &tenant, "sandbox").await;
    let sandbox = sandbox.expect(201);
    world
        .token(&sandbox["client_id"], &sandbox["client_secret"], &[])
        .await
        .expect(200);
    world
        .credential(&operator, &tenant, "production")
        .await
        .expect_problem(403, "tenant_not_active");
    let problem = world.to(&operator, &tenant, "contracted").await;
    assert!(
        problem.expect_problem(409, "conflict")["detail"]
            .as_str()
            .unwrap()
            .contains("delegation_contract")
    );
    world
        .to(&operator, &tenant, "active")
        .await
        .expect_problem(409, "conflict");
    world.go_live(&operator, &tenant).await;
    let production = world.credential(&operator, &tenant, "production").await;
    let production = production.expect(201);
    let path = format!("/v1/operator/tenants/{tenant}");
    assert_eq!(
        world.app.get(&path, &operator).await.expect(200)["missing"],
        json!([])
    );

    let token = world
        .token(
            &production["client_id"],
            &production["client_secret"],
            &[("scope", "verifications")],
        )
        .await;
    assert_eq!(token.expect(200)["scope"], "verifications");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_a_suspended_tenant_or_revoked_client_gets_no_new_token() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    world.go_live(&operator, &tenant).await;
    let reply = world.credential(&operator, &tenant, "production").await;
    let credential = reply.expect(201);
    let ask = || world.token(&credential["client_id"], &credential["client_secret"], &[]);
    let token = ask().await.expect(200)["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    world.to(&operator, &tenant, "suspended").await.expect(200);
    ask().await.expect_problem(401, "invalid_client");
    world.to(&operator, &tenant, "active").await.expect(200);
    ask().await.expect(200);
    let path = format!(
        "/v1/operator/tenants/{tenant}/credentials/{}",
        credential["client_id"].as_str().unwrap()
    );
    world.app.delete(&path, &operator).await.expect(204);
    ask().await.expect_problem(401, "invalid_client");
    // The token given before is over within its lifetime.
    world
        .house
        .clock()
        .advance(TOKEN_LIFETIME + Duration::from_secs(31))
        .unwrap();
    world
        .app
        .get("/v1/operator/tenants", &token)
        .await
        .expect_problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f015_every_refusal_at_the_token_endpoint_is_the_same() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    let reply = world.credential(&operator, &tenant, "sandbox").await;
    let credential = reply.expect(201);
    let strip = |reply: &Reply| {
        let mut json = reply.expect_problem(401, "invalid_client").clone();
        json["request_id"] = Value::Null;
        json
    };
    let wrong_secret = world
        .token(&credential["client_id"], &json!("wks_wrong"), &[])
        .await;
    let unknown = world
        .token(
            &json!("cli_00000000000000000000000000000000"),
            &json!("wks_wrong"),
            &[],
        )
        .await;
    let nonsense = world.token(&json!("nobody"), &json!("x"), &[]).await;
    assert_eq!(strip(&wrong_secret), strip(&unknown));
    assert_eq!(strip(&wrong_secret), strip(&nonsense));
}

/// OAuth 2.0's libraries look at `error` and at nothing else (RFC 6749 5.2).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_at_the_token_endpoint_are_oauths_too() {
    let world = World::new().await;
    let first = world.first_credential();
    let (id, secret) = (&first["client_id"], &first["client_secret"]);
    let refused = world.token(id, &json!("wks_wrong"), &[]).await;
    assert_eq!(refused.expect(401)["error"], "invalid_client");
    let scope = world.token(id, secret, &[("scope", "everything")]).await;
    assert_eq!(scope.expect(400)["error"], "invalid_scope");
    let elsewhere = world.app.get("/v1/audit", "nobody").await;
    assert!(elsewhere.json.get("error").is_none(), "{elsewhere:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f005_f007_f019_who_may_not_is_told_so() {
    let world = World::new().await;
    let app = &world.app;
    let tenant = world.house.token(
        world.house.tenant(Environment::Production),
        &ClientScope::TENANT,
    );
    app.get("/v1/operator/tenants", &tenant)
        .await
        .expect_problem(403, "insufficient_scope");
    let raw = |path: &str| app.request(reqwest::Method::GET, path);
    let reply = App::read(raw("/v1/operator/tenants")).await;
    reply.expect_problem(401, "invalid_token");
    assert!(
        reply.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );
    let operator = world.house.operator_token();
    App::read(raw(&format!(
        "/v1/operator/tenants?access_token={operator}"
    )))
    .await
    .expect(401);
    let twice = raw("/v1/operator/tenants")
        .bearer_auth(&operator)
        .header("authorization", format!("Bearer {operator}"));
    App::read(twice).await.expect_problem(401, "invalid_token");
    let joined = raw("/v1/operator/tenants").header(
        "authorization",
        format!("Bearer {operator}, Bearer {operator}"),
    );
    App::read(joined).await.expect_problem(401, "invalid_token");
    let lower = raw("/v1/operator/tenants").header("authorization", format!("bearer {operator}"));
    App::read(lower).await.expect(200);
    for path in [
        "/v1//operator/tenants",
        "/v1/operator/tenants/",
        "/V1/operator/tenants",
        "/v1/operator/tenants;x",
        "/v1/operator%2ftenants",
        "/v1/x/..;/operator/tenants",
        "/metrics",
        "/debug",
        "/.env",
        "/v0",
    ] {
        let reply = App::read(raw(path).bearer_auth(&operator)).await;
        assert_eq!(reply.status.as_u16(), 404, "{path}");
    }
    let reply = App::read(
        app.request(reqwest::Method::PUT, "/v1/operator/tenants")
            .bearer_auth(&operator),
    )
    .await;
    reply.expect_problem(405, "method_not_allowed");
    assert_eq!(reply.headers["allow"], "GET, POST");
    let overridden = raw("/v1/operator/tenants")
        .bearer_auth(&tenant)
        .header("x-http-method-override", "POST")
        .header("x-tenant-id", "ten_1");
    App::read(overridden)
        .await
        .expect_problem(403, "insufficient_scope");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f019_a_token_is_taken_in_its_one_form_alone() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let raw = |path: &str| world.app.request(reqwest::Method::GET, path);
    for wrong in [
        format!("Bearer\t{operator}"),
        format!("Bearer  {operator}"),
        format!("Bearer {operator}\t"),
        format!("Bearer\t {operator}"),
        format!("Bearer: {operator}"),
        operator.clone(),
    ] {
        let request = raw("/v1/operator/tenants").header("authorization", &wrong);
        let reply = App::read(request).await;
        // White space at a header's end is no part of it (RFC 9110 5.5).
        let trimmed = wrong.ends_with('\t') && reply.status == 200;
        assert!(
            trimmed || reply.status == 401,
            "{wrong:?}: {}",
            reply.status
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_are_strict_idempotent_and_listed() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let cases = [
        (json!({}), "/name"),
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "A", "state": "active" }), "/state"),
        (json!({ "name": "A", "kind": "bank" }), "/kind"),
    ];
    for (body, pointer) in cases {
        let reply = world
            .app
            .post("/v1/operator/tenants", &operator, &body)
            .await;
        assert_eq!(
            reply.expect_problem(400, "invalid_request")["errors"][0]["pointer"],
            pointer
        );
    }
    let send = |name: &str| {
        let request = world
            .app
            .request(reqwest::Method::POST, "/v1/operator/tenants")
            .bearer_auth(&operator)
            .header("idempotency-key", "k1")
            .json(&json!({ "name": name }));
        App::read(request)
    };
    let first = send("甲").await;
    let second = send("甲").await;
    assert_eq!(first.expect(201), second.expect(201));
    assert_eq!(second.headers["idempotency-replayed"], "true");
    send("乙")
        .await
        .expect_problem(409, "idempotency_key_reused");
    for _ in 0..4 {
        world.tenant(&operator).await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/operator/tenants?limit=2".to_owned();
    loop {
        let page = world.app.get(&path, &operator).await;
        let page = page.expect(200);
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["id"].clone()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/operator/tenants?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    world
        .app
        .get("/v1/operator/tenants?limit=0", &operator)
        .await
        .expect(400);
    world
        .app
        .get("/v1/operator/tenants?lim=1", &operator)
        .await
        .expect(400);
}

/// The operator who keeps the first credential in a secret store brings it along; a pod's own file would go with the pod.
#[tokio::test]
async fn a_first_credential_that_is_given_is_taken_and_a_guessable_one_is_not() {
    let house = TestHouse::new();
    let file = house.directory().join("given.json");
    let weak = json!({ "client_id": "cli_01a1fc012c0879d497a4941b37d733fb", "client_secret": "wks_secret" });
    std::fs::write(&file, weak.to_string()).unwrap();
    let refused = Onboarding::open(Config::default(), file.clone(), &house.platform).await;
    let words = refused.err().unwrap().to_string();
    assert!(words.contains("warikan operator-credential"), "{words}");
    assert!(!words.contains("wks_secret"), "{words}");

    let platform = &house.platform;
    let given = warikan_onboarding::new_credential(&platform.entropy, platform.clock().now());
    std::fs::write(&file, &given).unwrap();
    let mut permissions = std::fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&file, permissions).unwrap();
    let onboarding = Onboarding::open(Config::default(), file, platform)
        .await
        .unwrap();
    assert!(!onboarding.bootstrap().created);
    let app = App::serve(platform, vec![onboarding.module()]).await;
    let world = World {
        house,
        app,
        onboarding,
    };
    let given: Value = serde_json::from_str(&given).unwrap();
    let (id, secret) = (&given["client_id"], &given["client_secret"]);
    world.token(id, secret, &[]).await.expect(200);
    let other = json!("wks_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let refused = world.token(id, &other, &[]).await;
    refused.expect_problem(401, "invalid_client");
}
