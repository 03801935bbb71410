//! Callers over HTTP: the operator, a tenant, and anyone at the sandbox.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::wire;

/// Longer than any answer may take; a platform that hangs ends the run.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which certificate's key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    Signature,
    Authentication,
}

impl Certificate {
    /// Also the purpose of a challenge for it.
    pub(crate) const fn purpose(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Authentication => "authentication",
        }
    }
}

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
        let (client, secret) = (
            text(credential, "client_id")?,
            text(credential, "client_secret")?,
        );
        let answer = self.sign_in(client, secret, 200).await?;
        Ok(Self {
            token: Some(text(&answer, "access_token")?.to_owned()),
            ..self.clone()
        })
    }

    /// Asks for a token; what the answer says.
    pub(crate) async fn sign_in(
        &self,
        client: &str,
        secret: &str,
        status: u16,
    ) -> anyhow::Result<Value> {
        let request = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .basic_auth(client, Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        answered(request, status).await
    }

    /// With a token that was come by elsewhere.
    pub(crate) fn holding(self, token: String) -> Self {
        Self {
            token: Some(token),
            ..self
        }
    }

    /// As anyone: the sandbox's roots, DER.
    pub(crate) async fn roots(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let roots = self.get("/jlis/roots").await?;
        let roots = roots["roots"].as_array().context("no roots")?;
        let der = |root: &Value| anyhow::Ok(STANDARD.decode(text(root, "certificate")?)?);
        roots.iter().map(der).collect()
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

    /// Where the platform listens.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        let host = self.base.trim_start_matches("http://");
        Ok(host.parse()?)
    }

    /// The octets of a `POST` of JSON that is text already, under a key of its own.
    pub(crate) fn post_octets(&self, path: &str, key: &str, body: &str) -> anyhow::Result<Vec<u8>> {
        let token = self.token.as_deref().context("a caller without a token")?;
        let host = self.address()?.to_string();
        Ok(wire::post(&host, token, path, key, body))
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
    pub(crate) async fn signed(
        &self,
        citizens: usize,
        with: Certificate,
    ) -> anyhow::Result<Vec<Value>> {
        let persons = self.persons(citizens, with).await?;
        let wish = json!({
            "message": STANDARD.encode("証券総合口座開設申込書"),
            "certificate": with.purpose(),
        });
        let mut bodies = Vec::with_capacity(citizens);
        for person in &persons {
            let path = format!("/sandbox/persons/{}/sign", text(person, "id")?);
            bodies.push(self.post(&path, &wish, 200).await?);
        }
        Ok(bodies)
    }

    /// A population has signature certificates alone, and shares a few keys; whoever logs in has a card and keys of their own, which take a
    /// moment each.
    pub(crate) async fn persons(
        &self,
        citizens: usize,
        with: Certificate,
    ) -> anyhow::Result<Vec<Value>> {
        if with == Certificate::Signature {
            let size = json!({ "size": citizens });
            let mut population = self.post("/sandbox/populations", &size, 201).await?;
            let persons = population["persons"].as_array_mut();
            return Ok(std::mem::take(persons.context("no persons")?));
        }
        let mut persons = Vec::with_capacity(citizens);
        for _ in 0..citizens {
            persons.push(self.post("/sandbox/persons", &json!({}), 201).await?);
        }
        Ok(persons)
    }

    /// As the operator: a new tenant's sandbox credential.
    pub(crate) async fn sandbox_credential(&self) -> anyhow::Result<Value> {
        let application = json!({ "name": "負荷試験株式会社" });
        let tenant = self.post("/v1/operator/tenants", &application, 201).await?;
        let path = format!("/v1/operator/tenants/{}/credentials", text(&tenant, "id")?);
        let wish = json!({ "environment": "sandbox", "scopes": ["verifications", "events", "access", "campaigns"] });
        self.post(&path, &wish, 201).await
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
