//! The steps. Each asks over HTTP, checks what came back, and reports it in plain words.

mod firm;
mod month;
mod signature;
mod watching;

use std::time::Duration;

use anyhow::bail;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::{Client, text},
    stage::Stage,
};

const CITIZEN: &str = "黒桐　幹也";
const WATCHED: usize = 1_000;
/// What a step reports.
type Lines = anyhow::Result<Vec<String>>;

/// Who is in the story, and what they know.
pub(super) struct Story<'a> {
    stage: &'a Stage,
    platform: Client,
    jlis: Client,
    firm: Value,
    person: String,
    /// The signed application, ready to be verified.
    application: Value,
    /// The answer to its verification.
    verified: Value,
    watch_ids: Vec<String>,
    endpoint: String,
}

impl<'a> Story<'a> {
    pub(super) fn new(stage: &'a Stage) -> Self {
        let client = |address| {
            Client::new(format!("http://{address}"))
                .expect("a client without TLS settings is always made")
        };
        Self {
            stage,
            platform: client(stage.platform),
            jlis: client(stage.jlis),
            firm: Value::Null,
            person: String::new(),
            application: Value::Null,
            verified: Value::Null,
            watch_ids: Vec::new(),
            endpoint: String::new(),
        }
    }

    async fn operator(&self) -> anyhow::Result<String> {
        let file = std::fs::read(&self.stage.credential)?;
        self.platform.token(&serde_json::from_slice(&file)?).await
    }

    async fn firm_token(&self) -> anyhow::Result<String> {
        self.platform.token(&self.firm).await
    }

    async fn verify(
        &self,
        token: &str,
        key: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<(u16, Value)> {
        self.platform
            .send(
                Method::POST,
                "/v1/verifications",
                Some(token),
                key,
                Some(body),
            )
            .await
    }

    async fn advance(&self, by: &str) -> anyhow::Result<()> {
        self.jlis
            .post("/sandbox/clock", None, &json!({ "advance": by }))
            .await?;
        Ok(())
    }

    async fn now(&self) -> anyhow::Result<warikan_types::Timestamp> {
        let clock = self.jlis.get("/sandbox/clock", None).await?;
        Ok(text(&clock, "/now")?.parse()?)
    }
}

/// Asks again until there is an answer, for at most 20 seconds.
async fn wait<T>(
    what: &str,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 0..400 {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("waited 20 s for {what}")
}
