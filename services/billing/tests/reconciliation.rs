//! Usage held against the services' own operations (F074): whatever became of the facts, what was answered is billed, once.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod common;

use common::{Scene, at, line, shape};
use serde_json::{Value, json};
use warikan_contracts::{
    facts::{Channel, StatusChecked, VerificationCompleted},
    operations::{MeteredOperation, OperationKey},
};
use warikan_types::{Environment, Reason, TenantScope, Verdict};

const NOVEMBER: &str = "/v1/usage?period=2026-11";

impl Scene {
    async fn reconcile(&self, period: &str) -> Value {
        let path = format!("/v1/operator/months/{period}/reconciliation");
        let token = self.house.operator_token();
        let found = self.app.post(&path, &token, &json!({})).await;
        let found = found.expect(200).clone();
        let kept = self.app.get(&path, &token).await;
        assert_eq!(kept.expect(200), &found, "what is read is what was found");
        found
    }

    async fn close_accepting(&self, period: &str) -> warikan_testkit::Reply {
        let path = format!("/v1/operator/months/{period}/close?accept_differences=true");
        let token = self.house.operator_token();
        self.app.post(&path, &token, &json!({})).await
    }

    async fn run(&self, task: &str) -> Result<(), String> {
        let tasks = self.billing.module().tasks;
        let task = tasks.iter().find(|one| one.name() == task).unwrap();
        task.run_once().await.map_err(|error| error.to_string())
    }
}

/// What a comparison came to.
fn told(found: &Value) -> (&str, i64, i64, Option<i64>) {
    (
        found["state"].as_str().unwrap(),
        found["usage_records"].as_i64().unwrap(),
        found["recovered"].as_i64().unwrap(),
        found["difference"].as_i64(),
    )
}

