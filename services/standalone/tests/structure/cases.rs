//! How each operation that needs a token is asked: the one table to extend when an operation is added.
//!
//! Rows stand in the order in which an owner could call them one after the other: what takes away stands last.

use serde_json::{Value, json};
use warikan_types::Environment;

use crate::things::{Thing, Things};

/// How to ask one operation.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// As in [`crate::operations::Operation::name`].
    pub(crate) operation: &'static str,
    /// What its path's parameters name, in their order.
    pub(crate) names: &'static [Thing],
    /// `?..`
    query: &'static str,
    body: Option<fn(&Things) -> Value>,
    /// What its owner is answered.
    pub(crate) answer: u16,
}

impl Case {
    const fn new(operation: &'static str, answer: u16) -> Self {
        Self {
            operation,
            names: &[],
            query: "",
            body: None,
            answer,
        }
    }

    const fn of(mut self, names: &'static [Thing]) -> Self {
        self.names = names;
        self
    }

    const fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    /// A text stands for a table (`text/csv`), all else for JSON.
    const fn sending(mut self, body: fn(&Things) -> Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The path with these texts for its parameters.
    pub(crate) fn path(&self, texts: &[String]) -> String {
        let (_, template) = self.operation.split_once(' ').expect("method and path");
        let mut path = String::new();
        let mut texts = texts.iter();
        for part in template.split('/').skip(1) {
            path.push('/');
            if part.starts_with('{') {
                path.push_str(
                    texts.next().unwrap_or_else(|| {
                        panic!("{}: its row names too few things", self.operation)
                    }),
                );
            } else {
                path.push_str(part);
            }
        }
        assert!(
            texts.next().is_none(),
            "{}: its row names too many things",
            self.operation
        );
        path + self.query
    }

    /// The texts of what exists.
    pub(crate) fn existing(&self, things: &Things) -> Vec<String> {
        self.names
            .iter()
            .map(|thing| things.id(*thing).to_owned())
            .collect()
    }

    pub(crate) fn body(&self, things: &Things) -> Option<Value> {
        self.body.map(|body| body(things))
    }

    /// Where its things were made.
    pub(crate) fn environment(&self) -> Environment {
        self.names
            .first()
            .map_or(Environment::Sandbox, |thing| thing.environment())
    }
}

/// The row of an operation.
pub(crate) fn of(operation: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.operation == operation)
}

fn nothing(_: &Things) -> Value {
    json!({})
}

