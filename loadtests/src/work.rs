//! Verifications that are ready to be sent, each with a challenge of its own.

use std::{
    io::Write,
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    caller::{Caller, Certificate},
    drive::{Pace, drive},
    naive::Naive,
    platform::{Place, Platform},
    statistics::{Micros, Sample},
};

/// How long after the last answer the feeds may take to hold everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many, and whose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) count: usize,
    pub(crate) clients: usize,
    pub(crate) tenants: usize,
    pub(crate) citizens: usize,
    /// Whether each verification asks for a watch.
    pub(crate) watch: bool,
}

/// What is sent for one verification, but for its challenge.
pub(crate) struct Order {
    firm: usize,
    /// The body's JSON without its closing brace.
    body: String,
}

/// Who answers.
pub(crate) enum Host {
    Platform(Platform),
    Naive(Naive),
}

impl Host {
    pub(crate) fn anyone(&self) -> &Caller {
        match self {
            Self::Platform(platform) => &platform.anyone,
            Self::Naive(naive) => &naive.caller,
        }
    }

    /// The platform.
    pub(crate) fn into_platform(self) -> anyhow::Result<Platform> {
        match self {
            Self::Platform(platform) => Ok(platform),
            Self::Naive(_) => anyhow::bail!("the naive baseline is no platform"),
        }
    }

    /// Resident memory in KiB, where it is looked at.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        match self {
            Self::Platform(platform) => platform.resident(),
            Self::Naive(_) => Ok(0),
        }
    }

    /// Processor time so far, where it is looked at.
    fn processor(&self) -> anyhow::Result<Duration> {
        match self {
            Self::Platform(platform) => platform.processor(),
            Self::Naive(_) => Ok(Duration::ZERO),
        }
    }
}

pub(crate) struct Stage {
    pub(crate) host: Host,
    pub(crate) firms: Vec<Caller>,
    orders: Vec<Order>,
    signed: Vec<Value>,
}

/// One measured part.
pub(crate) struct Part {
    pub(crate) took: Duration,
    pub(crate) latencies: Sample,
    /// Processor time of the platform's process.
    pub(crate) processor: Duration,
    pub(crate) created: usize,
    pub(crate) refused: usize,
}

impl Part {
    /// Parts one after the other.
    pub(crate) fn sum(parts: impl Iterator<Item = Self>) -> Option<Self> {
        parts.reduce(|one, other| Self {
            took: one.took + other.took,
            latencies: one.latencies.and(other.latencies),
            processor: one.processor + other.processor,
            created: one.created + other.created,
            refused: one.refused + other.refused,
        })
    }

    /// Processor time of each, in microseconds.
    pub(crate) fn each(&self) -> u128 {
        self.processor.as_micros() / self.created.max(1) as u128
    }

    pub(crate) fn rate(&self) -> u128 {
        self.created as u128 * 1_000_000 / self.took.as_micros().max(1)
    }
}

