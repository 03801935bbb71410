//! What a source can do wrong, and what stays in force meanwhile.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use serde_json::{Value, json};
use support::{Answer, Bench, SIGNATURE};
use warikan_revocation::Config;
use warikan_simulator::{LifeEvent, Publication};

const KIYOSE: &str = "/jlis/crl/signature/2/tokyo-to_kiyose-shi.crl";
const SHINJUKU: &str = "/jlis/crl/signature/2/tokyo-to_shinjuku-ku.crl";
const AUTHENTICATION_KIYOSE: &str = "/jlis/crl/authentication/2/tokyo-to_kiyose-shi.crl";

/// The octets of a list of a publication.
fn octets(publication: &Publication, path: &str) -> Vec<u8> {
    let found = publication.crls.iter().find(|crl| {
        let (ca, generation) = (crl.choice.as_str(), crl.generation);
        path == format!("/jlis/crl/{ca}/{generation}/{}.crl", crl.partition)
    });
    found.unwrap().der.clone()
}

/// number and state of the list at a path, as the operator sees it.
async fn standing(bench: &Bench, path: &str) -> (Value, Value) {
    let sources = bench.sources().await;
    let rows = sources["data"].as_array().unwrap().clone();
    let url = format!("{}{path}", bench.jlis.base);
    let row = rows.iter().find(|row| row["url"] == url).unwrap();
    (row["number"].clone(), row["state"].clone())
}

