//! One of each thing that has an id, made through the API: by a tenant in the sandbox, and an invoice in production.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use warikan_types::{ClientScope, Environment, TenantId, TenantScope};

use crate::house::{Caller, Served};

/// What a path can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Verification,
    Subject,
    Certificate,
    Watch,
    /// A completed one.
    Campaign,
    /// A campaign that waits for its portfolio.
    Portfolio,
    Endpoint,
    Delivery,
    Invoice,
    /// A line's number on the invoice.
    Line,
    Tenant,
    Credential,
    /// One that the tenant made itself.
    OwnCredential,
    Month,
    SharedCost,
    /// One of the operator's own accounts.
    Account,
}

impl Thing {
    /// In whose environment it was made.
    pub(crate) const fn environment(self) -> Environment {
        match self {
            Self::Invoice | Self::Line => Environment::Production,
            _ => Environment::Sandbox,
        }
    }

    /// Texts that name no such thing: one of the right form, and one that is none at all.
    pub(crate) fn absent(self, existing: &str) -> [String; 2] {
        let formed = match self {
            Self::Line => "99".to_owned(),
            Self::Month => "2026-13".to_owned(),
            _ => {
                // One digit differs: as near to an existing id as a stranger can come.
                let (head, last) = existing.split_at(existing.len() - 1);
                format!("{head}{}", if last == "0" { "1" } else { "0" })
            }
        };
        [formed, "no-such-thing".to_owned()]
    }
}

/// The things, and whose they are.
pub(crate) struct Things {
    ids: BTreeMap<Thing, String>,
    owner: TenantId,
    /// Another tenant, onboarded the same way.
    pub(crate) stranger: TenantId,
    /// A signed request for a verification.
    pub(crate) signed: Value,
    /// The certificate in it.
    pub(crate) certificate: Value,
}

impl Things {
    pub(crate) fn id(&self, thing: Thing) -> &str {
        &self.ids[&thing]
    }

    pub(crate) const fn owner(&self, environment: Environment) -> TenantScope {
        TenantScope::of_event(self.owner, environment)
    }

    pub(crate) async fn make(house: &Served) -> Self {
        let (owner, credential) = onboard(house, "割勘証券株式会社").await;
        let (stranger, _) = onboard(house, "隣町銀行株式会社").await;
        house.settle().await;
        house.run("revocation.sync").await;
        let mut things = Self {
            ids: BTreeMap::from([
                (Thing::Tenant, owner.to_string()),
                (Thing::Credential, credential),
                (Thing::Line, "1".to_owned()),
                (Thing::Month, "2026-11".to_owned()),
            ]),
            owner,
            stranger,
            signed: Value::Null,
            certificate: Value::Null,
        };
        things.verify(house).await;
        things.check_all(house).await;
        things.listen(house).await;
        things.close_the_month(house).await;
        things
    }

    /// A citizen signs, the tenant verifies, and the certificate is watched.
    async fn verify(&mut self, house: &Served) {
        let person = ask(house, None, "/sandbox/persons", &json!({}), 201).await;
        let sign = format!("/sandbox/persons/{}/sign", text(&person["id"]));
        let message = json!({ "message": "ZG9jdW1lbnQ=" });
        self.signed = ask(house, None, &sign, &message, 200).await;
        self.certificate = self.signed["certificate"].clone();
        let mut request = self.signed.clone();
        request["watch"] = json!(true);
        let caller = self.caller(Environment::Sandbox);
        let verified = ask(house, Some(&caller), "/v1/verifications", &request, 201).await;
        assert_eq!(verified["verdict"], "valid", "{verified}");
        house.settle().await;
        for (thing, id) in [
            (Thing::Verification, &verified["id"]),
            (Thing::Subject, &verified["subject"]["id"]),
            (Thing::Certificate, &verified["certificate"]["handle"]),
            (Thing::Watch, &verified["watch"]["id"]),
        ] {
            self.ids.insert(thing, text(id));
        }
    }

