//! Customer numbers at rest: under each tenant's own data key, those from before too, and noise when it is destroyed.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use support::{Bench, SIGNATURE, watch_body};
use warikan_contracts::{
    Envelope,
    facts::{TenantChanged, TenantClosed, TenantState},
};
use warikan_types::{ClientScope, Sealer, TenantScope};

/// First octet of what is sealed under a tenant's key.
const TENANTS: u8 = 2;

async fn sealed(bench: &Bench, table: &str) -> Vec<Option<Vec<u8>>> {
    let db = bench.house.database("revocation").await;
    let sql = format!("SELECT reference FROM {table} ORDER BY id");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    let rows = rows.iter().map(|row| row.try_get("", "reference").unwrap());
    rows.collect()
}

/// Puts a box under the platform's key where a release before would have put one.
async fn as_before(bench: &Bench, table: &str, id: uuid::Uuid, place: &str, text: &str) {
    let old = bench.house.platform.keys.sealer();
    let old = old.seal(place, text.as_bytes());
    let db = bench.house.database("revocation").await;
    let sql = format!("UPDATE {table} SET reference = $1 WHERE id = $2");
    let values = [old.into(), id.into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    assert_eq!(db.execute_raw(statement).await.unwrap().rows_affected(), 1);
}

async fn close(bench: &Bench, tenant: TenantScope) {
    let platform = &bench.house.platform;
    let (now, about) = (platform.clock().now(), tenant.tenant().to_string());
    let changed = TenantChanged {
        tenant: tenant.tenant(),
        name: "割勘証券株式会社".to_owned(),
        plan: "standard".to_owned(),
        state: TenantState::Closed,
        revision: 9,
    };
    let closed = TenantClosed {
        tenant: tenant.tenant(),
        revision: 9,
    };
    for envelope in [
        Envelope::of(platform.entropy.id(now), None, now, about.clone(), &changed),
        Envelope::of(platform.entropy.id(now), None, now, about, &closed),
    ] {
        platform.bus.publish(&envelope, 1).await.unwrap();
    }
}

fn id_of(wire: &serde_json::Value) -> uuid::Uuid {
    let (_, digits) = wire.as_str().unwrap().split_once('_').unwrap();
    digits.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f097_customer_numbers_from_before_come_under_their_tenants_keys() {
    let mut bench = Bench::new().await;
    let people = bench.citizens(2);
    let (stays, goes) = (bench.tenant(), bench.tenant());
    bench.publish_and_sync().await;
    let mut watches = Vec::new();
    for tenant in [stays, goes] {
        let certificate = bench.certificate(people[0], SIGNATURE);
        let watch = bench.watch(tenant, &certificate, "C-1").await;
        let id = id_of(&watch["id"]);
        let place = format!(
            "watch/{}/{}",
            tenant.tenant(),
            watch["id"].as_str().unwrap()
        );
        as_before(&bench, "watch", id, &place, "C-1").await;
        watches.push(watch);
    }
    let before = sealed(&bench, "watch").await;
    assert!(
        before
            .iter()
            .flatten()
            .all(|one| one[0] == Sealer::PLATFORM)
    );
    // It is read as it is.
    assert_eq!(bench.watches(stays, "watching").await[0]["ref"], "C-1");

    close(&bench, goes).await;
    bench.app.run("revocation.reseal").await;
    let after = sealed(&bench, "watch").await;
    assert_eq!(after[0].as_ref().unwrap()[0], TENANTS);
    assert_eq!(after[1], None, "of a tenant that is closed it is erased");
    assert_eq!(bench.watches(stays, "watching").await[0]["ref"], "C-1");
    // Nothing is left to do, and nothing is done.
    bench.app.run("revocation.reseal").await;
    assert_eq!(sealed(&bench, "watch").await, after);
    // Nor does a tenant's watch of the same certificate under the same number become two.
    let certificate = bench.certificate(people[0], SIGNATURE);
    let again = watch_body(&certificate, Some("C-1"));
    let again = bench
        .app
        .post("/v1/watches", &bench.token(stays), &again)
        .await;
    assert_eq!(again.expect(200)["id"], watches[0]["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f097_what_campaigns_found_before_comes_under_the_tenants_key() {
    let mut bench = Bench::new().await;
    let people = bench.citizens(1);
    let tenant = bench.tenant();
    let certificate = bench.certificate(people[0], SIGNATURE);
    bench.watch(tenant, &certificate, "C-1").await;
    bench.move_house(people[0]);
    bench.publish_and_sync().await;
    let scopes = [ClientScope::Watches, ClientScope::Campaigns];
    let token = bench.house.token(tenant, &scopes);
    let order = json!({ "selector": { "refs": ["C-1"] } });
    let order = bench.app.post("/v1/campaigns", &token, &order).await;
    let id = order.expect(201)["id"].as_str().unwrap().to_owned();
    bench.app.run("revocation.campaigns").await;
    let changes = format!("/v1/campaigns/{id}/changes");
    let found = bench.app.get(&changes, &token).await;
    assert_eq!(found.expect(200)["data"][0]["ref"], "C-1");

    let db = bench.house.database("revocation").await;
    let asked = Statement::from_string(db.get_database_backend(), "SELECT id FROM campaign_change");
    let row = db.query_one_raw(asked).await.unwrap().unwrap();
    let place = format!("campaign/{}/{id}", tenant.tenant());
    let change = row.try_get("", "id").unwrap();
    as_before(&bench, "campaign_change", change, &place, "C-1").await;
    bench.app.run("revocation.reseal").await;
    let after = sealed(&bench, "campaign_change").await;
    assert_eq!(after[0].as_ref().unwrap()[0], TENANTS);
    let found = bench.app.get(&changes, &token).await;
    assert_eq!(found.expect(200)["data"][0]["ref"], "C-1");

    close(&bench, tenant).await;
    bench
        .app
        .get(&changes, &token)
        .await
        .expect_problem(403, "tenant_not_active");
}
