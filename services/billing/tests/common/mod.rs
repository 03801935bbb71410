//! A house with billing in it, and facts as the other services tell them.
#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]
#![allow(
    dead_code,
    reason = "each test binary uses its own part of the scenery"
)]

use serde_json::{Value, json};
use services::Services;
use warikan_billing::{Billing, Config};
use warikan_contracts::{
    Envelope, Fact,
    facts::{
        Channel, CheckedCertificate, StatusChecked, TenantChanged, TenantState,
        VerificationCompleted,
    },
};
use warikan_testkit::{App, TestHouse};
use warikan_types::{
    CertificateHandle, CertificateKind, ClientScope, Environment, Event, Id, Reason, TenantScope,
    Timestamp, Verdict, Verification,
};

pub mod services;

pub struct Scene {
    /// The services that answered the operations, as billing can ask them.
    pub services: Services,
    pub house: TestHouse,
    pub app: App,
    pub billing: Billing,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn config(text: &str) -> Config {
    toml::from_str(text).unwrap()
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let house = TestHouse::new();
        let services = Services::open(&house).await;
        let billing = Billing::open(config, &house.platform, services.paid_for())
            .await
            .unwrap();
        let app = App::serve(&house.platform, vec![billing.module()]).await;
        Self {
            services,
            house,
            app,
            billing,
        }
    }

    /// A tenant that onboarding has activated in November 2026, under a plan.
    pub async fn tenant(&self, name: &str, plan: &str) -> TenantScope {
        let scope = self.house.tenant(Environment::Production);
        self.tell_tenant(
            scope,
            name,
            plan,
            TenantState::Active,
            3,
            at("2026-11-02T00:00:00Z"),
        )
        .await;
        scope
    }

    pub async fn tell_tenant(
        &self,
        scope: TenantScope,
        name: &str,
        plan: &str,
        state: TenantState,
        revision: i64,
        occurred_at: Timestamp,
    ) {
        let fact = TenantChanged {
            tenant: scope.tenant(),
            name: name.to_owned(),
            plan: plan.to_owned(),
            state,
            revision,
        };
        self.publish(&self.envelope(Some(scope), occurred_at, &fact))
            .await;
    }

    pub fn envelope<F: Fact>(
        &self,
        scope: Option<TenantScope>,
        occurred_at: Timestamp,
        fact: &F,
    ) -> Envelope {
        let id: Id<Event> = self.house.platform.entropy.id(occurred_at);
        Envelope::of(id, scope, occurred_at, "test", fact)
    }

    /// A service answers, and billing hears of it.
    pub async fn publish(&self, envelope: &Envelope) {
        self.services.answer(std::slice::from_ref(envelope)).await;
        self.publish_alone(envelope).await;
    }

    /// A fact comes whose operation its service does not know.
    pub async fn publish_alone(&self, envelope: &Envelope) {
        self.house.platform.bus.publish(envelope, 1).await.unwrap();
    }

    pub fn verification(&self, accepted: &str) -> VerificationCompleted {
        let accepted_at = at(accepted);
        let entropy = &self.house.platform.entropy;
        VerificationCompleted {
            verification: entropy.id::<Verification>(accepted_at),
            client: entropy.id(accepted_at),
            kind: Some(CertificateKind::CardSignature),
            channel: Some(Channel::Crl),
            verdict: Verdict::Valid,
            reason: None,
            subject: None,
            handle: Some(self.handle()),
            accepted_at,
            watch: None,
        }
    }

    pub fn authentication(&self, accepted: &str) -> VerificationCompleted {
        VerificationCompleted {
            kind: Some(CertificateKind::CardAuthentication),
            ..self.verification(accepted)
        }
    }

    pub fn judged(
        &self,
        accepted: &str,
        verdict: Verdict,
        reason: Option<Reason>,
    ) -> VerificationCompleted {
        VerificationCompleted {
            verdict,
            reason,
            ..self.verification(accepted)
        }
    }

