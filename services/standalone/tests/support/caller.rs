//! Callers over HTTP.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use warikan_testkit::{App, Reply};

use super::b64;

/// Someone who talks to a platform, with or without a token.
#[derive(Clone)]
pub struct Caller {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Caller {
    pub fn anyone(base: &str) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            base: base.to_owned(),
            token: None,
        }
    }

    /// With a token of one's own making.
    pub fn bearing(base: &str, token: String) -> Self {
        Self {
            token: Some(token),
            ..Self::anyone(base)
        }
    }

    /// The same with another token.
    #[must_use]
    pub fn bearing_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same person with a connection of one's own.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            ..self.clone()
        }
    }

    /// The same person after the platform has moved to another address.
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// Gets a token for a credential (RFC 6749 4.4).
    pub async fn with(&self, credential: &Value) -> Self {
        let text = |name: &str| credential[name].as_str().unwrap().to_owned();
        let request = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .basic_auth(text("client_id"), Some(text("client_secret")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let reply = App::read(request).await;
        let token = reply.expect(200)["access_token"].as_str().unwrap();
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The access token, where there is one.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `POST` with an Idempotency-Key, not yet sent: where the answer may not come.
    pub fn keyed(&self, path: &str, key: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path)
            .header("idempotency-key", key)
            .json(body)
    }

    pub async fn get(&self, path: &str) -> Reply {
        App::read(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        App::read(self.request(Method::POST, path).json(body)).await
    }

    /// Every row of a list, page by page.
    pub async fn all(&self, list: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let reply = self.get(&format!("{list}?limit=500{cursor}")).await;
            let page = reply.expect(200);
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// The whole event feed.
    pub async fn feed(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut after = "0".to_owned();
        loop {
            let reply = self
                .get(&format!("/v1/events?limit=500&after={after}"))
                .await;
            let part = reply.expect(200);
            events.extend(part["data"].as_array().unwrap().iter().cloned());
            part["next_cursor"].as_str().unwrap().clone_into(&mut after);
            if part["has_more"] == false {
                return events;
            }
        }
    }

    /// As the operator: takes a tenant on. Gives its id.
    pub async fn take_on(&self, name: &str) -> String {
        let reply = self
            .post("/v1/operator/tenants", &json!({ "name": name }))
            .await;
        reply.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// As the operator: makes a credential and gives the tenant that uses it.
    pub async fn credential(&self, tenant: &str, environment: &str) -> Self {
        let reply = self
            .post(
                &format!("/v1/operator/tenants/{tenant}/credentials"),
                &json!({ "environment": environment }),
            )
            .await;
        Self {
            token: None,
            ..self.clone()
        }
        .with(reply.expect(201))
        .await
    }

    /// As the operator: brings a tenant through the checklist to `active`.
    pub async fn activate(&self, tenant: &str) {
        let base = format!("/v1/operator/tenants/{tenant}");
        for item in [
            "delegation_contract",
            "disqualification_check",
            "filing",
            "agreement",
        ] {
            let entry = json!({ "item": item, "evidence": "記録.pdf" });
            self.post(&format!("{base}/checklist"), &entry)
                .await
                .expect(200);
        }
        for state in ["contracted", "notified", "active"] {
            self.post(&format!("{base}/state"), &json!({ "to": state }))
                .await
                .expect(200);
        }
    }

    /// As anyone at the sandbox: a new person. Gives the id.
    pub async fn person(&self, details: &Value) -> String {
        let reply = self.post("/sandbox/persons", details).await;
        reply.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// As anyone at the sandbox: many persons, as `(id, certificate)`.
    pub async fn population(&self, size: usize) -> Vec<(String, Value)> {
        let reply = self
            .post("/sandbox/populations", &json!({ "size": size }))
            .await;
        let persons = reply.expect(201)["persons"].as_array().unwrap().clone();
        persons
            .into_iter()
            .map(|person| {
                let id = person["id"].as_str().unwrap().to_owned();
                (id, person["certificate"].clone())
            })
            .collect()
    }

    /// As anyone at the sandbox: lets a person's card sign a document. Gives the body of a verification.
    pub async fn sign(&self, person: &str, document: &str) -> Value {
        let wish = json!({ "certificate": "signature", "message": b64(document) });
        let reply = self
            .post(&format!("/sandbox/persons/{person}/sign"), &wish)
            .await;
        reply.expect(200).clone()
    }

    /// As a tenant: a verification that is carried out, whatever its verdict.
    pub async fn verify(&self, body: &Value) -> Value {
        self.post("/v1/verifications", body)
            .await
            .expect(201)
            .clone()
    }
}

/// A verification's body with further members.
pub fn and(body: &Value, more: Value) -> Value {
    let mut whole = body.clone();
    for (name, value) in more.as_object().unwrap() {
        whole[name] = value.clone();
    }
    whole
}

/// The check of this name in a verification's answer.
#[track_caller]
pub fn check<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["check"] == name)
        .unwrap_or_else(|| panic!("no check {name} in {answer}"))
}
