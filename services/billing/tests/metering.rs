//! From facts to usage: what counts, once, and by which rule.

mod common;

use std::{future::Future, task::Poll};

use common::{Scene, at, config, line, shape};
use serde_json::json;
use warikan_contracts::facts::{Channel, StatusChecked, VerificationCompleted};
use warikan_messaging::Consumer;
use warikan_types::{ClientScope, Environment, Reason, TenantScope, Verdict};

const NOVEMBER: &str = "/v1/usage?period=2026-11";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f072_every_message_three_times_bills_each_operation_once() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let handles: Vec<_> = (0..5).map(|_| scene.handle()).collect();
    let verifications: Vec<_> = (0..7)
        .map(|hour| scene.verification(&format!("2026-11-21T0{hour}:00:00Z")))
        .collect();
    let mut messages = Vec::new();
    for fact in &verifications {
        messages.push(scene.envelope(Some(tenant), fact.accepted_at, fact));
        // The same operation told again under another message id, as after a lost confirm.
        messages.push(scene.envelope(Some(tenant), fact.accepted_at, fact));
    }
    // Overlapping checks of one month: five distinct certificates.
    for part in [&handles[0..3], &handles[1..5], &handles[..]] {
        messages.push(scene.envelope(
            Some(tenant),
            at("2026-11-21T00:00:00Z"),
            &scene.checks("2026-11", part),
        ));
    }
    for _ in 0..3 {
        for message in &messages {
            scene.publish(message).await;
        }
    }
    let usage = scene.get(tenant, NOVEMBER).await;
    assert_eq!(
        usage["usage"],
        json!([
            {"meter": "verification", "purpose": "signature_verification", "kind": "card_signature", "channel": "crl",
             "quantity": 7, "billable_quantity": 7, "platform_amount": 700, "jlis_amount": 0, "unpriced": null},
            {"meter": "status_check", "purpose": "status_check", "kind": "card_signature", "channel": "crl",
             "quantity": 5, "billable_quantity": 5, "platform_amount": 25, "jlis_amount": 0, "unpriced": null},
        ])
    );
    assert_eq!(usage["state"], "running");
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    assert_eq!(
        shape(&scene.invoice(tenant, "2026-11").await),
        [
            line("platform_base", 50_000, 1),
            line("platform_usage", 100, 7),
            line("platform_usage", 5, 5),
            line("jlis_fee", 0, 7),
            line("jlis_fee", 0, 5),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f072_a_consumer_killed_at_any_step_counts_each_operation_once() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let meter: Consumer = scene
        .billing
        .module()
        .consumers
        .into_iter()
        .find(|consumer| consumer.name == "billing.meter")
        .unwrap();
    let mut unfinished = 0;
    for steps in 0..24 {
        let fact = scene.verification("2026-11-21T00:00:00Z");
        let envelope = scene.envelope(Some(tenant), fact.accepted_at, &fact);
        // Killed after so many steps: before, in or after its transaction.
        let mut delivery = Box::pin(meter.deliver(&envelope));
        let mut taken = 0;
        let outcome = std::future::poll_fn(|context| {
            if taken == steps {
                return Poll::Ready(None);
            }
            taken += 1;
            delivery.as_mut().poll(context).map(Some)
        })
        .await;
        drop(delivery);
        unfinished += usize::from(outcome.is_none());
        // Nothing was acknowledged, so it is delivered again.
        scene.publish(&envelope).await;
    }
    assert!(unfinished > 0);
    let usage = scene.get(tenant, NOVEMBER).await;
    assert_eq!(usage["usage"][0]["quantity"], 24, "{usage}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f075_what_is_billed_follows_the_published_table_and_each_row_can_be_traced() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let time = "2026-11-21T00:00:00Z";
    let judged = |verdict, reason| scene.judged(time, verdict, reason);
    let mut facts = vec![
        judged(Verdict::Valid, None),
        judged(Verdict::Invalid, Some(Reason::CertificateRevoked)),
        judged(Verdict::Invalid, Some(Reason::SignatureMismatch)),
        judged(Verdict::Invalid, Some(Reason::ChallengeUsed)),
        judged(Verdict::Indeterminate, Some(Reason::StatusUnavailable)),
    ];
    facts.push(VerificationCompleted {
        kind: None,
        channel: None,
        ..judged(Verdict::Invalid, Some(Reason::CertificateMalformed))
    });
    for fact in &facts {
        scene.tell(tenant, fact).await;
    }
    let usage = scene.get(tenant, NOVEMBER).await;
    assert_eq!(
        usage["rules"],
        json!([
            {"rule": "answered_valid", "billable": true, "quantity": 1},
            {"rule": "answered_revoked", "billable": true, "quantity": 1},
            {"rule": "refused_invalid", "billable": false, "quantity": 3},
            {"rule": "not_found_out", "billable": false, "quantity": 1},
        ])
    );
    let rows = usage["usage"].as_array().unwrap();
    let unknown = rows.iter().find(|row| row["kind"].is_null()).unwrap();
    assert_eq!(unknown["quantity"], 1);
    assert_eq!(unknown["billable_quantity"], 0);
    assert!(unknown["purpose"].is_null());

    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-11").await;
    let n = invoice["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["category"] == "platform_usage")
        .unwrap()["n"]
        .clone();
    let path = format!(
        "/v1/invoices/{}/lines/{n}/records",
        invoice["id"].as_str().unwrap()
    );
    let records = scene.get(tenant, &path).await;
    let traced: Vec<_> = records["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            assert!(record["id"].as_str().unwrap().starts_with("use_"));
            (
                record["operation"].as_str().unwrap().to_owned(),
                record["rule"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        traced,
        [
            (
                facts[0].verification.to_string(),
                "answered_valid".to_owned()
            ),
            (
                facts[1].verification.to_string(),
                "answered_revoked".to_owned()
            ),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f075_the_sandbox_is_counted_and_free_and_never_invoiced() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let sandbox = TenantScope::of_event(tenant.tenant(), Environment::Sandbox);
    scene
        .tell(sandbox, &scene.verification("2026-11-21T00:00:00Z"))
        .await;
    let handle = scene.handle();
    scene
        .tell(sandbox, &scene.checks("2026-11", &[handle]))
        .await;
    let free = scene.get(sandbox, NOVEMBER).await;
    assert_eq!(
        free["rules"],
        json!([{"rule": "sandbox", "billable": false, "quantity": 2}])
    );
    for row in free["usage"].as_array().unwrap() {
        assert_eq!(
            (&row["billable_quantity"], &row["platform_amount"]),
            (&json!(0), &json!(0))
        );
    }
    assert_eq!(
        scene.get(tenant, NOVEMBER).await["usage"],
        json!([]),
        "apart from production"
    );

    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-11").await;
    assert_eq!(shape(&invoice), [line("platform_base", 50_000, 1)]);
    let nothing = scene.get(sandbox, "/v1/invoices").await;
    assert_eq!(nothing["data"], json!([]));
    let token = scene.house.token(sandbox, &[ClientScope::Billing]);
    let of_production = format!("/v1/invoices/{}", invoice["id"].as_str().unwrap());
    let reply = scene.app.get(&of_production, &token).await;
    reply.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_check_counts_each_time_and_has_no_price_until_an_operator_enters_one() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let handle = scene.handle();
    let live = StatusChecked {
        channel: Channel::Ocsp,
        ..scene.checks("2026-11", &[handle])
    };
    for _ in 0..2 {
        let envelope = scene.tell(tenant, &live).await;
        scene.publish(&envelope).await;
    }
    let usage = scene.get(tenant, NOVEMBER).await;
    let row = &usage["usage"][0];
    assert_eq!(row["quantity"], 2);
    assert_eq!(row["platform_amount"], 10);
    assert!(row["jlis_amount"].is_null());
    assert_eq!(
        row["unpriced"],
        "no tariff row for J-LIS fee ocsp/card_signature/status_check holds on 2026-11-21; \
         enter one in the configuration `billing.tariff`"
    );
    scene.advance_to("2026-12-01T00:00:00Z");
    let refused = scene.close("2026-11").await;
    let problem = refused.expect_problem(409, "conflict");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("J-LIS fee ocsp/card_signature/status_check"),
        "{problem}"
    );
    let none = scene.get(tenant, "/v1/invoices").await;
    assert_eq!(none["data"], json!([]), "nothing was closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fee_that_the_operator_entered_is_passed_through_without_margin() {
    let scene = Scene::with(config(
        "jlis_fee_tax = \"out_of_scope\"\n\
         [[tariff.jlis_fees]]\nvalid_from = \"2026-01-01\"\nchannel = \"ocsp\"\n\
         kinds = [\"card_signature\"]\npurposes = [\"signature_verification\"]\nunit_price = 20\n",
    ))
    .await;
    let tenant = scene.tenant("青空証券株式会社", "free").await;
    for _ in 0..3 {
        let fact = VerificationCompleted {
            channel: Some(Channel::Ocsp),
            ..scene.verification("2026-11-21T00:00:00Z")
        };
        scene.tell(tenant, &fact).await;
    }
    scene.advance_to("2026-12-01T00:00:00Z");
    scene.close("2026-11").await.expect(200);
    let invoice = scene.invoice(tenant, "2026-11").await;
    assert_eq!(
        shape(&invoice),
        [
            line("platform_base", 0, 1),
            line("platform_usage", 0, 3),
            line("jlis_fee", 20, 3)
        ]
    );
    assert_eq!(invoice["lines"][2]["charged_for"], "jlis");
    assert_eq!(invoice["lines"][2]["tax_category"], "out_of_scope");
    assert_eq!(
        invoice["tax_totals"],
        json!([
            {"tax_rate_percent": 10, "taxable": 0, "tax": 0},
            {"tax_rate_percent": 0, "taxable": 60, "tax": 0},
        ])
    );
    assert_eq!(invoice["total"], 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_cannot_be_counted_is_parked_with_its_reason() {
    let scene = Scene::new().await;
    let tenant = scene.tenant("青空証券株式会社", "standard").await;
    let fact = scene.verification("2026-11-21T00:00:00Z");
    let homeless = scene.envelope(None, fact.accepted_at, &fact);
    scene.publish(&homeless).await;
    let mut damaged = scene.envelope(Some(tenant), fact.accepted_at, &fact);
    damaged.payload = json!({"verification": 1}).into();
    scene.publish(&damaged).await;
    let timeless = VerificationCompleted {
        accepted_at: warikan_types::Timestamp::from_unix(8_000_000_000_000).unwrap(),
        ..fact
    };
    scene.tell(tenant, &timeless).await;
    let consumers = scene.billing.module().consumers;
    let parked = consumers[0].parked().await.unwrap();
    assert_eq!(parked.len(), 3, "{parked:?}");
    let usage = scene.get(tenant, NOVEMBER).await;
    assert_eq!(usage["usage"], json!([]));
}
