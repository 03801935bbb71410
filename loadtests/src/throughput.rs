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
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    caller::Caller,
    drive::{Pace, drive},
    naive::Naive,
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
    /// Whether the naive baseline is measured: `sqlite`, or the address of an empty PostgreSQL database.
    pub(crate) naive: Option<String>,
}

/// What is sent for one verification, but for its challenge.
struct Order {
    firm: usize,
    /// The body's JSON without its closing brace.
    body: String,
}

/// Who answers.
enum Host {
    Platform(Platform),
    Naive(Naive),
}

impl Host {
    fn anyone(&self) -> &Caller {
        match self {
            Self::Platform(platform) => &platform.anyone,
            Self::Naive(naive) => &naive.caller,
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

struct Stage {
    host: Host,
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
    created: usize,
    refused: usize,
}

impl Part {
    fn rate(&self) -> u128 {
        self.created as u128 * 1_000_000 / self.took.as_micros().max(1)
    }
}

impl Throughput {
    pub(crate) async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let cores = std::thread::available_parallelism()?.get();
        let before = yardstick::rsa_verifications_a_second(cores)?;
        writeln!(
            out,
            "verify-throughput: {} verifications, {} clients, {} tenants with {} citizens each\n\
             | | a second | of the RSA limit | refused | p50 | p90 | p99 | most (us) | platform's processor time each (us) | feeds whole after (ms) | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            self.count, self.clients, self.tenants, self.citizens
        )?;
        self.measure(out, "verification", before / 2, &[]).await?;
        if self.baseline {
            let alone = [("WARIKAN_VERIFICATION__ENTRIES_PER_COMMIT", "1")];
            let name = "one request in each commit";
            self.measure(out, name, before / 2, &alone).await?;
        }
        if let Some(database) = &self.naive {
            self.measure_naive(out, before / 2, database).await?;
        }
        let after = yardstick::rsa_verifications_a_second(cores)?;
        writeln!(
            out,
            "| limit: two RSA-2048 verifications on {cores} cores (openssl), before and after | {}, {} | 100 % | | | | | | | | |",
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
        let its = format!("{name}: its challenge");
        line(out, &its, &challenges, None, "")?;
        let part = self.verifications(&stage, ids).await?;
        // What was refused is not told; with refusals it is not known by whom so many are missing.
        let whole = match part.refused {
            0 => self.told(&stage).await?.as_millis().to_string(),
            _ => String::new(),
        };
        let Host::Platform(platform) = &stage.host else {
            return Ok(());
        };
        let rest = format!("{whole} | {}", platform.resident()? / 1024);
        line(out, name, &part, Some(limit), &rest)
    }

    /// The naive baseline with what a platform's sandbox has signed.
    async fn measure_naive(
        &self,
        out: &mut impl Write,
        limit: u64,
        database: &str,
    ) -> anyhow::Result<()> {
        let mut stage = self.stage(&[]).await?;
        let roots = stage.host.anyone().roots().await?;
        let folder = tempfile::tempdir()?;
        let database = match database {
            "sqlite" => format!(
                "sqlite://{}?mode=rwc",
                folder.path().join("naive.db").display()
            ),
            postgres => postgres.to_owned(),
        };
        let naive = Naive::start(&database, &roots, folder.path())?;
        stage.firms = vec![naive.caller.clone(); self.tenants];
        stage.host = Host::Naive(naive);
        let (challenges, ids) = self.challenges(&stage).await?;
        line(out, "naive: its challenge", &challenges, None, "")?;
        let part = self.verifications(&stage, ids).await?;
        line(out, "naive baseline", &part, Some(limit), "")
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
            host: Host::Platform(platform),
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

    async fn verifications(&self, stage: &Stage, ids: Vec<String>) -> anyhow::Result<Part> {
        let numbered = stage.orders.iter().zip(ids).enumerate();
        let requests = numbered.map(|(number, (order, id))| {
            let body = format!("{},\"challenge_id\":\"{id}\"}}", order.body);
            let key = format!("verification-{number}");
            stage.firms[order.firm].post_octets("/v1/verifications", &key, &body)
        });
        let pace = self.rate.map_or(Pace::Closed(self.clients), Pace::Open);
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

fn line(
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
        part.processor.as_micros() / part.created.max(1) as u128,
        if rest.is_empty() { " |" } else { rest },
    )?;
    out.flush()?;
    Ok(())
}
