//! A tenant's life as all services see it: production opens last, a suspension stops it everywhere, a closing ends it everywhere.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Caller, ProductionJlis, Standing, caller::and};
use warikan_testkit::WebhookSink;
use warikan_types::{Clock, Environment, TenantScope, Timestamp};

/// In the afternoon of a month's first day in Japan.
const START: &str = "2026-11-01T06:00:00Z";
const DAY: u64 = 86_400;

/// The platform, with a J-LIS that plays the production hierarchy.
struct Scene {
    standing: Standing,
    jlis: ProductionJlis,
    clock: Clock,
}

impl Scene {
    async fn new() -> Self {
        let clock = Clock::manual(START.parse::<Timestamp>().unwrap());
        let jlis = ProductionJlis::start(&clock).await;
        let standing = Standing::configured(START, |config| {
            config.production.anchors = Some(jlis.anchors());
            config.revocation.sources.push(warikan_revocation::Source {
                environment: Environment::Production,
                index_url: jlis.index_url(),
            });
        })
        .await;
        Self {
            standing,
            jlis,
            clock,
        }
    }

    async fn operator(&self) -> Caller {
        let path = &self.standing.house.bootstrap.as_ref().unwrap().path;
        let credential: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        self.standing.anyone().with(&credential).await
    }

    fn later(&self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.standing.advance(by);
        self.clock.advance(by).unwrap();
    }

    /// Today's lists, taken over, and what follows from them.
    async fn publish(&self) {
        let jlis = self.jlis.caller();
        let reply = jlis.post("/sandbox/publish-crl", &json!({})).await;
        reply.expect(200);
        self.standing.run("revocation.sync").await;
        self.standing.settle().await;
    }

    async fn happens_at_the_edge(&self) {
        self.standing.settle().await;
        let denied = self.standing.house.denied.as_ref().unwrap();
        denied.look_now().await.unwrap();
    }

    async fn to(&self, tenant: &str, state: &str) -> Value {
        let path = format!("/v1/operator/tenants/{tenant}/state");
        let reply = self
            .operator()
            .await
            .post(&path, &json!({ "to": state }))
            .await;
        reply.json
    }

    async fn stop(self) {
        self.standing.stop().await;
        self.jlis.stop().await;
    }
}