    pub fn handle(&self) -> CertificateHandle {
        self.house.platform.entropy.id(self.house.clock().now())
    }

    pub fn checks(&self, month: &str, handles: &[CertificateHandle]) -> StatusChecked {
        StatusChecked {
            month: month.parse().unwrap(),
            channel: Channel::Crl,
            certificates: handles
                .iter()
                .map(|handle| CheckedCertificate {
                    handle: *handle,
                    kind: CertificateKind::CardSignature,
                })
                .collect(),
        }
    }

    /// A service answers, and billing never hears of it.
    pub async fn lose<F: Fact>(&self, scope: TenantScope, fact: &F) -> Envelope {
        let envelope = self.envelope(Some(scope), self.house.clock().now(), fact);
        self.services.answer(std::slice::from_ref(&envelope)).await;
        envelope
    }

    /// Tells a fact once, as of the time it is accepted or now.
    pub async fn tell<F: Fact>(&self, scope: TenantScope, fact: &F) -> Envelope {
        let envelope = self.envelope(Some(scope), self.house.clock().now(), fact);
        self.publish(&envelope).await;
        envelope
    }

    pub fn advance_to(&self, time: &str) {
        let clock = self.house.clock();
        clock.advance(at(time).since(clock.now())).unwrap();
    }

    pub async fn get(&self, scope: TenantScope, path: &str) -> Value {
        let token = self.house.token(scope, &[ClientScope::Billing]);
        self.app.get(path, &token).await.expect(200).clone()
    }

    pub async fn close(&self, period: &str) -> warikan_testkit::Reply {
        let path = format!("/v1/operator/months/{period}/close");
        self.app
            .post(&path, &self.house.operator_token(), &json!({}))
            .await
    }

    /// The only invoice of a month.
    pub async fn invoice(&self, scope: TenantScope, period: &str) -> Value {
        let list = self.get(scope, "/v1/invoices").await;
        let found: Vec<_> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["period"] == period)
            .collect();
        assert_eq!(found.len(), 1, "{list}");
        let id = found[0]["id"].as_str().unwrap();
        let invoice = self.get(scope, &format!("/v1/invoices/{id}")).await;
        assert_adds_up(&invoice);
        invoice
    }
}

/// What is true of every invoice.
pub fn assert_adds_up(invoice: &Value) {
    let number = |value: &Value| value.as_i64().unwrap();
    let lines = invoice["lines"].as_array().unwrap();
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(number(&line["n"]), i64::try_from(place).unwrap() + 1);
        assert_eq!(
            number(&line["amount"]),
            number(&line["quantity"]) * number(&line["unit_price"])
        );
    }
    let sum: i64 = lines.iter().map(|line| number(&line["amount"])).sum();
    assert_eq!(number(&invoice["subtotal"]), sum);
    let mut tax = 0;
    for total in invoice["tax_totals"].as_array().unwrap() {
        let of_rate: i64 = lines
            .iter()
            .filter(|line| line["tax_rate_percent"] == total["tax_rate_percent"])
            .map(|line| number(&line["amount"]))
            .sum();
        assert_eq!(number(&total["taxable"]), of_rate);
        assert_eq!(
            number(&total["tax"]),
            of_rate * number(&total["tax_rate_percent"]) / 100
        );
        tax += number(&total["tax"]);
    }
    assert_eq!(number(&invoice["tax"]), tax);
    assert_eq!(number(&invoice["total"]), sum + tax);
}

/// The lines as (category, unit price, quantity).
pub fn shape(invoice: &Value) -> Vec<(String, i64, i64)> {
    invoice["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["category"].as_str().unwrap().to_owned(),
                line["unit_price"].as_i64().unwrap(),
                line["quantity"].as_i64().unwrap(),
            )
        })
        .collect()
}

pub fn line(category: &str, unit_price: i64, quantity: i64) -> (String, i64, i64) {
    (category.to_owned(), unit_price, quantity)
}
