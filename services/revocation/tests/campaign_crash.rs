//! A campaign that is torn down again and again, at whatever statement it happens to be: each certificate once, as a naive checker
//! has it.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use support::{Bench, SIGNATURE, watch_many};
use warikan_contracts::facts::{CampaignCompleted, StatusChecked};
use warikan_revocation::{Revocation, verify_campaign};
use warikan_simulator::LifeEvent;
use warikan_types::{ClientScope, TenantScope};

/// Three chunks of 4,096 and a part of one.
const CERTIFICATES: u64 = 3 * 4_096 + 700;

fn token(bench: &Bench, tenant: TenantScope) -> String {
    bench.house.token(tenant, &[ClientScope::Campaigns])
}

async fn show(bench: &Bench, tenant: TenantScope, path: &str) -> Value {
    bench
        .app
        .get(path, &token(bench, tenant))
        .await
        .expect(200)
        .clone()
}

/// Works as long as it may and is then torn down where it stands.
async fn work_for(service: &Revocation, how_long: Duration) {
    let module = service.module();
    let task = module
        .tasks
        .iter()
        .find(|task| task.name() == "revocation.campaigns")
        .unwrap();
    // What was not finished is dropped: open transactions end without a commit, the lease stays.
    let _ = tokio::time::timeout(how_long, task.run_once()).await;
}

/// How often it was torn down, and how many were checked then.
async fn torn_down_until_it_is_done(
    bench: &mut Bench,
    tenant: TenantScope,
    path: &str,
) -> (u32, BTreeSet<u64>) {
    let mut torn = 0;
    let mut between = BTreeSet::new();
    let mut patience = Duration::from_millis(5);
    for _ in 0..60 {
        // Another process each time; the one before is gone, and its lease runs out. Each may work a little longer, so that on
        // a slow machine too some come to a commit and some do not.
        let service = bench.restarted().await;
        work_for(&service, patience).await;
        patience = patience.mul_f32(1.3);
        let view = show(bench, tenant, path).await;
        if view["state"] == "completed" {
            break;
        }
        torn += 1;
        between.insert(view["counts"]["checked"].as_u64().unwrap());
        bench.advance(1);
    }
    (torn, between)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_a_campaign_that_is_torn_down_anywhere_checks_each_certificate_once() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant();
    let citizens = bench.citizens(40);
    let pattern = bench.certificate(citizens[0], SIGNATURE);
    let like = bench.watch(tenant, &pattern, "pattern").await;
    let mut lost = BTreeSet::new();
    for citizen in &citizens[1..] {
        let der = bench.certificate(*citizen, SIGNATURE);
        let watch = bench.watch(tenant, &der, "one").await;
        lost.insert(watch["certificate_handle"].as_str().unwrap().to_owned());
    }
    let db = bench.house.database("revocation").await;
    let examined = warikan_pki::examine(&pattern, &bench.anchors);
    let certificate = examined.path().unwrap().certificate_id();
    let like = like["id"].as_str().unwrap().parse().unwrap();
    let serials = (0..CERTIFICATES).map(|number| (tenant, 500_000_000 + number));
    let made = watch_many(&bench, &db, certificate, like, serials).await;
    for citizen in &citizens[1..] {
        bench.happen(*citizen, &LifeEvent::Lose);
    }
    bench.publish_and_sync().await;

    let body = json!({"selector": "all"});
    let reply = bench
        .app
        .post("/v1/campaigns", &token(&bench, tenant), &body)
        .await;
    let campaign = reply.expect(201).clone();
    let path = format!("/v1/campaigns/{}", campaign["id"].as_str().unwrap());
    let (torn, between) = torn_down_until_it_is_done(&mut bench, tenant, &path).await;
    let view = show(&bench, tenant, &path).await;
    assert_eq!(view["state"], "completed", "{view}");
    assert!(
        torn > 2 && between.len() > 1,
        "torn down {torn} times, at {between:?}"
    );
    assert_eq!(view["restarts"], 0, "the lists were the same");
    let total = made.len() + citizens.len();
    let (revoked, good) = (lost.len(), total - lost.len());
    assert_eq!(
        view["counts"],
        json!({"checked": total, "good": good, "revoked": revoked, "expired": 0, "unknown": 0})
    );

    // The naive checker: every handle once, and revoked exactly those that were lost.
    let results = bench
        .app
        .get(&format!("{path}/results"), &token(&bench, tenant))
        .await;
    let text = std::str::from_utf8(&results.body).unwrap();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let (handle, rest) = line.split_once(',').unwrap();
        assert!(seen.insert(handle), "{handle} twice");
        assert_eq!(
            rest.starts_with("revoked,key_compromise,"),
            lost.contains(handle),
            "{line}"
        );
    }
    assert_eq!(seen.len(), total);
    assert!(
        made.iter()
            .all(|one| seen.contains(one.handle.to_string().as_str()))
    );
    let keys = serde_json::to_vec(&bench.house.platform.keys.jwks()).unwrap();
    let verified = verify_campaign(view["receipt"].as_str().unwrap(), &keys).unwrap();
    verified.check_results(text.as_bytes()).unwrap();
    // Proofs from the first chunk, a middle one and the last.
    for handle in seen.iter().step_by(1_999) {
        let proof = bench
            .app
            .get(&format!("{path}/proofs/{handle}"), &token(&bench, tenant))
            .await;
        assert!(
            verified
                .check_proof(&proof.body)
                .unwrap()
                .starts_with(*handle)
        );
    }
    let changes = show(&bench, tenant, &format!("{path}/changes?limit=500")).await;
    assert_eq!(changes["data"].as_array().unwrap().len(), revoked);

    each_was_told_once(&bench, total).await;
}

async fn each_was_told_once(bench: &Bench, total: usize) {
    bench.app.settle().await;
    bench.app.settle().await;
    assert_eq!(bench.probe.facts::<CampaignCompleted>().len(), 1);
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for (_, fact) in bench.probe.facts::<StatusChecked>() {
        for one in fact.certificates {
            *told.entry(one.handle.to_string()).or_default() += 1;
        }
    }
    assert_eq!(told.len(), total, "each was told to billing");
    assert!(told.values().all(|times| *times == 1), "and by one fact");
}
