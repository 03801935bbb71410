//! `verify-throughput`: many clients on loopback, on the same cores as the platform.
//!
//! Every verification uses up a challenge of its own, names its customer and comes under an Idempotency-Key of its own; every answer
//! must be `valid`. The challenges are made before, by the same clients, and are a figure too. *Closed loop*: each client sends its next
//! request when it has its answer. *Open loop* (`--rate`): requests begin at their moments whatever became of the earlier ones, and
//! latency counts from the moment at which a request should have begun, so that a stall counts for all that it held up.
//!
//! The limit is what two RSA-2048 verifications (the citizen's signature, the issuer's) cost on all cores, by `openssl speed` before
//! and after. The baseline is the same platform with one request in each commit.

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    caller::Caller,
    platform::{Place, Platform},
    statistics::{Micros, Sample},
    yardstick,
};

/// How long after the last answer the feeds may take to hold everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// The scenario.
pub(crate) struct Throughput {
    pub(crate) binary: PathBuf,
    pub(crate) count: usize,
    pub(crate) clients: usize,
    pub(crate) tenants: usize,
    pub(crate) citizens: usize,
    /// Requests a second; closed loop without.
    pub(crate) rate: Option<u32>,
    /// Whether the platform with one request in each commit is measured too.
    pub(crate) baseline: bool,
}

/// What is sent for one verification, but for its challenge.
struct Order {
    firm: usize,
    /// The body's JSON without its closing brace.
    body: String,
}

struct Stage {
    platform: Platform,
    firms: Vec<Caller>,
    orders: Vec<Order>,
    signed: Vec<Value>,
}

/// One measured part.
struct Part {
    took: Duration,
    latencies: Sample,
    /// Processor time of the platform's process.
    processor: Duration,
}

impl Part {
    fn rate(&self, count: usize) -> u128 {
        count as u128 * 1_000_000 / self.took.as_micros().max(1)
    }
}

