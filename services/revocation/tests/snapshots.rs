//! Snapshots: what a restart knows when they are damaged, and what the archive says of earlier days.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use sea_orm::{ConnectionTrait, DbBackend};
use support::{Bench, SIGNATURE};
use warikan_contracts::{
    api::{KnownState, StatusAnswer},
    facts::Channel,
};
use warikan_pki::examine;
use warikan_revocation::{Config, Revocation, Source};
use warikan_simulator::{LifeEvent, PersonId, Simulator};
use warikan_types::{CertificateId, CrlPartition, RevocationReason, Timestamp};

fn identity(bench: &Bench, person: PersonId) -> (CertificateId, Option<CrlPartition>) {
    let der = bench.certificate(person, SIGNATURE);
    let examined = examine(&der, &bench.anchors);
    let partition = examined.certificate().unwrap().distribution_point();
    (examined.path().unwrap().certificate_id().clone(), partition)
}

/// What is known at present of each certificate; `None`: nothing.
async fn known(
    bench: &Bench,
    of: &Revocation,
    all: &[(CertificateId, Option<CrlPartition>)],
) -> Vec<Option<StatusAnswer>> {
    let status = of.status();
    let mut found = Vec::new();
    for (certificate, partition) in all {
        let answer = status.status(bench.environment, certificate, *partition, Channel::Crl);
        found.push(answer.await.ok());
    }
    found
}

fn is_revoked(answer: Option<&StatusAnswer>) -> bool {
    answer.is_some_and(|answer| matches!(answer.state, KnownState::Revoked { .. }))
}

/// Another process of the service, with its source.
async fn another(bench: &Bench) -> Revocation {
    let config = Config {
        sources: vec![Source {
            environment: bench.environment,
            index_url: bench.jlis.index_url(),
        }],
        ..Config::default()
    };
    let anchors = std::sync::Arc::clone(&bench.anchors);
    Revocation::open(config, &bench.house.platform, anchors)
        .await
        .unwrap()
}

/// Overwrites the stored octets of snapshots.
async fn damage(bench: &Bench, which: &str) {
    let db = bench.house.database("revocation").await;
    let garbage = match db.get_database_backend() {
        DbBackend::Postgres => "decode('00', 'hex')",
        _ => "X'00'",
    };
    let sql = format!("UPDATE crl_snapshot_part SET octets = {garbage} WHERE {which}");
    let done = db.execute_unprepared(&sql).await.unwrap();
    assert!(done.rows_affected() > 0, "{which}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_a_damaged_snapshot_costs_no_knowledge() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(240);
    let all: Vec<_> = citizens.iter().map(|one| identity(&bench, *one)).collect();
    // An entry that leaves its list early: from here on only the snapshots know it.
    let remembering = bench.agency.export();
    bench.happen(citizens[0], &LifeEvent::Hold);
    bench.publish_and_sync().await;
    bench.agency = Simulator::restore(remembering).unwrap();
    bench.agency.publish(bench.now()).unwrap();
    bench.advance(24);
    // Enough for a new whole snapshot of each list.
    for citizen in &citizens[1..] {
        bench.happen(*citizen, &LifeEvent::Lose);
    }
    bench.publish_and_sync().await;
    let expected = known(&bench, &bench.revocation, &all).await;
    assert!(expected.iter().all(|answer| is_revoked(answer.as_ref())));
    assert_eq!(
        known(&bench, &bench.restarted().await, &all).await,
        expected
    );

    // The newest whole snapshots: those before them and the changes since make up for it.
    damage(&bench, "form = 'whole' AND seq > 1").await;
    assert_eq!(
        known(&bench, &bench.restarted().await, &all).await,
        expected
    );

    // All of them: nothing is known, and that is said, until the source is looked at.
    damage(&bench, "form = 'whole'").await;
    let service = another(&bench).await;
    assert!(
        known(&bench, &service, &all)
            .await
            .iter()
            .all(Option::is_none)
    );
    service.sync(bench.environment).await.unwrap();
    assert_eq!(
        known(&bench, &service, &all).await,
        expected,
        "the held one as well"
    );
    let codes: Vec<String> = bench
        .problems()
        .await
        .into_iter()
        .map(|one| one.0)
        .collect();
    assert!(
        codes.iter().any(|code| code == "snapshot_damaged"),
        "{codes:?}"
    );
    service.sync(bench.environment).await.unwrap();
    let codes = bench.problems().await;
    assert!(
        codes.iter().all(|one| one.0 == "entries_vanished"),
        "{codes:?}"
    );
    // And what the source brought back is stored again.
    assert_eq!(
        known(&bench, &bench.restarted().await, &all).await,
        expected
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f053_an_earlier_day_is_answered_by_its_own_lists() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(2);
    let (held, lost) = (identity(&bench, citizens[0]), identity(&bench, citizens[1]));
    let ask = async |bench: &Bench, of: &(CertificateId, Option<CrlPartition>), at: Timestamp| {
        let answer = bench
            .revocation
            .status_as_of(bench.environment, &of.0, of.1, at);
        answer
            .await
            .unwrap()
            .map(|answer| (answer.state, answer.this_update, answer.version))
    };
    let before = Timestamp::new(bench.now());
    bench.advance(1);
    bench.publish_and_sync().await;
    let first = Timestamp::new(bench.now());
    let forgetful = bench.agency.export();
    bench.advance(24);
    bench.happen(citizens[0], &LifeEvent::Hold);
    bench.happen(citizens[1], &LifeEvent::Hold);
    bench.publish_and_sync().await;
    let second = Timestamp::new(bench.now());
    bench.advance(24);
    // The hold of one becomes a loss.
    bench.happen(citizens[1], &LifeEvent::Lose);
    bench.publish_and_sync().await;
    let third = Timestamp::new(bench.now());
    // And then the list forgets both.
    bench.agency = Simulator::restore(forgetful).unwrap();
    bench.advance(24);
    for _ in 0..2 {
        bench.agency.publish(bench.now()).unwrap();
    }
    bench.publish_and_sync().await;
    let fourth = Timestamp::new(bench.now());

    for of in [&held, &lost] {
        assert_eq!(ask(&bench, of, before).await, None, "no list of then");
        let day_one = ask(&bench, of, first).await.unwrap();
        assert_eq!((day_one.0, day_one.1), (KnownState::Good, first));
        let day_two = ask(&bench, of, third.minus(std::time::Duration::from_secs(1)))
            .await
            .unwrap();
        assert_eq!(day_two.1, second);
        let reason = |state: &KnownState| match state {
            KnownState::Revoked { reason, .. } => Some(*reason),
            _ => None,
        };
        assert_eq!(reason(&day_two.0), Some(RevocationReason::CertificateHold));
        let day_four = ask(&bench, of, fourth).await.unwrap();
        assert_eq!(day_four.1, fourth);
        assert!(reason(&day_four.0).is_some(), "what left stays revoked");
        assert_ne!(day_two.2, day_four.2, "named after its own version");
    }
    let changed = ask(&bench, &lost, third).await.unwrap();
    assert!(
        matches!(changed.0, KnownState::Revoked { reason, .. } if reason != RevocationReason::CertificateHold),
        "{changed:?}"
    );
}
