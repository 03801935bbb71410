//! A disk that fills up while lists are taken over (F046).
//!
//! A limit on the size of files stands for the disk: `write` fails with EFBIG where it would fail with ENOSPC, and SQLite answers both
//! alike, by rolling back. The limit is the process's, so the test runs in one of its own, to which the signal that comes with
//! it (SIGXFSZ) means nothing.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

mod support;

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use support::{Bench, SIGNATURE};
use warikan_contracts::{
    api::{CertificateStatus, KnownState},
    facts::Channel,
};
use warikan_pki::examine;
use warikan_simulator::LifeEvent;
use warikan_types::{CertificateId, CrlPartition, Timestamp};

/// By so much the disk grows from attempt to attempt: one page with its frame's header. Every transaction writes several, so no
/// attempt has room for two lists more than the one before.
const STEP: u64 = 4_096 + 24;
const INSIDE: &str = "inside_a_process_of_its_own";

#[test]
fn f046_a_full_disk_leaves_each_list_wholly_old_or_wholly_new() {
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; exec \"$0\" --exact --ignored --nocapture \"$1\"",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(INSIDE)
        .env("WARIKAN_TEST_DATABASE", "sqlite")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Files may have so many octets from here on.
fn limit(octets: Option<u64>) {
    let hard = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit {
        current: octets,
        maximum: hard,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
}

/// Empties the write-ahead log into the file, so that the next transactions begin at its start. SQLite does so by itself when the
/// last connection is closed, which happens on a thread of its own: without this the room that a limit leaves would depend on when.
async fn empty_log(bench: &Bench) {
    let file = bench.house.directory().join("revocation.sqlite");
    let db = Database::connect(format!("sqlite://{}", file.display()));
    let db = db.await.unwrap();
    let checkpoint = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
    let row = db.query_one_raw(checkpoint).await.unwrap().unwrap();
    assert_eq!(
        row.try_get_by_index::<i32>(0).unwrap(),
        0,
        "nobody holds the log"
    );
    db.close().await.unwrap();
}

type Asked = (CertificateId, Option<CrlPartition>);

/// What each certificate's list says: thisUpdate, and whether it is revoked.
async fn known(
    bench: &Bench,
    status: &dyn CertificateStatus,
    asked: &[Asked],
) -> Vec<(Timestamp, bool)> {
    let mut known = Vec::new();
    for (certificate, partition) in asked {
        let answer = status.status(bench.environment, certificate, *partition, Channel::Crl);
        let answer = answer.await.unwrap();
        let revoked = matches!(answer.state, KnownState::Revoked { .. });
        known.push((answer.this_update, revoked));
    }
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the test above runs it in a process of its own"]
async fn inside_a_process_of_its_own() {
    let mut bench = Bench::new().await;
    let citizens = bench.citizens(400);
    let asked: Vec<Asked> = citizens
        .iter()
        .map(|citizen| {
            let der = bench.certificate(*citizen, SIGNATURE);
            let examined = examine(&der, &bench.anchors);
            let point = examined.certificate().unwrap().distribution_point();
            (examined.path().unwrap().certificate_id().clone(), point)
        })
        .collect();
    let old = bench.publish_and_sync().await.at.into();
    bench.advance(24);
    for citizen in &citizens {
        bench.happen(*citizen, &LifeEvent::Lose);
    }
    let new: Timestamp = bench.publish().at.into();
    let (mut failed, mut mixed) = (0, 0);
    for room in 0..1_000 {
        empty_log(&bench).await;
        limit(Some(room * STEP));
        let looked = bench.revocation.sync(bench.environment).await;
        limit(None);
        let status = bench.revocation.status();
        let now = known(&bench, status.as_ref(), &asked).await;
        for (this_update, revoked) in &now {
            assert!([old, new].contains(this_update));
            assert_eq!(*revoked, *this_update == new, "room {room}");
        }
        // What is in the database is what is in memory.
        let again = bench.restarted().await;
        assert_eq!(known(&bench, again.status().as_ref(), &asked).await, now);
        let taken = now.iter().filter(|one| one.0 == new).count();
        mixed += usize::from(taken > 0 && taken < now.len());
        match looked {
            Err(_) => failed += 1,
            Ok(()) if taken == now.len() => break,
            Ok(()) => {}
        }
    }
    assert!(failed > 3, "the disk was full {failed} times");
    assert!(mixed > 0, "some lists were taken before it was");
    // With room again it recovers by itself.
    bench.app.run("revocation.sync").await;
    let status = bench.revocation.status();
    let now = known(&bench, status.as_ref(), &asked).await;
    assert!(now.iter().all(|one| *one == (new, true)));
    assert_eq!(bench.problems().await, []);
}