fn open(code: &str, path: &str) -> Vec<(String, String)> {
    vec![(code.to_owned(), path.to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f041_a_frozen_source_grows_old_visibly_and_ends_saying_good() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(2);
    let tenant = bench.tenant();
    let good = bench.certificate(citizens[0], SIGNATURE);
    let lost = bench.certificate(citizens[1], SIGNATURE);
    let ready = bench.revocation.module().ready;
    assert_eq!(
        ready().await.unwrap_err(),
        "no revocation list of production yet"
    );
    let watches = [
        bench.watch(tenant, &good, "good").await,
        bench.watch(tenant, &lost, "lost").await,
    ];
    let path = |watch: &Value| {
        let handle = watch["certificate_handle"].as_str().unwrap();
        format!("/v1/certificates/{handle}/check")
    };
    let nothing = bench
        .app
        .post(&path(&watches[0]), &bench.token(tenant), &json!({}))
        .await;
    nothing.expect_problem(503, "unavailable");
    bench.happen(citizens[1], &LifeEvent::Lose);
    bench.publish_and_sync().await;
    let day_one = bench.house.clock().now();
    for day in 0_u64..=3 {
        bench.app.run("revocation.sync").await;
        let stale = day > 2;
        let states = if stale {
            ["unknown", "revoked"]
        } else {
            ["good", "revoked"]
        };
        for (watch, state) in watches.iter().zip(states) {
            let reply = bench
                .app
                .post(&path(watch), &bench.token(tenant), &json!({}))
                .await;
            let status = reply.expect(200);
            assert_eq!(status["state"], state, "day {day}");
            assert_eq!(status["age_seconds"], day * 86_400);
            assert_eq!(status["this_update"], day_one.to_string());
            assert_eq!(status["next_update"], "2026-11-23T00:00:00Z");
            assert_eq!(status["channel"], "crl");
        }
        let fresh = bench.app.get("/v1/freshness", &bench.token(tenant)).await;
        let fresh = fresh.expect(200);
        assert_eq!(fresh["age_seconds"], day * 86_400);
        assert_eq!(fresh["lists"], 12);
        assert_eq!(fresh["stale_lists"], if stale { 12 } else { 0 });
        assert!(ready().await.is_ok(), "stale lists silence nothing else");
        bench.advance(24);
    }
    assert_eq!(standing(&bench, KIYOSE).await.1, "stale");
    bench.publish_and_sync().await;
    assert!(ready().await.is_ok());
    let fresh = bench.app.get("/v1/freshness", &bench.token(tenant)).await;
    assert_eq!(fresh.expect(200)["age_seconds"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f042_an_older_list_does_not_come_back_even_after_a_restart() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(9);
    let first = bench.publish_and_sync().await;
    bench.advance(1);
    for citizen in &citizens {
        bench.happen(*citizen, &LifeEvent::Lose);
    }
    bench.publish_and_sync().await;
    bench.jlis.publish(&first);
    bench.app.run("revocation.sync").await;
    assert_eq!(
        standing(&bench, KIYOSE).await,
        (json!("0x02"), json!("fresh"))
    );
    let problems = bench.problems().await;
    assert_eq!(problems.len(), 12);
    assert!(problems.iter().all(|(code, _)| code == "number_not_newer"));
    let anchors = std::sync::Arc::clone(&bench.anchors);
    let config = Config {
        sources: vec![warikan_revocation::Source {
            environment: bench.environment,
            index_url: bench.jlis.index_url(),
        }],
        ..Config::default()
    };
    let again = warikan_revocation::Revocation::open(config, &bench.house.platform, anchors)
        .await
        .unwrap();
    again.sync(bench.environment).await.unwrap();
    let status = again.status();
    for citizen in &citizens {
        let der = bench.certificate(*citizen, SIGNATURE);
        let examined = warikan_pki::examine(&der, &bench.anchors);
        let partition = examined.certificate().unwrap().distribution_point();
        let id = examined.path().unwrap().certificate_id().clone();
        let channel = warikan_contracts::facts::Channel::Crl;
        let answer = status.status(bench.environment, &id, partition, channel);
        let state = answer.await.unwrap().state;
        assert_ne!(state, warikan_contracts::api::KnownState::Good);
    }
    // The true next list settles everything.
    bench.advance(1);
    bench.publish_and_sync().await;
    assert_eq!(standing(&bench, KIYOSE).await.0, "0x03");
    assert!(bench.problems().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f042_a_number_is_not_used_twice() {
    let mut bench = Bench::new().await;
    bench.publish_and_sync().await;
    let before = bench.agency.export();
    bench.advance(1);
    bench.publish_and_sync().await;
    bench.agency = warikan_simulator::Simulator::restore(before).unwrap();
    bench.advance(1);
    bench.publish_and_sync().await;
    let problems = bench.problems().await;
    assert_eq!(problems.len(), 12);
    assert!(problems.iter().all(|(code, _)| code == "number_reused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f044_a_partition_in_trouble_leaves_the_others_alone() {
    let mut bench = Bench::new().await;
    bench.publish_and_sync().await;
    let cases = [
        (Answer::Status(404), "http_status"),
        (Answer::Status(500), "http_status"),
        (Answer::Body(Vec::new()), "unusable"),
        (Answer::Body(b"<html>later</html>".to_vec()), "unusable"),
        (Answer::Redirect(SHINJUKU.to_owned()), "http_status"),
    ];
    let mut number = 1_u64;
    for (answer, code) in cases {
        bench.advance(1);
        let publication = bench.publish();
        number += 1;
        let whole = octets(&publication, KIYOSE);
        bench.jlis.set(KIYOSE, answer);
        bench.app.run("revocation.sync").await;
        assert_eq!(bench.problems().await, open(code, KIYOSE));
        let held = format!("0x{:02x}", number - 1);
        assert_eq!(
            standing(&bench, KIYOSE).await.0,
            held,
            "the one before stays"
        );
        let newest = format!("0x{number:02x}");
        assert_eq!(
            standing(&bench, SHINJUKU).await.0,
            newest,
            "the others go on"
        );
        // Half of it.
        bench
            .jlis
            .set(KIYOSE, Answer::Body(whole[..whole.len() / 2].to_vec()));
        bench.app.run("revocation.sync").await;
        assert_eq!(standing(&bench, KIYOSE).await.0, held);
        bench.jlis.set(KIYOSE, Answer::Body(whole));
        bench.app.run("revocation.sync").await;
        assert_eq!(standing(&bench, KIYOSE).await.0, newest);
        assert!(bench.problems().await.is_empty(), "settled");
    }
    bench.jlis.unlist(KIYOSE);
    bench.app.run("revocation.sync").await;
    assert_eq!(bench.problems().await, open("not_listed", KIYOSE));
    assert_eq!(standing(&bench, KIYOSE).await.1, "fresh");
    bench.publish_and_sync().await;
    assert!(bench.problems().await.is_empty(), "named again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f044_a_partition_that_never_came_is_missing_until_it_does() {
    let mut bench = Bench::new().await;
    let publication = bench.publish();
    let whole = octets(&publication, KIYOSE);
    bench.jlis.set(KIYOSE, Answer::Status(503));
    bench.app.run("revocation.sync").await;
    assert_eq!(
        standing(&bench, KIYOSE).await,
        (json!(null), json!("missing"))
    );
    assert_eq!(standing(&bench, SHINJUKU).await.1, "fresh");
    bench.jlis.set(KIYOSE, Answer::Body(whole));
    bench.app.run("revocation.sync").await;
    assert_eq!(standing(&bench, KIYOSE).await.1, "fresh");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f045_a_list_under_another_lists_name_is_refused() {
    let mut bench = Bench::new().await;
    bench.publish_and_sync().await;
    for other in [SHINJUKU, AUTHENTICATION_KIYOSE] {
        bench.advance(1);
        let publication = bench.publish();
        let theirs = octets(&publication, other);
        let before = standing(&bench, KIYOSE).await;
        bench.jlis.set(KIYOSE, Answer::Body(theirs));
        bench.app.run("revocation.sync").await;
        assert_eq!(
            standing(&bench, KIYOSE).await,
            before,
            "the one before stays"
        );
        assert_eq!(bench.problems().await, open("other_list", KIYOSE));
        // Exchanged both ways: neither is believed under the other's name.
        bench.advance(1);
        let publication = bench.publish();
        let other_before = standing(&bench, other).await;
        bench
            .jlis
            .set(KIYOSE, Answer::Body(octets(&publication, other)));
        bench
            .jlis
            .set(other, Answer::Body(octets(&publication, KIYOSE)));
        bench.app.run("revocation.sync").await;
        assert_eq!(standing(&bench, KIYOSE).await, before);
        assert_eq!(standing(&bench, other).await, other_before);
        bench.advance(1);
        bench.publish_and_sync().await;
        assert!(bench.problems().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f045_names_exchanged_from_the_start_sort_themselves_out() {
    let mut bench = Bench::new().await;
    let publication = bench.publish();
    let (kiyose, shinjuku) = (octets(&publication, KIYOSE), octets(&publication, SHINJUKU));
    bench.jlis.set(SHINJUKU, Answer::Body(kiyose));
    bench.jlis.without_hashes();
    bench.app.run("revocation.sync").await;
    bench.jlis.set(SHINJUKU, Answer::Body(shinjuku));
    bench.app.run("revocation.sync").await;
    bench.app.run("revocation.sync").await;
    assert!(bench.problems().await.is_empty());
    let sources = bench.sources().await;
    let partitions: std::collections::BTreeSet<String> = sources["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{}{}", row["issuer"], row["partition"]))
        .collect();
    assert_eq!(partitions.len(), 12, "each address has its own list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f048_malformed_lists_are_refused_and_the_old_one_stays() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(12)[0];
    bench.publish_and_sync().await;
    bench.happen(citizen, &LifeEvent::Lose);
    bench.advance(1);
    let publication = bench.publish();
    let whole = octets(&publication, KIYOSE);
    let mut bad: Vec<Vec<u8>> = (0..24)
        .map(|part| whole[..whole.len() * part / 24].to_vec())
        .collect();
    for place in (0..whole.len()).step_by(whole.len() / 40) {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        bad.push(flipped);
    }
    // Lengths that promise gigabytes, and indefinite ones.
    bad.push(vec![
        0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30, 0x84, 0xff, 0xff, 0xff, 0xf0,
    ]);
    bad.push(vec![0x30, 0x80, 0x30, 0x80, 0, 0, 0, 0]);
    bad.push([whole.clone(), vec![0]].concat());
    bad.push(vec![0x30; 100_000]);
    bad.push(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n".to_vec());
    for (index, octets) in bad.into_iter().enumerate() {
        bench.jlis.set(KIYOSE, Answer::Body(octets));
        bench.revocation.sync(bench.environment).await.unwrap();
        assert_eq!(standing(&bench, KIYOSE).await.0, "0x01", "case {index}");
    }
    let codes: Vec<String> = bench
        .problems()
        .await
        .into_iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(codes, ["not_verified", "unusable"]);
    bench.jlis.set(KIYOSE, Answer::Body(whole));
    bench.app.run("revocation.sync").await;
    assert_eq!(standing(&bench, KIYOSE).await.0, "0x02");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f048_a_list_from_a_stranger_the_future_or_beyond_the_size_is_refused() {
    let mut bench = Bench::with(Config {
        crl_octets: 4096,
        ..Config::default()
    })
    .await;
    bench.publish_and_sync().await;
    let at = bench.now();
    let hour = chrono::Duration::hours(1);
    // The same names, other keys: the pool's first five are those of the true agency.
    let mut keys = warikan_simulator::fixtures::key_source();
    let hierarchy = warikan_simulator::Hierarchy::Production;
    let _namesake = support::agency(hierarchy, &mut keys, at);
    let mut stranger = support::agency(hierarchy, &mut keys, at);
    let theirs = stranger.publish(at + hour).unwrap();
    let future = bench.agency.publish(at + hour).unwrap();
    let cases = [
        (octets(&theirs, KIYOSE), "not_verified"),
        (octets(&future, KIYOSE), "unusable"),
        (vec![0x30; 4097], "too_large"),
    ];
    bench.jlis.without_hashes();
    let mut expected = Vec::new();
    for (octets, code) in cases {
        bench.jlis.set(KIYOSE, Answer::Body(octets));
        bench.app.run("revocation.sync").await;
        assert_eq!(standing(&bench, KIYOSE).await.0, "0x01");
        expected.push((code.to_owned(), KIYOSE.to_owned()));
        expected.sort();
        assert_eq!(bench.problems().await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f040_an_index_that_is_none_or_points_elsewhere_moves_nothing() {
    let mut bench = Bench::new().await;
    bench.publish_and_sync().await;
    let sync = bench.revocation.module().tasks;
    let sync = sync
        .iter()
        .find(|task| task.name() == "revocation.sync")
        .unwrap();
    for answer in [
        Answer::Status(500),
        Answer::Body(b"{}".to_vec()),
        Answer::Redirect("/elsewhere".to_owned()),
    ] {
        bench.jlis.set("/jlis/crl/index", answer);
        assert!(sync.run_once().await.is_err());
        assert_eq!(standing(&bench, KIYOSE).await.1, "fresh");
    }
    assert!(
        bench
            .problems()
            .await
            .iter()
            .all(|(_, path)| path == "/jlis/crl/index")
    );
    let other = support::Jlis::start().await;
    let elsewhere = format!("{}/list.crl", other.base);
    let index = json!({"lists": [{"url": elsewhere}, {"url": KIYOSE}]});
    bench.jlis.set(
        "/jlis/crl/index",
        Answer::Body(index.to_string().into_bytes()),
    );
    bench.app.run("revocation.sync").await;
    assert!(
        other.requests().is_empty(),
        "no request goes to another host"
    );
    let problems = bench.problems().await;
    assert!(problems.contains(&("address_refused".to_owned(), elsewhere)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_index_says_is_unchanged_is_not_fetched_and_callers_share_a_look() {
    let mut bench = Bench::new().await;
    bench.publish_and_sync().await;
    assert_eq!(bench.jlis.requests().len(), 13);
    bench.app.run("revocation.sync").await;
    assert_eq!(bench.jlis.requests(), ["/jlis/crl/index"]);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (revocation, here) = (bench.revocation.clone(), bench.environment);
            tokio::spawn(async move { revocation.sync(here).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let looks = bench.jlis.requests().len();
    assert!((1..8).contains(&looks), "{looks} looks for eight callers");
}
