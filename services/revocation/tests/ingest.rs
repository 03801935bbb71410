//! How lists come: complete and as deltas, asked for with conditions, and from a folder.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Answer, Bench, SIGNATURE};
use warikan_contracts::{
    api::{KnownState, StatusAnswer},
    facts::Channel,
};
use warikan_pki::examine;
use warikan_revocation::{Config, Revocation, Source};
use warikan_simulator::{Layout, LifeEvent, PersonId, Publication, PublicationOptions};

const DELTAS: &str = "/deltas";

async fn status(bench: &Bench, of: &Revocation, person: PersonId) -> Option<StatusAnswer> {
    let der = bench.certificate(person, SIGNATURE);
    let examined = examine(&der, &bench.anchors);
    let partition = examined.certificate().unwrap().distribution_point();
    let id = examined.path().unwrap().certificate_id().clone();
    let status = of.status();
    let answer = status.status(bench.environment, &id, partition, Channel::Crl);
    answer.await.ok()
}

fn revoked(answer: Option<StatusAnswer>) -> bool {
    matches!(answer.unwrap().state, KnownState::Revoked { .. })
}

/// Lays delta lists beside the complete ones of the same names, and names them first.
fn publish_deltas(bench: &Bench, deltas: &Publication) {
    for crl in &deltas.crls {
        let url = format!("{DELTAS}{}", support::path(crl));
        bench.jlis.list_first(serde_json::json!({"url": url}));
        bench.jlis.set(&url, Answer::Body(crl.der.clone()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deltas_are_laid_over_the_list_that_they_start_from() {
    for layout in [Layout::Partitioned, Layout::Complete] {
        let options = PublicationOptions {
            layout,
            ..PublicationOptions::default()
        };
        let mut bench = Bench::new().await;
        let citizens = bench.citizens(4);
        bench.happen(citizens[0], &LifeEvent::Lose);
        let complete = bench.agency.publish_with(bench.now(), options).unwrap();
        bench.advance(1);
        bench.happen(citizens[1], &LifeEvent::Lose);
        let delta = bench
            .agency
            .publish_delta(bench.now(), options, &complete)
            .unwrap();
        // Both at once, and the delta may well come first.
        bench.jlis.publish(&complete);
        publish_deltas(&bench, &delta);
        bench.app.run("revocation.sync").await;
        assert_eq!(bench.problems().await, [], "{layout:?}");
        let ask = async |person| status(&bench, &bench.revocation, person).await;
        assert!(revoked(ask(citizens[0]).await), "by the complete list");
        let by_delta = ask(citizens[1]).await.unwrap();
        assert_eq!(by_delta.this_update, delta.at.into());
        assert!(revoked(Some(by_delta)));
        let good = ask(citizens[2]).await.unwrap();
        assert_eq!(
            (good.state, good.this_update),
            (KnownState::Good, delta.at.into())
        );
        // The complete list still lies there, older than what is in force: nothing new, and nothing odd.
        bench.jlis.without_hashes();
        bench.app.run("revocation.sync").await;
        assert_eq!(bench.problems().await, []);
        assert!(revoked(
            status(&bench, &bench.revocation, citizens[1]).await
        ));
        let again = bench.restarted().await;
        for (citizen, expected) in citizens.iter().zip([true, true, false, false]) {
            assert_eq!(revoked(status(&bench, &again, *citizen).await), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f042_a_delta_over_an_unknown_list_is_refused() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    let options = PublicationOptions::default();
    let first = bench.publish_and_sync().await;
    bench.advance(1);
    let second = bench.agency.publish_with(bench.now(), options).unwrap();
    bench.advance(1);
    bench.happen(citizen, &LifeEvent::Lose);
    let delta = bench
        .agency
        .publish_delta(bench.now(), options, &second)
        .unwrap();
    publish_deltas(&bench, &delta);
    bench.app.run("revocation.sync").await;
    let problems = bench.problems().await;
    assert_eq!(problems.len(), delta.crls.len());
    assert!(
        problems.iter().all(|one| one.0 == "delta_base_unknown"),
        "{problems:?}"
    );
    let held = status(&bench, &bench.revocation, citizen).await.unwrap();
    assert_eq!(
        (held.state, held.this_update),
        (KnownState::Good, first.at.into())
    );
    // With the list that it starts from, it is taken.
    bench.jlis.publish(&second);
    publish_deltas(&bench, &delta);
    bench.app.run("revocation.sync").await;
    assert_eq!(bench.problems().await, []);
    assert!(revoked(status(&bench, &bench.revocation, citizen).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_not_changed_is_not_fetched_again() {
    let mut bench = Bench::new().await;
    let citizen = bench.citizens(1)[0];
    bench.jlis.with_validators();
    bench.publish();
    bench.jlis.without_hashes();
    bench.app.run("revocation.sync").await;
    let lists = bench.jlis.answered();
    assert!(lists.iter().all(|status| *status == 200), "{lists:?}");
    bench.app.run("revocation.sync").await;
    let again = bench.jlis.answered();
    assert_eq!(again.len(), lists.len(), "index and lists");
    assert!(again.iter().all(|status| *status == 304), "{again:?}");
    assert_eq!(bench.problems().await, []);
    bench.advance(24);
    bench.happen(citizen, &LifeEvent::Lose);
    bench.publish();
    bench.jlis.without_hashes();
    bench.app.run("revocation.sync").await;
    assert!(bench.jlis.answered().iter().all(|status| *status == 200));
    assert!(revoked(status(&bench, &bench.revocation, citizen).await));
    // Whoever has lost what it held does not ask with conditions.
    let db = bench.house.database("revocation").await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "DELETE FROM crl_snapshot_part")
        .await
        .unwrap();
    let other = open(&bench, &bench.jlis.index_url()).await;
    other.sync(bench.environment).await.unwrap();
    assert!(revoked(status(&bench, &other, citizen).await));
}

async fn open(bench: &Bench, index_url: &str) -> Revocation {
    let config = Config {
        sources: vec![Source {
            environment: bench.environment,
            index_url: index_url.to_owned(),
        }],
        ..Config::default()
    };
    let anchors = std::sync::Arc::clone(&bench.anchors);
    Revocation::open(config, &bench.house.platform, anchors)
        .await
        .unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Lays a file there as one should: under another name first.
fn drop_in(folder: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let part = folder.join(format!("{name}.part"));
    std::fs::write(&part, octets).unwrap();
    let place = folder.join(name);
    std::fs::rename(part, &place).unwrap();
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f044_f046_lists_are_taken_from_a_folder_whole_or_not_at_all() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(3);
    let folder = bench.house.directory().join("dropped");
    std::fs::create_dir(&folder).unwrap();
    let url = url::Url::from_directory_path(&folder).unwrap();
    let service = open(&bench, url.as_str()).await;
    let options = PublicationOptions::default();
    let first = bench.agency.publish_with(bench.now(), options).unwrap();
    for (number, crl) in first.crls.iter().enumerate() {
        drop_in(&folder, &format!("{number}.crl"), &crl.der);
    }
    // Half of a list, one that is still being written, and what is none.
    std::fs::write(folder.join("half.crl"), &first.crls[0].der[..100]).unwrap();
    std::fs::write(folder.join("written.crl.part"), &first.crls[0].der).unwrap();
    std::fs::write(folder.join("notes.txt"), "no list").unwrap();
    drop_in(&folder, "garbage.crl", &[0x30, 1, 5]);
    service.sync(bench.environment).await.unwrap();
    let left: Vec<String> = names(&folder)
        .into_iter()
        .filter(|one| one.contains('.'))
        .collect();
    assert_eq!(left, ["half.crl", "notes.txt", "written.crl.part"]);
    assert_eq!(names(&folder.join("done")).len(), first.crls.len());
    assert_eq!(
        names(&folder.join("refused")),
        ["garbage.crl", "garbage.crl.reason"]
    );
    let reason = std::fs::read_to_string(folder.join("refused/garbage.crl.reason")).unwrap();
    assert!(reason.starts_with("unusable: "), "{reason}");
    let codes = async || {
        let sources: Value = bench.sources().await;
        let open = sources["open_problems"].as_array().unwrap();
        let mut codes: Vec<String> = open
            .iter()
            .map(|one| one["code"].as_str().unwrap().to_owned())
            .collect();
        codes.sort();
        codes
    };
    assert_eq!(codes().await, ["incomplete", "unusable"]);
    let held = status(&bench, &service, citizens[0]).await.unwrap();
    assert_eq!(
        (held.state, held.this_update),
        (KnownState::Good, first.at.into())
    );

    // The rest of the half arrives, the refused one is taken away, and the day's news comes as deltas.
    drop_in(&folder, "half.crl", &first.crls[0].der);
    std::fs::remove_file(folder.join("refused/garbage.crl")).unwrap();
    bench.advance(1);
    for citizen in &citizens {
        bench.happen(*citizen, &LifeEvent::Lose);
    }
    let delta = bench
        .agency
        .publish_delta(bench.now(), options, &first)
        .unwrap();
    for (number, crl) in delta.crls.iter().enumerate() {
        drop_in(&folder, &format!("delta-{number}.crl"), &crl.der);
    }
    service.sync(bench.environment).await.unwrap();
    for citizen in &citizens {
        assert!(revoked(status(&bench, &service, *citizen).await));
    }
    let sources: Value = bench.sources().await;
    assert_eq!(sources["open_problems"], serde_json::json!([]));
    // A crash between the commit and the move: the file is looked at again, and found in force.
    std::fs::rename(folder.join("done/delta-0.crl"), folder.join("delta-0.crl")).unwrap();
    open(&bench, url.as_str())
        .await
        .sync(bench.environment)
        .await
        .unwrap();
    assert!(folder.join("done/delta-0.crl").exists());
    let sources: Value = bench.sources().await;
    assert_eq!(sources["open_problems"], serde_json::json!([]));
}
