//! The day's list against the watches of many tenants: every flag, each once, as a naive checker has it.
//!
//! The test is the small form of a measurement. `WARIKAN_PORTFOLIO=1000000` watches so many certificates (of 1,300 tenants, with 10,000
//! changes) and prints what it took.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use sea_orm::{ConnectionTrait, Statement};
use support::{Bench, Made, SIGNATURE, watch_many};
use warikan_contracts::facts::CertificateRevoked;
use warikan_simulator::{PersonId, Revocation, Simulator};
use warikan_types::{CertificateId, TenantScope, WatchId};

/// Serials of the simulator's own certificates are far below.
const FIRST: u64 = 500_000_000;

struct Size {
    watches: u64,
    tenants: usize,
    changes: u64,
}

fn size() -> (Size, bool) {
    let asked = std::env::var("WARIKAN_PORTFOLIO").ok();
    match asked.map(|text| text.parse().unwrap()) {
        Some(watches) => {
            let (tenants, changes) = (1_300, 10_000);
            (
                Size {
                    watches,
                    tenants,
                    changes,
                },
                true,
            )
        }
        None => {
            let (watches, tenants, changes) = (12_000, 13, 700);
            (
                Size {
                    watches,
                    tenants,
                    changes,
                },
                false,
            )
        }
    }
}

/// Revokes certificates of these serials, which are like this person's but for the serial.
fn revoke(bench: &mut Bench, person: PersonId, serials: impl Iterator<Item = u64>) {
    let mut records = bench.agency.export();
    let like = records
        .certificates
        .iter()
        .find(|one| one.person == person && one.choice == SIGNATURE)
        .unwrap()
        .clone();
    let revocation = Revocation {
        reason: warikan_simulator::RevocationReason::KeyCompromise,
        at: bench.now(),
    };
    for serial in serials {
        let mut one = like.clone();
        one.serial = serial;
        one.der = Vec::new();
        one.revocation = Some(revocation);
        records.certificates.push(one);
    }
    bench.agency = Simulator::restore(records).unwrap();
}

async fn flagged(bench: &Bench) -> BTreeSet<WatchId> {
    let db = bench.house.database("revocation").await;
    let sql = "SELECT id FROM watch WHERE flagged_at IS NOT NULL";
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| WatchId::from_uuid(row.try_get_by_index(0).unwrap()))
        .collect()
}

/// A bench with one real watch, and as many more like it as wanted: every seventh certificate is watched by two tenants.
async fn watched(bench: &mut Bench, size: &Size) -> (PersonId, Vec<Made>) {
    let citizen = bench.citizens(1)[0];
    let der = bench.certificate(citizen, SIGNATURE);
    let tenants: Vec<TenantScope> = (0..size.tenants).map(|_| bench.tenant()).collect();
    let like = bench.watch(tenants[0], &der, "like").await;
    bench.publish_and_sync().await;
    let examined = warikan_pki::examine(&der, &bench.anchors);
    let certificate: CertificateId = examined.path().unwrap().certificate_id().clone();
    let db = bench.house.database("revocation").await;
    let wanted = (0..size.watches).map(|number| {
        let tenant = tenants[usize::try_from(number).unwrap() % tenants.len()];
        let serial = if number % 8 == 7 { number - 1 } else { number };
        (tenant, FIRST + serial)
    });
    let like = like["id"].as_str().unwrap().parse().unwrap();
    let made = watch_many(bench, &db, &certificate, like, wanted).await;
    (citizen, made)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_days_list_flags_exactly_the_watched_that_it_names() {
    let (size, measured) = size();
    let mut bench = Bench::new().await;
    let begun = Instant::now();
    let (citizen, made) = watched(&mut bench, &size).await;
    println!(
        "{} watches of {} tenants made in {:?}",
        made.len(),
        size.tenants,
        begun.elapsed()
    );

    // Half of what the list names is watched; the other half lies beyond.
    let step = size.watches / size.changes;
    let named: BTreeSet<u64> = (0..size.changes)
        .map(|number| FIRST + number * step)
        .chain((0..size.changes).map(|number| FIRST + size.watches + number))
        .collect();
    bench.advance(24);
    revoke(&mut bench, citizen, named.iter().copied());
    bench.publish();
    let begun = Instant::now();
    bench.app.run("revocation.sync").await;
    let flagging = begun.elapsed();
    let expected: BTreeMap<WatchId, &Made> = made
        .iter()
        .filter(|one| named.contains(&one.serial))
        .map(|one| (one.watch, one))
        .collect();
    while bench.probe.facts::<CertificateRevoked>().len() < expected.len() {
        let before = bench.probe.facts::<CertificateRevoked>().len();
        bench.app.settle().await;
        let now = bench.probe.facts::<CertificateRevoked>().len();
        assert!(now > before, "only {now} of {} facts come", expected.len());
    }
    println!(
        "{} flags found, written and in the outbox {flagging:?} after the list lay ready, heard by a consumer {:?} after",
        expected.len(),
        begun.elapsed()
    );

    assert!(!expected.is_empty());
    assert_eq!(flagged(&bench).await, expected.keys().copied().collect());
    let mut told = BTreeSet::new();
    for (envelope, fact) in bench.probe.facts::<CertificateRevoked>() {
        assert!(told.insert(fact.watch), "told twice");
        let one = expected[&fact.watch];
        assert_eq!(
            (envelope.scope, fact.handle),
            (Some(one.tenant), one.handle)
        );
    }
    assert_eq!(told.len(), expected.len());
    let begun = Instant::now();
    let report = bench.revocation.recheck().await.unwrap();
    println!("full re-check in {:?}", begun.elapsed());
    assert_eq!(report.missed, 0, "the event path missed nothing");
    assert!(measured || flagging.as_secs() < 60);
}
