//! The stand-in for J-LIS as the platform sees it: lists, OCSP, faults, restarts, the clock.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::{path::Path, process::Command, sync::Mutex};

use common::{bytes, get, happen, id, on_card, open, person, post, publish, serve};
use reqwest::Method;
use serde_json::{Value, json};
use warikan_contracts::{Envelope, Fact, facts::CrlPublished};
use warikan_messaging::{Consumer, HandleError, Handler};
use warikan_runtime::Databases;
use warikan_testkit::{App, TestHouse};
use warikan_types::Environment;

const KIYOSE: &str = "/jlis/crl/signature/2/tokyo-to_kiyose-shi.crl";

/// Runs `openssl` in a directory; all that it said.
fn openssl(bench: &Path, arguments: &str) -> String {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(bench)
        .output()
        .unwrap();
    [output.stdout, output.stderr]
        .map(|said| String::from_utf8_lossy(&said).into_owned())
        .concat()
}

fn pem(bench: &Path, kind: &str, name: &str, der: &[u8]) {
    std::fs::write(bench.join(name).with_extension("der"), der).unwrap();
    openssl(
        bench,
        &format!("{kind} -inform DER -in {name}.der -out {name}.pem"),
    );
}

async fn root(app: &App, ca: &str) -> Vec<u8> {
    let roots = get(app, "/jlis/roots").await.expect(200).clone();
    let all = roots["roots"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    bytes(
        &all.iter()
            .find(|one| one["ca"] == ca && one["generation"] == 2)
            .unwrap()["certificate"],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_verifies_by_what_is_served() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let body = json!({"address": "東京都清瀬市中里１－１"});
    let (kept, lost) = (person(&app, &body).await, person(&app, &body).await);
    happen(&app, id(&lost), &json!({"event": "lose"}))
        .await
        .expect(200);
    let published = publish(&app).await;
    assert_eq!(
        (&published["frozen"], &published["delivered"]),
        (&json!(false), &json!(true))
    );

    let bench = tempfile::tempdir().unwrap();
    let bench = bench.path();
    pem(bench, "x509", "root", &root(&app, "signature").await);
    let reply = get(&app, KIYOSE).await;
    assert_eq!(reply.headers["content-type"], "application/pkix-crl");
    pem(bench, "crl", "list", &reply.body);
    let at = house.clock().now().unix();
    for (view, expected) in [(&kept, "leaf.pem: OK"), (&lost, "certificate revoked")] {
        pem(
            bench,
            "x509",
            "leaf",
            &bytes(&on_card(view, "card_signature")["certificate"]),
        );
        let said = openssl(
            bench,
            &format!("verify -attime {at} -CAfile root.pem -CRLfile list.pem -crl_check leaf.pem"),
        );
        assert!(said.contains(expected), "{said}");
        let state = if expected.ends_with("OK") {
            ": good"
        } else {
            "Reason: keyCompromise"
        };
        openssl(
            bench,
            "ocsp -issuer root.pem -cert leaf.pem -reqout request.der",
        );
        let request = std::fs::read(bench.join("request.der")).unwrap();
        let answer = App::read(
            app.request(Method::POST, "/jlis/ocsp")
                .header("content-type", "application/ocsp-request")
                .body(request),
        )
        .await;
        assert_eq!(answer.headers["content-type"], "application/ocsp-response");
        std::fs::write(bench.join("answer.der"), &answer.body).unwrap();
        let said = openssl(
            bench,
            &format!(
                "ocsp -respin answer.der -reqin request.der -no_nonce -CAfile root.pem -issuer root.pem -cert leaf.pem -attime {at} \
                 -validity_period 9999999999"
            ),
        );
        assert!(
            said.contains("Response verify OK") && said.contains(state),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_names_every_list_and_no_other() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let index = get(&app, "/jlis/crl/index.json").await.expect(200).clone();
    let lists = index["lists"].as_array().unwrap();
    let known = get(&app, "/sandbox/municipalities").await.expect(200)["data"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(
        lists.len(),
        4 * (known - 1),
        "one municipality's lists are never published"
    );
    for list in lists {
        let reply = get(&app, list["url"].as_str().unwrap()).await;
        assert_eq!(
            (reply.status.as_u16(), reply.body.len() as u64),
            (200, list["size"].as_u64().unwrap())
        );
    }
    for path in [
        "/jlis/crl/signature/2/tokyo-to_kotou-mura.crl",
        "/jlis/crl/signature/9/tokyo-to_kiyose-shi.crl",
        "/jlis/crl/other/2/tokyo-to_kiyose-shi.crl",
        "/jlis/crl/signature/x/tokyo-to_kiyose-shi.crl",
        "/jlis/crl/signature/2/..%2f..%2fkeys.crl",
    ] {
        get(&app, path).await.expect_problem(404, "not_found");
    }
    let wrong = App::read(app.request(Method::POST, "/jlis/ocsp").json(&json!({}))).await;
    wrong.expect_problem(415, "unsupported_media_type");
    let ask = |body: Vec<u8>| {
        App::read(
            app.request(Method::POST, "/jlis/ocsp")
                .header("content-type", "application/ocsp-request")
                .body(body),
        )
    };
    assert_eq!(
        ask(b"x".to_vec()).await.body,
        [0x30, 3, 10, 1, 1],
        "malformedRequest"
    );
    ask(vec![0; 65 * 1024])
        .await
        .expect_problem(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f041_the_clock_moves_without_publishing_until_six_real_hours_have_passed() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let before = get(&app, KIYOSE).await.body;
    let moved = post(&app, "/sandbox/clock", &json!({"advance": "PT5H"}))
        .await
        .expect(200)
        .clone();
    assert_eq!(moved["now"], "2026-11-21T05:00:00Z");
    assert_eq!(get(&app, "/sandbox/clock").await.expect(200), &moved);
    app.run("sandbox.publish").await;
    assert_eq!(get(&app, KIYOSE).await.body, before);
    // In this house both clocks are one, so real time has moved too.
    post(&app, "/sandbox/clock", &json!({"advance": "PT1H"}))
        .await
        .expect(200);
    app.run("sandbox.publish").await;
    let after = get(&app, KIYOSE).await.body;
    assert_ne!(after, before);
    app.run("sandbox.publish").await;
    assert_eq!(get(&app, KIYOSE).await.body, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f042_f044_f045_faults_are_served_until_cleared() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let first = get(&app, KIYOSE).await.body;
    house
        .clock()
        .advance(std::time::Duration::from_secs(60))
        .unwrap();
    publish(&app).await;
    let sound = get(&app, KIYOSE).await.body;
    let neighbour = "/jlis/crl/signature/2/okinawa-ken_naha-shi.crl";
    let elsewhere = get(&app, neighbour).await.body;
    let only = |fault: &str| json!({"fault": fault, "partition": "tokyo-to_kiyose-shi"});
    for (fault, status, expected) in [
        ("crl_missing_partition", 404, None),
        ("crl_empty_partition", 200, Some(Vec::new())),
        (
            "crl_truncated",
            200,
            Some(sound[..sound.len() / 2].to_vec()),
        ),
        ("crl_rollback", 200, Some(first.clone())),
    ] {
        let set = post(&app, "/sandbox/faults", &only(fault))
            .await
            .expect(200)
            .clone();
        assert_eq!(set["data"], json!([only(fault)]));
        let reply = get(&app, KIYOSE).await;
        assert_eq!(reply.status.as_u16(), status, "{fault}");
        if let Some(expected) = expected {
            assert_eq!(reply.body, expected, "{fault}");
        }
        assert_eq!(get(&app, neighbour).await.body, elsewhere, "{fault}");
        post(&app, "/sandbox/faults", &json!({"fault": "clear"}))
            .await
            .expect(200);
        assert_eq!(get(&app, KIYOSE).await.body, sound);
    }
    post(&app, "/sandbox/faults", &only("crl_swapped"))
        .await
        .expect(200);
    let swapped = get(&app, KIYOSE).await.body;
    let index = get(&app, "/jlis/crl/index.json").await.expect(200).clone();
    let other = index["lists"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["ca"] == "signature" && one["generation"] == 2 && one["url"] != KIYOSE);
    assert_eq!(
        swapped,
        get(&app, other.unwrap()["url"].as_str().unwrap())
            .await
            .body
    );
    post(
        &app,
        "/sandbox/faults",
        &json!({"fault": "crl_unavailable"}),
    )
    .await
    .expect(200);
    get(&app, neighbour)
        .await
        .expect_problem(503, "unavailable");
    get(&app, "/jlis/crl/index.json")
        .await
        .expect_problem(503, "unavailable");
    post(&app, "/sandbox/faults", &json!({"fault": "clear"}))
        .await
        .expect(200);

    post(&app, "/sandbox/faults", &json!({"fault": "crl_frozen"}))
        .await
        .expect(200);
    assert_eq!(publish(&app).await["frozen"], true);
    assert_eq!(
        get(&app, KIYOSE).await.body,
        sound,
        "F041: the same file again and again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f050_ocsp_can_be_made_to_fail() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let ask = || {
        App::read(
            app.request(Method::POST, "/jlis/ocsp")
                .header("content-type", "application/ocsp-request")
                .body("x"),
        )
    };
    for (fault, status, starts) in [
        ("ocsp_unavailable", 503, b"{\"type\"".as_slice()),
        ("ocsp_try_later", 200, &[0x30, 3, 10, 1, 3]),
        ("ocsp_garbage", 200, b"<!DOCTYPE html>"),
    ] {
        post(&app, "/sandbox/faults", &json!({"fault": fault}))
            .await
            .expect(200);
        let reply = ask().await;
        assert_eq!(reply.status.as_u16(), status);
        assert!(reply.body.starts_with(starts), "{fault}");
        post(&app, "/sandbox/faults", &json!({"fault": "clear"}))
            .await
            .expect(200);
    }
    assert_eq!(
        get(&app, "/sandbox/faults").await.expect(200),
        &json!({"data": []})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_survives_a_restart() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let made = person(&app, &json!({})).await;
    happen(&app, id(&made), &json!({"event": "renew"}))
        .await
        .expect(200);
    let member = post(&app, "/sandbox/populations", &json!({"size": 3}))
        .await
        .expect(201)["persons"][2]
        .clone();
    publish(&app).await;
    post(&app, "/sandbox/faults", &json!({"fault": "crl_truncated"}))
        .await
        .expect(200);
    let paths = [
        "/sandbox/persons",
        "/jlis/roots",
        "/jlis/crl/index.json",
        "/sandbox/faults",
        KIYOSE,
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(get(&app, path).await.body);
    }
    let view = get(&app, &format!("/sandbox/persons/{}", id(&made)))
        .await
        .expect(200)
        .clone();
    app.stop().await;

    let app = App::serve(&house.platform, vec![open(&house).await.module()]).await;
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(get(&app, path).await.body, before, "{path}");
    }
    assert_eq!(
        get(&app, &format!("/sandbox/persons/{}", id(&made)))
            .await
            .expect(200),
        &view
    );
    let sign = format!("/sandbox/persons/{}/sign", id(&member));
    post(&app, &sign, &json!({"message": "QQ=="}))
        .await
        .expect(200);
    let next = person(&app, &json!({})).await;
    let all = [&view, &next]
        .map(|view| view["certificates"].as_array().unwrap().clone())
        .concat();
    let mut distinct: Vec<_> = all
        .iter()
        .map(|one| one["certificate"].as_str().unwrap())
        .collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), all.len(), "serial numbers go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_goes_on_where_it_was_left() {
    let mut house = TestHouse::new();
    let start = warikan_types::Clock::adjustable(std::time::Duration::ZERO);
    house.platform.clocks.sandbox = start;
    let app = serve(&house).await;
    post(&app, "/sandbox/clock", &json!({"advance": "P30D"}))
        .await
        .expect(200);
    app.stop().await;
    // The process starts again: its clock knows nothing.
    house.platform.clocks.sandbox = warikan_types::Clock::adjustable(std::time::Duration::ZERO);
    drop(open(&house).await);
    assert_eq!(
        house.platform.clocks.sandbox.offset(),
        std::time::Duration::from_secs(30 * 86_400)
    );
    // A clock that is the machine's own cannot be moved, and says so.
    house.platform.clocks.sandbox = warikan_types::Clock::system();
    assert!(
        warikan_sandbox::Sandbox::open(warikan_sandbox::Config::default(), &house.platform)
            .await
            .is_err()
    );
}

/// Keeps what it was told.
struct Listener(&'static Mutex<Vec<Value>>);

#[async_trait::async_trait]
impl Handler for Listener {
    async fn apply(
        &self,
        envelope: &Envelope,
        _: &sea_orm::DatabaseTransaction,
    ) -> Result<(), HandleError> {
        assert_eq!(
            envelope.read::<CrlPublished>()?.environment,
            Environment::Sandbox
        );
        self.0
            .lock()
            .unwrap()
            .push(envelope.payload.read().unwrap());
        Ok(())
    }
}

struct Migrator;

#[async_trait::async_trait]
impl sea_orm_migration::MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        warikan_messaging::migrations()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_fetch_lists_are_told_before_the_answer() {
    static TOLD: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    let house = TestHouse::new();
    let databases: &Databases = &house.platform.databases;
    let db = databases.open("listener", Migrator).await.unwrap();
    let mut module = open(&house).await.module();
    module.consumers.push(Consumer::new(
        "listener.crl",
        &[CrlPublished::TYPE],
        db.worker().clone(),
        Listener(&TOLD),
    ));
    let app = App::serve(&house.platform, vec![module]).await;
    app.settle().await;
    assert_eq!(TOLD.lock().unwrap().len(), 1, "the first start published");
    publish(&app).await;
    assert_eq!(TOLD.lock().unwrap().len(), 2);
}
