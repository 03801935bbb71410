//! What tenants are told ahead and of silence: ends of certificates, lists that stop coming, changed persons; and what is left of
//! a person who was erased.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use support::{Bench, SIGNATURE};
use warikan_contracts::{
    Envelope,
    facts::{
        CertificateExpiring, CertificateRevoked, Channel, SourceRecovered, SourceStale,
        SubjectChange, SubjectChanged, SubjectErased, VerificationCompleted, WatchOrder,
    },
};
use warikan_pki::examine;
use warikan_simulator::LifeEvent;
use warikan_types::{Id, Subject, TenantScope, Timestamp, Verdict};

/// An order to watch, as it comes with a verification of a known person.
fn ordered(bench: &Bench, scope: TenantScope, der: &[u8], subject: Id<Subject>) -> Envelope {
    let (platform, now) = (&bench.house.platform, bench.house.clock().now());
    let examined = examine(der, &bench.anchors);
    let certificate = examined.path().unwrap().certificate_id().clone();
    let handle = platform.keys.pseudonym().handle(scope, &certificate);
    let leaf = examined.certificate().unwrap();
    let fact = VerificationCompleted {
        verification: platform.entropy.id(now),
        client: platform.entropy.id(now),
        kind: examined.kind(),
        channel: Some(Channel::Crl),
        verdict: Verdict::Valid,
        reason: None,
        subject: Some(subject),
        handle: Some(handle),
        accepted_at: now,
        watch: Some(WatchOrder {
            watch: platform.entropy.id(now),
            certificate,
            partition: leaf.distribution_point(),
            kind: examined.kind().unwrap(),
            not_after: leaf.not_after(),
            handle,
            subject: Some(subject),
            reference: Some("顧客-4711".to_owned()),
        }),
    };
    Envelope::of(platform.entropy.id(now), Some(scope), now, "ver", &fact)
}

async fn publish(bench: &Bench, envelope: &Envelope) {
    let bus = &bench.house.platform.bus;
    bus.publish(envelope, 1).await.unwrap();
}

async fn turn(bench: &Bench) {
    bench.app.run("revocation.sync").await;
    bench.app.settle().await;
}

