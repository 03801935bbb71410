//! The life of a watch: from a list to a flag, once, whatever happens in between.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use serde_json::json;
use support::{AUTHENTICATION, Bench, SIGNATURE, watch_body};
use warikan_contracts::{
    Envelope,
    facts::{CertificateRevoked, Channel, VerificationCompleted, WatchOrder},
};
use warikan_pki::examine;
use warikan_simulator::{LifeEvent, Person, Simulator};
use warikan_types::{
    CertificateId, CrlPartition, Environment, RevocationReason, TenantScope, Timestamp, Verdict,
};

/// A certificate's identity and partition, as verification would learn them.
fn identity(bench: &Bench, der: &[u8]) -> (CertificateId, Option<CrlPartition>) {
    let examined = examine(der, &bench.anchors);
    let certificate = examined.certificate().unwrap();
    (
        examined.path().unwrap().certificate_id().clone(),
        certificate.distribution_point(),
    )
}

fn verified(bench: &Bench, scope: TenantScope, der: &[u8], reference: &str) -> Envelope {
    let (platform, now) = (&bench.house.platform, bench.house.clock().now());
    let (certificate, partition) = identity(bench, der);
    let handle = platform.keys.pseudonym().handle(scope, &certificate);
    let examined = examine(der, &bench.anchors);
    let fact = VerificationCompleted {
        verification: platform.entropy.id(now),
        client: platform.entropy.id(now),
        kind: examined.kind(),
        channel: Some(Channel::Crl),
        verdict: Verdict::Valid,
        reason: None,
        subject: None,
        handle: Some(handle),
        accepted_at: now,
        watch: Some(WatchOrder {
            watch: platform.entropy.id(now),
            certificate,
            partition,
            kind: examined.kind().unwrap(),
            not_after: examined.certificate().unwrap().not_after(),
            handle,
            subject: Some(platform.entropy.id(now)),
            reference: Some(reference.to_owned()),
        }),
    };
    Envelope::of(platform.entropy.id(now), Some(scope), now, "ver", &fact)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_customer_who_moved_is_flagged_and_told_once() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(20);
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    for (number, citizen) in citizens.iter().enumerate() {
        let der = bench.certificate(*citizen, SIGNATURE);
        let watch = bench.watch(tenant, &der, &format!("客-{number}")).await;
        assert_eq!(watch["state"], "watching");
        assert_eq!(watch["flag"], json!(null));
    }

    bench.advance(20);
    bench.move_house(citizens[7]);
    let moved_at = Timestamp::new(bench.now());
    bench.advance(4);
    bench.publish();
    bench.announce().await;
    let flagged = bench.watches(tenant, "flagged").await;
    assert_eq!(
        flagged.len(),
        1,
        "the publication resolves after the flags stand"
    );
    assert_eq!(flagged[0]["ref"], "客-7");
    let now = bench.house.clock().now().to_string();
    let flag = json!({
        "reason": "affiliation_changed",
        "meaning": "Name, address, date of birth or sex has changed.",
        "recommended_action": "Ask the customer for the new attributes.",
        "customer_wording": RevocationReason::AffiliationChanged.customer_wording(),
        "revoked_at": moved_at.to_string(), "detected_at": now, "this_update": now,
    });
    assert_eq!(flagged[0]["flag"], flag);
    assert_eq!(bench.watches(tenant, "watching").await.len(), 19);

    // Said again, fetched again, looked for again: nothing is told twice.
    bench.announce().await;
    bench.app.run("revocation.sync").await;
    let report = bench.revocation.recheck().await.unwrap();
    assert_eq!((report.lists, report.missed), (12, 0));
    bench.app.settle().await;
    bench.advance(24);
    bench.publish_and_sync().await;
    let told = bench.probe.facts::<CertificateRevoked>();
    assert_eq!(told.len(), 1);
    let (envelope, fact) = &told[0];
    assert_eq!(envelope.scope, Some(tenant));
    assert_eq!(json!(fact.watch), flagged[0]["id"]);
    assert_eq!(json!(fact.handle), flagged[0]["certificate_handle"]);
    assert_eq!(fact.reason, RevocationReason::AffiliationChanged);
    assert_eq!(fact.revoked_at, moved_at);
    let raw = envelope.payload.to_string();
    let issuer = identity(&bench, &bench.certificate(citizens[0], SIGNATURE))
        .0
        .issuer;
    assert!(!raw.contains(&issuer.to_string()) && !raw.contains("客"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_come_with_verifications_and_replays_change_nothing() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(2);
    let certificates = [0, 1].map(|one: usize| bench.certificate(citizens[one], SIGNATURE));
    bench.happen(citizens[0], &LifeEvent::Lose);
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    let bus = bench.house.platform.bus.clone();
    let lost = verified(&bench, tenant, &certificates[0], "lost");
    let good = verified(&bench, tenant, &certificates[1], "good");
    for envelope in [&lost, &good, &lost] {
        bus.publish(envelope, 1).await.unwrap();
    }
    // The same order in another envelope, as a repaired producer would send it.
    let again = Envelope {
        id: bench.house.platform.entropy.id(bench.house.clock().now()),
        ..lost.clone()
    };
    bus.publish(&again, 1).await.unwrap();
    bench.app.settle().await;
    let flagged = bench.watches(tenant, "flagged").await;
    assert_eq!(flagged.len(), 1, "revoked already: flagged at once");
    assert_eq!(flagged[0]["ref"], "lost");
    assert_eq!(flagged[0]["flag"]["reason"], "key_compromise");
    assert_eq!(bench.watches(tenant, "watching").await[0]["ref"], "good");
    let told = bench.probe.facts::<CertificateRevoked>();
    assert_eq!(told.len(), 1);
    assert!(told[0].1.subject.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f033_an_order_for_the_other_environments_certificate_is_parked() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let der = bench.certificate(citizen, SIGNATURE);
    let scope = bench.house.tenant(Environment::Sandbox);
    let order = verified(&bench, scope, &der, "x");
    bench.house.platform.bus.publish(&order, 1).await.unwrap();
    let consumers = bench.revocation.module().consumers;
    let parked = consumers[0].parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert!(bench.watches(scope, "watching").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f035_the_same_serial_under_the_other_ca_is_another_certificate() {
    let mut bench = Bench::new().await;
    let at = bench.now();
    let old = at - chrono::Duration::days(4 * 365);
    let mut ids = Vec::new();
    for day in [old, at] {
        let person = Person::of_the_test_card();
        ids.push(bench.agency.enroll(person, &mut bench.keys, day).unwrap());
    }
    let certificates: Vec<Vec<u8>> = [SIGNATURE, AUTHENTICATION]
        .iter()
        .flat_map(|choice| ids.iter().map(|id| bench.certificate(*id, *choice)))
        .collect();
    let identities: Vec<CertificateId> = certificates
        .iter()
        .map(|der| identity(&bench, der).0)
        .collect();
    assert_eq!(
        identities[0].serial, identities[2].serial,
        "one serial, two CAs"
    );
    assert_ne!(
        identities[0].issuer, identities[1].issuer,
        "two generations"
    );
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    for der in &certificates {
        bench.watch(tenant, der, "x").await;
    }
    bench.happen(
        ids[0],
        &LifeEvent::Rename {
            name: "黒桐　鮮花".to_owned(),
        },
    );
    bench.advance(24);
    bench.publish_and_sync().await;
    let flagged = bench.watches(tenant, "flagged").await;
    assert_eq!(flagged.len(), 1);
    assert_eq!(flagged[0]["kind"], "card_signature");
    let status = bench.revocation.status();
    for (index, certificate) in identities.iter().enumerate() {
        let partition = identity(&bench, &certificates[index]).1;
        let answer = status
            .status(bench.environment, certificate, partition, Channel::Crl)
            .await
            .unwrap();
        let revoked = answer.state != warikan_contracts::api::KnownState::Good;
        assert_eq!(revoked, index == 0, "certificate {index}");
        let other = Environment::Sandbox;
        let elsewhere = status.status(other, certificate, partition, Channel::Crl);
        assert!(elsewhere.await.is_err(), "no list of the other environment");
        let ocsp = status.status(bench.environment, certificate, partition, Channel::Ocsp);
        assert!(ocsp.await.is_err(), "no OCSP source");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_a_crash_between_list_and_flag_is_repaired_by_the_next_run() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let der = bench.certificate(citizen, SIGNATURE);
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    bench.watch(tenant, &der, "x").await;
    bench.advance(24);
    bench.happen(citizen, &LifeEvent::Lose);
    bench.publish();
    // The list is taken over and the process dies before the join.
    bench.revocation.sync(bench.environment).await.unwrap();
    assert!(bench.watches(tenant, "flagged").await.is_empty());

    let again = bench.restarted().await;
    let tasks = again.module().tasks;
    let sync = tasks.iter().find(|task| task.name() == "revocation.sync");
    let outcome = sync.unwrap().run_once().await;
    assert!(outcome.is_err(), "its source is not there");
    assert_eq!(bench.watches(tenant, "flagged").await.len(), 1, "and yet");
    assert_eq!(again.recheck().await.unwrap().missed, 0);
    bench.app.settle().await;
    assert_eq!(bench.probe.facts::<CertificateRevoked>().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recheck_finds_and_counts_what_the_event_path_missed() {
    use sea_orm::ConnectionTrait;
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(3);
    let tenant = bench.tenant();
    for citizen in &citizens {
        let der = bench.certificate(*citizen, SIGNATURE);
        bench.watch(tenant, &der, "x").await;
    }
    bench.happen(citizens[1], &LifeEvent::Lose);
    bench.publish();
    bench.revocation.sync(bench.environment).await.unwrap();
    // An event path that believes it has been through, and has not.
    let db = bench.house.database("revocation").await;
    db.execute_unprepared("UPDATE crl_partition SET flagged_through = seq")
        .await
        .unwrap();
    bench.app.run("revocation.sync").await;
    assert!(bench.watches(tenant, "flagged").await.is_empty());
    assert_eq!(bench.revocation.recheck().await.unwrap().missed, 1);
    assert_eq!(bench.revocation.recheck().await.unwrap().missed, 0);
    assert_eq!(bench.watches(tenant, "flagged").await.len(), 1);
    bench.app.settle().await;
    assert_eq!(bench.probe.facts::<CertificateRevoked>().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_a_version_that_another_process_took_over_comes_into_force_here() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let (certificate, partition) = identity(&bench, &bench.certificate(citizen, SIGNATURE));
    bench.publish_and_sync().await;
    let second = bench.restarted().await;
    bench.advance(24);
    bench.happen(citizen, &LifeEvent::Lose);
    bench.publish_and_sync().await;
    let third = warikan_revocation::Config {
        sources: vec![warikan_revocation::Source {
            environment: bench.environment,
            index_url: bench.jlis.index_url(),
        }],
        ..warikan_revocation::Config::default()
    };
    let third = warikan_revocation::Revocation::open(
        third,
        &bench.house.platform,
        std::sync::Arc::clone(&bench.anchors),
    )
    .await
    .unwrap();
    let here = bench.environment;
    let ask = async |of: &warikan_revocation::Revocation| {
        let status = of.status();
        let answer = status.status(here, &certificate, partition, Channel::Crl);
        answer.await.unwrap().state
    };
    assert_eq!(ask(&second).await, warikan_contracts::api::KnownState::Good);
    let revoked = ask(&third).await;
    assert_ne!(revoked, warikan_contracts::api::KnownState::Good);
    bench.advance(24);
    bench.publish_and_sync().await;
    // The first service took the third day's lists; the other instance learns it at its next look.
    third.sync(here).await.unwrap();
    let status = third.status();
    let answer = status.status(here, &certificate, partition, Channel::Crl);
    assert_eq!(
        answer.await.unwrap().this_update,
        Timestamp::new(bench.now())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f054_a_hold_that_vanishes_alarms_and_takes_no_flag_back() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let der = bench.certificate(citizen, SIGNATURE);
    let (certificate, partition) = identity(&bench, &der);
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    bench.watch(tenant, &der, "held").await;
    let before = bench.agency.export();
    bench.advance(24);
    bench.happen(citizen, &LifeEvent::Hold);
    bench.publish_and_sync().await;
    assert_eq!(bench.watches(tenant, "flagged").await.len(), 1);

    // An agency that has forgotten the hold, two publications later.
    bench.agency = Simulator::restore(before).unwrap();
    bench.advance(24);
    bench.agency.publish(bench.now()).unwrap();
    bench.publish_and_sync().await;
    assert_eq!(
        bench.watches(tenant, "flagged").await.len(),
        1,
        "no one is un-flagged"
    );
    let problems = bench.problems().await;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].0, "entries_vanished");
    let here = bench.environment;
    for service in [bench.revocation.clone(), bench.restarted().await] {
        let status = service.status();
        let answer = status.status(here, &certificate, partition, Channel::Crl);
        let state = answer.await.unwrap().state;
        assert!(
            matches!(state, warikan_contracts::api::KnownState::Revoked { reason, .. }
                if reason == RevocationReason::CertificateHold),
            "{state:?}"
        );
    }
    let body = watch_body(&der, Some("a new watch"));
    let late = bench
        .app
        .post("/v1/watches", &bench.token(tenant), &body)
        .await;
    assert_eq!(late.expect(201)["state"], "flagged");
    // The alarm stays until someone looks at it, whatever good lists come.
    bench.advance(24);
    bench.publish_and_sync().await;
    assert_eq!(bench.problems().await[0].0, "entries_vanished");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_answers_from_its_own_database() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(6);
    bench.happen(citizens[2], &LifeEvent::Cancel);
    bench.publish_and_sync().await;
    let again = bench.restarted().await;
    let here = bench.environment;
    for citizen in &citizens {
        let (certificate, partition) = identity(&bench, &bench.certificate(*citizen, SIGNATURE));
        let mut answers = Vec::new();
        for service in [&bench.revocation, &again] {
            let status = service.status();
            let answer = status.status(here, &certificate, partition, Channel::Crl);
            answers.push(answer.await.unwrap());
        }
        assert_eq!(answers[0], answers[1]);
        let good = answers[0].state == warikan_contracts::api::KnownState::Good;
        assert_eq!(good, *citizen != citizens[2]);
        // The certificate's partition is known and the issuer has no undivided list.
        let unknown = again.status();
        let answer = unknown.status(
            here,
            &certificate,
            Some(CrlPartition([1; 32])),
            Channel::Crl,
        );
        assert!(answer.await.is_err());
    }
    assert!((again.module().ready)().await.is_ok());
}