async fn credential(operator: &Caller, tenant: &str, environment: &str) -> warikan_testkit::Reply {
    let path = format!("/v1/operator/tenants/{tenant}/credentials");
    operator
        .post(&path, &json!({ "environment": environment }))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_verifies_nothing_until_all_stands_and_the_sandbox_verifies_at_once() {
    let scene = Scene::new().await;
    let operator = scene.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let sandbox = operator.credential(&tenant, "sandbox").await;
    let anyone = scene.standing.anyone();
    let person = anyone.person(&json!({})).await;
    let signed = anyone.sign(&person, "申込書").await;
    assert_eq!(sandbox.verify(&signed).await["verdict"], "valid", "at once");
    // A sandbox's token is of no use for a real card.
    let citizen = scene.jlis.caller().person(&json!({})).await;
    let real = scene.jlis.caller().sign(&citizen, "口座開設申込書").await;
    assert_eq!(
        sandbox.verify(&real).await["reason"],
        "environment_mismatch"
    );

    let checklist = format!("/v1/operator/tenants/{tenant}/checklist");
    let items = [
        "delegation_contract",
        "disqualification_check",
        "filing",
        "agreement",
    ];
    for (done, item) in items.iter().enumerate() {
        // As far as it gets with what stands so far: never to production.
        for state in ["contracted", "notified", "active"] {
            scene.to(&tenant, state).await;
        }
        let refused = credential(&operator, &tenant, "production").await;
        refused.expect_problem(403, "tenant_not_active");
        let reply = operator
            .get(&format!("/v1/operator/tenants/{tenant}"))
            .await;
        let view = reply.expect(200);
        assert_ne!(view["state"], "active", "with {done} items");
        assert_eq!(
            view["missing"].as_array().unwrap().len(),
            items.len() - done
        );
        let entry = json!({ "item": item, "evidence": "記録.pdf" });
        operator.post(&checklist, &entry).await.expect(200);
    }
    credential(&operator, &tenant, "production")
        .await
        .expect_problem(403, "tenant_not_active");
    for state in ["contracted", "notified", "active"] {
        scene.to(&tenant, state).await;
    }
    let production = operator.credential(&tenant, "production").await;
    let answer = production.verify(&real).await;
    assert_eq!(answer["verdict"], "valid", "{answer}");
    assert_eq!(answer["certificate"]["environment"], "production");
    scene.stop().await;
}

/// A tenant in production with a watched customer and an endpoint.
struct Firm {
    tenant: String,
    credential: Value,
    caller: Caller,
    citizen: String,
    sink: WebhookSink,
}

impl Firm {
    async fn new(scene: &Scene) -> Self {
        let operator = scene.operator().await;
        let tenant = operator.take_on("割勘証券株式会社").await;
        operator.activate(&tenant).await;
        scene.standing.settle().await;
        let made = credential(&operator, &tenant, "production").await;
        let credential = made.expect(201).clone();
        let caller = scene.standing.anyone().with(&credential).await;
        let sink = WebhookSink::start().await;
        let endpoint = json!({ "url": sink.url, "types": ["certificate.revoked"] });
        caller
            .post("/v1/webhook-endpoints", &endpoint)
            .await
            .expect(201);
        let citizen = scene.jlis.caller().person(&json!({})).await;
        let signed = scene.jlis.caller().sign(&citizen, "申込書").await;
        let watched = and(&signed, json!({ "watch": true, "subject_ref": "C-1" }));
        assert_eq!(caller.verify(&watched).await["verdict"], "valid");
        scene.standing.settle().await;
        Self {
            tenant,
            credential,
            caller,
            citizen,
            sink,
        }
    }

    fn scope(&self) -> TenantScope {
        TenantScope::of_event(self.tenant.parse().unwrap(), Environment::Production)
    }

    async fn token(&self, scene: &Scene) -> u16 {
        let request = scene
            .standing
            .anyone()
            .request(reqwest::Method::POST, "/oauth/token");
        let text = |name: &str| self.credential[name].as_str().unwrap();
        let request = request
            .basic_auth(text("client_id"), Some(text("client_secret")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        request.send().await.unwrap().status().as_u16()
    }

    async fn moves(&self, scene: &Scene) {
        let path = format!("/sandbox/persons/{}/events", self.citizen);
        let event = json!({ "event": "move", "address": "東京都新宿区西新宿２－８－１" });
        scene.jlis.caller().post(&path, &event).await.expect(200);
        scene.publish().await;
    }
}

/// Confirmations in a month, by purpose.
async fn counts(scene: &Scene, month: &str) -> Vec<(String, i64)> {
    let path = format!("/v1/operator/months/{month}/purpose-counts");
    let reply = scene.operator().await.get(&path).await;
    let rows = reply.expect(200)["data"].as_array().unwrap().clone();
    let row = |row: &Value| {
        (
            row["purpose"].as_str().unwrap().to_owned(),
            row["count"].as_i64().unwrap(),
        )
    };
    rows.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_a_suspension_stops_production_everywhere_and_loses_nothing() {
    let scene = Scene::new().await;
    let firm = Firm::new(&scene).await;
    let november = [
        ("signature_verification".to_owned(), 1),
        ("status_check".to_owned(), 1),
    ];
    scene.publish().await;
    assert_eq!(counts(&scene, "2026-11").await, november);
    scene.to(&firm.tenant, "suspended").await;
    scene.happens_at_the_edge().await;
    assert_eq!(firm.token(&scene).await, 401, "no new token");
    let out = firm.caller.get("/v1/watches").await;
    out.expect_problem(401, "invalid_token");
    let sandbox = scene
        .operator()
        .await
        .credential(&firm.tenant, "sandbox")
        .await;
    sandbox.get("/v1/watches").await.expect(200);

    // The month turns: a suspended tenant's certificates are not confirmed for it.
    scene.later(30 * DAY);
    scene.publish().await;
    assert!(counts(&scene, "2026-12").await.is_empty());
    // A customer moves: it is found out, and told when the tenant is back.
    firm.moves(&scene).await;
    for _ in 0..3 {
        scene.standing.run("webhooks.deliver").await;
        scene.later(60);
    }
    assert_eq!(firm.sink.received().len(), 0, "nothing is sent meanwhile");

    scene.to(&firm.tenant, "active").await;
    scene.happens_at_the_edge().await;
    assert_eq!(firm.token(&scene).await, 200);
    scene.standing.run("webhooks.deliver").await;
    assert_eq!(firm.sink.received().len(), 1, "what was held");
    let firm_again = scene.standing.anyone().with(&firm.credential).await;
    let watches = firm_again.get("/v1/watches").await;
    assert_eq!(watches.expect(200)["data"][0]["state"], "flagged");
    scene.publish().await;
    assert_eq!(
        counts(&scene, "2026-12").await,
        [("status_check".to_owned(), 1)]
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f018_a_closing_ends_credentials_watches_and_endpoints_and_the_last_invoice_stands() {
    let scene = Scene::new().await;
    let firm = Firm::new(&scene).await;
    scene.to(&firm.tenant, "closed").await;
    assert_eq!(firm.token(&scene).await, 401);
    scene.standing.settle().await;
    scene.standing.run("revocation.tenants").await;
    // Before the edge has heard of it, with a token that was given before: nothing can be read.
    let before = scene.standing.firm(firm.scope());
    let watches = before.get("/v1/watches").await;
    watches.expect_problem(403, "tenant_not_active");
    let sql = "SELECT ended_at, reference, serial FROM watch";
    let watches = scene.standing.rows("revocation", sql).await;
    let ended: Option<String> = watches[0].try_get("", "ended_at").unwrap();
    let reference: Option<Vec<u8>> = watches[0].try_get("", "reference").unwrap();
    let serial: Vec<u8> = watches[0].try_get("", "serial").unwrap();
    assert_eq!(watches.len(), 1);
    assert!(ended.is_some() && reference.is_none() && serial.is_empty());
    let endpoints = before.get("/v1/webhook-endpoints").await;
    assert_eq!(
        endpoints.expect(200)["data"][0]["disabled"]["cause"],
        "tenant_closed"
    );
    firm.moves(&scene).await;
    scene.standing.run("webhooks.deliver").await;
    assert_eq!(firm.sink.received().len(), 0);
    scene.happens_at_the_edge().await;
    let out = before.get("/v1/watches").await;
    out.expect_problem(401, "invalid_token");
    let reopened = scene.to(&firm.tenant, "active").await;
    assert_eq!(reopened["status"], 409, "closed is final");

    // What was used until then is invoiced, and nothing after it.
    let close = async |month: &str| {
        let path = format!("/v1/operator/months/{month}/close");
        let reply = scene.operator().await.post(&path, &json!({})).await;
        reply.expect(200)["invoiced"].clone()
    };
    scene.later(30 * DAY);
    let november = close("2026-11").await;
    assert_eq!(november["invoices"], 1, "{november}");
    assert!(november["total"].as_i64().unwrap() > 0);
    scene.later(31 * DAY);
    assert_eq!(close("2026-12").await["invoices"], 0);
    scene.standing.settle().await;
    let trail = scene
        .operator()
        .await
        .get("/v1/operator/audit?limit=500")
        .await;
    let trail = trail.expect(200)["data"].as_array().unwrap().clone();
    let closed: Vec<&Value> = trail
        .iter()
        .filter(|one| one["act"] == "month.closed")
        .collect();
    assert_eq!(closed.len(), 2);
    assert_eq!(closed[0]["subject"], "2026-11");
    assert_eq!(closed[0]["details"]["invoices"], "1");
    assert_eq!(closed[0]["chain"], "operator");
    scene.stop().await;
}
