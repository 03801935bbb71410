//! Many requests, one commit: who gets which answer when they come together, when one of them is at fault, when there are too many,
//! and when the client does not wait.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use futures_util::future::{join_all, select_all};
use reqwest::Method;
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement};
use serde_json::{Value, json};
use support::{World, signed_request};
use tokio::task::JoinHandle;
use warikan_messaging::begin_write;
use warikan_simulator::{Card, CertificateChoice};
use warikan_testkit::{App, Reply};
use warikan_types::{ClientScope, Environment};
use warikan_verification::Config;

const SIGNATURE: CertificateChoice = CertificateChoice::Signature;

/// So many requests may be unanswered.
fn bounded(unanswered_writes: usize) -> Config {
    Config {
        unanswered_writes,
        // One transaction at a time on PostgreSQL too: what comes meanwhile is the next batch.
        concurrent_commits: 1,
        ..Config::default()
    }
}

/// Holds up every commit of verifications until it is let go.
async fn hold_up(world: &World) -> DatabaseTransaction {
    // The tenant's data key is made at its first request; that is not what is held up here.
    stored(world).await;
    let db = world.house.database("verification").await;
    let held = begin_write(&db).await.unwrap();
    if world.house.postgres().is_some() {
        let lock = "LOCK TABLE verification IN EXCLUSIVE MODE";
        held.execute_unprepared(lock).await.unwrap();
    }
    held
}

async fn send(app: &App, token: &str, key: &str, body: &Value) -> Reply {
    let request = app
        .request(Method::POST, "/v1/verifications")
        .bearer_auth(token)
        .header("idempotency-key", key);
    App::read(request.json(body)).await
}

type Sent = JoinHandle<(usize, Reply)>;

/// Sends all requests at once, each under its key, to a service that takes so many while its commit is held up. Those that are refused
/// show by it that the others were taken; gives both.
async fn fill(world: &World, taken: usize, requests: &[(&str, Value)]) -> (Vec<Sent>, Vec<Reply>) {
    let mut waiting: Vec<Sent> = Vec::new();
    for (place, (key, body)) in requests.iter().enumerate() {
        let request = world
            .app
            .request(Method::POST, "/v1/verifications")
            .bearer_auth(&world.token)
            .header("idempotency-key", *key)
            .json(body);
        waiting.push(tokio::spawn(
            async move { (place, App::read(request).await) },
        ));
    }
    let mut refused = Vec::new();
    while waiting.len() > taken {
        let (reply, _, others) = select_all(waiting).await;
        refused.push(reply.unwrap().1);
        waiting = others;
    }
    (waiting, refused)
}

/// Makes the database refuse verifications with the verdict `invalid`, as it would a row that it cannot hold.
async fn poison(world: &World) {
    let db = world.house.database("verification").await;
    let sql = if world.house.postgres().is_some() {
        "ALTER TABLE verification ADD CONSTRAINT poison CHECK (verdict <> 'invalid')"
    } else {
        "CREATE TRIGGER poison BEFORE INSERT ON verification WHEN NEW.verdict = 'invalid' \
         BEGIN SELECT RAISE(ABORT, 'poison'); END"
    };
    db.execute_unprepared(sql).await.unwrap();
}

/// How many transactions wrote the verifications that are there; PostgreSQL alone keeps that.
async fn transactions(world: &World) -> Option<i64> {
    world.house.postgres()?;
    let db = world.house.database("verification").await;
    let sql = "SELECT count(DISTINCT xmin::text) FROM verification";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    Some(row.try_get_by_index(0).unwrap())
}

async fn stored(world: &World) -> Vec<Value> {
    let list = world
        .app
        .get("/v1/verifications?limit=100", &world.token)
        .await;
    list.expect(200)["data"].as_array().unwrap().clone()
}

