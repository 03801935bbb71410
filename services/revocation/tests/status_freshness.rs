//! How fresh the platform's knowledge is, for everybody.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Bench, SIGNATURE};
use warikan_simulator::LifeEvent;
use warikan_testkit::{App, Reply};
use warikan_types::ClientScope;

async fn ask(bench: &Bench) -> Reply {
    App::read(bench.app.request(Method::GET, "/v1/status-freshness")).await
}

fn lists<'a>(told: &'a Value, environment: &str) -> (&'a Value, &'a Value) {
    let all = told["environments"].as_array().unwrap();
    let one = all.iter().find(|one| one["environment"] == environment);
    let one = one.unwrap();
    assert_eq!(one["channels"].as_array().unwrap().len(), 1);
    assert_eq!(one["channels"][0]["channel"], "crl");
    (&one["as_of"], &one["channels"][0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f041_everybody_sees_how_old_what_the_platform_knows_is() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let tenant = bench.tenant();
    let der = bench.certificate(citizen, SIGNATURE);
    let watch = bench.watch(tenant, &der, "顧客１").await;
    let nothing = json!({"channel": "crl", "state": "unavailable", "lists": 0, "stale_lists": 0, "oldest_this_update": null,
        "newest_this_update": null, "next_update": null, "age_seconds": null, "status_version": null});
    assert_eq!(
        lists(ask(&bench).await.expect(200), "production").1,
        &nothing
    );

    bench.publish_and_sync().await;
    let published = bench.house.clock().now();
    bench.advance(5);
    let reply = ask(&bench).await;
    assert_eq!(reply.headers["cache-control"], "public, max-age=10");
    let (as_of, first) = lists(reply.expect(200), "production");
    assert_eq!(as_of, &json!(bench.house.clock().now().to_string()));
    assert_eq!(
        (&first["state"], &first["lists"]),
        (&json!("fresh"), &json!(12))
    );
    assert_eq!(first["stale_lists"], 0);
    assert_eq!(first["oldest_this_update"], published.to_string());
    assert_eq!(first["newest_this_update"], published.to_string());
    assert_eq!(first["age_seconds"], 5 * 3600);
    // The other environment has no lists, and says so.
    assert_eq!(lists(&reply.json, "sandbox").1, &nothing);
    // The name of the version is that of a campaign that begins now.
    let token = bench.house.token(tenant, &[ClientScope::Campaigns]);
    let ordered = bench
        .app
        .post("/v1/campaigns", &token, &json!({"selector": "all"}))
        .await;
    let path = format!(
        "/v1/campaigns/{}",
        ordered.expect(201)["id"].as_str().unwrap()
    );
    bench.app.run("revocation.campaigns").await;
    let campaign = bench.app.get(&path, &token).await;
    assert_eq!(
        campaign.expect(200)["status_version"],
        first["status_version"]
    );
    // Nothing of a tenant, a certificate, an issuer or a municipality.
    let text = String::from_utf8(reply.body.clone()).unwrap();
    let sources = bench.sources().await;
    let mut secrets = vec![watch["certificate_handle"].as_str().unwrap().to_owned()];
    for one in sources["data"].as_array().unwrap() {
        secrets.extend(
            ["url", "issuer", "partition"].map(|name| one[name].as_str().unwrap().to_owned()),
        );
    }
    for secret in secrets
        .iter()
        .map(String::as_str)
        .chain(["kiyose", "tokyo"])
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }

    bench.advance(19);
    bench.happen(citizen, &LifeEvent::Lose);
    bench.publish_and_sync().await;
    let reply = ask(&bench).await;
    let second = lists(reply.expect(200), "production").1;
    assert_eq!(second["age_seconds"], 0);
    assert_ne!(second["status_version"], first["status_version"]);

    bench.advance(10 * 24);
    let reply = ask(&bench).await;
    let stale = lists(reply.expect(200), "production").1;
    assert_eq!(
        (&stale["state"], &stale["stale_lists"]),
        (&json!("stale"), &json!(12))
    );
    assert_eq!(stale["age_seconds"], 10 * 24 * 3600);
    assert_eq!(stale["status_version"], second["status_version"]);
}