impl Throughput {
    pub(crate) async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let cores = std::thread::available_parallelism()?.get();
        let before = yardstick::rsa_verifications_a_second(cores)?;
        writeln!(
            out,
            "verify-throughput: {} verifications, {} clients, {} tenants with {} citizens each\n\
             | | a second | of the RSA limit | p50 | p90 | p99 | most (us) | platform's processor time each (us) | feeds whole after (ms) | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|",
            self.count, self.clients, self.tenants, self.citizens
        )?;
        self.measure(out, "verification", before / 2, &[]).await?;
        if self.baseline {
            let alone = [("WARIKAN_VERIFICATION__ENTRIES_PER_COMMIT", "1")];
            let name = "one request in each commit";
            self.measure(out, name, before / 2, &alone).await?;
        }
        let after = yardstick::rsa_verifications_a_second(cores)?;
        writeln!(
            out,
            "| limit: two RSA-2048 verifications on {cores} cores (openssl), before and after | {}, {} | 100 % | | | | | | | |",
            before / 2,
            after / 2
        )?;
        Ok(())
    }

    async fn measure(
        &self,
        out: &mut impl Write,
        name: &str,
        limit: u64,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let stage = self.stage(settings).await?;
        let (challenges, ids) = self.challenges(&stage).await?;
        line(
            out,
            &format!("{name}: its challenge"),
            &challenges,
            self.count,
            None,
            "",
        )?;
        let part = self.verifications(&stage, ids).await?;
        let whole = self.told(&stage).await?;
        let rest = format!(
            "{} | {}",
            whole.as_millis(),
            stage.platform.resident()? / 1024
        );
        line(out, name, &part, self.count, Some(limit), &rest)
    }

    async fn stage(&self, settings: &[(&str, &str)]) -> anyhow::Result<Stage> {
        let place = Place::Binary(self.binary.clone());
        let platform = Platform::with(&place, settings).await?;
        let signed = platform.anyone.signed(self.citizens).await?;
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
                let mut body = body.to_string();
                body.pop();
                Order { firm, body }
            })
            .collect();
        Ok(Stage {
            platform,
            firms,
            orders,
            signed,
        })
    }

    /// A challenge for every verification, over the digest that was signed.
    async fn challenges(&self, stage: &Stage) -> anyhow::Result<(Part, Vec<String>)> {
        let wishes: Vec<String> = stage
            .signed
            .iter()
            .map(|one| json!({ "purpose": "signature", "signed": one["signed"] }).to_string())
            .collect();
        let requests = (0..self.count)
            .map(|number| Request {
                firm: stage.firms[stage.orders[number].firm].clone(),
                path: "/v1/challenges",
                key: format!("challenge-{number}"),
                body: wishes[number / self.tenants % self.citizens].clone(),
            })
            .collect();
        let (part, answers) = self.send(&stage.platform, requests, None).await?;
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

    async fn verifications(&self, stage: &Stage, ids: Vec<String>) -> anyhow::Result<Part> {
        let requests = stage
            .orders
            .iter()
            .zip(ids)
            .enumerate()
            .map(|(number, (order, id))| Request {
                firm: stage.firms[order.firm].clone(),
                path: "/v1/verifications",
                key: format!("verification-{number}"),
                body: format!("{},\"challenge_id\":\"{id}\"}}", order.body),
            })
            .collect();
        let (part, answers) = self.send(&stage.platform, requests, self.rate).await?;
        for answer in answers {
            let text = String::from_utf8_lossy(&answer);
            ensure!(text.contains("\"verdict\":\"valid\""), "not valid: {text}");
        }
        Ok(part)
    }

    /// Sends everything; gives the answers in the order of the requests.
    async fn send(
        &self,
        platform: &Platform,
        requests: Vec<Request>,
        rate: Option<u32>,
    ) -> anyhow::Result<(Part, Vec<Vec<u8>>)> {
        let requests: Arc<[Request]> = requests.into();
        let processor = platform.processor()?;
        let begun = Instant::now();
        let mut sent = JoinSet::new();
        match rate {
            Some(rate) => {
                for number in 0..requests.len() {
                    let intended = begun + Duration::from_secs(1) * u32::try_from(number)? / rate;
                    let requests = Arc::clone(&requests);
                    sent.spawn(async move {
                        tokio::time::sleep_until(intended.into()).await;
                        let answer = requests[number].send().await?;
                        Ok(vec![(number, intended.elapsed(), answer)])
                    });
                }
            }
            None => {
                let next = Arc::new(AtomicUsize::new(0));
                for _ in 0..self.clients {
                    let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
                    sent.spawn(async move {
                        let mut answers = Vec::new();
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            let Some(request) = requests.get(number) else {
                                return anyhow::Ok(answers);
                            };
                            let begun = Instant::now();
                            let answer = request.send().await?;
                            answers.push((number, begun.elapsed(), answer));
                        }
                    });
                }
            }
        }
        let mut answers = vec![Vec::new(); requests.len()];
        let mut latencies = Vec::with_capacity(requests.len());
        while let Some(done) = sent.join_next().await {
            for (number, took, answer) in done?? {
                latencies.push(took);
                answers[number] = answer;
            }
        }
        let took = begun.elapsed();
        let part = Part {
            took,
            latencies: Sample::new(latencies),
            processor: platform.processor()?.saturating_sub(processor),
        };
        Ok((part, answers))
    }

    /// How long until every verification is told in its tenant's feed: what was put off while answering.
    async fn told(&self, stage: &Stage) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        for (number, firm) in stage.firms.iter().enumerate() {
            let theirs = (self.count + self.tenants - 1 - number) / self.tenants;
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

struct Request {
    firm: Caller,
    path: &'static str,
    key: String,
    body: String,
}

impl Request {
    async fn send(&self) -> anyhow::Result<Vec<u8>> {
        self.firm
            .post_text(self.path, &self.key, self.body.clone())
            .await
    }
}

fn line(
    out: &mut impl Write,
    name: &str,
    part: &Part,
    count: usize,
    limit: Option<u64>,
    rest: &str,
) -> anyhow::Result<()> {
    let rate = part.rate(count);
    let share = limit.map_or(String::new(), |limit| {
        format!("{} %", rate * 100 / u128::from(limit.max(1)))
    });
    writeln!(
        out,
        "| {name} | {rate} | {share} | {} | {} | {} | {} | {} | {} |",
        Micros(part.latencies.median()),
        Micros(part.latencies.percentile(90)),
        Micros(part.latencies.percentile(99)),
        Micros(part.latencies.longest()),
        part.processor.as_micros() / count.max(1) as u128,
        if rest.is_empty() { " |" } else { rest },
    )?;
    out.flush()?;
    Ok(())
}