fn quantity(usage: &Value, meter: &str) -> i64 {
    let rows = usage["usage"].as_array().unwrap().iter();
    rows.filter(|row| row["meter"] == meter)
        .map(|row| row["quantity"].as_i64().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_what_a_consumer_missed_in_a_day_is_recovered_from_the_operations() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    for hour in 0..3 {
        let fact = scene.verification(&format!("2026-11-20T0{hour}:00:00Z"));
        scene.tell(tenant, &fact).await;
    }
    // The consumer is down for a day, and then its queue is purged.
    let mut lost = Vec::new();
    for hour in 0..24 {
        let fact = scene.verification(&format!("2026-11-21T{hour:02}:30:00Z"));
        lost.push(scene.lose(tenant, &fact).await);
    }
    let handles: Vec<_> = (0..5).map(|_| scene.handle()).collect();
    let checks = scene.checks("2026-11", &handles);
    lost.push(scene.lose(tenant, &checks).await);
    scene.advance_to("2026-11-22T00:00:00Z");
    assert_eq!(
        quantity(&scene.get(tenant, NOVEMBER).await, "verification"),
        3
    );

    let found = scene.reconcile("2026-11").await;
    assert_eq!(told(&found), ("agrees", 32, 29, Some(0)), "{found}");
    assert_eq!(
        found["services"],
        json!([{"service": "verification", "operations": 27}, {"service": "revocation", "operations": 5}])
    );
    let again = scene.reconcile("2026-11").await;
    assert_eq!(told(&again), ("agrees", 32, 0, Some(0)), "{again}");
    assert_eq!(again["recovered_total"], 29);
    // The facts come after all, each twice.
    for envelope in lost.iter().chain(&lost) {
        scene.publish_alone(envelope).await;
    }
    let usage = scene.get(tenant, NOVEMBER).await;
    assert_eq!(quantity(&usage, "verification"), 27);
    assert_eq!(quantity(&usage, "status_check"), 5);
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    assert_eq!(
        shape(&scene.invoice(tenant, "2026-11").await),
        [
            line("platform_base", 50_000, 1),
            line("platform_usage", 100, 27),
            line("platform_usage", 5, 5),
            line("jlis_fee", 0, 27),
            line("jlis_fee", 0, 5),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_f075_what_is_recovered_is_billed_by_the_rules_that_its_fact_is() {
    let scene = Scene::new().await;
    let time = "2026-11-21T00:00:00Z";
    let facts = |scene: &Scene| -> Vec<VerificationCompleted> {
        let unreadable = VerificationCompleted {
            kind: None,
            channel: None,
            ..scene.judged(time, Verdict::Invalid, Some(Reason::CertificateMalformed))
        };
        vec![
            scene.judged(time, Verdict::Valid, None),
            scene.judged(time, Verdict::Invalid, Some(Reason::CertificateRevoked)),
            scene.judged(time, Verdict::Invalid, Some(Reason::SignatureMismatch)),
            scene.judged(time, Verdict::Indeterminate, Some(Reason::StatusStale)),
            scene.authentication(time),
            VerificationCompleted {
                channel: Some(Channel::Ocsp),
                ..scene.authentication(time)
            },
            unreadable,
        ]
    };
    let checks = |scene: &Scene, channel| StatusChecked {
        channel,
        ..scene.checks("2026-11", &[scene.handle(), scene.handle()])
    };
    for environment in [Environment::Production, Environment::Sandbox] {
        let (heard, lost) = (
            scene.house.tenant(environment),
            scene.house.tenant(environment),
        );
        for fact in facts(&scene) {
            scene.tell(heard, &fact).await;
            let twin = VerificationCompleted {
                verification: scene.house.platform.entropy.id(fact.accepted_at),
                ..fact
            };
            scene.lose(lost, &twin).await;
        }
        for channel in [Channel::Crl, Channel::Ocsp] {
            scene.tell(heard, &checks(&scene, channel)).await;
            scene.lose(lost, &checks(&scene, channel)).await;
        }
        scene.advance_to(
            &scene
                .house
                .clock()
                .now()
                .plus(std::time::Duration::from_secs(1))
                .to_string(),
        );
        let found = scene.reconcile("2026-11").await;
        assert_eq!(found["recovered"], 11, "{found}");
        let (heard, lost) = (
            scene.get(heard, NOVEMBER).await,
            scene.get(lost, NOVEMBER).await,
        );
        assert_eq!(heard["usage"], lost["usage"]);
        assert_eq!(heard["rules"], lost["rules"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_f076_operations_of_a_closed_month_go_on_the_next_invoice() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene
        .tell(tenant, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let november = scene.invoice(tenant, "2026-11").await;
    // Its transaction was under way when the month was closed, and then its fact was lost.
    let late = scene.verification("2026-11-30T14:59:59.999Z");
    scene.lose(tenant, &late).await;
    scene.advance_to("2026-12-01T01:00:00Z");
    scene.run("billing.reconcile").await.unwrap();
    assert_eq!(scene.invoice(tenant, "2026-11").await, november);
    assert_eq!(
        quantity(&scene.get(tenant, NOVEMBER).await, "verification"),
        2
    );
    scene.advance_to("2027-01-04T00:00:00Z");
    scene.close("2026-12").await.expect(200);
    assert_eq!(
        shape(&scene.invoice(tenant, "2026-12").await),
        [
            line("platform_base", 50_000, 1),
            line("adjustment", 100, 1),
            line("adjustment", 0, 1),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_a_close_takes_what_was_lost_even_in_the_last_moment() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene
        .lose(tenant, &scene.verification("2026-11-30T14:59:59.999Z"))
        .await;
    scene
        .lose(tenant, &scene.verification("2026-11-30T15:00:00Z"))
        .await;
    scene.advance_to("2026-11-30T15:00:01Z");
    scene.close("2026-11").await.expect(200);
    assert_eq!(
        shape(&scene.invoice(tenant, "2026-11").await),
        [
            line("platform_base", 50_000, 1),
            line("platform_usage", 100, 1),
            line("jlis_fee", 0, 1),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_a_service_that_cannot_be_asked_leaves_the_question_open() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let never = scene
        .app
        .get(
            "/v1/operator/months/2026-11/reconciliation",
            &scene.house.operator_token(),
        )
        .await;
    assert_eq!(never.expect(200)["state"], "never");
    scene
        .tell(tenant, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    scene
        .lose(tenant, &scene.verification("2026-11-21T01:00:00Z"))
        .await;
    scene
        .lose(tenant, &scene.checks("2026-11", &[scene.handle()]))
        .await;
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.services.verification.silence(true);
    let found = scene.reconcile("2026-11").await;
    // What the other one knows is taken all the same.
    assert_eq!(told(&found), ("incomplete", 2, 1, None), "{found}");
    assert_eq!(
        found["services"],
        json!([{"service": "verification", "operations": null}, {"service": "revocation", "operations": 1}])
    );
    let failed = scene.run("billing.reconcile").await.unwrap_err();
    assert!(failed.contains("verification"), "{failed}");
    let refused = scene.close("2026-11").await;
    let problem = refused.expect_problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("verification could not be asked"),
        "{detail}"
    );
    assert!(detail.contains("accept_differences=true"), "{detail}");

    scene.services.verification.silence(false);
    scene.run("billing.reconcile").await.unwrap();
    scene.close("2026-11").await.expect(200);
    let usage = scene.get(tenant, NOVEMBER).await;
    assert_eq!(
        (
            quantity(&usage, "verification"),
            quantity(&usage, "status_check")
        ),
        (2, 1)
    );
    // Closed again, nobody is asked.
    scene.services.verification.silence(true);
    scene.close("2026-11").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_usage_that_no_service_knows_is_listed_and_the_close_waits_for_a_word() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene
        .tell(tenant, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    let invented = scene.verification("2026-11-21T01:00:00Z");
    let envelope = scene.envelope(Some(tenant), invented.accepted_at, &invented);
    scene.publish_alone(&envelope).await;
    // As many are lost as were invented: the counts agree, and are not enough.
    scene
        .lose(tenant, &scene.verification("2026-11-21T02:00:00Z"))
        .await;
    scene.advance_to("2026-12-01T00:00:00Z");
    let found = scene.reconcile("2026-11").await;
    assert_eq!(told(&found), ("differs", 3, 1, Some(1)), "{found}");
    let difference = &found["differences"][0];
    assert_eq!(difference["operation"], invented.verification.to_string());
    assert_eq!(difference["tenant"], tenant.tenant().to_string());
    assert_eq!(difference["accepted_at"], "2026-11-21T01:00:00Z");
    let refused = scene.close("2026-11").await;
    let problem = refused.expect_problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains(&invented.verification.to_string()),
        "{detail}"
    );
    let list = scene.get(tenant, "/v1/invoices").await;
    assert_eq!(list["data"], json!([]), "nothing was closed");
    scene.close_accepting("2026-11").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-11").await;
    assert_eq!(shape(&invoice)[1], line("platform_usage", 100, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_a_certificate_that_two_services_checked_is_one_use() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let handles: Vec<_> = (0..4).map(|_| scene.handle()).collect();
    let heard = scene.checks("2026-11", &handles[..3]);
    scene.tell(tenant, &heard).await;
    let keep = |tenant: TenantScope, fact: &StatusChecked| {
        let envelope = scene.envelope(Some(tenant), at("2026-11-21T00:00:00Z"), fact);
        let checks = MeteredOperation::of_checks(envelope.id, envelope.occurred_at, fact);
        checks
            .into_iter()
            .map(|one| (tenant, one))
            .collect::<Vec<_>>()
    };
    // The other one checks some of them too, and one that nobody else did; its fact is lost.
    let other = keep(tenant, &scene.checks("2026-11", &handles[1..]));
    scene.services.verification.keep(&other).await;
    scene.advance_to("2026-11-21T01:00:00Z");
    let found = scene.reconcile("2026-11").await;
    assert_eq!(told(&found), ("agrees", 4, 1, Some(0)), "{found}");
    let again = scene.reconcile("2026-11").await;
    assert_eq!(told(&again), ("agrees", 4, 0, Some(0)), "{again}");
    assert_eq!(
        quantity(&scene.get(tenant, NOVEMBER).await, "status_check"),
        4
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_the_hourly_comparison_leaves_what_may_still_be_on_its_way() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    scene
        .lose(tenant, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    for (time, counted) in [("2026-11-21T00:10:00Z", 0), ("2026-11-21T00:10:01Z", 1)] {
        scene.advance_to(time);
        scene.run("billing.reconcile").await.unwrap();
        let usage = scene.get(tenant, NOVEMBER).await;
        assert_eq!(quantity(&usage, "verification"), counted, "{time}");
    }
}

/// More than one statement adds up, and more than one page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_a_large_month_is_compared_in_parts() {
    const EACH: u32 = 10_500;
    let scene = Scene::new().await;
    let time = at("2026-11-21T00:00:00Z");
    let mut tenants = Vec::new();
    for _ in 0..2 {
        let tenant = scene.house.tenant(Environment::Production);
        let one = MeteredOperation::of_verification(&scene.verification("2026-11-21T00:00:00Z"));
        let operations: Vec<_> = (0..EACH)
            .map(|_| {
                let id = scene
                    .house
                    .platform
                    .entropy
                    .id::<warikan_types::Verification>(time);
                let key = OperationKey {
                    id: id.uuid(),
                    place: 0,
                };
                (tenant, MeteredOperation { key, ..one.clone() })
            })
            .collect();
        scene.services.verification.keep(&operations).await;
        tenants.push(tenant);
    }
    scene.advance_to("2026-11-21T01:00:00Z");
    let all = i64::from(EACH) * 2;
    let found = scene.reconcile("2026-11").await;
    assert_eq!(told(&found), ("agrees", all, all, Some(0)));
    for tenant in tenants {
        let usage = scene.get(tenant, NOVEMBER).await;
        assert_eq!(quantity(&usage, "verification"), i64::from(EACH));
    }
    let again = scene.reconcile("2026-11").await;
    assert_eq!(told(&again), ("agrees", all, 0, Some(0)));
}