/// Different requests under different keys.
fn requests(card: &Card, keys: &'static [&'static str]) -> Vec<(&'static str, Value)> {
    let each = |key: &&'static str| (*key, signed_request(card, SIGNATURE, key.as_bytes()));
    keys.iter().map(each).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f087_beyond_the_bound_requests_are_refused_and_what_was_taken_is_written_together() {
    let mut world = World::with(bounded(6)).await;
    let card = world.card();
    let all = requests(&card, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    let held = hold_up(&world).await;
    let (waiting, refused) = fill(&world, 6, &all).await;
    for refusal in &refused {
        refusal.expect_problem(503, "unavailable");
        assert_eq!(refusal.json["retryable"], true);
        assert_eq!(refusal.headers["retry-after"], "1");
    }
    held.rollback().await.unwrap();
    let mut ids = Vec::new();
    for reply in join_all(waiting).await {
        let (_, reply) = reply.unwrap();
        assert_eq!(reply.expect(201)["verdict"], "valid");
        ids.push(reply.json["id"].to_string());
    }
    let there = stored(&world).await;
    let mut there: Vec<String> = there.iter().map(|one| one["id"].to_string()).collect();
    there.sort();
    ids.sort();
    assert_eq!(there, ids, "those that were answered, and no other");
    if let Some(count) = transactions(&world).await {
        // Those that came before the commit was held up by a lock, and in one batch all that came meanwhile.
        assert!(count <= 2, "{count} transactions");
    }
    // There is room again.
    let body = signed_request(&card, SIGNATURE, b"after");
    send(&world.app, &world.token, "after", &body)
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_the_database_refuses_fails_alone() {
    let mut world = World::with(bounded(9)).await;
    let card = world.card();
    poison(&world).await;
    let mut all = requests(&card, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    let bad = [4, 7];
    for place in bad {
        // Another document's signature: the verdict is `invalid`, and such a row is not taken.
        all[place].1["signature"] = all[0].1["signature"].clone();
    }
    let held = hold_up(&world).await;
    let (waiting, _) = fill(&world, 9, &all).await;
    held.rollback().await.unwrap();
    let mut good = 0;
    for reply in join_all(waiting).await {
        let (place, reply) = reply.unwrap();
        if bad.contains(&place) {
            reply.expect_problem(500, "internal");
        } else {
            assert_eq!(reply.expect(201)["verdict"], "valid", "{place}");
            good += 1;
        }
    }
    assert!(good >= 7);
    assert_eq!(stored(&world).await.len(), good);
    // The key of one that failed is free: nothing of it was kept.
    let body = signed_request(&card, SIGNATURE, b"good");
    let again = send(&world.app, &world.token, all[bad[0]].0, &body).await;
    assert_eq!(again.expect(201)["verdict"], "valid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f078_a_client_that_goes_away_finds_its_answer_under_its_key() {
    let mut world = World::with(bounded(1)).await;
    let card = world.card();
    let all = requests(&card, &["a", "b"]);
    let held = hold_up(&world).await;
    let (mut waiting, refused) = fill(&world, 1, &all).await;
    refused[0].expect_problem(503, "unavailable");
    // Its connection breaks while its verification is being committed.
    let taken = waiting.remove(0);
    taken.abort();
    assert!(taken.await.unwrap_err().is_cancelled());
    held.rollback().await.unwrap();
    // Which of the two it was, its answer tells: the other was never carried out.
    let list = loop {
        let list = stored(&world).await;
        if !list.is_empty() {
            break list;
        }
    };
    assert_eq!(list.len(), 1);
    let mut replayed = Vec::new();
    for (key, body) in &all {
        let reply = loop {
            let reply = send(&world.app, &world.token, key, body).await;
            if reply.status != 503 {
                break reply;
            }
        };
        assert_eq!(reply.expect(201)["verdict"], "valid");
        assert_eq!(reply.json["attributes"]["complete"], true);
        if reply.headers.contains_key("idempotency-replayed") {
            replayed.push(reply.json["id"].clone());
        }
    }
    assert_eq!(replayed, [list[0]["id"].clone()]);
    assert_eq!(stored(&world).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f073_one_key_many_times_in_one_batch_is_one_operation() {
    let mut world = World::with(bounded(9)).await;
    let card = world.card();
    let mut all = requests(&card, &["first"]);
    let once = signed_request(&card, SIGNATURE, b"once");
    all.extend((0..9).map(|_| ("once", once.clone())));
    let held = hold_up(&world).await;
    let (waiting, refused) = fill(&world, 9, &all).await;
    assert_eq!(refused.len(), 1);
    held.rollback().await.unwrap();
    let mut replies = Vec::new();
    for reply in join_all(waiting).await {
        let (place, reply) = reply.unwrap();
        reply.expect(201);
        if place > 0 {
            replies.push(reply);
        }
    }
    assert!(replies.len() >= 8);
    let replays = |reply: &&Reply| reply.headers.contains_key("idempotency-replayed");
    let made = replies.iter().filter(|one| !replays(one)).count();
    assert_eq!(made, 1, "one operation, the others replay it");
    assert!(replies.iter().all(|one| one.body == replies[0].body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persons_who_come_many_times_at_once_are_made_once() {
    let mut world = World::new().await;
    let (one, other) = (world.card(), world.card());
    let replica = world.replica().await;
    // Two cards of one customer, through two processes at once.
    let all = (0..24_u32).map(|count| {
        let card = if count % 3 == 0 { &one } else { &other };
        let app = if count % 2 == 0 { &world.app } else { &replica };
        let mut body = signed_request(card, SIGNATURE, &count.to_be_bytes());
        body["subject_ref"] = json!("C-1");
        let (token, key) = (&world.token, format!("many-{count}"));
        async move { send(app, token, &key, &body).await }
    });
    let replies = join_all(all).await;
    let subjects: Vec<&Value> = replies
        .iter()
        .map(|reply| &reply.expect(201)["subject"])
        .collect();
    assert!(subjects.iter().all(|one| one["id"] == subjects[0]["id"]));
    assert!(subjects.iter().all(|one| one["ref"] == "C-1"));
    let new = subjects.iter().filter(|one| one["is_new"] == true).count();
    assert_eq!(new, 1);
    let path = format!("/v1/subjects/{}", subjects[0]["id"].as_str().unwrap());
    let read = world.app.get(&path, &world.token).await;
    assert_eq!(
        read.expect(200)["certificates"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_f021_tenants_in_one_batch_do_not_see_each_others_challenges() {
    let mut world = World::with(bounded(60)).await;
    let card = world.card();
    let good = signed_request(&card, SIGNATURE, b"what was shown");
    let make = json!({ "purpose": "signature", "signed": good["signed"] });
    let stranger = world.house.tenant(Environment::Production);
    let strange = world.house.token(stranger, &[ClientScope::Verifications]);
    let mut bodies = Vec::new();
    for _ in 0..12 {
        let reply = world.app.post("/v1/challenges", &world.token, &make).await;
        let mut body = good.clone();
        body["challenge_id"] = reply.expect(201)["id"].clone();
        bodies.push(body);
    }
    // Theirs and the other's turn alternate, so that batches hold both where batches may.
    let all = bodies.iter().flat_map(|body| {
        [(&strange, "s"), (&world.token, "o")].map(|(token, whose)| {
            let key = format!("{whose}-{}", body["challenge_id"].as_str().unwrap());
            let app = &world.app;
            async move { (whose, send(app, token, &key, body).await) }
        })
    });
    for (whose, reply) in join_all(all).await {
        let answer = reply.expect(201);
        match whose {
            "s" => assert_eq!(answer["reason"], "challenge_unknown"),
            _ => assert_eq!(answer["verdict"], "valid", "{answer}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_batches_stand_behind_the_tenants_wall() {
    let mut world = World::new().await;
    if world.house.postgres().is_none() {
        println!("skipped: SQLite has no row-level security");
        return;
    }
    let card = world.card();
    // Whoever else could write tenants' rows may not any more: the batch comes as the role that sees one tenant at a time.
    let db = world.house.database("verification").await;
    db.execute_unprepared("REVOKE ALL ON verification, challenge, subject, subject_certificate FROM warikan_test_verification_worker")
        .await
        .unwrap();
    let body = signed_request(&card, SIGNATURE, b"document");
    let answer = world.verify(&body).await;
    assert_eq!(answer["verdict"], "valid");
    // And that role writes no row of another tenant than the transaction has named.
    let forbidden = db
        .execute_unprepared(
            "BEGIN; SET LOCAL ROLE warikan_test_verification; \
             SELECT set_config('app.tenant', '0192f3c4-0000-7000-8000-000000000001', true); \
             INSERT INTO verification (id, tenant, environment, verdict, accepted_at, answer, evidence) \
             VALUES ('0192f3c4-0000-7000-8000-000000000003', '0192f3c4-0000-7000-8000-000000000002', 'production', 'valid', now(), '', '')",
        )
        .await
        .unwrap_err();
    assert!(
        forbidden.to_string().contains("row-level security"),
        "{forbidden}"
    );
}
