//! A plain HTTP client, as a tenant's engineer would write one.

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Talks to one base URL.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(super) fn new(base: String) -> anyhow::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder()
                .no_proxy()
                // The server closes what was idle for five seconds; a request sent at that moment gets no answer.
                .pool_idle_timeout(std::time::Duration::from_secs(2))
                .build()?,
            base,
        })
    }

    /// An access token for client credentials (RFC 6749 4.4).
    pub(super) async fn token(&self, credential: &Value) -> anyhow::Result<String> {
        let response = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .basic_auth(
                text(credential, "/client_id")?,
                Some(text(credential, "/client_secret")?),
            )
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await?;
        let status = response.status();
        let body: Value = response.json().await?;
        if status != StatusCode::OK {
            bail!("the token endpoint answered {status}: {body}");
        }
        Ok(text(&body, "/access_token")?.to_owned())
    }

    /// Any request; gives status and JSON.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{method} {path}"))?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// `GET` that must succeed.
    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> anyhow::Result<Value> {
        let (status, body) = self.send(Method::GET, path, token, None, None).await?;
        expect(status, &[200], &format!("GET {path}"), &body)?;
        Ok(body)
    }

    /// `POST` that must succeed.
    pub(super) async fn post(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self
            .send(Method::POST, path, token, None, Some(body))
            .await?;
        expect(status, &[200, 201, 202], &format!("POST {path}"), &answer)?;
        Ok(answer)
    }
}

fn expect(status: u16, wanted: &[u16], what: &str, body: &Value) -> anyhow::Result<()> {
    if wanted.contains(&status) {
        Ok(())
    } else {
        bail!("{what} answered {status}: {body}")
    }
}

/// The text at a JSON pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no text at {pointer} in {value}"))
}

/// The array at a JSON pointer.
pub(super) fn array<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a Vec<Value>> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .with_context(|| format!("no array at {pointer} in {value}"))
}
