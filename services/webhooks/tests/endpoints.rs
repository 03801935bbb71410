//! Endpoints: their life, their limits, and who may touch them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use common::{Scene, config};
use reqwest::Method;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use warikan_testkit::{App, WebhookSink};
use warikan_types::ClientScope;
use warikan_webhooks::Config;

const HOOK: &str = "http://127.0.0.1:9/hook";

async fn patch(scene: &Scene, token: &str, id: &str, body: &Value) -> warikan_testkit::Reply {
    let path = format!("/v1/webhook-endpoints/{id}");
    let request = scene.app.request(Method::PATCH, &path);
    App::read(request.bearer_auth(token).json(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_made_listed_changed_and_removed() {
    let scene = Scene::new().await;
    let (_, token) = scene.tenant();
    let types = json!(["certificate.revoked", "invoice.finalized"]);
    let body = json!({ "url": HOOK, "types": types });
    let made = scene.app.post("/v1/webhook-endpoints", &token, &body).await;
    let made = made.expect(201).clone();
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("whe_"));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(
        (&made["url"], &made["types"], &made["enabled"]),
        (&HOOK.into(), &types, &true.into())
    );

    let path = format!("/v1/webhook-endpoints/{id}");
    let mut read = scene.app.get(&path, &token).await.expect(200).clone();
    assert!(read.get("secret").is_none(), "shown once");
    read["secret"] = made["secret"].clone();
    assert_eq!(read, made);

    let paused = patch(
        &scene,
        &token,
        id,
        &json!({ "enabled": false, "types": [] }),
    )
    .await;
    let paused = paused.expect(200);
    assert_eq!(
        (&paused["enabled"], &paused["types"]),
        (&false.into(), &json!([]))
    );
    assert_eq!(paused["disabled"]["cause"], "paused");
    let resumed = patch(&scene, &token, id, &json!({ "enabled": true })).await;
    assert_eq!(resumed.expect(200)["disabled"], Value::Null);

    for _ in 0..2 {
        scene.endpoint(&token, HOOK).await;
    }
    let first = scene.app.get("/v1/webhook-endpoints?limit=2", &token).await;
    let first = first.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = format!("/v1/webhook-endpoints?limit=2&cursor={cursor}");
    let second = scene.app.get(&rest, &token).await;
    let count = |page: &Value| page["data"].as_array().unwrap().len();
    assert_eq!((count(first), count(second.expect(200))), (2, 1));

    assert_eq!(scene.app.delete(&path, &token).await.status, 204);
    scene
        .app
        .get(&path, &token)
        .await
        .expect_problem(404, "not_found");
    scene
        .app
        .delete(&path, &token)
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_registration_and_change_refuse_what_is_not_public() {
    let scene = Scene::with(Config {
        allow_loopback_http: false,
        ..config()
    })
    .await;
    let (_, token) = scene.tenant();
    let good = scene.endpoint(&token, "https://8.8.8.8/hook").await;
    let id = good["id"].as_str().unwrap();
    for (url, code) in [
        (HOOK, "url_scheme"),
        ("https://127.0.0.1/", "url_host"),
        ("https://localhost/", "url_host"),
        ("https://[::ffff:10.0.0.1]/", "url_host"),
        ("https://169.254.169.254/latest/meta-data/", "url_host"),
        ("https://a:b@8.8.8.8/", "url_user_info"),
        ("https://8.8.8.8/#x", "url_fragment"),
        ("https://8.8.8.8:25/", "url_port"),
        ("nonsense", "url_malformed"),
    ] {
        let body = json!({ "url": url });
        let made = scene.app.post("/v1/webhook-endpoints", &token, &body).await;
        let changed = patch(&scene, &token, id, &body).await;
        for reply in [made, changed] {
            let problem = reply.expect_problem(400, "invalid_request");
            let error = &problem["errors"][0];
            assert_eq!(
                (&error["pointer"], &error["code"]),
                (&"/url".into(), &code.into()),
                "{url}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_loopback_can_be_open_to_the_sandbox_alone() {
    let scene = Scene::with(Config {
        allow_loopback_http: false,
        allow_loopback_http_in_sandbox: true,
        ..config()
    })
    .await;
    let sink = WebhookSink::start().await;
    let (sandbox, token) = scene.sandbox_tenant();
    let (_, production) = scene.tenant();
    scene.endpoint(&token, &sink.url).await;
    scene.happen(sandbox, 1).await;
    scene.deliver().await;
    assert_eq!(sink.received().len(), 1);

    let body = json!({ "url": sink.url });
    let path = "/v1/webhook-endpoints";
    let refused = scene.app.post(path, &production, &body).await;
    let problem = refused.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["code"], "url_scheme");
    let other = scene.endpoint(&production, "https://8.8.8.8/hook").await;
    let changed = patch(&scene, &production, other["id"].as_str().unwrap(), &body).await;
    changed.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_bodies_name_the_field() {
    let scene = Scene::new().await;
    let (_, token) = scene.tenant();
    let made = scene.endpoint(&token, HOOK).await;
    let replay = format!(
        "/v1/webhook-endpoints/{}/replay",
        made["id"].as_str().unwrap()
    );
    let create = "/v1/webhook-endpoints";
    for (path, body, pointer) in [
        (create, json!({}), "/url"),
        (create, json!({ "url": 7 }), "/url"),
        (create, json!({ "url": HOOK, "secret": "x" }), "/secret"),
        (
            create,
            json!({ "url": HOOK, "types": ["nothing.happened"] }),
            "/types/0",
        ),
        (
            create,
            json!({ "url": HOOK, "types": "invoice.finalized" }),
            "/types",
        ),
        (
            &replay,
            json!({ "since": "2026-11-21T00:00:00Z" }),
            "/until",
        ),
        (
            &replay,
            json!({ "since": "yesterday", "until": "2026-11-21T00:00:00Z" }),
            "/since",
        ),
        (
            &replay,
            json!({ "since": "2026-11-21T00:00:00Z", "until": "2026-11-21T00:00:00Z" }),
            "/since",
        ),
    ] {
        let reply = scene.app.post(path, &token, &body).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_another_tenants_endpoint_and_delivery_do_not_exist_on_any_route() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (a, token_a) = scene.tenant();
    let (_, token_b) = scene.tenant();
    let made = scene.endpoint(&token_a, &sink.url).await;
    scene.happen(a, 1).await;
    let delivery = &scene.deliveries(&token_a, &made).await[0];
    let endpoint = format!("/v1/webhook-endpoints/{}", made["id"].as_str().unwrap());
    let resend = format!("/v1/deliveries/{}/resend", delivery["id"].as_str().unwrap());
    let range = json!({ "since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z" });
    let routes = [
        (Method::GET, endpoint.clone(), None),
        (
            Method::PATCH,
            endpoint.clone(),
            Some(json!({ "enabled": false })),
        ),
        (
            Method::PATCH,
            endpoint.clone(),
            Some(json!({ "url": "https://10.0.0.1/" })),
        ),
        (Method::DELETE, endpoint.clone(), None),
        (Method::POST, format!("{endpoint}/rotate-secret"), None),
        (Method::POST, format!("{endpoint}/test"), None),
        (Method::POST, format!("{endpoint}/replay"), Some(range)),
        (Method::GET, format!("{endpoint}/deliveries"), None),
        (Method::POST, resend, None),
    ];
    let sandbox =
        warikan_types::TenantScope::of_event(a.tenant(), warikan_types::Environment::Sandbox);
    let no_scope = scene.house.token(a, &[ClientScope::Events]);
    for (method, path, body) in routes {
        let send = |token: &str| {
            let mut request = scene.app.request(method.clone(), &path).bearer_auth(token);
            if let Some(body) = &body {
                request = request.json(body);
            }
            App::read(request)
        };
        send(&token_b).await.expect_problem(404, "not_found");
        send(&scene.token(sandbox))
            .await
            .expect_problem(404, "not_found");
        send(&no_scope)
            .await
            .expect_problem(403, "insufficient_scope");
        send("nothing").await.expect_problem(401, "invalid_token");
    }
    let list = scene.app.get("/v1/webhook-endpoints", &token_b).await;
    assert_eq!(list.expect(200)["data"], json!([]));
    let untouched = scene.app.get(&endpoint, &token_a).await;
    assert_eq!(untouched.expect(200)["enabled"], true);
    assert_eq!(
        scene.feed(&token_b, "").await["data"],
        json!([]),
        "no test event either"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f073_a_repeated_creation_gives_the_same_endpoint_and_secret() {
    let scene = Scene::new().await;
    let (_, token) = scene.tenant();
    let create = |url: &str| {
        let request = scene.app.request(Method::POST, "/v1/webhook-endpoints");
        let request = request.header("Idempotency-Key", "k1").bearer_auth(&token);
        App::read(request.json(&json!({ "url": url })))
    };
    let first = create(HOOK).await;
    let again = create(HOOK).await;
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = create("http://127.0.0.1:10/").await;
    other.expect_problem(409, "idempotency_key_reused");
    let list = scene.app.get("/v1/webhook-endpoints", &token).await;
    assert_eq!(list.expect(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_a_limited_number_of_endpoints() {
    let scene = Scene::with(Config {
        endpoints_per_tenant: 2,
        ..config()
    })
    .await;
    let (_, token) = scene.tenant();
    let (_, other) = scene.tenant();
    for _ in 0..2 {
        scene.endpoint(&token, HOOK).await;
    }
    let third = scene
        .app
        .post("/v1/webhook-endpoints", &token, &json!({ "url": HOOK }))
        .await;
    third.expect_problem(409, "conflict");
    scene.endpoint(&other, HOOK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f065_secrets_lie_sealed() {
    let scene = Scene::new().await;
    let (_, token) = scene.tenant();
    let made = scene.endpoint(&token, HOOK).await;
    let octets = base64_of(made["secret"].as_str().unwrap());
    let db = scene.house.database("webhooks").await;
    let rows = db
        .query_all_raw(Statement::from_string(
            db.get_database_backend(),
            "SELECT secret FROM endpoint",
        ))
        .await
        .unwrap();
    let stored: Vec<u8> = rows[0].try_get("", "secret").unwrap();
    assert!(stored.len() > octets.len());
    assert!(!stored.windows(octets.len()).any(|window| window == octets));
    // Nor does any file of the database hold it, in either form.
    for entry in std::fs::read_dir(scene.house.directory()).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        let text = made["secret"].as_str().unwrap().as_bytes();
        assert!(!content.windows(octets.len()).any(|window| window == octets));
        assert!(!content.windows(text.len()).any(|window| window == text));
    }
}

fn base64_of(secret: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap()
}