    /// A campaign over what is watched, and one that waits.
    async fn check_all(&mut self, house: &Served) {
        let caller = self.caller(Environment::Sandbox);
        for (thing, selector) in [(Thing::Campaign, "all"), (Thing::Portfolio, "upload")] {
            let new = json!({ "selector": selector });
            let campaign = ask(house, Some(&caller), "/v1/campaigns", &new, 201).await;
            self.ids.insert(thing, text(&campaign["id"]));
        }
        house.run("revocation.campaigns").await;
        let path = format!("/v1/campaigns/{}", self.id(Thing::Campaign));
        let campaign = house.by(&caller, &Method::GET, &path, None).await;
        assert_eq!(campaign.expect(200)["state"], "completed");
    }

    /// An endpoint and a delivery to it. Nothing is sent: the delivery task does not run.
    async fn listen(&mut self, house: &Served) {
        let caller = self.caller(Environment::Sandbox);
        let new = json!({ "url": "http://127.0.0.1:9/hook" });
        let endpoint = ask(house, Some(&caller), "/v1/webhook-endpoints", &new, 201).await;
        let endpoint = text(&endpoint["id"]);
        let test = format!("/v1/webhook-endpoints/{endpoint}/test");
        let delivery = ask(house, Some(&caller), &test, &json!({}), 202).await;
        let new = json!({ "environment": "sandbox" });
        let credential = ask(house, Some(&caller), "/v1/credentials", &new, 201).await;
        self.ids
            .insert(Thing::OwnCredential, text(&credential["client_id"]));
        self.ids.insert(Thing::Endpoint, endpoint);
        self.ids.insert(Thing::Delivery, text(&delivery["id"]));
    }

    /// The base fee alone makes an invoice.
    async fn close_the_month(&mut self, house: &Served) {
        house.advance(Duration::from_secs(3 * 3600));
        let close = format!("/v1/operator/months/{}/close", self.id(Thing::Month));
        ask(house, Some(&Caller::operator()), &close, &json!({}), 200).await;
        let caller = self.caller(Environment::Production);
        let list = house.by(&caller, &Method::GET, "/v1/invoices", None).await;
        let invoice = text(&list.expect(200)["data"][0]["id"]);
        self.ids.insert(Thing::Invoice, invoice);
        let account = json!({ "name": "監査", "role": "auditor" });
        let accounts = "/v1/operator/accounts";
        let account = ask(house, Some(&Caller::operator()), accounts, &account, 201).await;
        self.ids.insert(Thing::Account, text(&account["client_id"]));
        let cost = json!({ "month": "2027-01", "category": "lines", "amount": 100 });
        let costs = "/v1/operator/shared-costs";
        let cost = ask(house, Some(&Caller::operator()), costs, &cost, 201).await;
        self.ids.insert(Thing::SharedCost, text(&cost["id"]));
    }

    fn caller(&self, environment: Environment) -> Caller {
        Caller::tenant(self.owner(environment), &ClientScope::TENANT)
    }
}

/// Takes a tenant through its life until it is active; gives its id and a credential's.
async fn onboard(house: &Served, name: &str) -> (TenantId, String) {
    let operator = Caller::operator();
    let new = json!({ "name": name });
    let tenant = ask(house, Some(&operator), "/v1/operator/tenants", &new, 201).await;
    let id = text(&tenant["id"]);
    let base = format!("/v1/operator/tenants/{id}");
    let (checklist, state) = (format!("{base}/checklist"), format!("{base}/state"));
    for item in tenant["missing"].as_array().unwrap() {
        let entry = json!({ "item": item, "evidence": "contract.pdf" });
        ask(house, Some(&operator), &checklist, &entry, 200).await;
    }
    for to in ["contracted", "notified", "active"] {
        ask(house, Some(&operator), &state, &json!({ "to": to }), 200).await;
    }
    let credential = ask(
        house,
        Some(&operator),
        &format!("{base}/credentials"),
        &json!({ "environment": "sandbox" }),
        201,
    )
    .await;
    (id.parse().unwrap(), text(&credential["client_id"]))
}

async fn ask(
    house: &Served,
    caller: Option<&Caller>,
    path: &str,
    body: &Value,
    status: u16,
) -> Value {
    let reply = match caller {
        Some(caller) => house.by(caller, &Method::POST, path, Some(body)).await,
        None => house.anyone(&Method::POST, path, Some(body)).await,
    };
    assert_eq!(
        reply.status,
        status,
        "POST {path}: {}",
        String::from_utf8_lossy(&reply.body)
    );
    reply.json
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text was expected, not {value}"))
        .to_owned()
}
