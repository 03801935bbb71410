//! A generated year (130 tenants in every run; 1,300 and millions of operations where asked for): plans with tiers, minimums
//! and changes of plan, shared costs, operations at the very edges of months, late ones, and every message three times;
//! closed month by month, exported, and reckoned anew by a program in another language that sees nothing but the exports.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the lints know test functions, not what they share"
)]

mod common;

use std::process::Command;

use common::{Scene, at, config};
use serde_json::{Value, json};
use warikan_billing::verify_export;
use warikan_contracts::{Envelope, facts::TenantState};
use warikan_messaging::Outgoing;
use warikan_types::{BillingMonth, TenantScope};

const TARIFF: &str = "[[tariff.plans]]\nplan = \"large\"\nvalid_from = \"2026-01-01\"\nbase_fee = 1000\nminimum = 150\n\
     signature_verification = { included = 1, price = 50, tiers = [{ above = 2, price = 40 }] }\n\
     authentication = 7\nstatus_check = 3\n\
     [[tariff.plans]]\nplan = \"large\"\nvalid_from = \"2026-07-15\"\nbase_fee = 1100\nminimum = 151\n\
     signature_verification = { included = 2, price = 53 }\nauthentication = 11\nstatus_check = 3\n\
     [[tariff.sharing_keys]]\nvalid_from = \"2026-06-01\"\nequal = 29\nusage = 71\n";
const MONTHS: u32 = 12;

struct Year {
    scene: Scene,
    tenants: Vec<TenantScope>,
    /// Operations told, each counted once.
    operations: u64,
}

impl Year {
    async fn of(tenants: usize) -> Self {
        let scene = Scene::with(config(TARIFF)).await;
        let mut year = Self {
            tenants: Vec::new(),
            operations: 0,
            scene,
        };
        let mut told = Vec::new();
        for number in 0..tenants {
            let scope = year
                .scene
                .house
                .tenant(warikan_types::Environment::Production);
            let plan = ["large", "standard", "free"][number % 3];
            told.push(year.tenant(scope, plan, 2, "2026-01-10T03:00:00Z"));
            if number % 5 == 0 {
                // Another plan from the middle of June on.
                told.push(year.tenant(scope, "large", 3, "2026-06-17T03:00:00Z"));
            }
            year.tenants.push(scope);
        }
        year.tell(told).await;
        year
    }

    fn tenant(&self, scope: TenantScope, plan: &str, revision: i64, time: &str) -> Envelope {
        let fact = warikan_contracts::facts::TenantChanged {
            tenant: scope.tenant(),
            name: format!("会社{revision}"),
            plan: plan.to_owned(),
            state: TenantState::Active,
            revision,
        };
        self.scene.envelope(Some(scope), at(time), &fact)
    }

    /// Every message three times, in batches as the relay publishes them.
    async fn tell(&self, envelopes: Vec<Envelope>) {
        self.scene.services.answer(&envelopes).await;
        let facts: Vec<Outgoing> = envelopes
            .into_iter()
            .map(|envelope| Outgoing {
                envelope,
                attempt: 1,
            })
            .collect();
        for _ in 0..3 {
            for batch in facts.chunks(500) {
                for outcome in self.scene.house.platform.bus.publish_all(batch).await {
                    outcome.unwrap();
                }
            }
        }
    }

    /// A month's operations: at its first and last moments in Japan, status checks, and one that is not billed.
    fn month(&mut self, month: BillingMonth, checks: usize) -> Vec<Envelope> {
        let scene = &self.scene;
        let first = month.start().to_string();
        let last = month
            .end()
            .minus(std::time::Duration::from_millis(1))
            .to_string();
        let mut told = Vec::new();
        for (number, scope) in self.tenants.iter().enumerate() {
            let mut facts = vec![scene.verification(&first)];
            if number % 2 == 0 {
                facts.push(scene.verification(&last));
            }
            if number % 7 == 0 {
                facts.push(scene.authentication(&last));
            }
            self.operations += facts.len() as u64;
            let handles: Vec<_> = (0..(number + checks) % (2 * checks))
                .map(|_| scene.handle())
                .collect();
            self.operations += handles.len() as u64;
            let checks = scene.checks(&month.to_string(), &handles);
            told.push(scene.envelope(Some(*scope), at(&first), &checks));
            if number % 11 == 0 {
                use warikan_types::{Reason, Verdict};
                facts.push(scene.judged(&last, Verdict::Invalid, Some(Reason::SignatureMismatch)));
            }
            for fact in facts {
                told.push(scene.envelope(Some(*scope), fact.accepted_at, &fact));
            }
        }
        told
    }

    async fn cost(&self, month: BillingMonth, category: &str, amount: i64) {
        let token = self.scene.house.operator_token();
        let cost = json!({"month": month, "category": category, "amount": amount});
        let costs = "/v1/operator/shared-costs";
        self.scene.app.post(costs, &token, &cost).await.expect(201);
    }

    /// Closes a month and writes its export; what its invoices came to.
    async fn close(&self, month: BillingMonth) -> (std::path::PathBuf, Value) {
        let closed = self.scene.close(&month.to_string()).await;
        let invoiced = closed.expect(200)["invoiced"].clone();
        let path = format!("/v1/operator/months/{month}/export");
        let token = self.scene.house.operator_token();
        let request = self.scene.app.request(reqwest::Method::GET, &path);
        let export = request
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let verified = verify_export(&export[..]).unwrap();
        assert_eq!(verified.findings, [], "{month}");
        let file = self.scene.house.directory().join(format!("{month}.ndjson"));
        std::fs::write(&file, &export).unwrap();
        (file, invoiced)
    }
}

async fn a_year(tenants: usize, checks: usize) {
    let mut year = Year::of(tenants).await;
    year.scene.advance_to("2027-01-05T00:00:00Z");
    let mut month: BillingMonth = "2026-01".parse().unwrap();
    let (mut files, mut total, mut late) = (Vec::new(), 0, Vec::new());
    for number in 0..MONTHS {
        let told = year.month(month, checks);
        year.tell(told).await;
        // What was heard of after the month before was closed.
        year.tell(std::mem::take(&mut late)).await;
        year.cost(month, "certification", 1_000_003 + i64::from(number))
            .await;
        year.cost(month, "lines", 777).await;
        let (file, invoiced) = year.close(month).await;
        total += invoiced["total"].as_i64().unwrap();
        files.push(file);
        if number + 1 < MONTHS {
            let last = month
                .end()
                .minus(std::time::Duration::from_millis(1))
                .to_string();
            for scope in year.tenants.iter().step_by(13) {
                let fact = year.scene.verification(&last);
                late.push(year.scene.envelope(Some(*scope), fact.accepted_at, &fact));
            }
            year.operations += late.len() as u64;
        }
        month = month.next();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recompute.py");
    let Ok(reckoned) = Command::new("python3").arg(script).args(&files).output() else {
        println!("skipped: no python3 on this machine");
        return;
    };
    let said = String::from_utf8(reckoned.stdout).unwrap();
    assert!(
        reckoned.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&reckoned.stderr)
    );
    let invoices = tenants * MONTHS as usize;
    assert_eq!(
        said.trim(),
        format!("{invoices} {} {total}", year.operations),
        "invoices, billed operations, yen"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f072_f076_f077_a_year_is_reckoned_alike_in_another_language() {
    a_year(130, 3).await;
}

/// Some two million operations; minutes, so not with every run: `cargo test --release -p warikan-billing --test year -- --ignored`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn f072_a_year_of_1300_tenants_and_millions_of_operations() {
    a_year(1_300, 128).await;
}
