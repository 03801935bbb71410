//! Callers over HTTP: the operator, a tenant, and anyone at the sandbox.

use std::time::Duration;

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// Longer than any answer may take; a platform that hangs ends the run.
const PATIENCE: Duration = Duration::from_secs(20);

/// Someone with a connection that is kept open.
#[derive(Clone)]
pub(crate) struct Caller {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Caller {
    pub(crate) fn anyone(base: &str) -> anyhow::Result<Self> {
        Ok(Self {
            http: Client::builder().no_proxy().timeout(PATIENCE).build()?,
            base: base.to_owned(),
            token: None,
        })
    }

    /// With an access token for this credential (RFC 6749 4.4).
    pub(crate) async fn with(&self, credential: &Value) -> anyhow::Result<Self> {
        let request = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .basic_auth(
                text(credential, "client_id")?,
                Some(text(credential, "client_secret")?),
            )
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = answered(request, 200).await?;
        Ok(Self {
            token: Some(text(&answer, "access_token")?.to_owned()),
            ..self.clone()
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Whether `GET` answers 200. A refused connection is a no.
    pub(crate) async fn is_ok(&self, path: &str) -> bool {
        let answer = self.request(Method::GET, path).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        answered(self.request(Method::GET, path), 200).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
        status: u16,
    ) -> anyhow::Result<Value> {
        answered(self.request(Method::POST, path).json(body), status).await
    }

    /// `POST` of JSON that is text already, under a key of its own; the answer as it came. It must be a 201.
    pub(crate) async fn post_text(
        &self,
        path: &str,
        key: &str,
        body: String,
    ) -> anyhow::Result<Vec<u8>> {
        let request = self
            .request(Method::POST, path)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await?;
        ensure!(
            status == 201,
            "{path} answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body.into())
    }

    /// A verification under a key of its own; it must be valid.
    pub(crate) async fn verify(&self, key: &str, body: &Value) -> anyhow::Result<()> {
        let request = self
            .request(Method::POST, "/v1/verifications")
            .header("idempotency-key", key)
            .json(body);
        let answer = answered(request, 201).await?;
        ensure!(answer["verdict"] == "valid", "not valid: {answer}");
        Ok(())
    }

    /// As anyone: so many citizens' signed documents, each a verification's body.
    pub(crate) async fn signed(&self, citizens: usize) -> anyhow::Result<Vec<Value>> {
        let size = json!({ "size": citizens });
        let population = self.post("/sandbox/populations", &size, 201).await?;
        let wish = json!({ "message": STANDARD.encode("証券総合口座開設申込書") });
        let mut bodies = Vec::with_capacity(citizens);
        for person in population["persons"].as_array().context("no persons")? {
            let path = format!("/sandbox/persons/{}/sign", text(person, "id")?);
            bodies.push(self.post(&path, &wish, 200).await?);
        }
        Ok(bodies)
    }

    /// As the operator: a new tenant's sandbox credential.
    pub(crate) async fn sandbox_credential(&self) -> anyhow::Result<Value> {
        let application = json!({ "name": "負荷試験株式会社" });
        let tenant = self.post("/v1/operator/tenants", &application, 201).await?;
        let path = format!("/v1/operator/tenants/{}/credentials", text(&tenant, "id")?);
        self.post(&path, &json!({ "environment": "sandbox" }), 201)
            .await
    }
}

async fn answered(request: RequestBuilder, wanted: u16) -> anyhow::Result<Value> {
    let answer = request.send().await?;
    let (status, path) = (answer.status().as_u16(), answer.url().path().to_owned());
    let body = answer.bytes().await?;
    ensure!(
        status == wanted,
        "{path} answered {status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(serde_json::from_slice(&body)?)
}

fn text<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    value[name]
        .as_str()
        .with_context(|| format!("no {name} in {value}"))
}
