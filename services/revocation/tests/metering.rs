//! Once per certificate and JST month, and only where a list in force said something.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use support::{Bench, SIGNATURE};
use warikan_contracts::{
    facts::{Channel, StatusChecked},
    operations::{Metered, OperationGroup},
};
use warikan_simulator::LifeEvent;
use warikan_types::{CertificateHandle, TenantScope};

/// How often each certificate was metered in each month.
fn metered(bench: &Bench) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for (_, fact) in bench.probe.facts::<StatusChecked>() {
        assert_eq!(fact.channel, Channel::Crl);
        assert!(fact.certificates.len() <= 500);
        for one in fact.certificates {
            let key = (fact.month.to_string(), one.handle.to_string());
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

/// The same, as the service keeps it for billing to ask for.
async fn kept(bench: &Bench, tenant: TenantScope) -> BTreeMap<(String, String), usize> {
    let operations = bench.revocation.operations();
    let until = bench.house.clock().now().plus(Duration::from_secs(1));
    let group = OperationGroup::of(tenant, Metered::StatusCheck);
    let mut counts = BTreeMap::new();
    for month in ["2026-11", "2026-12", "2027-01"] {
        let month = month.parse().unwrap();
        let page = operations.page(month, until, group, None).await.unwrap();
        let tallies = operations.tallies(month, until).await.unwrap();
        let told = tallies.iter().map(|one| one.tally.operations).sum::<i64>();
        assert_eq!(told, i64::try_from(page.len()).unwrap());
        for one in page {
            let handle = CertificateHandle::from_uuid(one.key.id);
            *counts
                .entry((one.month.to_string(), handle.to_string()))
                .or_default() += 1;
        }
    }
    counts
}

fn handle(watch: &Value) -> String {
    watch["certificate_handle"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f076_a_watched_certificate_counts_once_a_month_in_japan() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(3);
    let tenant = bench.tenant();
    let mut handles = Vec::new();
    for (number, citizen) in citizens.iter().enumerate() {
        let der = bench.certificate(*citizen, SIGNATURE);
        let watch = bench.watch(tenant, &der, &number.to_string()).await;
        handles.push(handle(&watch));
    }
    // A second watch of the same certificate is not a second check.
    let der = bench.certificate(citizens[0], SIGNATURE);
    bench.watch(tenant, &der, "again").await;
    let november = |of: &str| ("2026-11".to_owned(), of.to_owned());
    assert!(metered(&bench).is_empty(), "no list, no check");
    for _ in 0..3 {
        bench.publish_and_sync().await;
        bench.advance(1);
    }
    let once: BTreeMap<_, _> = handles.iter().map(|of| (november(of), 1)).collect();
    assert_eq!(metered(&bench), once);

    // 2026-11-30T15:00Z is December in Japan. The lists of that moment are stale, so nothing is checked until new ones come.
    bench.advance(9 * 24 + 12);
    bench.app.run("revocation.sync").await;
    bench.app.settle().await;
    assert_eq!(metered(&bench), once, "a stale list checks nothing");
    bench.happen(citizens[1], &LifeEvent::Lose);
    bench.publish_and_sync().await;
    let december = |of: &str| ("2026-12".to_owned(), of.to_owned());
    let mut both = once.clone();
    both.extend(handles.iter().map(|of| (december(of), 1)));
    assert_eq!(metered(&bench), both, "the one found revoked counts too");

    // In January the flagged one is no longer checked, nor one whose watch has ended.
    let watches = bench.watches(tenant, "watching").await;
    for watch in watches.iter().filter(|watch| handle(watch) == handles[2]) {
        let path = format!("/v1/watches/{}", watch["id"].as_str().unwrap());
        bench
            .app
            .delete(&path, &bench.token(tenant))
            .await
            .expect(204);
    }
    bench.advance(31 * 24);
    bench.publish_and_sync().await;
    both.insert(("2027-01".to_owned(), handles[0].clone()), 1);
    assert_eq!(metered(&bench), both);
    assert_eq!(kept(&bench, tenant).await, both, "F074");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_did_not_come_is_not_metered_and_a_check_is() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(9);
    let tenant = bench.tenant();
    let mut watches = Vec::new();
    for (number, citizen) in citizens.iter().enumerate() {
        let der = bench.certificate(*citizen, SIGNATURE);
        watches.push(bench.watch(tenant, &der, &number.to_string()).await);
    }
    let publication = bench.publish();
    let missing = "/jlis/crl/signature/2/tokyo-to_kiyose-shi.crl";
    bench.jlis.set(missing, support::Answer::Status(503));
    bench.app.run("revocation.sync").await;
    bench.app.settle().await;
    let in_kiyose = |citizen: &warikan_simulator::PersonId| {
        let person = &bench.agency.person(*citizen).unwrap().person;
        person.municipality.partition() == "tokyo-to_kiyose-shi"
    };
    let there = citizens.iter().filter(|citizen| in_kiyose(citizen)).count();
    assert!(there > 0 && there < 9, "both kinds are in the test");
    assert_eq!(metered(&bench).len(), 9 - there);
    bench.jlis.publish(&publication);
    bench.app.run("revocation.sync").await;
    bench.app.settle().await;
    assert_eq!(metered(&bench).len(), 9);
    let path = format!("/v1/certificates/{}/check", handle(&watches[0]));
    bench
        .app
        .post(&path, &bench.token(tenant), &json!({}))
        .await
        .expect(200);
    bench.app.settle().await;
    let facts = bench.probe.facts::<StatusChecked>();
    let (envelope, fact) = facts.last().unwrap();
    assert_eq!(envelope.scope, Some(tenant));
    assert_eq!(fact.certificates.len(), 1);
    assert_eq!(fact.certificates[0].handle.to_string(), handle(&watches[0]));
    // Checked by watch and by look-up: told twice, and one operation.
    let kept = kept(&bench, tenant).await;
    assert_eq!(kept.len(), 9);
    assert!(kept.keys().eq(metered(&bench).keys()));
}