impl Work {
    /// Starts a platform and prepares everything but the challenges.
    pub(crate) async fn stage(
        &self,
        place: &Place,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Stage> {
        self.on(Platform::with(place, settings).await?).await
    }

    /// The same on a platform that runs.
    pub(crate) async fn on(&self, platform: Platform) -> anyhow::Result<Stage> {
        let signed = platform
            .anyone
            .signed(self.citizens, Certificate::Signature)
            .await?;
        let mut firms = Vec::new();
        for _ in 0..self.tenants {
            let credential = platform.sandbox_credential().await?;
            firms.push(platform.anyone.with(&credential).await?);
        }
        let orders = (0..self.count)
            .map(|number| {
                // All citizens of all tenants in turn: returning ones come only when everybody was there.
                let (firm, citizen) =
                    (number % self.tenants, number / self.tenants % self.citizens);
                let mut body = signed[citizen].clone();
                body["subject_ref"] = json!(format!("C-{citizen}"));
                if self.watch {
                    body["watch"] = json!(true);
                }
                let mut body = body.to_string();
                body.pop();
                Order { firm, body }
            })
            .collect();
        Ok(Stage {
            host: Host::Platform(platform),
            firms,
            orders,
            signed,
        })
    }

    /// A challenge for every verification, over the digest that was signed.
    pub(crate) async fn challenges(&self, stage: &Stage) -> anyhow::Result<(Part, Vec<String>)> {
        let wishes: Vec<String> = stage
            .signed
            .iter()
            .map(|one| json!({ "purpose": "signature", "signed": one["signed"] }).to_string())
            .collect();
        let requests = stage.orders.iter().enumerate().map(|(number, order)| {
            let wish = &wishes[number / self.tenants % self.citizens];
            let key = format!("challenge-{number}");
            stage.firms[order.firm].post_octets("/v1/challenges", &key, wish)
        });
        let pace = Pace::Closed(self.clients);
        let (part, answers) = self.send(&stage.host, requests, pace).await?;
        ensure!(
            part.refused == 0,
            "{} challenges were refused",
            part.refused
        );
        let ids = answers
            .iter()
            .map(|answer| {
                let answer: Value = serde_json::from_slice(answer)?;
                let id = answer["id"].as_str().context("a challenge without id")?;
                Ok(id.to_owned())
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok((part, ids))
    }

    /// These of the verifications, with their challenges.
    pub(crate) async fn verifications(
        &self,
        stage: &Stage,
        ids: &[String],
        which: Range<usize>,
        pace: Pace,
    ) -> anyhow::Result<Part> {
        let requests = which.map(|number| {
            let (order, id) = (&stage.orders[number], &ids[number]);
            let body = format!("{},\"challenge_id\":\"{id}\"}}", order.body);
            let key = format!("verification-{number}");
            stage.firms[order.firm].post_octets("/v1/verifications", &key, &body)
        });
        let (part, answers) = self.send(&stage.host, requests, pace).await?;
        for answer in answers {
            let text = String::from_utf8_lossy(&answer);
            ensure!(text.contains("\"verdict\":\"valid\""), "not valid: {text}");
        }
        Ok(part)
    }

    /// Sends everything; gives the answers in the order of the requests.
    async fn send(
        &self,
        host: &Host,
        requests: impl Iterator<Item = anyhow::Result<Vec<u8>>>,
        pace: Pace,
    ) -> anyhow::Result<(Part, Vec<Vec<u8>>)> {
        let requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
        let processor = host.processor()?;
        let driven = drive(host.anyone().address()?, requests, pace).await?;
        let (took, latencies, refused) = (driven.took, driven.accepted()?, driven.refused());
        let answers = driven.created()?;
        let part = Part {
            took,
            latencies,
            processor: host.processor()?.saturating_sub(processor),
            created: answers.len(),
            refused,
        };
        Ok((part, answers))
    }

    /// How long until so many verifications, the first ones, are told in their tenants' feeds: what was put off while answering.
    pub(crate) async fn told(&self, stage: &Stage, count: usize) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        for (number, firm) in stage.firms.iter().enumerate() {
            let theirs = (count + self.tenants - 1 - number) / self.tenants;
            let path = format!("/v1/events?limit=1&after={}", theirs - 1);
            loop {
                let page = firm.get(&path).await;
                // A place that the feed has not reached yet is refused.
                let there = page.ok().and_then(|page| page["data"].as_array().cloned());
                if there.is_some_and(|events| !events.is_empty()) {
                    break;
                }
                ensure!(begun.elapsed() < PATIENCE, "the feed stays behind");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(begun.elapsed())
    }
}

/// A row of the table.
pub(crate) fn line(
    out: &mut impl Write,
    name: &str,
    part: &Part,
    limit: Option<u64>,
    rest: &str,
) -> anyhow::Result<()> {
    let rate = part.rate();
    let share = limit.map_or(String::new(), |limit| {
        format!("{} %", rate * 100 / u128::from(limit.max(1)))
    });
    writeln!(
        out,
        "| {name} | {rate} | {share} | {} | {} | {} | {} | {} | {} | {} |",
        part.refused,
        Micros(part.latencies.median()),
        Micros(part.latencies.percentile(90)),
        Micros(part.latencies.percentile(99)),
        Micros(part.latencies.longest()),
        part.each(),
        if rest.is_empty() { " |" } else { rest },
    )?;
    out.flush()?;
    Ok(())
}
