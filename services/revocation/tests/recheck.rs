//! The nightly re-check, where the event path did not do its work. A test of its own: what it finds is a figure of the process.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use sea_orm::ConnectionTrait;
use support::{Bench, SIGNATURE};
use warikan_contracts::facts::CertificateRevoked;
use warikan_runtime::metrics;
use warikan_simulator::LifeEvent;

/// What `/metrics` says.
fn shown() -> String {
    let all = metrics::exposition();
    let lines = all.lines();
    let mut lines = lines.filter(|line| line.starts_with("warikan_recheck_missed"));
    lines.next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_event_path_missed_is_found_counted_and_told() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(6);
    let (first, second) = (bench.tenant(), bench.tenant());
    for citizen in &citizens {
        let der = bench.certificate(*citizen, SIGNATURE);
        bench.watch(first, &der, "a").await;
        bench.watch(second, &der, "b").await;
    }
    bench.publish_and_sync().await;
    bench.app.run("revocation.recheck").await;
    assert!(shown().ends_with(" 0"), "{}", shown());

    bench.advance(24);
    for citizen in &citizens[..3] {
        bench.happen(*citizen, &LifeEvent::Lose);
    }
    bench.publish();
    bench.revocation.sync(bench.environment).await.unwrap();
    // The sabotage: the lists are said to have been joined with the watches, and were not.
    let db = bench.house.database("revocation").await;
    db.execute_unprepared("UPDATE crl_partition SET flagged_through = seq")
        .await
        .unwrap();
    bench.app.run("revocation.sync").await;
    bench.app.settle().await;
    assert!(bench.watches(first, "flagged").await.is_empty(), "missed");
    assert!(bench.probe.facts::<CertificateRevoked>().is_empty());

    bench.app.run("revocation.recheck").await;
    bench.app.settle().await;
    assert!(shown().ends_with(" 6"), "{}", shown());
    assert_eq!(bench.watches(first, "flagged").await.len(), 3);
    assert_eq!(bench.watches(second, "flagged").await.len(), 3);
    assert_eq!(
        bench.probe.facts::<CertificateRevoked>().len(),
        6,
        "late, and told"
    );
    // Every run leaves its number.
    let runs = db
        .query_all_raw(sea_orm::Statement::from_string(
            db.get_database_backend(),
            "SELECT missed FROM recheck_run ORDER BY id",
        ))
        .await
        .unwrap();
    let runs: Vec<i64> = runs
        .iter()
        .map(|row| row.try_get("", "missed").unwrap())
        .collect();
    assert_eq!(runs, [0, 6]);
    bench.app.run("revocation.recheck").await;
    bench.app.settle().await;
    assert!(shown().ends_with(" 0"), "{}", shown());
    assert_eq!(
        bench.probe.facts::<CertificateRevoked>().len(),
        6,
        "and once"
    );
}
