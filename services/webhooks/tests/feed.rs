//! The event feed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::Scene;
use serde_json::{Value, json};
use warikan_contracts::Envelope;
use warikan_messaging::Outgoing;
use warikan_testkit::{App, WebhookSink};
use warikan_types::{ClientScope, Environment, RevocationReason, TenantScope};

fn ids(feed: &Value) -> Vec<String> {
    let events = feed["data"].as_array().unwrap().iter();
    events
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

fn sequences(feed: &Value) -> Vec<i64> {
    let events = feed["data"].as_array().unwrap().iter();
    events
        .map(|one| one["sequence"].as_i64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f072_repeated_and_concurrent_publication_leaves_one_event_each_and_no_gap() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let envelopes: Vec<_> = (0..25).map(|_| scene.verification(tenant)).collect();
    let bus = &scene.house.platform.bus;
    // The copies of a fact side by side, so that they meet in the database.
    let copies = envelopes.iter().flat_map(|envelope| [envelope; 3]);
    let publications = copies.map(|envelope| {
        let (bus, envelope) = (bus.clone(), envelope.clone());
        tokio::spawn(async move { bus.publish(&envelope, 1).await.unwrap() })
    });
    for publication in publications.collect::<Vec<_>>() {
        publication.await.unwrap();
    }
    let feed = scene.feed(&token, "?limit=500").await;
    assert_eq!(sequences(&feed), (1..=25).collect::<Vec<i64>>());
    let told: BTreeSet<String> = ids(&feed).into_iter().collect();
    let said: BTreeSet<String> = envelopes.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(told, said, "the feed's ids are the facts' ids");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f072_a_batch_of_many_tenants_is_numbered_without_gaps_and_a_bad_fact_takes_no_number() {
    let scene = Scene::new().await;
    let sink = WebhookSink::start().await;
    let (first, token) = scene.tenant();
    let (second, other_token) = scene.tenant();
    let sandbox = TenantScope::of_event(first.tenant(), Environment::Sandbox);
    let wanting = scene.endpoint(&token, &sink.url).await;
    let body = json!({ "url": sink.url, "types": ["invoice.finalized"] });
    let picky = scene.app.post("/v1/webhook-endpoints", &token, &body).await;
    let paused = scene.endpoint(&token, &sink.url).await;
    let path = format!("/v1/webhook-endpoints/{}", paused["id"].as_str().unwrap());
    let request = scene.app.request(reqwest::Method::PATCH, &path);
    let request = request
        .bearer_auth(&token)
        .json(&json!({ "enabled": false }));
    App::read(request).await.expect(200);

    // Ahead, in the middle and behind: numbers of both kinds of feeds, old and new.
    scene.happen(first, 2).await;
    let mut facts: Vec<Envelope> = [first, sandbox, second, first, second, first]
        .map(|scope| scene.verification(scope))
        .into();
    facts[3].payload = json!({ "verification": 7 }).into();
    facts.push(scene.invoice(first));
    // What was handed over before stands in the batch again.
    facts.extend(facts.clone().into_iter().take(2));
    let outgoing: Vec<Outgoing> = facts
        .iter()
        .map(|envelope| Outgoing {
            envelope: envelope.clone(),
            attempt: 1,
        })
        .collect();
    for outcome in scene.house.platform.bus.publish_all(&outgoing).await {
        outcome.unwrap();
    }
    let feed = scene.feed(&token, "").await;
    assert_eq!(sequences(&feed), [1, 2, 3, 4, 5]);
    let told: Vec<String> = [0, 5, 6]
        .map(|index: usize| facts[index].id.to_string())
        .into();
    assert_eq!(ids(&feed)[2..], told, "in the order of the batch");
    let feed = scene.feed(&scene.token(sandbox), "").await;
    assert_eq!(
        (ids(&feed), sequences(&feed)),
        (vec![facts[1].id.to_string()], vec![1])
    );
    let feed = scene.feed(&other_token, "").await;
    assert_eq!(sequences(&feed), [1, 2]);

    scene.deliver().await;
    let delivered = async |endpoint: &Value| scene.deliveries(&token, endpoint).await.len();
    assert_eq!(delivered(&wanting).await, 5);
    assert_eq!(delivered(picky.expect(201)).await, 1);
    assert_eq!(delivered(&paused).await, 0);
    assert_eq!(sink.received().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f071_a_message_beyond_20_kb_is_parked_and_takes_no_number() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let mut large = scene.revocation(tenant, RevocationReason::KeyCompromise);
    let mut told: serde_json::Value = large.payload.read().unwrap();
    told["source_version"] = "v".repeat(20_000).into();
    large.payload = told.into();
    scene.publish(&large).await;
    scene.happen(tenant, 1).await;
    let feed = scene.feed(&token, "").await;
    assert_eq!(sequences(&feed), [1]);
    assert_eq!(feed["data"][0]["type"], "verification.completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_cannot_be_read_is_parked_and_takes_no_number() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let mut odd = scene.verification(tenant);
    odd.payload = serde_json::json!({ "verification": 7 }).into();
    scene.publish(&odd).await;
    let mut late = scene.verification(tenant);
    late.version = 99;
    scene.publish(&late).await;
    let mut homeless = scene.verification(tenant);
    homeless.scope = None;
    scene.publish(&homeless).await;
    let good = scene.happen(tenant, 1).await;
    let feed = scene.feed(&token, "").await;
    assert_eq!((ids(&feed), sequences(&feed)), (good, vec![1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_no_tenant_and_no_environment_sees_anothers_events() {
    let scene = Scene::new().await;
    let (a, token_a) = scene.tenant();
    let (b, token_b) = scene.tenant();
    let sandbox_a = warikan_types::TenantScope::of_event(a.tenant(), Environment::Sandbox);
    let of_a = scene.happen(a, 3).await;
    let of_b = scene.happen(b, 2).await;
    let of_sandbox = scene.happen(sandbox_a, 1).await;
    for (token, own) in [
        (&token_a, &of_a),
        (&token_b, &of_b),
        (&scene.token(sandbox_a), &of_sandbox),
    ] {
        let feed = scene.feed(token, "").await;
        assert_eq!(&ids(&feed), own);
        let count = i64::try_from(own.len()).unwrap();
        assert_eq!(sequences(&feed), (1..=count).collect::<Vec<i64>>());
    }
    // Another's event id is no place in this feed, and reads like one that does not exist.
    let foreign = scene
        .app
        .get(&format!("/v1/events?after={}", of_b[0]), &token_a)
        .await;
    let unknown = "evt_0192f3c4000070008000000000000000";
    let unknown = scene
        .app
        .get(&format!("/v1/events?after={unknown}"), &token_a)
        .await;
    let said = |reply: &warikan_testkit::Reply| {
        reply.expect_problem(400, "invalid_request")["errors"].clone()
    };
    assert_eq!(said(&foreign), said(&unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_can_stand_anywhere_and_go_on() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let empty = scene.feed(&token, "").await;
    assert_eq!(
        (&empty["next_cursor"], &empty["has_more"]),
        (&"0".into(), &false.into())
    );
    let told = scene.happen(tenant, 5).await;
    let invoice = scene.invoice(tenant);
    scene.publish(&invoice).await;

    let mut cursor = "0".to_owned();
    let mut walked = Vec::new();
    loop {
        let part = scene
            .feed(&token, &format!("?limit=2&after={cursor}"))
            .await;
        walked.extend(ids(&part));
        cursor = part["next_cursor"].as_str().unwrap().to_owned();
        if part["has_more"] == false {
            break;
        }
        assert_eq!(part["data"].as_array().unwrap().len(), 2);
    }
    assert_eq!(walked[..5], told[..]);
    assert_eq!(walked[5], invoice.id.to_string());

    assert_eq!(
        ids(&scene.feed(&token, &format!("?after={}", told[2])).await),
        walked[3..]
    );
    assert_eq!(ids(&scene.feed(&token, "?after=4").await), walked[4..]);
    let invoices = scene
        .feed(&token, "?types=invoice.finalized,endpoint.disabled")
        .await;
    assert_eq!(ids(&invoices), walked[5..]);
    // A cursor also passes over what the filter left out.
    let none = scene.feed(&token, "?types=certificate.revoked").await;
    assert_eq!((ids(&none).len(), &none["next_cursor"]), (0, &"6".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_queries_name_the_parameter_and_strangers_are_refused() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    for (query, pointer) in [
        ("?after=7", "?after"),
        ("?after=-1", "?after"),
        ("?after=", "?after"),
        ("?after=%2B1", "?after"),
        ("?after=99999999999999999999999", "?after"),
        ("?after=whe_0192f3c4000070008000000000000000", "?after"),
        ("?types=nothing.happened", "?types"),
        ("?types=", "?types"),
        ("?limit=0", "?limit"),
        ("?limit=501", "?limit"),
        ("?wait_seconds=21", "?wait_seconds"),
    ] {
        let reply = scene.app.get(&format!("/v1/events{query}"), &token).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
    let unknown = scene.app.get("/v1/events?since=1", &token).await;
    unknown.expect_problem(400, "invalid_request");

    let other_scope = scene.house.token(tenant, &[ClientScope::Webhooks]);
    let refused = scene.app.get("/v1/events", &other_scope).await;
    refused.expect_problem(403, "insufficient_scope");
    let nobody = scene.app.get("/v1/events", "nothing").await;
    nobody.expect_problem(401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f071_public_data_is_thin() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let verification = scene.verification(tenant);
    let revocation = scene.revocation(tenant, RevocationReason::AffiliationChanged);
    for envelope in [&verification, &revocation, &scene.invoice(tenant)] {
        scene.publish(envelope).await;
    }
    let feed = scene.feed(&token, "").await;
    let keys = |index: usize| -> BTreeSet<String> {
        feed["data"][index]["data"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected: BTreeSet<String> = set(&[
        "verification_id",
        "verdict",
        "reason",
        "certificate_handle",
        "subject_id",
        "watch_id",
    ]);
    assert_eq!(keys(0), expected);
    let expected: BTreeSet<String> = set(&[
        "watch_id",
        "certificate_handle",
        "subject_id",
        "kind",
        "reason",
        "meaning",
        "recommended_action",
        "customer_wording",
        "revoked_at",
        "this_update",
        "source_version",
        "renewed_by",
    ]);
    assert_eq!(keys(1), expected);
    let expected: BTreeSet<String> = set(&["invoice_id", "period", "total"]);
    assert_eq!(keys(2), expected);
    let revoked = &feed["data"][1]["data"];
    assert_eq!(
        revoked["meaning"],
        "Name, address, date of birth or sex has changed."
    );
    assert_eq!(
        revoked["recommended_action"],
        "Ask the customer for the new attributes."
    );
    // What the fact on the bus knows and the tenant must not read.
    let text = feed.to_string();
    assert!(!text.contains("published_at"));
    for secret in ["2f3e4d5c", "issuer", "serial", "黒桐", "4711", "client"] {
        assert!(verification.payload.to_string().contains(secret) || secret == "2f3e4d5c");
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_reader_is_told_at_once() {
    let scene = Scene::new().await;
    let (tenant, token) = scene.tenant();
    let nothing = tokio::time::Instant::now();
    scene.feed(&token, "?wait_seconds=1").await;
    assert!(
        nothing.elapsed() >= Duration::from_secs(1),
        "it waits as long as asked"
    );

    let begun = tokio::time::Instant::now();
    let (feed, told) = tokio::join!(scene.feed(&token, "?wait_seconds=20"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.happen(tenant, 1).await
    });
    assert_eq!(ids(&feed), told);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it does not wait any longer"
    );
}

/// Several processes append to the same two feeds at once: no number is missing, none is given twice, and the order of numbers is
/// the order in which readers can see them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_writers_at_once_leave_no_gap() {
    let scene = Scene::new().await;
    let ((one, token), (two, other)) = (scene.tenant(), scene.tenant());
    let write = |tenants: [TenantScope; 2]| {
        let scene = &scene;
        async move {
            for _ in 0..8 {
                scene.happen_together(&tenants).await;
                scene.happen(tenants[0], 1).await;
            }
        }
    };
    // Reads while they write never see a number before the one in front of it.
    let read = async {
        for _ in 0..20 {
            let feed = scene.app.get("/v1/events?limit=100", &token).await;
            let numbers: Vec<i64> = feed.expect(200)["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["sequence"].as_i64().unwrap())
                .collect();
            let expected: Vec<i64> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected);
        }
    };
    tokio::join!(
        write([one, two]),
        write([two, one]),
        write([one, two]),
        write([two, one]),
        read
    );
    for token in [token, other] {
        let feed = scene.app.get("/v1/events?limit=100", &token).await;
        let data = feed.expect(200)["data"].as_array().unwrap().clone();
        let numbers: Vec<i64> = data
            .iter()
            .map(|one| one["sequence"].as_i64().unwrap())
            .collect();
        assert_eq!(numbers, (1..=48).collect::<Vec<i64>>());
    }
}