pub(crate) const CASES: &[Case] = &[
    // Verification.
    Case::new("POST /v1/challenges", 201).sending(|_| json!({ "purpose": "authentication" })),
    Case::new("POST /v1/verifications", 201).sending(|things| things.signed.clone()),
    Case::new("GET /v1/verifications", 200),
    Case::new("GET /v1/verifications/{id}", 200).of(&[Thing::Verification]),
    Case::new("POST /v1/verifications/{id}/revalidate", 200)
        .of(&[Thing::Verification])
        .sending(nothing),
    Case::new("GET /v1/subjects", 200),
    Case::new("GET /v1/subjects/{id}", 200).of(&[Thing::Subject]),
    Case::new("POST /v1/subjects/{id}/check", 200)
        .of(&[Thing::Subject])
        .sending(nothing),
    // Watching.
    Case::new("POST /v1/watches", 201)
        .sending(|things| json!({ "certificate": things.certificate, "ref": "C-1" })),
    Case::new("GET /v1/watches", 200),
    Case::new("GET /v1/watches/{id}", 200).of(&[Thing::Watch]),
    Case::new("POST /v1/certificates/{id}/check", 200)
        .of(&[Thing::Certificate])
        .sending(nothing),
    Case::new("GET /v1/certificates/{id}/statuses", 200).of(&[Thing::Certificate]),
    Case::new("GET /v1/freshness", 200),
    Case::new("POST /v1/campaigns", 201).sending(|_| json!({ "selector": "all" })),
    Case::new("GET /v1/campaigns", 200),
    Case::new("GET /v1/campaigns/{id}", 200).of(&[Thing::Campaign]),
    Case::new("POST /v1/campaigns/{id}/portfolio", 200)
        .of(&[Thing::Portfolio])
        .sending(|_| json!("ref\nC-1\n")),
    Case::new("POST /v1/campaigns/{id}/start", 200)
        .of(&[Thing::Portfolio])
        .sending(nothing),
    Case::new("GET /v1/campaigns/{id}/changes", 200).of(&[Thing::Campaign]),
    Case::new("GET /v1/campaigns/{id}/results", 200).of(&[Thing::Campaign]),
    Case::new("GET /v1/campaigns/{id}/proofs/{handle}", 200)
        .of(&[Thing::Campaign, Thing::Certificate]),
    // Events and webhooks.
    Case::new("GET /v1/events", 200),
    Case::new("GET /v1/event-types", 200),
    Case::new("POST /v1/webhook-endpoints", 201)
        .sending(|_| json!({ "url": "https://127.0.0.1:8443/hook" })),
    Case::new("GET /v1/webhook-endpoints", 200),
    Case::new("GET /v1/webhook-endpoints/{id}", 200).of(&[Thing::Endpoint]),
    Case::new("PATCH /v1/webhook-endpoints/{id}", 200)
        .of(&[Thing::Endpoint])
        .sending(|_| json!({ "types": ["endpoint.tested"] })),
    Case::new("POST /v1/webhook-endpoints/{id}/test", 202)
        .of(&[Thing::Endpoint])
        .sending(nothing),
    Case::new("GET /v1/webhook-endpoints/{id}/deliveries", 200).of(&[Thing::Endpoint]),
    Case::new("POST /v1/webhook-endpoints/{id}/replay", 202)
        .of(&[Thing::Endpoint])
        .sending(|_| json!({ "since": "2026-11-30T00:00:00Z", "until": "2026-12-01T00:00:00Z" })),
    Case::new("GET /v1/deliveries/{id}", 200).of(&[Thing::Delivery]),
    Case::new("POST /v1/deliveries/{id}/resend", 202).of(&[Thing::Delivery]),
    Case::new("POST /v1/webhook-endpoints/{id}/rotate-secret", 200).of(&[Thing::Endpoint]),
    // Billing.
    Case::new("GET /v1/usage", 200).query("?period=2026-11"),
    Case::new("POST /v1/estimates", 200)
        .sending(|_| json!({ "campaign": { "kind": "card_signature", "certificates": 10 } })),
    Case::new("PUT /v1/budget", 200)
        .sending(|_| json!({ "monthly_amount": 100_000, "thresholds": [80, 100] })),
    Case::new("GET /v1/budget", 200),
    Case::new("GET /v1/invoices", 200),
    Case::new("GET /v1/invoices/{id}", 200).of(&[Thing::Invoice]),
    Case::new("GET /v1/invoices/{id}/lines/{n}/records", 200).of(&[Thing::Invoice, Thing::Line]),
    Case::new("GET /v1/invoices/{id}/export", 200).of(&[Thing::Invoice]),
    // Access.
    Case::new("POST /v1/credentials", 201).sending(|_| json!({ "environment": "sandbox" })),
    Case::new("GET /v1/credentials", 200),
    Case::new("PATCH /v1/credentials/{id}", 200)
        .of(&[Thing::OwnCredential])
        .sending(|_| json!({ "name": "基幹系" })),
    Case::new("POST /v1/credentials/{id}/rotate", 200)
        .of(&[Thing::OwnCredential])
        .sending(nothing),
    Case::new("GET /v1/audit", 200),
    Case::new("GET /v1/audit/export", 200),
    // The operator.
    Case::new("GET /v1/operator/audit", 200),
    Case::new("GET /v1/operator/audit/export", 200),
    Case::new("GET /v1/operator/audit/heads", 200),
    Case::new("GET /v1/operator/token-keys", 200),
    Case::new("POST /v1/operator/token-keys/rotate", 200).sending(nothing),
    Case::new("POST /v1/operator/accounts", 201)
        .sending(|_| json!({ "name": "監査", "role": "auditor" })),
    Case::new("GET /v1/operator/accounts", 200),
    Case::new("POST /v1/operator/accounts/{id}/rotate", 200)
        .of(&[Thing::Account])
        .sending(nothing),
    Case::new("PATCH /v1/operator/accounts/{id}", 200)
        .of(&[Thing::Account])
        .sending(|_| json!({ "disabled": true })),
    Case::new("GET /v1/operator/sources", 200),
    Case::new("GET /v1/operator/notices", 200),
    Case::new("GET /v1/operator/months/{period}", 200).of(&[Thing::Month]),
    Case::new("POST /v1/operator/months/{period}/close", 200).of(&[Thing::Month]),
    Case::new("GET /v1/operator/months/{period}/export", 200).of(&[Thing::Month]),
    Case::new("GET /v1/operator/months/{period}/purpose-counts", 200).of(&[Thing::Month]),
    Case::new("GET /v1/operator/months/{period}/reconciliation", 200).of(&[Thing::Month]),
    Case::new("POST /v1/operator/months/{period}/reconciliation", 200).of(&[Thing::Month]),
    Case::new("POST /v1/operator/months/{period}/jlis-statement", 200)
        .of(&[Thing::Month])
        .sending(|_| json!("channel,kind,purpose,count,amount\n")),
    Case::new("POST /v1/operator/invoices/{id}/credit-notes", 201)
        .of(&[Thing::Invoice])
        .sending(|_| json!({ "reason": "値引き", "lines": [{ "n": 1, "amount": 1 }] })),
    Case::new("POST /v1/operator/invoices/{id}/void", 201)
        .of(&[Thing::Invoice])
        .sending(|_| json!({ "reason": "宛名の誤り", "reissue": true })),
    Case::new("POST /v1/operator/shared-costs", 201)
        .sending(|_| json!({ "month": "2027-02", "category": "hsm", "amount": 100 })),
    Case::new("GET /v1/operator/shared-costs", 200).query("?month=2027-01"),
    Case::new("POST /v1/operator/tenants", 201).sending(|_| json!({ "name": "第三信用金庫" })),
    Case::new("GET /v1/operator/tenants", 200),
    Case::new("GET /v1/operator/tenants/{id}", 200).of(&[Thing::Tenant]),
    Case::new("PUT /v1/operator/tenants/{id}/particulars", 200)
        .of(&[Thing::Tenant])
        .sending(|_| json!({ "address": "東京都", "representative": "代表取締役", "purposes": ["本人確認"] })),
    Case::new("GET /v1/operator/tenants/{id}/filing", 200).of(&[Thing::Tenant]),
    Case::new("POST /v1/operator/tenants/{id}/checklist", 200)
        .of(&[Thing::Tenant])
        .sending(|_| json!({ "item": "filing", "evidence": "filing.pdf" })),
    Case::new("POST /v1/operator/tenants/{id}/credentials", 201)
        .of(&[Thing::Tenant])
        .sending(|_| json!({ "environment": "sandbox" })),
    Case::new("GET /v1/operator/tenants/{id}/credentials", 200).of(&[Thing::Tenant]),
    Case::new(
        "PATCH /v1/operator/tenants/{id}/credentials/{client_id}",
        200,
    )
    .of(&[Thing::Tenant, Thing::Credential])
    .sending(|_| json!({ "name": "基幹系" })),
    Case::new(
        "POST /v1/operator/tenants/{id}/credentials/{client_id}/rotate",
        200,
    )
    .of(&[Thing::Tenant, Thing::Credential])
    .sending(nothing),
    Case::new("POST /v1/operator/tenants/{id}/state", 200)
        .of(&[Thing::Tenant])
        .sending(|_| json!({ "to": "suspended" })),
    // What takes away.
    Case::new("DELETE /v1/budget", 204),
    Case::new("DELETE /v1/operator/shared-costs/{id}", 204).of(&[Thing::SharedCost]),
    Case::new("DELETE /v1/campaigns/{id}", 204).of(&[Thing::Portfolio]),
    Case::new("DELETE /v1/watches/{id}", 204).of(&[Thing::Watch]),
    Case::new("DELETE /v1/subjects/{id}", 204).of(&[Thing::Subject]),
    Case::new("DELETE /v1/webhook-endpoints/{id}", 204).of(&[Thing::Endpoint]),
    Case::new("DELETE /v1/credentials/{id}", 204).of(&[Thing::OwnCredential]),
    Case::new(
        "DELETE /v1/operator/tenants/{id}/credentials/{client_id}",
        204,
    )
    .of(&[Thing::Tenant, Thing::Credential]),
];
