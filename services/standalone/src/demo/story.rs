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
    setting::{Setting, Time},
};

const CITIZEN: &str = "黒桐　幹也";
const WATCHED: usize = 1_000;
/// What a step reports.
type Lines = anyhow::Result<Vec<String>>;

/// Who is in the story, and what they know.
pub(super) struct Story<'a> {
    setting: &'a Setting,
    platform: Client,
    jlis: Client,
    firm: Value,
    person: String,
    /// The signed application, ready to be verified.
    application: Value,
    /// The answer to its verification.
    verified: Value,
    watch_ids: Vec<String>,
    /// Empty where the platform does not deliver to this machine.
    endpoint: String,
}

impl<'a> Story<'a> {
    pub(super) fn new(setting: &'a Setting) -> anyhow::Result<Self> {
        Ok(Self {
            setting,
            platform: Client::new(setting.platform.clone())?,
            jlis: Client::new(setting.jlis.clone())?,
            firm: Value::Null,
            person: String::new(),
            application: Value::Null,
            verified: Value::Null,
            watch_ids: Vec::new(),
            endpoint: String::new(),
        })
    }

    pub(super) const fn setting(&self) -> &Setting {
        self.setting
    }

    async fn operator(&self) -> anyhow::Result<String> {
        let file = std::fs::read(&self.setting.credential)?;
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

    /// The time by which the platform bills.
    async fn now(&self) -> anyhow::Result<warikan_types::Timestamp> {
        if let Time::Real(clock) = &self.setting.time {
            return Ok(clock.now());
        }
        let clock = self.jlis.get("/sandbox/clock", None).await?;
        Ok(text(&clock, "/now")?.parse()?)
    }
}

/// Asks again until there is an answer, for at most 20 seconds.
async fn wait<T>(
    what: &str,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    wait_for(60, what, ask).await
}

/// The same for so many seconds.
async fn wait_for<T>(
    seconds: u32,
    what: &str,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    const A_SECOND: u32 = 20;
    for _ in 0..seconds * A_SECOND {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_secs(1) / A_SECOND).await;
    }
    bail!("waited {seconds} s for {what}")
}
