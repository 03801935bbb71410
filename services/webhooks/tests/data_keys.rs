//! Endpoints' secrets at rest: under each tenant's own data key, those from before too, and noise when it is destroyed.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod common;

use common::{Scene, expected_signature};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use warikan_contracts::{Envelope, facts::TenantClosed};
use warikan_testkit::WebhookSink;
use warikan_types::{Sealer, TenantScope};

/// First octet of what is sealed under a tenant's key.
const TENANTS: u8 = 2;

async fn rows(scene: &Scene, sql: &str) -> Vec<sea_orm::QueryResult> {
    let db = scene.house.database("webhooks").await;
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap()
}

async fn secrets(scene: &Scene) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let sql = "SELECT secret, previous_secret FROM endpoint ORDER BY id";
    let rows = rows(scene, sql).await;
    let both = |row: &sea_orm::QueryResult| {
        let secret = row.try_get("", "secret").unwrap();
        (secret, row.try_get("", "previous_secret").unwrap())
    };
    rows.iter().map(both).collect()
}

/// Puts a secret under the platform's key where a release before would have put it.
async fn as_before(scene: &Scene, tenant: TenantScope, endpoint: &Value, column: &str) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = endpoint["secret"].as_str().unwrap();
    let octets = STANDARD.decode(text.trim_start_matches("whsec_")).unwrap();
    let (_, digits) = endpoint["id"].as_str().unwrap().split_once('_').unwrap();
    let id: uuid::Uuid = digits.parse().unwrap();
    let place = format!("endpoint/{}/{id}", tenant.tenant().uuid());
    let sealed = scene.house.platform.keys.sealer().seal(&place, &octets);
    let db = scene.house.database("webhooks").await;
    let sql = format!("UPDATE endpoint SET {column} = $1 WHERE id = $2");
    let values = [sealed.into(), id.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    assert_eq!(db.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f097_secrets_from_before_come_under_their_tenants_keys_and_go_on_signing() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (stays, token) = scene.tenant();
    let first = scene.endpoint(&token, &sink.url).await;
    let path = format!(
        "/v1/webhook-endpoints/{}/rotate-secret",
        first["id"].as_str().unwrap()
    );
    let second = scene.app.post(&path, &token, &json!({})).await;
    let second = second.expect(200).clone();
    let (goes, other) = scene.tenant();
    let lost = scene.endpoint(&other, &sink.url).await;
    for (secret, previous) in secrets(&scene).await {
        assert_eq!(secret[0], TENANTS);
        assert!(previous.is_none_or(|one| one[0] == TENANTS));
    }
    as_before(&scene, stays, &first, "previous_secret").await;
    as_before(&scene, stays, &second, "secret").await;
    as_before(&scene, goes, &lost, "secret").await;
    let signed = async |told: usize| {
        scene.happen(stays, 1).await;
        scene.deliver().await;
        let received = sink.received();
        assert_eq!(received.len(), told);
        let sent = received[told - 1]
            .header("webhook-signature")
            .unwrap()
            .to_owned();
        for endpoint in [&first, &second] {
            let secret = endpoint["secret"].as_str().unwrap();
            let expected = expected_signature(secret, &received[told - 1]);
            assert!(sent.contains(&expected), "{sent}");
        }
    };
    signed(1).await;

    let now = scene.house.clock().now();
    let fact = TenantClosed {
        tenant: goes.tenant(),
        revision: 9,
    };
    let about = goes.tenant().to_string();
    let id = scene.house.platform.entropy.id(now);
    scene
        .publish(&Envelope::of(id, None, now, about, &fact))
        .await;
    scene.app.run("webhooks.reseal").await;
    let after = secrets(&scene).await;
    assert_eq!(after[0].0[0], TENANTS);
    assert_eq!(after[0].1.as_ref().unwrap()[0], TENANTS);
    assert!(
        after[1].0.is_empty(),
        "of a tenant that is closed it is erased"
    );
    signed(2).await;
    scene.app.run("webhooks.reseal").await;
    assert_eq!(secrets(&scene).await, after);
    assert_ne!(after[0].0[0], Sealer::PLATFORM);

    // Its key is a tombstone, and no new secret is made for it.
    let sql = "SELECT 1 FROM data_key WHERE destroyed_at IS NOT NULL";
    assert_eq!(rows(&scene, sql).await.len(), 2);
    let new = json!({ "url": sink.url });
    let refused = scene.app.post("/v1/webhook-endpoints", &other, &new).await;
    refused.expect_problem(403, "tenant_not_active");
}