/// Lets time pass until so many hours before a moment.
fn advance_to(bench: &Bench, end: &Value, hours_before: i64) {
    let end: Timestamp = end.as_str().unwrap().parse().unwrap();
    let until = end.utc() - chrono::Duration::hours(hours_before);
    let hours = (until - bench.now()).num_hours();
    bench.advance(u64::try_from(hours).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_watched_certificate_is_told_once_a_month_ahead() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(2);
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    let watch = bench
        .watch(tenant, &bench.certificate(citizens[0], SIGNATURE), "a")
        .await;
    bench
        .watch(tenant, &bench.certificate(citizens[1], SIGNATURE), "b")
        .await;
    bench.happen(citizens[1], &LifeEvent::Lose);
    bench.advance(24);
    bench.publish_and_sync().await;
    assert_eq!(bench.watches(tenant, "flagged").await.len(), 1);

    advance_to(&bench, &watch["not_after"], 31 * 24);
    turn(&bench).await;
    assert!(bench.probe.facts::<CertificateExpiring>().is_empty());
    advance_to(&bench, &watch["not_after"], 29 * 24);
    for _ in 0..2 {
        turn(&bench).await;
    }
    let told = bench.probe.facts::<CertificateExpiring>();
    assert_eq!(told.len(), 1, "once, and not of the one that is revoked");
    let (envelope, fact) = &told[0];
    assert_eq!(envelope.scope, Some(tenant));
    assert_eq!(json!(fact.watch), watch["id"]);
    assert_eq!(json!(fact.handle), watch["certificate_handle"]);
    assert_eq!(json!(fact.not_after), watch["not_after"]);
    // A process that begins anew remembers what was said.
    let again = bench.restarted().await;
    let tasks = again.module().tasks;
    let sync = tasks.iter().find(|task| task.name() == "revocation.sync");
    assert!(sync.unwrap().run_once().await.is_err(), "no source there");
    bench.app.settle().await;
    assert_eq!(bench.probe.facts::<CertificateExpiring>().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_stop_coming_are_told_once_and_so_is_their_return() {
    let mut bench = Bench::new().await;
    let der = {
        let citizen = bench.citizens(1)[0];
        bench.certificate(citizen, SIGNATURE)
    };
    bench.publish_and_sync().await;
    let (first, second, third) = (bench.tenant(), bench.tenant(), bench.tenant());
    bench.watch(first, &der, "a").await;
    bench.watch(second, &der, "b").await;
    turn(&bench).await;
    assert!(bench.probe.facts::<SourceStale>().is_empty());

    bench.advance(10 * 24);
    for _ in 0..2 {
        turn(&bench).await;
    }
    let scopes = |facts: &[(Envelope, SourceStale)]| {
        let mut all: Vec<_> = facts.iter().filter_map(|(one, _)| one.scope).collect();
        all.sort_by_key(|scope| scope.tenant().uuid());
        all
    };
    let told = bench.probe.facts::<SourceStale>();
    let mut both = vec![first, second];
    both.sort_by_key(|scope| scope.tenant().uuid());
    assert_eq!(scopes(&told), both, "each watching tenant once");
    let fact = &told[0].1;
    assert_eq!((fact.channel, fact.lists), (Channel::Crl, 12));
    assert_eq!(fact.stale_lists, 12);
    assert!(fact.since < bench.house.clock().now());

    // Who begins to watch meanwhile hears of it too.
    bench.watch(third, &der, "c").await;
    turn(&bench).await;
    assert_eq!(bench.probe.facts::<SourceStale>().len(), 3);
    assert!(bench.probe.facts::<SourceRecovered>().is_empty());

    bench.publish();
    bench.announce().await;
    turn(&bench).await;
    bench.app.settle().await;
    let recovered = bench.probe.facts::<SourceRecovered>();
    assert_eq!(recovered.len(), 3, "told with the lists, and once");
    assert!(
        recovered
            .iter()
            .all(|(_, one)| one.stale_since == fact.since)
    );

    bench.advance(10 * 24);
    turn(&bench).await;
    assert_eq!(bench.probe.facts::<SourceStale>().len(), 6, "a new time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_attributes_are_told_of_the_person_once_per_certificate() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(3);
    bench.publish_and_sync().await;
    let tenant = bench.tenant();
    let subjects = [0, 1, 2].map(|_: i32| {
        let now = bench.house.clock().now();
        bench.house.platform.entropy.id::<Subject>(now)
    });
    for (citizen, subject) in citizens.iter().zip(subjects).take(2) {
        let der = bench.certificate(*citizen, SIGNATURE);
        for _ in 0..2 {
            publish(&bench, &ordered(&bench, tenant, &der, subject)).await;
        }
    }
    let unnamed = bench.certificate(citizens[2], SIGNATURE);
    bench.watch(tenant, &unnamed, "no person").await;
    bench.move_house(citizens[0]);
    bench.happen(citizens[1], &LifeEvent::Lose);
    bench.move_house(citizens[2]);
    bench.advance(24);
    bench.publish_and_sync().await;
    assert_eq!(bench.probe.facts::<CertificateRevoked>().len(), 5);
    let changed = bench.probe.facts::<SubjectChanged>();
    assert_eq!(changed.len(), 1, "two watches, one person who moved");
    let (envelope, fact) = &changed[0];
    assert_eq!(envelope.scope, Some(tenant));
    assert_eq!(fact.subject, subjects[0]);
    assert_eq!(fact.change, SubjectChange::AttributesChanged);
    assert_eq!(fact.verification, None);
}

/// What the watches' rows hold of a tenant: references, serials, persons.
async fn kept(bench: &Bench, tenant: TenantScope) -> (i64, i64, i64) {
    let db = bench.house.database("revocation").await;
    let tenant = tenant.tenant().uuid();
    let tenant = match db.get_database_backend() {
        DbBackend::Postgres => format!("'{tenant}'"),
        _ => format!("x'{}'", hex::encode(tenant.as_bytes())),
    };
    let statement = format!(
        "SELECT COUNT(reference) AS r, COUNT(CASE WHEN length(serial) > 0 THEN 1 END) AS s, COUNT(subject) AS p \
         FROM watch WHERE tenant = {tenant}"
    );
    let statement = Statement::from_string(db.get_database_backend(), statement);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    let number = |name: &str| row.try_get::<i64>("", name).unwrap();
    (number("r"), number("s"), number("p"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_persons_watches_end_and_nothing_of_them_is_kept() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(2);
    bench.publish_and_sync().await;
    let (tenant, other) = (bench.tenant(), bench.tenant());
    let der = bench.certificate(citizens[0], SIGNATURE);
    let now = bench.house.clock().now();
    let subject: Id<Subject> = bench.house.platform.entropy.id(now);
    let order = ordered(&bench, tenant, &der, subject);
    publish(&bench, &order).await;
    publish(&bench, &ordered(&bench, other, &der, subject)).await;
    // The tenant's own watch of the same certificate names no person, and is one of the person all the same.
    bench.watch(tenant, &der, "own").await;
    let stays = bench.certificate(citizens[1], SIGNATURE);
    bench.watch(tenant, &stays, "stays").await;
    assert_eq!(kept(&bench, tenant).await, (3, 3, 1));

    let VerificationCompleted { handle, .. } = order.read().unwrap();
    let fact = SubjectErased {
        subject,
        certificates: vec![handle.unwrap()],
    };
    let id = bench.house.platform.entropy.id(now);
    let erased = Envelope::of(id, Some(tenant), now, "sub", &fact);
    publish(&bench, &erased).await;
    let ended = bench.watches(tenant, "ended").await;
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|watch| watch["ref"] == Value::Null));
    let left = bench.watches(tenant, "watching").await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["ref"], "stays");
    assert_eq!(kept(&bench, tenant).await, (1, 1, 0));
    assert_eq!(kept(&bench, other).await, (1, 1, 1), "another tenant's");

    // An order that was held up and comes after the erasure does not bring the person back.
    publish(&bench, &ordered(&bench, tenant, &der, subject)).await;
    assert_eq!(kept(&bench, tenant).await, (1, 1, 0));
    // And a later revocation says nothing of them to this tenant.
    bench.happen(citizens[0], &LifeEvent::Lose);
    bench.advance(24);
    bench.publish_and_sync().await;
    let told = bench.probe.facts::<CertificateRevoked>();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0.scope, Some(other));
}
